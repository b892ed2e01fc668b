"""Positive definite matrices to test with: of few bits, graded, and ill-conditioned in bases of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short


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


def parameter_draws(
    rng: np.random.Generator, make: Callable[..., dict[str, Any]], matrix: str, most: int = 7
) -> Iterator[Draw]:
    """Cases of a function of parameters alone: ``make(rng, size)`` draws all but the matrix, by name."""

    def draw(rest: dict[str, Any], value: Any, **keywords: Any) -> Draw:
        return Draw(rest | {matrix: value}, **keywords)

    for size, value, flags, difficulty in matrix_draws(rng, covariance_like, sizes=(), most=most):
        yield draw(make(rng, size), value, flags=flags, difficulty=difficulty)
    for i in range(8):
        size = 1 + i % 4
        yield draw(make(rng, size), graded(rng, size, 1e20), flags=("CANCELLATION",), difficulty=4)
    value, rest = covariance_like(rng, 3), make(rng, 3)
    for scale in (1e-290, 1e-100, 1e100, 1e280):
        yield draw(make(rng, 3), value * scale, flags=("OVERFLOW_F32",), difficulty=4)
    yield draw(rest, np.stack([value, covariance_like(rng, 3)]), flags=("BROADCAST",))
    yield draw({k: np.stack([v, make(rng, 3)[k]]) for k, v in rest.items()}, value, flags=("BROADCAST",))
    for name, inner in rest.items():
        yield draw(rest | {name: np.stack([inner, inner])[:, None]}, np.stack([value] * 3), flags=("BROADCAST",))
        yield draw(rest | {name: np.asarray(inner) * np.nan}, value, result="invalid")
        yield draw(rest | {name: np.asarray(inner) * np.inf}, value, result="invalid")
    crooked = value.copy()
    crooked[0, 1] += 0.03125
    yield draw(rest, crooked, flags=("AMBIGUOUS_CONVENTION",))
    for bad in (
        -value,
        np.zeros((3, 3)),
        np.ones((3, 3)),
        value + np.diag([0, np.nan, 0]),
        value + np.diag([0, 0, np.inf]),
    ):
        yield draw(rest, bad, result="invalid")
