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

from collections.abc import Callable
from math import log, pi
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions import _half_steps, _matrix
from refengine.domains import Array
from refengine.special._incomplete import incomplete_gamma
from refengine.special._incomplete_inverse import gamma_quantile
from refengine.special._saddle_point import log1p_minus
from refengine.special.digamma_difference import digamma_difference


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


def parts(xp: Any, inverse: bool, x: Array, df: Array, scale_matrix: Array) -> Parts:
    """The log density, and with what it shares with its gradient."""
    size, x_factor, scale_factor = x.shape[-1], _factor(xp, x), _factor(xp, scale_matrix)
    upper, lower = (scale_factor, x_factor) if inverse else (x_factor, scale_factor)
    triangle, n = xp.tril(_matrix.left_lower(xp, lower, upper)), df[..., None]
    p = _deviations(xp, _matrix.diagonal(xp, triangle), n)
    off = xp.sum(xp.tril(triangle, k=-1) ** 2, axis=(-2, -1))
    value = df / 2 * xp.sum(bent(xp, p, _matrix.diagonal(xp, triangle), n), axis=-1) - off / 2
    value = value + sum((_half_steps.stirling_rest(xp, df / 2, i) for i in range(size)), 0.0 * df)
    value = (
        value - (size + 1) * _matrix.sum_of_logs(xp, _matrix.diagonal(xp, x_factor)) - size * (size - 1) / 4 * log(pi)
    )
    outside = xp.broadcast_to(~_matrix.valid(xp, x_factor), value.shape)
    defined = _matrix.valid(xp, scale_factor) & (df > size - 1) & (df < xp.inf) & ~xp.any(xp.isnan(x), axis=(-2, -1))
    value = xp.where(defined, xp.where(outside, -xp.inf, value), xp.nan)
    return Parts(value, x_factor, scale_factor, triangle, p, outside)


def value_and_vjp(g: Array, x: Array, df: Array, scale_matrix: Array, inverse: bool) -> tuple[Array, tuple[Array, ...]]:
    """Value and cotangents of x, df and scale_matrix: see `wishart.log_prob_vjp` and `inverse_wishart.log_prob_vjp`."""
    xp, dtype, x1, df1, matrix = checked(x, df, scale_matrix)
    with np.errstate(all="ignore"):
        found = parts(xp, inverse, x1, df1, matrix)
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
        to_x = unbroadcast(_matrix.times(g, to_x), x1, dtype)
        to_scale = unbroadcast(_matrix.times(g, to_scale), matrix, dtype)
        return xp.astype(found.value, dtype, copy=False), (to_x, to_df, to_scale)


def _factor(xp: Any, a: Array) -> Array:
    return _matrix.cholesky(xp, _matrix.symmetric(xp, a))


def _deviations(xp: Any, k: Array, n: Array) -> Array:
    root = xp.sqrt(n)
    return (k - root) * ((k + root) / n)


def bent(xp: Any, p: Array, k: Array, n: Array) -> Array:
    """``log(1 + p) - p``."""
    near = xp.abs(p) <= 0.5
    return xp.where(near, log1p_minus(xp, xp.where(near, p, 0.0)), 2 * xp.log(k / xp.sqrt(n)) - p)


def _logs(xp: Any, p: Array, k: Array, n: Array) -> Array:
    """``log(1 + p)``; where p is near -1, its digits are those of ``k^2 / n``."""
    near = xp.abs(p) <= 0.5
    return xp.where(near, xp.log1p(xp.where(near, p, 0.0)), 2 * xp.log(k / xp.sqrt(n)))


Factor: TypeAlias = Callable[..., tuple[Array, ...]]
"""Of df and D: coefficients, their derivatives to df, and where they are defined."""


def multiple(df: Array, scale_matrix: Array, factor: Factor) -> Array:
    """``c(df) V``, nan where undefined."""
    xp, dtype, df, matrix = _parameters(df, scale_matrix)
    with np.errstate(all="ignore"):
        c, _, defined = factor(df, matrix.shape[-1])
        value = _matrix.times(c, _matrix.symmetric(xp, matrix))
        return xp.astype(xp.where(_valid(xp, df, matrix, defined), value, xp.nan), dtype, copy=False)


