"""What the definitions of the losses on two views share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import decades, short


def view_draws(rng: np.random.Generator) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Two views and keywords: generic, of all sizes, far from 0, equal, with features that do not vary or agree."""
    for _ in range(30):
        n, d = rng.integers(2, 6), rng.integers(1, 4)
        x = short(rng.normal(size=(n, d)))
        yield x, short(x + rng.normal(size=(n, d)) / 2), {}
    for _ in range(6):
        x = rng.normal(size=(4, 3)) * decades(rng, 1e-3, 1e3)
        yield x, x * rng.uniform(0.5, 2, size=(4, 3)), {"difficulty": 2}
    for far in (1e2, 1e5, 1e8):  # sums of squares less squares of sums have no digits left
        x = rng.normal(size=(4, 3)) + far * rng.normal(size=(1, 3))
        yield x, x + rng.normal(size=(4, 3)), {"flags": ("CANCELLATION",), "difficulty": 4}
        yield x, rng.normal(size=(4, 3)), {"flags": ("CANCELLATION",), "difficulty": 4}
    for gap in (1e-3, 1e-8, 1e-13):  # views that almost agree
        x = rng.normal(size=(4, 3))
        yield x, x + gap * rng.normal(size=(4, 3)), {"flags": ("CANCELLATION",), "difficulty": 4}
    for factor in (1.0, 2.0, -1.0):
        x = np.array([[1.0, 2.0], [3.0, 7.0], [-2.0, 0.5], [2.0, -1.5]])
        yield x, factor * x, {"flags": ("TIE",), "difficulty": 2}
    x = short(rng.normal(size=(4, 3)))
    x[:, 2] = x[:, 0]
    yield x, short(rng.normal(size=(4, 3))), {"flags": ("TIE",), "difficulty": 2}  # two features that are the same
    for size in (1e-200, 1e-30, 1e30):
        yield size * rng.normal(size=(4, 2)), size * rng.normal(size=(4, 2)), {"flags": ("OVERFLOW_F32",)}


def without_variance(rng: np.random.Generator) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Views of which a feature does not vary; one row; none."""
    for n in (2, 4):
        x = short(rng.normal(size=(n, 2)))
        x[:, 1] = 1.5
        yield x, short(rng.normal(size=(n, 2))), {"flags": ("ZERO_DISTANCE",), "difficulty": 3}
        yield x, x, {"flags": ("ZERO_DISTANCE",), "difficulty": 3}
    yield np.array([[1.0, 2.0]]), np.array([[2.0, 2.5]]), {"flags": ("EMPTY_ROW",), "difficulty": 3}
    yield np.zeros((0, 2)), np.zeros((0, 2)), {"flags": ("EMPTY_ROW",)}
