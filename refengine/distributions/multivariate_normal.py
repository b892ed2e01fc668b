r"""Multivariate normal distribution, :math:`f(x; m, S) = \det(2\pi S)^{-1/2} \exp(-\tfrac12 (x-m)^\top S^{-1} (x-m))`.

Axes: D coordinates; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric part
is read, and its cotangent is symmetric: :math:`(\bar S + \bar S^\top)/2` of the ambient one. Where only the lower
triangle is free, the derivative to an entry below the diagonal is twice the one given here and that above it 0
(``lower_triangle`` among the alternatives of the golden files).
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions import _matrix
from refengine.domains import Array, Real

__all__ = [
    "log_prob",
    "log_prob_cholesky",
    "log_prob_cholesky_value_and_vjp",
    "log_prob_cholesky_vjp",
    "log_prob_precision",
    "log_prob_precision_value_and_vjp",
    "log_prob_precision_vjp",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
]


def log_prob(x: Real, mean: Real, covariance: Real) -> Array:
    r"""Logarithm of the normal density with a covariance matrix.

    .. math:: \log f(x; m, S) = -\tfrac12 \left( (x-m)^\top S^{-1} (x-m) + \log\det S + D \log 2\pi \right)

    x, mean: (..., D); covariance: (..., D, D); the result has shape (...). float32 when every floating array is, else
    float64, and float64 inside. An infinite coordinate lies outside the support: -inf with zero gradient. A covariance
    whose symmetric part is not positive definite, infinite parameters, and nan: nan. ValueError for other shapes.
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 2.43.

    >>> round(float(log_prob([1.0, 2.0], [1.0, 1.0], [[1.0, 0.0], [0.0, 1.0]])), 12)  # -1/2 - log(2 pi)
    -2.337877066409
    """
    xp, dtype, x, mean, covariance = _matrix.batched("x mean", "covariance", x=x, mean=mean, covariance=covariance)
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, covariance))
        return xp.astype(_density(xp, x, mean, factor, _forward(xp, x, mean, factor)), dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, mean: Real, covariance: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean and covariance.

    With :math:`a = S^{-1}(x - m)`, from :math:`d S^{-1} = -S^{-1}\, dS\, S^{-1}` and
    :math:`d \log\det S = \operatorname{tr}(S^{-1} dS)`:

    .. math:: \bar x = -g a, \qquad \bar m = g a, \qquad \bar S = \tfrac g2 (a a^\top - S^{-1})
    """
    return log_prob_value_and_vjp(g, x, mean, covariance)[1]