def multiple_vjp(g: Array, df: Array, scale_matrix: Array, factor: Factor) -> tuple[Array, Array]:
    r"""Cotangents of df, :math:`c' \sum g_{ij} V_{ij}`, and V, the symmetric part of :math:`c g`."""
    xp, dtype, df1, matrix = _parameters(df, scale_matrix)
    with np.errstate(all="ignore"):
        c, slope, defined = factor(df1, matrix.shape[-1])
        symmetric, defined = _matrix.symmetric(xp, matrix), _valid(xp, df1, matrix, defined)
        g = xp.where(defined, _matrix.cotangent(xp, g, defined.shape[:-2] + matrix.shape[-2:]), xp.nan)
        to_df = slope * xp.sum(g * symmetric, axis=(-2, -1))
        to_scale = _matrix.times(c, _matrix.symmetric(xp, g))
        return unbroadcast(to_df, df1, dtype), unbroadcast(to_scale, matrix, dtype)


def variance(df: Array, scale_matrix: Array, factor: Factor) -> Array:
    """``a(df) V_ij^2 + b(df) V_ii V_jj``, nan where undefined."""
    xp, dtype, df, matrix = _parameters(df, scale_matrix)
    with np.errstate(all="ignore"):
        a, b, _, _, defined = factor(df, matrix.shape[-1])
        squares, products = _squares(xp, matrix)
        value = _matrix.times(a, squares) + _matrix.times(b, products)
        return xp.astype(xp.where(_valid(xp, df, matrix, defined), value, xp.nan), dtype, copy=False)


def variance_vjp(g: Array, df: Array, scale_matrix: Array, factor: Factor) -> tuple[Array, Array]:
    r"""Cotangents of df and V.

    .. math:: \bar n = \sum_{ij} g_{ij} (a' V_{ij}^2 + b' V_{ii} V_{jj}), \qquad
              \bar V = a (g + g^\top) \circ V + b \operatorname{diag}\left( (g + g^\top) \operatorname{diag} V \right)
    """
    xp, dtype, df1, matrix = _parameters(df, scale_matrix)
    with np.errstate(all="ignore"):
        a, b, a_slope, b_slope, defined = factor(df1, matrix.shape[-1])
        squares, products = _squares(xp, matrix)
        defined = _valid(xp, df1, matrix, defined)
        g = xp.where(defined, _matrix.cotangent(xp, g, defined.shape[:-2] + matrix.shape[-2:]), xp.nan)
        to_df = xp.sum(g * (_matrix.times(a_slope, squares) + _matrix.times(b_slope, products)), axis=(-2, -1))
        both, symmetric = g + _matrix.transposed(xp, g), _matrix.symmetric(xp, matrix)
        ends = xp.sum(both * _matrix.diagonal(xp, symmetric)[..., None, :], axis=-1)
        ends = ends[..., None] * xp.eye(matrix.shape[-1], dtype=matrix.dtype)
        to_scale = _matrix.times(a, both * symmetric) + _matrix.times(b, ends)
        return unbroadcast(to_df, df1, dtype), unbroadcast(to_scale, matrix, dtype)


