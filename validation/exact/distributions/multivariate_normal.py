"""The multivariate normal density as it is written: a quadratic form and a determinant by elimination."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._matrices import covariance_like, matrix_draws
from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import (
    eliminate,
    finite,
    form,
    forward,
    from_lower,
    has_nan,
    log_det,
    over_batch,
    symmetric,
    undefined,
)
from validation.exact.number import log, number, pi, stated

RANKS = (1, 1, 2)


def log_prob(x: Any, mean: Any, covariance: Any, part: Any = symmetric) -> Any:
    """-(x - m)' S^-1 (x - m) / 2 - log det(2 pi S) / 2; of S, the symmetric part.

    Source: bishop-2006, eq. 2.43
    """

    def density(x: Any, mean: Any, covariance: Any) -> Any:
        factors = eliminate(part(covariance)) if finite(mean, covariance) and not has_nan(x) else None
        if factors is None:
            return undefined(x, mean, covariance)
        return _density(x, lambda: -form(factors, x - mean) - log_det(factors))

    return over_batch(density, RANKS, x, mean, covariance)


def log_prob_cholesky(x: Any, mean: Any, cholesky: Any) -> Any:
    """The same for S = L L', where L is the lower triangle of the argument.

    Source: bishop-2006, eq. 2.43
    """

    def density(x: Any, mean: Any, cholesky: Any) -> Any:
        used = cholesky[np.tril_indices(len(x))]
        if not finite(mean, used) or has_nan(x) or not all(d > 0 for d in np.diagonal(cholesky)):
            return undefined(x, mean, used)

        def terms() -> Any:
            z = forward(cholesky, x - mean)
            return -(z * z).sum() - 2 * log(np.diagonal(cholesky)).sum()

        return _density(x, terms)

    return over_batch(density, RANKS, x, mean, cholesky)


def log_prob_precision(x: Any, mean: Any, precision: Any, part: Any = symmetric) -> Any:
    """The same for S = P^-1; of P, the symmetric part.

    Source: bishop-2006, eq. 2.43
    """

    def density(x: Any, mean: Any, precision: Any) -> Any:
        p = part(precision)
        factors = eliminate(p) if finite(mean, precision) and not has_nan(x) else None
        if factors is None:
            return undefined(x, mean, precision)
        return _density(x, lambda: log_det(factors) - ((x - mean) * (p @ (x - mean))).sum())

    return over_batch(density, RANKS, x, mean, precision)


def lower_triangle(definition: Any) -> Any:
    """The convention in which only the lower triangle is read: off-diagonal derivatives are doubled."""
    return lambda *arguments: definition(*arguments, part=from_lower)


def _density(x: Any, terms: Any) -> Any:
    if not finite(x):
        return stated(-inf)
    return (terms() - len(x) * log(2 * pi())) / number(2)


def _draws(
    rng: np.random.Generator, name: str, make: Any, sizes: tuple[int, ...] = (20,), **conventions: Any
) -> Iterator[Draw]:
    def draw(x: Any, mean: Any, matrix: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "mean": mean, name: matrix}, **keywords)

    for size, matrix, flags, difficulty in matrix_draws(rng, make, sizes=sizes):
        mean = short(rng.normal(size=size) * decades(rng, 0.1, 10))
        root = np.linalg.cholesky(matrix) if name != "cholesky" else np.tril(matrix)
        z = rng.normal(size=size) * rng.choice([0.1, 1, 1, 5])
        step = np.linalg.solve(root.T, z) if name == "precision" else root @ z
        x = mean + (short(step) if difficulty == 1 else step)
        yield draw(x, mean, matrix, flags=flags, difficulty=difficulty)
    matrix = make(rng, 3)
    for shape in ((4, 3), (2, 1, 3)):
        x = short(rng.normal(size=shape))
        yield draw(x, short(rng.normal(size=3)), matrix, flags=("BROADCAST",))
        several = np.stack([make(rng, 3), make(rng, 3)])
        mean = short(rng.normal(size=(2, 3)))
        yield draw(x[:1], mean, several, flags=("BROADCAST",))
    yield draw(short(rng.normal(size=2)), np.zeros(2), np.stack([make(rng, 2)] * 3), flags=("BROADCAST",))
    for scale in (1e-300, 1e-150, 1e150, 1e280):
        unit = np.sqrt(scale) if name == "cholesky" else scale
        x = np.array([1.0, -2.0, 0.5]) * (scale**-0.5 if name == "precision" else scale**0.5)
        yield draw(x, np.zeros(3), matrix * unit, flags=("OVERFLOW_F32",), difficulty=4)
    for gap in (1e-15, 1e-9):  # next to the mean
        mean = np.array([3.0, -1.0, 0.25])
        yield draw(mean * (1 + gap), mean, matrix, flags=("CANCELLATION",), difficulty=4)
    yield draw(mean, mean, matrix, flags=("ZERO_DISTANCE",))
    opposite = np.diag([2.0**40, 2.0**-40]) @ make(rng, 2) @ np.diag([2.0**40, 2.0**-40])
    opposite = np.tril(opposite) if name == "cholesky" else opposite
    yield draw(np.array([0.5, 0.25]), np.zeros(2), opposite, flags=("CANCELLATION",), difficulty=4)
    crooked = matrix.copy()
    crooked[0, 2] += 0.125
    flags = ("AMBIGUOUS_CONVENTION",)
    x, mean = short(rng.normal(size=3)), short(rng.normal(size=3))
    for given in (crooked, matrix, make(rng, 1), make(rng, 4)):
        point = (x, mean) if len(given) == 3 else (np.ones(len(given)), np.zeros(len(given)))
        yield draw(
            *point, given, flags=flags, result="ambiguous" if conventions else "required", alternatives=conventions
        )
    for i, value in ((0, inf), (2, -inf)):
        yield draw(np.where(np.arange(3) == i, value, x), mean, matrix, flags=("OUT_OF_SUPPORT",))
    yield draw(x * nan, mean, matrix, result="invalid")
    yield draw(x, mean * [1, nan, 1], matrix, result="invalid")
    yield draw(x, mean * [inf, 1, 1], matrix, result="invalid")
    yield draw(x, mean, matrix * [[1, 1, 1], [nan, 1, 1], [1, 1, 1]], result="invalid")
    yield draw(x, mean, -matrix, result="invalid")
    yield draw(x, mean, np.zeros((3, 3)), result="invalid")
    if name != "cholesky":
        yield draw(x[:2], mean[:2], np.ones((2, 2)), result="invalid")
        yield draw(x[:2], mean[:2], np.array([[1.0, 2.0], [2.0, 1.0]]), result="invalid")


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "covariance", covariance_like, (20, 50), lower_triangle=lower_triangle(log_prob))


def draw_log_prob_precision(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "precision", covariance_like, lower_triangle=lower_triangle(log_prob_precision))


def draw_log_prob_cholesky(rng: np.random.Generator) -> Iterator[Draw]:
    def make(rng: np.random.Generator, size: int, condition: float = 10.0) -> Any:
        upper = np.triu(short(rng.normal(size=(size, size))), 1)  # which is not read
        return np.linalg.cholesky(covariance_like(rng, size, condition)) + upper

    yield from _draws(rng, "cholesky", make)
