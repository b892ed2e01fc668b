r"""What the Wishart and the inverse Wishart density share.

Both are functions of the triangle :math:`K = L_W^{-1} L_U` of two factors, with :math:`U = X, W = V` for the Wishart
and U = V, W = X for its inverse. With :math:`p_i = K_{ii}^2 / n - 1`,

.. math:: \log f = \frac n2 \left( \sum_i [\log(1 + p_i) - p_i] - \frac1n \sum_{i > j} K_{ij}^2 \right)
          + \sum_{i < D} \left[ \frac n2 \log \frac n2 - \frac n2 - \log\Gamma\left(\frac{n - i}2\right) \right]
          - \frac{D+1}2 \log\det X - \frac{D(D-1)}4 \log \pi.

Near the mode p is small, and determinants, traces and gamma functions of the size of n log n have been cancelled on
paper; every term of the first sum is negative.
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions import _half_steps, _matrix
from refengine.domains import Array
from refengine.special._saddle_point import log1p_minus


class Parts(NamedTuple):
    """``value``, the factors of x and of the scale matrix, K, its deviations p, and where x is not in the support."""

    value: Array
    x_factor: Array
    scale_factor: Array
    triangle: Array
    deviations: Array
    outside: Array


def checked(x: Array, df: Array, scale_matrix: Array) -> tuple[Any, ...]:
    return _matrix.batched("", "x scale_matrix", x=x, df=df, scale_matrix=scale_matrix)


def parts(xp: Any, x: Array, df: Array, scale_matrix: Array, inverse: bool) -> Parts:
    """The log density, and with what it shares with its gradient."""
    size, x_factor, scale_factor = x.shape[-1], _factor(xp, x), _factor(xp, scale_matrix)
    upper, lower = (scale_factor, x_factor) if inverse else (x_factor, scale_factor)
    triangle, n = xp.tril(_matrix.left_lower(xp, lower, upper)), df[..., None]
    p = _deviations(xp, _matrix.diagonal(xp, triangle), n)
    off = xp.sum(xp.tril(triangle, k=-1) ** 2, axis=(-2, -1))
    value = df / 2 * xp.sum(_bent(xp, p, _matrix.diagonal(xp, triangle), n), axis=-1) - off / 2
    value = value + sum((_half_steps.stirling_rest(xp, df / 2, i) for i in range(size)), 0.0 * df)
    value = value - (size + 1) * _matrix.sum_of_logs(xp, _matrix.diagonal(xp, x_factor)) - size * (size - 1) / 4 * log(pi)
    outside = xp.broadcast_to(~_matrix.valid(xp, x_factor), value.shape)
    defined = _matrix.valid(xp, scale_factor) & (df > size - 1) & (df < xp.inf) & ~xp.any(xp.isnan(x), axis=(-2, -1))
    value = xp.where(defined, xp.where(outside, -xp.inf, value), xp.nan)
    return Parts(value, x_factor, scale_factor, triangle, p, outside)


def value_and_vjp(g: Array, x: Array, df: Array, scale_matrix: Array, inverse: bool) -> tuple[Array, tuple[Array, ...]]:
    """Value and cotangents of x, df and scale_matrix: see `wishart.log_prob_vjp` and `inverse_wishart.log_prob_vjp`."""
    xp, dtype, x1, df1, matrix = checked(x, df, scale_matrix)
    with np.errstate(all="ignore"):
        found = parts(xp, x1, df1, matrix, inverse)
        size, outside = x1.shape[-1], found.outside
        g = _matrix.cotangent(xp, g, found.value.shape)
        g = xp.where(xp.isnan(found.value), xp.nan, xp.where(outside, 0.0, g))
        to_df = xp.sum(_logs(xp, found.deviations, _matrix.diagonal(xp, found.triangle), df1[..., None]), axis=-1)
        to_df = (to_df + sum((_half_steps.log_minus_digamma_below(xp, df1 / 2, i) for i in range(size)), 0.0 * df1)) / 2
        lower = found.x_factor if inverse else found.scale_factor
        half = _matrix.left_upper(xp, lower, found.triangle)
        both = _matrix.with_transpose(xp, half)  # W^-1 U W^-1
        x_inverse, scale_inverse = _matrix.inverse(xp, found.x_factor), _matrix.inverse(xp, found.scale_factor)
        n = df1[..., None, None]
        if inverse:
            to_x, to_scale = both - (n + (size + 1)) * x_inverse, n * scale_inverse - x_inverse
        else:
            to_x, to_scale = (n - (size + 1)) * x_inverse - scale_inverse, both - n * scale_inverse
        to_x, to_scale = (xp.where(outside[..., None, None], 0.0, s / 2) for s in (to_x, to_scale))
        to_df = unbroadcast(g * xp.where(outside, 0.0, to_df), df1, dtype)
        cotangents = unbroadcast(_matrix.times(g, to_x), x1, dtype), to_df
        cotangents = *cotangents, unbroadcast(_matrix.times(g, to_scale), matrix, dtype)
        return xp.astype(found.value, dtype, copy=False), cotangents


def _factor(xp: Any, a: Array) -> Array:
    return _matrix.cholesky(xp, _matrix.symmetric(xp, a))


def _deviations(xp: Any, k: Array, n: Array) -> Array:
    root = xp.sqrt(n)
    return (k - root) * ((k + root) / n)


def _bent(xp: Any, p: Array, k: Array, n: Array) -> Array:
    """``log(1 + p) - p``."""
    near = xp.abs(p) <= 0.5
    return xp.where(near, log1p_minus(xp, xp.where(near, p, 0.0)), 2 * xp.log(k / xp.sqrt(n)) - p)


def _logs(xp: Any, p: Array, k: Array, n: Array) -> Array:
    """``log(1 + p)``; where p is near -1, its digits are those of ``k^2 / n``."""
    near = xp.abs(p) <= 0.5
    return xp.where(near, xp.log1p(xp.where(near, p, 0.0)), 2 * xp.log(k / xp.sqrt(n)))
