"""The multivariate t density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._matrices import covariance_like, matrix_draws, parameter_draws
from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import (
    eliminate,
    finite,
    form,
    from_lower,
    has_nan,
    log_det,
    over_batch,
    symmetric,
    undefined,
    undefined_array,
)
from validation.exact.number import digamma, lgamma, log, pi, stated


def log_prob(x: Any, df: Any, mean: Any, scale_matrix: Any, part: Any = symmetric) -> Any:
    """log Gamma((n + D)/2) - log Gamma(n/2) - D/2 log(pi n) - log det S / 2 - (n + D)/2 log(1 + r' S^-1 r / n).

    Source: kotz-nadarajah-2004, eq. 1.1
    """

    def density(x: Any, df: Any, mean: Any, scale_matrix: Any) -> Any:
        size = len(x)
        factors = eliminate(part(scale_matrix)) if finite(mean, scale_matrix, df) and not has_nan(x) else None
        if factors is None or not df > 0:
            return undefined(x, df, mean, scale_matrix)
        if not finite(x):
            return stated(-inf)
        q = form(factors, x - mean)
        constant = lgamma((df + size) / 2) - lgamma(df / 2) - size * log(pi() * df) / 2
        return constant - log_det(factors) / 2 - (df + size) / 2 * log(1 + q / df)

    return over_batch(density, (1, 0, 1, 2), x, df, mean, scale_matrix)


def lower_triangle(x: Any, df: Any, mean: Any, scale_matrix: Any) -> Any:
    """The convention in which only the lower triangle is read: off-diagonal derivatives are doubled."""
    return log_prob(x, df, mean, scale_matrix, part=from_lower)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, df: Any, mean: Any, matrix: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "df": df, "mean": mean, "scale_matrix": matrix}, **keywords)

    for size, matrix, flags, difficulty in matrix_draws(rng, covariance_like):
        mean, df = short(rng.normal(size=size) * decades(rng, 0.1, 10)), short(decades(rng, 0.3, 100))
        step = np.linalg.cholesky(matrix) @ rng.normal(size=size) * rng.choice([0.1, 1, 1, 30])
        yield draw(
            mean + (short(step) if difficulty == 1 else step), df, mean, matrix, flags=flags, difficulty=difficulty
        )
    for df in (1e3, 1e5, 1e7, 1e8, 1e10, 1e12, 1e14, 1e15):
        for size in (1, 2, 5):
            matrix = covariance_like(rng, size)
            x = np.linalg.cholesky(matrix) @ rng.normal(size=size)
            yield draw(
                x,
                df * rng.uniform(0.5, 1),
                np.zeros(size),
                matrix,
                flags=("HUGE_PARAMETER", "CANCELLATION"),
                difficulty=4,
            )
    for df, size in ((1e-3, 2), (1e-2, 3), (0.1, 1), (0.1, 4), (31.9, 3), (32.1, 3), (1.49, 1), (1.51, 1), (1.0, 9)):
        matrix = covariance_like(rng, size)
        yield draw(short(rng.normal(size=size)), df, np.zeros(size), matrix, flags=("WRONG_BRANCH",), difficulty=3)
    matrix, df = covariance_like(rng, 3), 5.0
    for reach in (1e8, 1e100, 1e150, 1e-9, 1e-100):  # far out, and next to the centre
        yield draw(np.array([1.0, -2.0, 0.5]) * reach, df, np.zeros(3), matrix, flags=("CANCELLATION",), difficulty=4)
    yield draw(np.ones(3), df, np.ones(3), matrix, flags=("ZERO_DISTANCE",))
    yield draw(np.ones(2), 1e9, np.ones(2), matrix[:2, :2], flags=("ZERO_DISTANCE",))
    for shape in ((4, 3), (2, 1, 3)):
        x = short(rng.normal(size=shape))
        yield draw(x, np.array(2.5), short(rng.normal(size=3)), matrix, flags=("BROADCAST",))
        several = np.stack([covariance_like(rng, 3), covariance_like(rng, 3)])
        yield draw(x[:1], np.array([[1.5], [40.0]]), short(rng.normal(size=3)), several, flags=("BROADCAST",))
    x, mean, crooked = short(rng.normal(size=3)), short(rng.normal(size=3)), matrix.copy()
    crooked[0, 2] += 0.125
    for given in (crooked, matrix):
        conventions = {"lower_triangle": lower_triangle}
        flags = ("AMBIGUOUS_CONVENTION",)
        yield draw(x, df, mean, given, flags=flags, result="ambiguous", alternatives=conventions)
    yield draw(np.array([1.0, inf, 0.0]), df, mean, matrix, flags=("OUT_OF_SUPPORT",))
    yield draw(x * nan, df, mean, matrix, result="invalid")
    yield draw(x, df, mean * [1, nan, 1], matrix, result="invalid")
    yield draw(x, df, mean, -matrix, result="invalid")
    for bad in (0.0, -1.0, nan, inf):
        yield draw(x, bad, mean, matrix, result="invalid")


def entropy(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """Minus the expectation of the log density: that of log(1 + q / n) is a difference of digammas.

    Source: kotz-nadarajah-2004
    """

    def one(n: Any, m: Any, s: Any) -> Any:
        size = len(m)
        constant = lgamma((n + size) / 2) - lgamma(n / 2) - size * log(pi() * n) / 2
        spread = (n + size) / 2 * (digamma((n + size) / 2) - digamma(n / 2))
        return log_det(eliminate(s)) / 2 - constant + spread

    return _of_parameters(one, df, mean, scale_matrix, inner=False)


def mean(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """m, where n > 1.

    Source: kotz-nadarajah-2004
    """
    return _of_parameters(lambda n, m, s: m if n > 1 else None, df, mean, scale_matrix)


def mode(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """m.

    Source: kotz-nadarajah-2004, eq. 1.1
    """
    return _of_parameters(lambda n, m, s: m, df, mean, scale_matrix)


def variance(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """n / (n - 2) times the diagonal of S, infinite where 1 < n <= 2.

    Source: kotz-nadarajah-2004
    """

    def one(n: Any, m: Any, s: Any) -> Any:
        if n > 2:
            return np.diagonal(s) * (n / (n - 2))
        return np.array([stated(inf) for _ in m], dtype=object) if n > 1 else None

    return _of_parameters(one, df, mean, scale_matrix)


def _of_parameters(function: Any, df: Any, mean: Any, scale_matrix: Any, inner: bool = True) -> Any:
    def one(n: Any, m: Any, s: Any) -> Any:
        fine = finite(n, m, s) and n > 0 and eliminate(symmetric(s)) is not None
        found = function(n, m, symmetric(s)) if fine else None
        if found is None:
            return undefined_array(m.shape, n, m, s) if inner else undefined(n, m, s)
        return found

    return over_batch(one, (0, 1, 2), df, mean, scale_matrix)


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    def make(rng: np.random.Generator, size: int) -> dict[str, Any]:
        df = short(decades(rng, 0.3, 100)) if rng.uniform() < 0.7 else decades(rng, 1e-2, 1e6)
        return {"df": df, "mean": short(rng.normal(size=size) * decades(rng, 0.1, 10))}

    yield from parameter_draws(rng, make, "scale_matrix")
    for df in (1e3, 1e6, 1e9, 1e12, 1e15):
        for size in (1, 2, 3, 5):
            arguments = {"df": df, "mean": np.zeros(size), "scale_matrix": covariance_like(rng, size)}
            yield Draw(arguments, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for df in (0.75, 1.0, 1.5, 2.0, 2.0 + 2.0**-40, 31.75, 32.5):
        arguments = {"df": df, "mean": np.ones(3), "scale_matrix": covariance_like(rng, 3)}
        yield Draw(arguments, flags=("SUPPORT_EDGE",), difficulty=2)
    for df in (0.0, -1.0):
        yield Draw(arguments | {"df": df}, result="invalid")


draw_mean = draw_mode = draw_variance = draw_entropy
