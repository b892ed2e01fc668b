r"""Multivariate t distribution with n degrees of freedom, centre m and scale matrix S.

Axes: D coordinates; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric part
is read, and its cotangent is symmetric (`refengine.distributions.multivariate_normal` says more).
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions import _half_steps, _matrix
from refengine.domains import Array, Positive, Real
from refengine.special._saddle_point import log1p_minus

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(x: Real, df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Logarithm of the multivariate t density, accurate for degrees of freedom of any size.

    .. math:: \log f(x; n, m, S) = \log\frac{\Gamma(\frac{n+D}2)}{\Gamma(\frac n2)} - \tfrac D2 \log(n \pi)
              - \tfrac12 \log\det S - \tfrac{n+D}2 \log\left(1 + \tfrac1n (x-m)^\top S^{-1} (x-m)\right)

    x, mean: (..., D); df: (...); scale_matrix: (..., D, D); the result has shape (...). float32 when every floating
    array is, else float64, and float64 inside. An infinite coordinate lies outside the support: -inf with zero
    gradient. A scale matrix whose symmetric part is not positive definite, df not positive, infinite parameters, and
    nan: nan. Accurate as long as the quadratic form does not overflow. S is the covariance times (n - 2) / n. Kotz and
    Nadarajah (2004), Multivariate t Distributions and Their Applications, eq. 1.1.

    >>> round(float(log_prob([1.0], 1.0, [0.0], [[1.0]])), 12)  # Cauchy: -log(2 pi)
    -1.837877066409
    """
    xp, dtype, *arrays = _checked(x, df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        return xp.astype(_parts(xp, *arrays).value, dtype, copy=False)


def log_prob_vjp(
    g: Array, x: Real, df: Positive, mean: Real, scale_matrix: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, mean and scale_matrix.

    With :math:`a = S^{-1}(x - m)`, :math:`q = (x-m)^\top a`, :math:`t = q/n` and :math:`w = (n + D)/(n + q)`:

    .. math:: \bar x = -g w a, \qquad \bar m = g w a, \qquad \bar S = \tfrac g2 (w a a^\top - S^{-1}), \qquad
              \bar n = \tfrac g2 \left( \left[ \psi(\tfrac{n+D}2) - \psi(\tfrac n2) - \tfrac Dn \right]
              - \left[ \log(1 + t) - \tfrac t{1+t} \right] + \tfrac Dn \tfrac t{1+t} \right)

    For large n the brackets are of the order :math:`n^{-2}`; each is computed without what cancels in it.
    """
    return log_prob_value_and_vjp(g, x, df, mean, scale_matrix)[1]


def log_prob_value_and_vjp(
    g: Array, x: Real, df: Positive, mean: Real, scale_matrix: Real
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share the factor.

    >>> value, (dx, ddf, dmean, dscale) = log_prob_value_and_vjp(1.0, [1.0], 1.0, [0.0], [[1.0]])
    >>> dx.tolist(), dmean.tolist(), dscale.tolist()
    ([-1.0], [1.0], [[0.0]])
    """
    xp, dtype, x1, df1, mean1, matrix = _checked(x, df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        parts = _parts(xp, x1, df1, mean1, matrix)
        size, outside = x1.shape[-1], parts.outside
        share, t = parts.q / (df1 + parts.q), parts.q / df1
        bent = xp.where(t <= 0.5, log1p_minus(xp, xp.where(t <= 0.5, t, 0.0)) + t * share, xp.log1p(t) - share)
        to_df = (_half_steps.digamma_rise(xp, df1 / 2, size) - bent + size / df1 * share) / 2
        g = _matrix.cotangent(xp, g, parts.value.shape)
        g = xp.where(xp.isnan(parts.value), xp.nan, xp.where(outside, 0.0, g))
        a = xp.where(outside[..., None], 0.0, xp.broadcast_to(parts.a, (*g.shape, size)))
        pull = (g * xp.where(outside, 0.0, (df1 + size) / (df1 + parts.q)))[..., None] * a
        slope = _matrix.sum_outer(xp, a, pull, matrix)
        slope = (slope - _matrix.shared(xp, g, _matrix.inverse(xp, parts.factor), matrix)) / 2
        to_df = unbroadcast(g * xp.where(outside, 0.0, to_df), df1, dtype)
        cotangents = unbroadcast(-pull, x1, dtype), to_df, unbroadcast(pull, mean1, dtype)
        return xp.astype(parts.value, dtype, copy=False), (*cotangents, xp.astype(slope, dtype, copy=False))


class _Parts(NamedTuple):
    value: Array
    factor: Array
    q: Array
    a: Array
    outside: Array


def _checked(x: Array, df: Array, mean: Array, scale_matrix: Array) -> tuple[Any, ...]:
    return _matrix.batched("x mean", "scale_matrix", x=x, df=df, mean=mean, scale_matrix=scale_matrix)


def _parts(xp: Any, x: Array, df: Array, mean: Array, scale_matrix: Array) -> _Parts:
    """The log density, and with what it shares with its gradient."""
    size, factor = x.shape[-1], _matrix.cholesky(xp, _matrix.symmetric(xp, scale_matrix))
    z = _matrix.solve_lower(xp, factor, x - mean)
    q = xp.sum(z * z, axis=-1)
    scale = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor))
    constant = _half_steps.log_ratio(xp, df / 2, size) - size * log(2 * pi) / 2
    value = constant - scale - (df + size) / 2 * xp.log1p(q / df)
    outside = xp.broadcast_to(xp.any(xp.isinf(x), axis=-1), value.shape)
    defined = xp.all(xp.isfinite(mean), axis=-1) & ~xp.any(xp.isnan(x), axis=-1) & _matrix.valid(xp, factor)
    defined = defined & (df > 0) & (df < xp.inf)
    value = xp.where(defined, xp.where(outside, -xp.inf, value), xp.nan)
    return _Parts(value, factor, q, _matrix.solve_upper(xp, factor, z), outside)