def entropy(df: Array, scale_matrix: Array, sign: int) -> Array:
    r"""The entropy; sign is 1 for the Wishart, -1 for its inverse.

    .. math:: \frac{D+1}2 \log\det V \pm \frac{D(D+1)}2 \log n + \frac{D(D-1)}4 \log\pi
              + \sum_{i<D} \left[ \left( \frac n2 \mp \frac{D+1}2 \right) G_i - R_i \right]

    with R and G from `_half_steps.stirling_rest` and `_half_steps.log_minus_digamma_below`, in which the terms of the
    size of n log n have been cancelled.
    """
    xp, dtype, df, matrix = _parameters(df, scale_matrix)
    with np.errstate(all="ignore"):
        size, factor, h = matrix.shape[-1], _factor(xp, matrix), df / 2
        value = (size + 1) * _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor)) + size * (size - 1) / 4 * log(pi)
        value = value + sign * size * (size + 1) / 2 * xp.log(df)
        for i in range(size):
            below = (h - sign * (size + 1) / 2) * _half_steps.log_minus_digamma_below(xp, h, i)
            value = value + (below - _half_steps.stirling_rest(xp, h, i))
        defined = _valid(xp, df, matrix, df > size - 1)[..., 0, 0]
        return xp.astype(xp.where(defined, value, xp.nan), dtype, copy=False)


def entropy_vjp(g: Array, df: Array, scale_matrix: Array, sign: int) -> tuple[Array, Array]:
    r"""Cotangents of df and V.

    .. math:: \bar V = g \tfrac{D+1}2 V^{-1}, \qquad \bar n = \tfrac g2 \sum_{i<D} \left[
              \frac{\pm(D+1) - i}{n - i} - \left( \tfrac n2 \mp \tfrac{D+1}2 \right)
              \left( \psi'(\tfrac{n-i}2) - \tfrac2{n-i} \right) \right]
    """
    xp, dtype, df1, matrix = _parameters(df, scale_matrix)
    with np.errstate(all="ignore"):
        size, factor, h = matrix.shape[-1], _factor(xp, matrix), df1 / 2
        defined = _valid(xp, df1, matrix, df1 > size - 1)[..., 0, 0]
        g = xp.where(defined, _matrix.cotangent(xp, g, defined.shape), xp.nan)
        slope = 0.0 * h
        for i in range(size):
            rest = _half_steps.trigamma_rest(xp, h - i / 2)
            slope = slope + (sign * (size + 1) - i) / (df1 - i) - (h - sign * (size + 1) / 2) * rest
        to_scale = _matrix.shared(xp, g * (size + 1) / 2, _matrix.inverse(xp, factor), matrix)
        return unbroadcast(g * slope / 2, df1, dtype), xp.astype(to_scale, dtype, copy=False)


def _parameters(df: Array, scale_matrix: Array) -> tuple[Any, ...]:
    return _matrix.batched("", "scale_matrix", df=df, scale_matrix=scale_matrix)


def _valid(xp: Any, df: Array, matrix: Array, defined: Array) -> Array:
    defined = defined & (df > matrix.shape[-1] - 1) & (df < xp.inf) & _matrix.valid(xp, _factor(xp, matrix))
    return defined[..., None, None]


def _squares(xp: Any, matrix: Array) -> tuple[Array, Array]:
    """``V_ij^2`` and ``V_ii V_jj``."""
    symmetric = _matrix.symmetric(xp, matrix)
    diagonal = _matrix.diagonal(xp, symmetric)
    return symmetric * symmetric, _matrix.outer(diagonal, diagonal)


def divergence(df_p: Array, scale_p: Array, df_q: Array, scale_q: Array, inverse: bool = False) -> Array:
    """See `wishart.kl_divergence`; of inverses, whose scale matrices stand for their inverses, the other way round."""
    xp, dtype, found = _pair(df_p, scale_p, df_q, scale_q, inverse)
    with np.errstate(all="ignore"):
        h_p, h_q, triangle, size = found.df_p / 2, found.df_q / 2, found.triangle, found.triangle.shape[-1]
        k, share = _matrix.diagonal(xp, triangle), (h_p / h_q)[..., None]
        deviations = (k * xp.sqrt(share) - 1) * (k * xp.sqrt(share) + 1)
        below = xp.sum(xp.tril(triangle, k=-1) ** 2, axis=(-2, -1))
        value = h_p * below - h_q * xp.sum(bent(xp, deviations, k * xp.sqrt(h_p)[..., None], h_q[..., None]), axis=-1)
        value = value + sum((_half_steps.divergence(xp, h_p, h_q, i) for i in range(size)), 0.0 * value)
        return xp.astype(xp.where(found.defined, value, xp.nan), dtype, copy=False)


