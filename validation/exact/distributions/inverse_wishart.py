"""The inverse Wishart density as it is written, with determinants and inverses by elimination."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.distributions.inverse_wishart import Noise, Parameters
from refengine.distributions.inverse_wishart import maximum_likelihood as guess
from validation.exact.distributions import wishart
from validation.exact.distributions.wishart import RANKS, gamma_quantile, log_multivariate_gamma
from validation.exact.draws import Draw
from validation.exact.linear_algebra import (
    eliminate,
    finite,
    from_lower,
    has_nan,
    log_det,
    over_batch,
    solve,
    square_root,
    symmetric,
    undefined,
    undefined_array,
)
from validation.exact.number import digamma, log, number, sqrt, stated


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


def kl_divergence(df_p: Any, scale_matrix_p: Any, df_q: Any, scale_matrix_q: Any) -> Any:
    """The expectation under p of the difference of the log densities: E log det X and E X^-1 = n V^-1 of the inverse.

    Source: kullback-1959, chapter 9
    """

    def one(n_p: Any, v_p: Any, n_q: Any, v_q: Any) -> Any:
        fine, size = finite(n_p, v_p, n_q, v_q), len(v_p)
        p, q = (eliminate(symmetric(v_p)), eliminate(symmetric(v_q))) if fine else (None, None)
        if p is None or q is None or not n_p > size - 1 or not n_q > size - 1:
            return undefined(n_p, v_p, n_q, v_q)
        digammas = sum((digamma((n_p - i) / 2) for i in range(size)), number(0))
        expected = log_det(p) - size * log(number(2)) - digammas

        def part(n: Any, factors: Any, v: Any) -> Any:
            trace = n_p * np.trace(solve(p, symmetric(v)))
            terms = n * log_det(factors) - (n + size + 1) * expected - trace - n * size * log(number(2))
            return terms / 2 - log_multivariate_gamma(n / 2, size)

        return part(n_p, p, v_p) - part(n_q, q, v_q)

    return over_batch(one, (0, 2, 0, 2), df_p, scale_matrix_p, df_q, scale_matrix_q)


def sample(noise: Noise, df: Any, scale_matrix: Any) -> Any:
    """L (A A')^-1 L' with Cholesky's L, normals below the diagonal of A and roots of chi-square variates on it.

    Source: kshirsagar-1959
    """

    def one(z: Any, u: Any, n: Any, v: Any) -> Any:
        size = len(v)
        below = z[np.tril_indices(size, -1)]
        fine = finite(below, u, n, v) and n > size - 1 and all(0 < x < 1 for x in u)
        factors = eliminate(symmetric(v)) if fine else None
        if factors is None:
            return undefined_array(v.shape, below, u, n, v)
        a = np.array([[z[i, j] if i > j else number(0) for j in range(size)] for i in range(size)], dtype=object)
        for i in range(size):
            a[i, i] = sqrt(2 * gamma_quantile((n - i) / 2, u[i]))
        root = square_root(factors)
        return root @ solve(eliminate(a @ a.T), root.T)

    return over_batch(one, (2, 1, 0, 2), noise.normal, noise.uniform, df, scale_matrix)


def maximum_likelihood(data: Any) -> Parameters:
    """That of the inverses, which are Wishart matrices of the inverse scale matrix.

    Source: mardia-1979, eq. 3.8.2
    """
    factors = wishart.usable(data)
    if factors is None:
        return Parameters(undefined(data), undefined_array(data.shape[1:], data))
    unit = np.array([[number(i == j) for j in range(data.shape[1])] for i in range(data.shape[1])], dtype=object)
    mean = sum((solve(f, unit) for f in factors[1:]), solve(factors[0], unit)) / len(data)
    of_mean = eliminate(mean)
    gap = log_det(of_mean) + sum((log_det(f) for f in factors), number(0)) / len(data)
    n = wishart.degrees(gap, len(mean), float(guess(wishart.as_floats(data)).df))
    return Parameters(n, n * solve(of_mean, unit))


draw_entropy = draw_mean = draw_mode = wishart.draw_entropy
draw_variance = wishart.draw_variance
draw_sample = wishart.draw_sample


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from (d for d in wishart.draw_kl_divergence(rng) if d.arguments["scale_matrix_q"].shape[-1] < 5)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from wishart.estimate_draws(rng, near)
