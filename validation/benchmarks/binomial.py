"""Binomial log probability of a million points, value and gradient, against torch and jax."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from refengine.backends.numba.distributions import binomial
from validation.benchmarks._compare import Comparison, compare

POINTS = 10**6
TRIALS = ((1, 100), (100, 10**6))
LIMIT = 0.3


def run() -> Iterator[Comparison]:
    """Few trials, and many."""
    for low, high in TRIALS:
        arrays = _draw(low, high)
        tensors = [torch.tensor(array) for array in arrays]
        tensors[2].requires_grad_()
        yield compare(
            f"binomial.log_prob, {POINTS} points, {low} to {high} trials",
            partial(_ours, *arrays),
            partial(_theirs, *tensors),
            peer="torch.distributions.Binomial",
            limit=LIMIT,
            floor=partial(_floor, *arrays),
        )
        yield compare(
            f"binomial.log_prob, {POINTS} points, {low} to {high} trials",
            partial(_ours, *arrays),
            _jax(*arrays),
            peer="jax.scipy.stats.binom",
            limit=LIMIT,
        )


def _draw(low: int, high: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    n = np.floor(np.exp(rng.uniform(np.log(low), np.log(high + 1), POINTS)))
    p = rng.uniform(0.01, 0.99, POINTS)
    return [rng.binomial(n.astype(np.int64), p).astype(np.float64), n, p]


def _ours(k: np.ndarray, n: np.ndarray, p: np.ndarray) -> Any:
    return binomial.log_prob_value_and_vjp(1.0, k, n, p)


def _theirs(k: torch.Tensor, n: torch.Tensor, p: torch.Tensor) -> Any:
    value = torch.distributions.Binomial(n, p, validate_args=False).log_prob(k)
    return value, torch.autograd.grad(value.sum(), p)


def _jax(k: np.ndarray, n: np.ndarray, p: np.ndarray) -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)

    def both(k: Any, n: Any, p: Any) -> Any:
        value, back = jax.vjp(lambda q: jax.scipy.stats.binom.logpmf(k, n, q), p)
        return value, back(jax.numpy.ones_like(value))

    compiled, arrays = jax.jit(both), [jax.numpy.asarray(a) for a in (k, n, p)]
    return lambda: jax.block_until_ready(compiled(*arrays))


def _floor(k: np.ndarray, n: np.ndarray, p: np.ndarray) -> Any:
    """Three arrays read, two written, one logarithm."""
    return np.log(p), k + n
