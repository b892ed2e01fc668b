r"""Maximum likelihood for the Wishart distribution and, through the inverses of the data, for its inverse.

With the mean M of the data the scale matrix is M/n, and n solves an equation of one unknown,

.. math:: s(n) = \sum_{i<D} \left[ \log\tfrac n2 - \psi(\tfrac{n-i}2) \right]
          = \log\det M - \frac1N \sum_k \log\det X_k,

whose left side falls from infinity, at n = D - 1, to 0. With :math:`K_k = L_M^{-1} L_k`, for which the mean of
:math:`K_k K_k^\top` is the identity, the right side is the mean of
:math:`\sum_i [K_{ii}^2 - 1 - \log K_{ii}^2] + \sum_{i>j} K_{ij}^2`: positive terms, small where the data are alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.distributions import _half_steps, _matrix, _wishart
from refengine.domains import Array
from refengine.special._saddle_point import log_minus_digamma

_STEPS = 100


class Fit(NamedTuple):
    """The data's inverses; the mean of the data, or for the inverse distribution the inverse of that of the inverses.

    n and its derivative to the right side; nan where there is no estimate. Data are in a unit, a power of four, in
    which the largest entry is moderate.
    """

    inverses: Array
    mean: Array
    mean_inverse: Array
    df: Array
    by_gap: Array
    unit: Array


def fit(data: Array, inverse: bool) -> tuple[Any, Any, Fit]:
    """``xp, dtype`` and the estimate, in float64."""
    xp, dtype, data = promote(data=data)
    check_shape("data", data, ("N", "D", "D"), D=max(1, data.shape[-1] if data.ndim else 1))
    data = xp.astype(data, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        x = _matrix.symmetric(xp, data)
        unit = _unit(xp, x)
        distinct = x.shape[0] > 1 and bool(xp.any(x != x[:1, :, :]))
        x = x / unit if distinct else x * xp.nan
        factor = _matrix.cholesky(xp, x)
        factor = xp.where(xp.all(_matrix.valid(xp, factor)), factor, xp.nan)
        inverses, mean = _matrix.inverse(xp, factor), _mean(xp, x)
        if inverse:
            factor, root, half = _harmonic(xp, factor)
            mean = _matrix.with_transpose(xp, half)
        else:
            root = _matrix.cholesky(xp, mean)
        n, by_gap = _degrees(xp, _gap(xp, root, factor), x.shape[-1])
        return xp, dtype, Fit(inverses, mean, _matrix.inverse(xp, root), n, by_gap, unit)


def _unit(xp: Any, x: Array) -> Array:
    exponent = xp.log2(xp.max(xp.abs(x))) if x.shape[0] else xp.zeros(())
    return 4.0 ** xp.clip(xp.floor(exponent / 2), -511.0, 511.0)  # whose square root is no less exact


def _mean(xp: Any, x: Array) -> Array:
    return xp.sum(x, axis=0) / max(x.shape[0], 1)


def _harmonic(xp: Any, factor: Array) -> tuple[Array, Array, Array]:
    r"""Factors of inverses and of their mean, and a root of the mean's inverse, without the inverses themselves.

    With the smallest matrix, :math:`X_1`, the inverses are :math:`L_1^{-\top} R_k^\top R_k L_1^{-1}` with
    :math:`R_k = L_k^{-1} L_1`. What the estimate of n uses does not depend on :math:`L_1`; rows and columns in reverse
    order make the transpose of a triangle a Cholesky factor.
    """
    size = xp.sum(xp.log(_matrix.diagonal(xp, factor)), axis=-1)
    base = factor[int(xp.argmin(size)), :, :] if factor.shape[0] else _mean(xp, factor)
    ratios = xp.tril(_matrix.left_lower(xp, factor, xp.broadcast_to(base, factor.shape)))
    turned = _turned(xp, _matrix.transposed(xp, ratios))
    root = _matrix.cholesky(xp, _mean(xp, _matrix.with_transpose(xp, turned)))
    upper = _matrix.left_upper(xp, root, xp.eye(base.shape[-1], dtype=base.dtype))
    return turned, root, xp.matmul(base, _turned(xp, upper))


def _turned(xp: Any, a: Array) -> Array:
    """Rows and columns in reverse order."""
    return xp.flip(a, axis=(-2, -1))


def estimate_cotangents(xp: Any, g: Any) -> tuple[Array, Array]:
    """The cotangents of n and of the scale matrix in float64, the latter symmetric."""
    to_df, to_scale = (xp.astype(a, xp.float64, copy=False) for a in promote(df=g[0], scale_matrix=g[1])[2:])
    return to_df, _matrix.symmetric(xp, to_scale)


def _gap(xp: Any, root: Array, factor: Array) -> Array:
    triangle = xp.tril(_matrix.left_lower(xp, xp.broadcast_to(root, factor.shape), factor))
    k = _matrix.diagonal(xp, triangle)
    bent = _wishart.bent(xp, (k - 1) * (k + 1), k, xp.ones_like(k))
    return (xp.sum(xp.tril(triangle, k=-1) ** 2) - xp.sum(bent)) / max(factor.shape[0], 1)


def _degrees(xp: Any, gap: Array, size: int) -> tuple[Array, Array]:
    """n, from its distance to D - 1, and its derivative; Newton's method on 1/s, which is all but linear."""
    b = size * (size + 1) / 4 / gap
    for _ in range(_STEPS):
        s, fall = _equation(xp, b, size)
        step = xp.clip((s / gap - 1) * s / (fall * b), -0.9, 9.0)
        b = b * (1 + step)
        if not bool(xp.abs(step) > 1e-15):
            break
    return 2 * b + (size - 1), -2 / _equation(xp, b, size)[1]


def _equation(xp: Any, b: Array, size: int) -> tuple[Array, Array]:
    """S and minus its derivative to n/2, for n/2 = b + (D - 1)/2."""
    h, s, fall = b + (size - 1) / 2, 0.0 * b, 0.0 * b
    for i in range(size):
        c = b + (size - 1 - i) / 2
        s = s + log_minus_digamma(xp, c) + xp.log1p(i / 2 / c)
        fall = fall + _half_steps.trigamma_rest(xp, c) + i / 2 / c / h
    return s, fall