def log_prob_value_and_vjp(g: Array, x: Real, mean: Real, covariance: Real) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share the factor.

    >>> value, (dx, dmean, dcovariance) = log_prob_value_and_vjp(1.0, [2.0], [0.0], [[1.0]])
    >>> dx.tolist(), dmean.tolist(), dcovariance.tolist()
    ([-2.0], [2.0], [[1.5]])
    """
    xp, dtype, x1, mean1, matrix = _matrix.batched("x mean", "covariance", x=x, mean=mean, covariance=covariance)
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, matrix))
        z = _forward(xp, x1, mean1, factor)
        value = _density(xp, x1, mean1, factor, z)
        g, a = _weighted(xp, g, x1, value, _matrix.solve_upper(xp, factor, z))
        slope = _matrix.sum_outer(xp, a, g[..., None] * a, matrix)
        slope = (slope - _shared(xp, g, _matrix.inverse(xp, factor), matrix)) / 2
        to_x = -g[..., None] * a
        cotangents = unbroadcast(to_x, x1, dtype), unbroadcast(-to_x, mean1, dtype), xp.astype(slope, dtype, copy=False)
        return xp.astype(value, dtype, copy=False), cotangents


def log_prob_cholesky(x: Real, mean: Real, cholesky: Real) -> Array:
    r"""Logarithm of the normal density with the Cholesky factor of its covariance matrix.

    .. math:: \log f(x; m, L) = -\tfrac12 \lVert L^{-1} (x-m) \rVert^2 - \sum_i \log L_{ii} - \tfrac D2 \log 2\pi

    x, mean: (..., D); cholesky: (..., D, D), of which the lower triangle is read; the result has shape (...). A
    diagonal that is not positive: nan. All else as in `log_prob`; Bishop (2006), eq. 2.43.

    >>> round(float(log_prob_cholesky([2.0], [0.0], [[2.0]])), 12)  # -1/2 - log(2) - log(2 pi) / 2
    -2.112085713765
    """
    xp, dtype, x, mean, cholesky = _matrix.batched("x mean", "cholesky", x=x, mean=mean, cholesky=cholesky)
    with np.errstate(all="ignore"):
        factor = _matrix.lower_factor(xp, cholesky)
        return xp.astype(_density(xp, x, mean, factor, _forward(xp, x, mean, factor)), dtype, copy=False)


def log_prob_cholesky_vjp(g: Array, x: Real, mean: Real, cholesky: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean and cholesky; the last one is 0 above the diagonal.

    With :math:`z = L^{-1}(x - m)` and :math:`a = L^{-\top} z`, from :math:`dz = -L^{-1}\, dL\, z`:

    .. math:: \bar x = -g a, \qquad \bar m = g a, \qquad
              \bar L = g \left( \operatorname{tril}(a z^\top) - \operatorname{diag}(1 / L_{ii}) \right)
    """
    return log_prob_cholesky_value_and_vjp(g, x, mean, cholesky)[1]


