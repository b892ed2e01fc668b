"""Beta log density of a million points, value and three gradients, against torch with automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from refengine.backends.numba.distributions import beta
from validation.benchmarks._compare import Comparison, compare

POINTS = 10**6
SHAPES = ((0.1, 100.0), (1.0, 10.0), (100.0, 1e4))
LIMIT = 0.3


def run() -> Iterator[Comparison]:
    """Shapes over three decades, small ones, and large ones."""
    for low, high in SHAPES:
        arrays = _draw(low, high)
        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        yield compare(
            f"beta.log_prob, {POINTS} points, shapes {low:g} to {high:g}",
            partial(_ours, *arrays),
            partial(_theirs, *tensors),
            peer="torch.distributions.Beta",
            limit=LIMIT,
            floor=partial(_floor, *arrays),
            memory=True,
        )


def _draw(low: float, high: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = np.exp(rng.uniform(np.log(low), np.log(high), (2, POINTS)))
    return [np.clip(rng.beta(a, b), 1e-300, 1 - 2.0**-53), a, b]


def _ours(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> Any:
    return beta.log_prob_value_and_vjp(1.0, x, a, b)


def _theirs(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> Any:
    value = torch.distributions.Beta(a, b, validate_args=False).log_prob(x)
    return value, torch.autograd.grad(value.sum(), (x, a, b))


def _floor(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> Any:
    """Three arrays read, four written, one logarithm."""
    return np.log(x), x + a, a + b, x + b
