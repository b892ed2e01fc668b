"""The density of Lewandowski, Kurowicka and Joe on Cholesky factors of correlation matrices, row by row.

A row of i numbers ends in the square root of one less the squares of the others, so that its density is that of a
point in the unit ball of i - 1 dimensions, a power of the distance to its surface.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import finite, has_nan, over_batch, undefined
from validation.exact.number import lgamma, log, number, pi, stated


def log_prob(x: Any, concentration: Any) -> Any:
    """sum_i (D - i + 2 eta - 2) log L_ii - log Z, i = 2 ... D; Z is the product of integrals over balls.

    Source: lewandowski-2009, section 3
    """

    def density(x: Any, eta: Any) -> Any:
        size, diagonal = len(x), np.diagonal(x)[1:]
        used = x[np.tril_indices(size)]
        if eta.stated or not eta > 0 or has_nan(used):
            return undefined(used, eta)
        if not finite(used) or not all(d > 0 for d in [x[0, 0], *diagonal]):
            return stated(-inf)
        terms = ((size - i + 2 * eta - 2) * log(d) - log_ball(i - 1, size, eta) for i, d in enumerate(diagonal, 2))
        return sum(terms, number(0) * eta)

    return over_batch(density, (2, 0), x, concentration)


def log_ball(dimensions: int, size: int, eta: Any) -> Any:
    """The integral of (1 - |l|^2)^(eta - 1 + (D - i)/2) over the unit ball of i - 1 dimensions, as a logarithm."""
    power = eta + number(size - 1 - dimensions) / 2
    half = number(dimensions) / 2
    return half * log(pi()) + lgamma(power) - lgamma(power + half)


def near(rng: np.random.Generator, size: int, eta: float) -> np.ndarray:
    """A factor where the density is not negligible."""
    factor = np.eye(size)
    for i in range(1, size):
        direction = rng.normal(size=i)
        y = rng.beta(i / 2, eta + (size - 1 - i) / 2)
        y = min(y, 1 - 1e-9)
        factor[i, :i] = direction / np.linalg.norm(direction) * np.sqrt(y)
        factor[i, i] = np.sqrt(1 - y)
    return factor


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, eta: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "concentration": eta}, **keywords)

    for i in range(30):
        eta = short(decades(rng, 0.2, 30))
        yield draw(short(near(rng, 1 + i % 6, eta)), eta)
    for eta in (1e3, 1e5, 1e8, 1e10, 1e12, 1e15):
        for size in (2, 3, 6):
            given = eta * rng.uniform(0.5, 1)
            yield draw(near(rng, size, given), given, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for eta in (1e-12, 1e-6, 1e-3):
        for size in (2, 5):
            yield draw(near(rng, size, 0.5), eta, flags=("NEAR_POLE",), difficulty=4)
    for size in (10, 20, 50):
        yield draw(near(rng, size, 1.0), 1.0, difficulty=3)
        yield draw(near(rng, size, 3.5), 3.5, difficulty=3)
    for size in (2, 3, 4):
        yield draw(np.eye(size), 1.0, flags=("SUPPORT_EDGE",))
        yield draw(np.eye(size), 2.5, flags=("ZERO_LOG_ZERO",))
    for last in (1e-8, 1e-160, 1e-300, 5e-324):  # correlations of nearly one
        flags = ("SUBNORMAL", "SATURATION") if last < 1e-307 else ("SATURATION",)
        yield draw(np.array([[1.0, 0.0], [1.0, last]]), 1.5, flags=flags, difficulty=4)
    x = short(near(rng, 3, 1.0))
    yield draw(np.stack([x, np.eye(3)]), np.array([[0.5], [1.0], [7.0]]), flags=("BROADCAST",))
    yield draw(x, np.array([0.5, 16.0]), flags=("BROADCAST",))
    yield draw(
        x + np.triu(np.ones((3, 3)), 1), 2.0, flags=("AMBIGUOUS_CONVENTION",)
    )  # above the diagonal nothing is read
    for bad in (-1.0, 0.0):
        yield draw(x * np.where(np.eye(3) * [0, 1, 0] > 0, bad, 1.0), 2.0, flags=("OUT_OF_SUPPORT",))
    yield draw(x * [[1], [1], [-1]], 2.0, flags=("OUT_OF_SUPPORT",))
    for eta in (0.0, -0.5, nan, inf):
        yield draw(x, eta, result="invalid")
    yield draw(x * [[1], [nan], [1]], 2.0, result="invalid")