def log_prob_cholesky_value_and_vjp(
    g: Array, x: Real, mean: Real, cholesky: Real
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob_cholesky` and `log_prob_cholesky_vjp` in one pass.

    >>> log_prob_cholesky_value_and_vjp(1.0, [2.0], [0.0], [[1.0]])[1][2].tolist()
    [[3.0]]
    """
    xp, dtype, x1, mean1, matrix = _matrix.batched("x mean", "cholesky", x=x, mean=mean, cholesky=cholesky)
    with np.errstate(all="ignore"):
        factor = _matrix.lower_factor(xp, matrix)
        z = _forward(xp, x1, mean1, factor)
        value = _density(xp, x1, mean1, factor, z)
        g, a, z = _weighted(xp, g, x1, value, _matrix.solve_upper(xp, factor, z), z)
        inverse = xp.eye(factor.shape[-1], dtype=factor.dtype) / _matrix.diagonal(xp, factor)[..., None, :]
        slope = _matrix.sum_outer(xp, a, g[..., None] * z, matrix) - _shared(xp, g, inverse, matrix)
        to_x, slope = -g[..., None] * a, xp.astype(xp.tril(slope), dtype, copy=False)
        cotangents = unbroadcast(to_x, x1, dtype), unbroadcast(-to_x, mean1, dtype), slope
        return xp.astype(value, dtype, copy=False), cotangents


def log_prob_precision(x: Real, mean: Real, precision: Real) -> Array:
    r"""Logarithm of the normal density with a precision matrix, the inverse of the covariance.

    .. math:: \log f(x; m, P) = -\tfrac12 \left( (x-m)^\top P (x-m) - \log\det P + D \log 2\pi \right)

    x, mean: (..., D); precision: (..., D, D); the result has shape (...). All else as in `log_prob`; Bishop (2006),
    eq. 2.43. No matrix is inverted.

    >>> round(float(log_prob_precision([2.0], [0.0], [[0.25]])), 12)  # -1/2 - log(2) - log(2 pi) / 2
    -2.112085713765
    """
    xp, dtype, x, mean, precision = _matrix.batched("x mean", "precision", x=x, mean=mean, precision=precision)
    with np.errstate(all="ignore"):
        precision = _matrix.symmetric(xp, precision)
        factor = _matrix.cholesky(xp, precision)
        value = _with_precision(xp, x, mean, factor, _product(xp, precision, x - mean))
        return xp.astype(value, dtype, copy=False)


def log_prob_precision_vjp(g: Array, x: Real, mean: Real, precision: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean and precision.

    With :math:`r = x - m`, since the log density is linear in P but for its log determinant:

    .. math:: \bar x = -g P r, \qquad \bar m = g P r, \qquad \bar P = \tfrac g2 (P^{-1} - r r^\top)
    """
    return log_prob_precision_value_and_vjp(g, x, mean, precision)[1]


def log_prob_precision_value_and_vjp(
    g: Array, x: Real, mean: Real, precision: Real
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob_precision` and `log_prob_precision_vjp` in one pass.

    >>> log_prob_precision_value_and_vjp(1.0, [2.0], [0.0], [[1.0]])[1][2].tolist()
    [[-1.5]]
    """
    xp, dtype, x1, mean1, matrix = _matrix.batched("x mean", "precision", x=x, mean=mean, precision=precision)
    with np.errstate(all="ignore"):
        symmetric, r = _matrix.symmetric(xp, matrix), x1 - mean1
        factor = _matrix.cholesky(xp, symmetric)
        a = _product(xp, symmetric, r)
        value = _with_precision(xp, x1, mean1, factor, a)
        g, a, r = _weighted(xp, g, x1, value, a, r)
        slope = _matrix.sum_outer(xp, r, g[..., None] * r, matrix)
        slope = (_shared(xp, g, _matrix.inverse(xp, factor), matrix) - slope) / 2
        to_x = -g[..., None] * a
        cotangents = unbroadcast(to_x, x1, dtype), unbroadcast(-to_x, mean1, dtype), xp.astype(slope, dtype, copy=False)
        return xp.astype(value, dtype, copy=False), cotangents


def _infinite(xp: Any, x: Array) -> Array:
    return xp.any(xp.isinf(x), axis=-1)


def _forward(xp: Any, x: Array, mean: Array, factor: Array) -> Array:
    return _matrix.solve_lower(xp, factor, x - mean)


def _product(xp: Any, matrix: Array, r: Array) -> Array:
    return xp.sum(matrix * r[..., None, :], axis=-1)


def _density(xp: Any, x: Array, mean: Array, factor: Array, z: Array) -> Array:
    """The log density, given a factor of the covariance and ``z = L^-1 (x - m)``."""
    scale = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor))
    return _within_support(xp, x, mean, factor, -xp.sum(z * z, axis=-1) / 2 - scale)


def _with_precision(xp: Any, x: Array, mean: Array, factor: Array, a: Array) -> Array:
    """The log density, given a factor of the precision and ``a = P (x - m)``."""
    scale = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor))
    return _within_support(xp, x, mean, factor, scale - xp.sum((x - mean) * a, axis=-1) / 2)


def _within_support(xp: Any, x: Array, mean: Array, factor: Array, terms: Array) -> Array:
    value = xp.where(_infinite(xp, x), -xp.inf, terms - x.shape[-1] * log(2 * pi) / 2)
    defined = xp.all(xp.isfinite(mean), axis=-1) & ~xp.any(xp.isnan(x), axis=-1) & _matrix.valid(xp, factor)
    return xp.where(defined, value, xp.nan)


def _weighted(xp: Any, g: Array, x: Array, value: Array, *vectors: Array) -> tuple[Array, ...]:
    """The cotangent, nan where the density is undefined, 0 where it is 0; and the vectors, 0 there too."""
    g, outside = _matrix.cotangent(xp, g, value.shape), xp.broadcast_to(_infinite(xp, x), value.shape)
    g = xp.where(xp.isnan(value), xp.nan, xp.where(outside, 0.0, g))
    shape = (*value.shape, vectors[0].shape[-1])
    return g, *(xp.where(outside[..., None], 0.0, xp.broadcast_to(v, shape)) for v in vectors)


def _shared(xp: Any, g: Array, matrix: Array, like: Array) -> Array:
    """``g`` times a matrix of the shape of ``like``, summed over the rows that share it."""
    if like.ndim == 2:
        return xp.sum(g) * matrix
    return unbroadcast(_matrix.times(g, matrix), like)
