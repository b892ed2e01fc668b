r"""Lewandowski, Kurowicka and Joe's distribution of correlation matrices, on their Cholesky factors L.

With concentration 1 the correlation matrix is uniform; above it the identity is preferred. The density of
:math:`L L^\top` is proportional to :math:`\det(L L^\top)^{\eta - 1}`; that of L, here, is with respect to its entries
below the diagonal, which are free, while :math:`L_{ii} = (1 - \sum_{j<i} L_{ij}^2)^{1/2}`. Axes: D rows and columns.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions import _half_steps, _matrix
from refengine.domains import Array, Positive, Real

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(x: Real, concentration: Positive) -> Array:
    r"""Logarithm of the density of a Cholesky factor.

    .. math:: \log f(L; \eta) = \sum_{i=2}^D \left[ (D - i + 2\eta - 2) \log L_{ii}
              - \tfrac{i-1}2 \log\pi - \log\Gamma(\eta + \tfrac{D-i}2) + \log\Gamma(\eta + \tfrac{D-1}2) \right]

    x: (..., D, D); concentration: (...); leading axes broadcast and give the result's shape. float32 when every
    floating array is, else float64, and float64 inside. Only the diagonal counts: that rows have unit length is not
    checked, and what stands above the diagonal is not read. A diagonal that is not positive, infinite entries: -inf
    with zero gradient. A concentration that is not positive and finite, and nan: nan.
    Lewandowski, Kurowicka and Joe (2009), Generating random correlation matrices based on vines and extended onion
    method, section 3. Each row is a point in a unit ball, whose integral is a beta function: the constant is the one
    that makes the density integrate to 1 over the entries below the diagonal.

    >>> round(float(log_prob([[1.0, 0.0], [0.6, 0.8]], 1.0)), 12)  # uniform on (-1, 1): -log(2)
    -0.69314718056
    """
    xp, dtype, x, eta = _matrix.batched("", "x", x=x, concentration=concentration)
    with np.errstate(all="ignore"):
        return xp.astype(_value(xp, x, eta), dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, concentration: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and concentration; that of x is ambient, on the diagonal alone.

    .. math:: \bar L_{ii} = g \frac{D - i + 2\eta - 2}{L_{ii}}, \qquad \bar\eta = g \sum_{i=2}^D
              \left[ 2 \log L_{ii} + \psi(\eta + \tfrac{D-1}2) - \psi(\eta + \tfrac{D-i}2) \right]

    Along the free entries below the diagonal, :math:`\partial_{ij} = -\bar L_{ii} L_{ij} / L_{ii}`.
    """
    xp, dtype, x1, eta = _matrix.batched("", "x", x=x, concentration=concentration)
    with np.errstate(all="ignore"):
        size, value = x1.shape[-1], _value(xp, x1, eta)
        g = _matrix.cotangent(xp, g, value.shape)
        inside = xp.isfinite(value)
        diagonal = xp.where(inside[..., None], _matrix.diagonal(xp, x1), 1.0)
        rise = sum((_digamma_rise(xp, eta, size, n) for n in range(1, size)), 0.0 * eta)
        to_eta = g * xp.where(inside, 2 * xp.sum(xp.log(diagonal[..., 1:]), axis=-1) + rise, 0.0)
        to_x = g[..., None] * xp.where(inside[..., None], _powers(xp, eta, size) / diagonal, 0.0)
        to_x = xp.where(xp.eye(size, dtype=xp.bool), to_x[..., None], 0.0)  # what overflows stays on the diagonal
        undefined = xp.isnan(value)
        to_x = xp.where(undefined[..., None, None], xp.tril(xp.full(to_x.shape, xp.nan)), to_x)
        to_eta = xp.where(undefined, xp.nan, to_eta)
        return unbroadcast(to_x, x1, dtype), unbroadcast(to_eta, eta, dtype)


def log_prob_value_and_vjp(g: Array, x: Real, concentration: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dconcentration) = log_prob_value_and_vjp(1.0, [[1.0, 0.0], [0.6, 0.8]], 2.0)
    >>> dx.tolist()
    [[0.0, 0.0], [0.0, 2.5]]
    """
    return log_prob(x, concentration), log_prob_vjp(g, x, concentration)


def _powers(xp: Any, eta: Array, size: int) -> Array:
    """``D - i + 2 eta - 2`` of the diagonal, 0 in the first row."""
    rows = xp.astype(xp.arange(2, size + 1), eta.dtype)
    powers = 2 * eta[..., None] + (size - rows - 2)  # rounded once
    return xp.concat([0.0 * eta[..., None], powers], axis=-1)


def _log_ball(xp: Any, eta: Array, size: int, steps: int) -> Array:
    """``log Gamma(eta + (D-1)/2) - log Gamma(eta + (D-1-n)/2) - n/2 log(pi)`` for n steps."""
    low = eta + (size - 1 - steps) / 2
    return _half_steps.log_ratio(xp, low, steps) + steps / 2 * xp.log(low / pi)


def _digamma_rise(xp: Any, eta: Array, size: int, steps: int) -> Array:
    low = eta + (size - 1 - steps) / 2
    return _half_steps.digamma_rise(xp, low, steps) + steps / (2 * low)


def _value(xp: Any, x: Array, eta: Array) -> Array:
    size, lower = x.shape[-1], xp.tril(x)
    diagonal = _matrix.diagonal(xp, lower)
    logs = xp.log(xp.where(diagonal > 0, diagonal, 1.0))
    value = xp.sum(_powers(xp, eta, size) * logs, axis=-1)
    value = value + sum((_log_ball(xp, eta, size, n) for n in range(1, size)), 0.0 * eta)
    inside = xp.all(diagonal > 0, axis=-1) & xp.all(xp.isfinite(lower), axis=(-2, -1))
    defined = (eta > 0) & (eta < xp.inf) & ~xp.any(xp.isnan(lower), axis=(-2, -1))
    return xp.where(defined, xp.where(inside, value, -xp.inf), xp.nan)