def divergence_vjp(
    g: Array, df_p: Array, scale_p: Array, df_q: Array, scale_q: Array, inverse: bool = False
) -> tuple[Array, ...]:
    """See `wishart.kl_divergence_vjp` and `inverse_wishart.kl_divergence_vjp`."""
    xp, dtype, found = _pair(df_p, scale_p, df_q, scale_q, inverse)
    with np.errstate(all="ignore"):
        n_p, n_q, triangle, size = found.df_p, found.df_q, found.triangle, found.triangle.shape[-1]
        g = xp.where(found.defined, _matrix.cotangent(xp, g, found.defined.shape), xp.nan)
        to_p, to_q = xp.sum(triangle * triangle, axis=(-2, -1)) - size, 0.0 * g
        to_q = to_q - 2 * _matrix.sum_of_logs(xp, _matrix.diagonal(xp, triangle))
        low, high, sign = xp.minimum(n_p, n_q) / 2, xp.abs(n_q - n_p) / 2, xp.sign(n_q - n_p)
        for i in range(size):
            b = n_p / 2 - i / 2
            to_p = to_p + (n_p - n_q) / 2 * (_half_steps.trigamma_rest(xp, b) + 1 / b)
            to_q = to_q + sign * digamma_difference(low - i / 2, high)
        upper, lower = (found.factor_q, found.factor_p) if inverse else (found.factor_p, found.factor_q)
        inverse_upper, inverse_lower = _matrix.inverse(xp, upper), _matrix.inverse(xp, lower)
        both = _matrix.with_transpose(xp, _matrix.left_upper(xp, lower, triangle))
        to_upper = _matrix.times(n_p, inverse_lower) - _matrix.times(n_q, inverse_upper)
        to_lower = _matrix.times(n_q, inverse_lower) - _matrix.times(n_p, both)
        to_upper, to_lower = (_matrix.times(g / 2, s) for s in (to_upper, to_lower))
        to_scale_p, to_scale_q = (to_lower, to_upper) if inverse else (to_upper, to_lower)
        return (
            unbroadcast(g * to_p / 2, n_p, dtype),
            unbroadcast(to_scale_p, found.factor_p, dtype),
            unbroadcast(g * to_q / 2, n_q, dtype),
            unbroadcast(to_scale_q, found.factor_q, dtype),
        )


class _Pair(NamedTuple):
    df_p: Array
    factor_p: Array
    df_q: Array
    factor_q: Array
    triangle: Array
    defined: Array


def _pair(
    df_p: Array, scale_matrix_p: Array, df_q: Array, scale_matrix_q: Array, inverse: bool
) -> tuple[Any, Any, _Pair]:
    """The factors and the triangle of the one solved by the other."""
    arguments = {"df_p": df_p, "scale_matrix_p": scale_matrix_p, "df_q": df_q, "scale_matrix_q": scale_matrix_q}
    xp, dtype, df_p, p, df_q, q = _matrix.batched("", "scale_matrix_p scale_matrix_q", **arguments)
    with np.errstate(all="ignore"):
        p, q, size = _factor(xp, p), _factor(xp, q), p.shape[-1]
        defined = _matrix.valid(xp, p) & _matrix.valid(xp, q)
        for df in (df_p, df_q):
            defined = defined & (df > size - 1) & (df < xp.inf)
        triangle = xp.tril(_matrix.left_lower(xp, p, q) if inverse else _matrix.left_lower(xp, q, p))
        return xp, dtype, _Pair(df_p, p, df_q, q, triangle, defined)


def sample(noise: Any, df: Array, scale_matrix: Array, inverse: bool = False) -> Array:
    """See `wishart.sample` and `inverse_wishart.sample`."""
    xp, dtype, found = _bartlett(noise, df, scale_matrix)
    with np.errstate(all="ignore"):
        inner = _inverse_transpose(xp, found.triangle) if inverse else found.triangle
        value = _matrix.with_transpose(xp, xp.matmul(found.factor, inner))
        return xp.astype(xp.where(found.defined[..., None, None], value, xp.nan), dtype, copy=False)


