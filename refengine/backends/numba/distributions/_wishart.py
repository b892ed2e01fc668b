"""Value and gradients of the Wishart and the inverse Wishart log density, one pair of matrices at a time.

Both depend on their matrices through the triangle ``K = L_W^-1 L_U``, with U = X, W = V for the Wishart and U = V,
W = X for its inverse (Bartlett's decomposition read backwards), and on ``h = df / 2`` through gammas in centred form
(`refengine.backends.numba._gamma`). With ``m = h - d``, ``d = (i + 1)/2`` for the i-th of them,

    h log h - h - log Gamma(m + 1/2) = -h (log(1 - d/h) + d/h) + d log m - log(2 pi)/2 - sigma(m),

where ``m < 1/4`` is raised by one.
"""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numba
import numpy as np

from refengine._arrays import unbroadcast
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions import _matrix
from refengine.distributions._matrix import batched, cotangent

scalar = numba.njit(cache=True, nogil=True, error_model="numpy")
_HALF_LOG_TWO_PI, _QUARTER_LOG_PI = math.log(2 * math.pi) / 2, math.log(math.pi) / 4


@scalar
def _gammas(h, i):
    """``h log h - h - log Gamma(h - i/2)`` and ``log h - psi(h - i/2)``."""
    d, b = 0.5 * (i + 1), h - 0.5 * i
    m, more, slope = b - 0.5, 0.0, 0.0
    if m < 0.25:
        d, m, more, slope = d - 1.0, m + 1.0, math.log(b), 1.0 / b
    y = d / h
    if abs(y) <= 0.5:
        bent, log_share = _gamma.log1p_minus(-y), math.log1p(-y)
    else:
        log_share = math.log(m / h)
        bent = log_share + y
    sigma, rise = _gamma.sigma(m)
    return d * math.log(m) - h * bent - _HALF_LOG_TWO_PI - sigma + more, slope - log_share - rise


@scalar
def _product(inverse, upper, triangle):
    """Write the product of two lower triangles."""
    for i in range(upper.shape[0]):
        for j in range(i + 1):
            total = 0.0
            for k in range(j, i + 1):
                total += inverse[i, k] * upper[k, j]
            triangle[i, j] = total


@scalar
def _sandwich(inverse, triangle, result):
    """Write ``B B^T`` for ``B = L^-T K``, of two lower triangles ``L^-1`` and K."""
    size = triangle.shape[0]
    half = np.zeros((size, size))
    for i in range(size):
        for k in range(i, size):
            for j in range(k + 1):
                half[i, j] += inverse[k, i] * triangle[k, j]
    for i in range(size):
        for j in range(i + 1):
            total = 0.0
            for k in range(size):
                total += half[i, k] * half[j, k]
            result[i, j] = result[j, i] = total


@scalar
def _triangle_terms(df, triangle):
    """``df/2 sum(log(1 + p) - p) - sum of squares below the diagonal / 2``, and the sum of the logarithms."""
    root, bent, logs, off = math.sqrt(df), 0.0, 0.0, 0.0
    for i in range(triangle.shape[0]):
        k = triangle[i, i]
        p = (k - root) * ((k + root) / df)
        if abs(p) <= 0.5:
            bent += _gamma.log1p_minus(p)
            logs += math.log1p(p)
        else:
            bent += 2.0 * math.log(k / root) - p
            logs += 2.0 * math.log(k / root)
        for j in range(i):
            off += triangle[i, j] * triangle[i, j]
    return 0.5 * (df * bent - off), logs


@scalar
def _one(is_inverse, g, df, x, scale, dx, dscale):
    """Value and slope to df of one pair; those to the matrices are written."""
    size = x.shape[0]
    x_lower, scale_lower, w = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
    x_found, scale_found = _matrix.factorise(x, x_lower), _matrix.factorise(scale, scale_lower)
    bad = math.nan if np.any(np.isnan(x)) or not scale_found or not size - 1 < df < math.inf else 0.0
    if math.isnan(bad) or not x_found:
        dx[:, :], dscale[:, :] = bad, bad
        return bad - math.inf if not math.isnan(bad) else bad, bad
    x_inverse, scale_inverse, triangle, both = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape), w
    _matrix.inverse_of_lower(x_lower, x_inverse)
    _matrix.inverse_of_lower(scale_lower, scale_inverse)
    lower_inverse = x_inverse if is_inverse else scale_inverse
    _product(lower_inverse, scale_lower if is_inverse else x_lower, triangle)
    _sandwich(lower_inverse, triangle, both)
    value, slope = _triangle_terms(df, triangle)
    for i in range(size):
        constant, rest = _gammas(0.5 * df, i)
        value, slope = value + constant, slope + rest
    value -= 0.5 * (size + 1) * _matrix.log_det(x_lower) + size * (size - 1) * _QUARTER_LOG_PI
    _matrix.gram(x_inverse, x_lower)
    _matrix.gram(scale_inverse, scale_lower)  # now the inverses themselves
    for i in range(size):
        for j in range(size):
            if is_inverse:
                dx[i, j] = 0.5 * g * (both[i, j] - (df + size + 1) * x_lower[i, j])
                dscale[i, j] = 0.5 * g * (df * scale_lower[i, j] - x_lower[i, j])
            else:
                dx[i, j] = 0.5 * g * ((df - size - 1) * x_lower[i, j] - scale_lower[i, j])
                dscale[i, j] = 0.5 * g * (both[i, j] - df * scale_lower[i, j])
    return value, 0.5 * slope


@parallel
def _loop(is_inverse, g, df, x, scale, value, dx, ddf, dscale):
    for n in numba.prange(value.size):
        value[n], slope = _one(is_inverse, g[n], df[n], x[n], scale[n], dx[n], dscale[n])
        ddf[n] = g[n] * slope


def value_and_vjp(is_inverse: bool, g: Any, x: Any, df: Any, scale_matrix: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """The log density, and the cotangents of x, df and scale_matrix."""
    _, dtype, x1, df1, scale1 = batched("", "x scale_matrix", x=x, df=df, scale_matrix=scale_matrix)
    shape = np.broadcast_shapes(x1.shape[:-2], df1.shape, scale1.shape[:-2])
    inner, rows = x1.shape[-2:], prod(shape)
    vectors = [np.broadcast_to(a, shape).copy().reshape(-1) for a in (cotangent(np, g, shape), df1)]
    matrices = [np.broadcast_to(a, shape + inner).copy().reshape(-1, *inner) for a in (x1, scale1)]
    value, ddf, dx, dscale = np.empty(rows), np.empty(rows), np.empty((rows, *inner)), np.empty((rows, *inner))
    _loop(is_inverse, *vectors, *matrices, value, dx, ddf, dscale)
    to_x, to_scale = (unbroadcast(d.reshape(shape + inner), a, dtype) for d, a in ((dx, x1), (dscale, scale1)))
    return value.reshape(shape).astype(dtype, copy=False), (to_x, unbroadcast(ddf.reshape(shape), df1, dtype), to_scale)
