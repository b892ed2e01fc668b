"""The inverse Wishart density as it is written, with determinants and inverses by elimination."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from validation.exact.distributions import wishart
from validation.exact.distributions.wishart import RANKS, log_multivariate_gamma
from validation.exact.draws import Draw
from validation.exact.linear_algebra import (
    eliminate,
    finite,
    from_lower,
    has_nan,
    log_det,
    over_batch,
    solve,
    symmetric,
    undefined,
)
from validation.exact.number import digamma, log, number, stated


def log_prob(x: Any, df: Any, scale_matrix: Any, part: Any = symmetric) -> Any:
    """n/2 log det V - (n + D + 1)/2 log det X - tr(V X^-1)/2 - n D/2 log 2 - log Gamma_D(n/2).

    Source: mardia-1979, eq. 3.8.2
    """

    def density(x: Any, df: Any, scale_matrix: Any) -> Any:
        size, scale = len(x), eliminate(part(scale_matrix)) if finite(scale_matrix, df) and not has_nan(x) else None
        if scale is None or not df > size - 1:
            return undefined(x, df, scale_matrix)
        factors = eliminate(part(x)) if finite(x) else None
        if factors is None:
            return stated(-inf)
        trace = np.trace(solve(factors, part(scale_matrix)))
        terms = df * log_det(scale) - (df + size + 1) * log_det(factors) - trace - df * size * log(number(2))
        return terms / 2 - log_multivariate_gamma(df / 2, size)

    return over_batch(density, RANKS, x, df, scale_matrix)


def lower_triangle(x: Any, df: Any, scale_matrix: Any) -> Any:
    """The convention in which only the lower triangles are read: off-diagonal derivatives are doubled."""
    return log_prob(x, df, scale_matrix, part=from_lower)


def near(rng: np.random.Generator, df: float, scale_matrix: np.ndarray) -> np.ndarray:
    """A matrix where the density is not negligible."""
    found = np.linalg.inv(wishart.near(rng, df, np.linalg.inv(scale_matrix)))
    lower = np.tril(found)
    return lower + np.tril(lower, -1).T


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from wishart.draws(rng, near, lower_triangle)


def entropy(df: Any, scale_matrix: Any) -> Any:
    """Minus the expectation of the log density: E log det X = log det V - D log 2 - sum psi, E tr(V X^-1) = n D.

    Source: mardia-1979, eq. 3.8.2
    """

    def one(n: Any, size: int, v: Any, factors: Any) -> Any:
        digammas = sum((digamma((n - i) / 2) for i in range(size)), number(0))
        expected = log_det(factors) - size * log(number(2)) - digammas
        constant = n * size * log(number(2)) / 2 - n * log_det(factors) / 2 + log_multivariate_gamma(n / 2, size)
        return constant + (n + size + 1) / 2 * expected + n * size / 2

    return wishart._of_parameters(one, df, scale_matrix, inner=False)


def mean(df: Any, scale_matrix: Any) -> Any:
    """V / (n - D - 1).

    Source: mardia-1979, eq. 3.8.3
    """
    return wishart._of_parameters(
        lambda n, size, v, factors: v * (1 / (n - size - 1)) if n > size + 1 else None, df, scale_matrix
    )


def mode(df: Any, scale_matrix: Any) -> Any:
    """V / (n + D + 1).

    Source: mardia-1979, eq. 3.8.2
    """
    return wishart._of_parameters(lambda n, size, v, factors: v * (1 / (n + size + 1)), df, scale_matrix)


def variance(df: Any, scale_matrix: Any) -> Any:
    """((n - D + 1) V_ij^2 + (n - D - 1) V_ii V_jj) / ((n - D) (n - D - 1)^2 (n - D - 3)).

    Source: press-1982, section 5.2
    """

    def one(n: Any, size: int, v: Any, factors: Any) -> Any:
        if not n > size + 3:
            return None
        m = n - size
        above = (m + 1) * (v * v) + (m - 1) * np.outer(np.diagonal(v), np.diagonal(v))
        return above * (1 / (m * (m - 1) * (m - 1) * (m - 3)))

    return wishart._of_parameters(one, df, scale_matrix)


draw_entropy = draw_mean = draw_mode = wishart.draw_entropy
draw_variance = wishart.draw_variance