def sample_vjp(
    g: Array, noise: Any, df: Array, scale_matrix: Array, inverse: bool = False
) -> tuple[tuple[Array, Array], Array, Array]:
    """See `wishart.sample_vjp` and `inverse_wishart.sample_vjp`."""
    xp, dtype, found = _bartlett(noise, df, scale_matrix)
    with np.errstate(all="ignore"):
        shape = (*found.defined.shape, *found.factor.shape[-2:])
        g = xp.where(found.defined[..., None, None], _matrix.cotangent(xp, g, shape), xp.nan)
        g = g + _matrix.transposed(xp, g)
        inner = _inverse_transpose(xp, found.triangle) if inverse else found.triangle
        root = xp.matmul(found.factor, inner)
        back = xp.matmul(g, root)
        to_factor = xp.tril(xp.matmul(back, _matrix.transposed(xp, inner)))
        if inverse:
            to_triangle = -xp.matmul(inner, xp.matmul(_matrix.transposed(xp, root), back))
        else:
            to_triangle = xp.matmul(_matrix.transposed(xp, found.factor), back)
        to_scale = _matrix.cholesky_vjp(xp, found.factor, xp.matmul(_matrix.transposed(xp, found.factor), to_factor))
        ends = incomplete_gamma(xp, found.shapes, found.chi)
        to_chi = _matrix.diagonal(xp, to_triangle) / _matrix.diagonal(xp, found.triangle)
        to_uniform = to_chi * (found.chi / ends.mass)
        to_df = -xp.sum(to_chi * (found.chi * ends.drifts[0]), axis=-1) / 2
        to_normal = xp.where(found.defined[..., None, None], xp.tril(to_triangle, k=-1), xp.nan * to_triangle)
        normal, uniform, df1, matrix = found.arguments
        to_noise = unbroadcast(xp.tril(to_normal, k=-1), normal, dtype), unbroadcast(to_uniform, uniform, dtype)
        return to_noise, unbroadcast(to_df, df1, dtype), unbroadcast(to_scale, matrix, dtype)


def _inverse_transpose(xp: Any, triangle: Array) -> Array:
    return _matrix.left_upper(xp, triangle, xp.broadcast_to(xp.eye(triangle.shape[-1]), triangle.shape))


class _Bartlett(NamedTuple):
    arguments: tuple[Array, ...]
    factor: Array
    shapes: Array
    chi: Array
    triangle: Array
    defined: Array


def _bartlett(noise: Any, df: Array, scale_matrix: Array) -> tuple[Any, Any, _Bartlett]:
    """Cholesky's factor of the scale matrix, gamma variates and the triangle A that they make with the normals."""
    arguments = {"normal": noise[0], "uniform": noise[1], "df": df, "scale_matrix": scale_matrix}
    xp, dtype, normal, uniform, df, matrix = _matrix.batched("uniform", "normal scale_matrix", **arguments)
    with np.errstate(all="ignore"):
        size, factor = matrix.shape[-1], _factor(xp, matrix)
        below = xp.tril(normal, k=-1)
        shapes = df[..., None] / 2 - xp.astype(xp.arange(size), df.dtype) / 2
        chi = gamma_quantile(xp, shapes, uniform, 1 - uniform)
        triangle = below + xp.sqrt(2 * chi)[..., None] * xp.eye(size, dtype=df.dtype)
        defined = (
            _matrix.valid(xp, factor) & xp.all(xp.isfinite(below), axis=(-2, -1)) & (df > size - 1) & (df < xp.inf)
        )
        defined = defined & xp.all((uniform > 0) & (uniform < 1), axis=-1)
        return xp, dtype, _Bartlett((normal, uniform, df, matrix), factor, shapes, chi, triangle, defined)
