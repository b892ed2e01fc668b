"""Positive definite matrices to test with: of few bits, graded, and ill-conditioned in bases of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from validation.exact.draws import decades, short


def covariance_like(rng: np.random.Generator, size: int, condition: float = 10.0) -> np.ndarray:
    """A symmetric matrix whose eigenvalues span the condition number; of few bits where that is small."""
    basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
    values = condition ** -np.linspace(0, 1, size) * decades(rng, 0.2, 5)
    matrix = (basis * values) @ basis.T
    lower = np.tril(short(matrix) if condition < 100 else matrix)
    return lower + np.tril(lower, -1).T


def graded(rng: np.random.Generator, size: int, spread: float) -> np.ndarray:
    """A moderate matrix whose rows and columns are in very different units."""
    units = 2.0 ** np.round(rng.uniform(-1, 1, size) * np.log2(spread) / 2)
    return covariance_like(rng, size) * units[:, None] * units


def matrix_draws(
    rng: np.random.Generator, make: Callable[..., Any], sizes: tuple[int, ...] = (20,), most: int = 10
) -> Iterator[tuple[int, np.ndarray, tuple[str, ...], int]]:
    """``size, matrix, flags, difficulty``: moderate, ill-conditioned, and a few large ones."""
    for i in range(18):
        size = 1 + i % 5
        yield size, make(rng, size), (), 1
    for i in range(14):
        size = 2 + i % 5
        yield size, make(rng, size, 10.0 ** rng.integers(3, 7)), ("CANCELLATION",), 3
    for condition in (1e8, 1e9, 1e10, 1e11, 1e12, 1e12):
        size = int(rng.integers(2, 7))
        yield size, make(rng, size, condition), ("CANCELLATION", "NEAR_POLE"), 5
    for size in (8, most, most):
        yield size, make(rng, size, decades(rng, 10, 1e6)), (), 3
    for size in sizes:
        yield size, make(rng, size, 100.0), (), 4
