"""Rows exactly on class vectors, where an angle has no derivative: no gradient of a head is infinite or nan."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from refengine import value_and_vjp
from refengine._walk import Operation, find
from refengine.golden import load

HEADS = {
    path: operation
    for path, operation in find().items()
    if path.startswith("losses.")
    and list(inspect.signature(operation.function).parameters)[:3] == ["x", "weight", "labels"]
}
MORE = {"scale": lambda n: 16.0, "sampled": np.arange, "margins": lambda n: np.full(n, 0.5), "t": lambda n: 0.3}
"""Arguments beyond the first three, for n rows and n classes; 1 where there is none."""


def not_finite(operation: Operation, cases: int, seed: int) -> int:
    """How many of the random cases have a gradient that is not finite."""
    rng, bad = np.random.default_rng(seed), 0
    kinds = load(operation.path).cases[0].arguments
    for _ in range(cases):
        n, d = rng.integers(2, 6), rng.integers(1, 7)
        x = rng.normal(size=(n, d)) * 10 ** rng.uniform(-6, 6)
        weight = x[rng.permutation(n)] * rng.choice([1.0, 1.0, 2.0, -1.0], size=(n, 1))
        if kinds["weight"].ndim == 3:  # several vectors of each class
            weight = np.stack([weight, rng.normal(size=(n, d))], axis=1)
        labels = rng.integers(n, size=n) if rng.uniform() < 0.3 else np.arange(n)
        more = [MORE[name](n) if name in MORE else 1.0 for name in list(operation.domains)[3:]]
        value, gradients = value_and_vjp(operation.function, np.array(1.0), x, weight, labels, *more)
        bad += not (np.isfinite(value) and all(np.all(np.isfinite(g)) for g in gradients))
    return bad


@pytest.mark.parametrize("path", HEADS)
def test_no_gradient_is_lost(path: Any) -> None:
    assert not_finite(HEADS[path], 100, seed=0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("path", HEADS)
def test_no_gradient_is_lost_in_many_cases(path: Any) -> None:
    assert not_finite(HEADS[path], 2_000, seed=1) == 0


def test_heads_are_found() -> None:
    assert {"losses.arcface.loss", "losses.normface.loss", "losses.circle.loss_class"} <= set(HEADS)
