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
from validation.exact.number import log, number, stated


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
