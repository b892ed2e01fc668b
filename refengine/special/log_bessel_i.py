r"""The logarithm of the modified Bessel function of the first kind."""

from __future__ import annotations

from math import log

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, NonNegative
from refengine.special._bessel import LARGE, Pieces
from refengine.special.bessel_ratio import checked
from refengine.special.lgamma import lgamma

__all__ = ["log_bessel_i", "log_bessel_i_value_and_vjp", "log_bessel_i_vjp"]


def log_bessel_i(x: NonNegative, *, order: float) -> Array:
    r"""Logarithm of the modified Bessel function of the first kind, for any x and any order from 0 on.

    .. math:: \log I_\nu(x) = \log \sum_{k \ge 0} \frac{(x/2)^{\nu+2k}}{k! \, \Gamma(\nu+k+1)}

    x: any shape, which the result has (nothing to broadcast); order: one real number >= 0. float32 for float32, else
    float64, and float64 inside. At 0 it is 0 for the order 0, else -inf; x < 0: nan. ValueError for an order that is
    negative or not finite. Neither overflows nor underflows, unlike the logarithm of SciPy's ``ive`` (which is -inf
    at order 255 and x = 1). The series (NIST DLMF 10.25.2), and where order or x is large the uniform expansion.

    >>> round(float(log_bessel_i(1.0, order=0.0)), 12)
    0.235914358507
    >>> round(float(log_bessel_i(1.0, order=255.0)), 9)
    -1338.463655601
    """
    xp, dtype, x = elementwise(x=x)
    order = checked(order)
    with np.errstate(all="ignore"):
        z = xp.where((x > 0) & (x < xp.inf), x, 1.0)
        pieces = Pieces(xp, z, order + xp.zeros_like(z))
        power = order * (xp.log(z) - log(2)) if order > 0 else xp.zeros_like(z)
        gamma = xp.asarray(lgamma(order + 1.0)) if order < LARGE else 0.0
        value = xp.where(pieces.far, pieces.far_log(), power - gamma + pieces.log_series())
        value = xp.where(x == 0, 0.0 if order == 0 else -xp.inf, xp.where(x == xp.inf, xp.inf, value))
        return xp.astype(xp.where(x >= 0, value, xp.nan), dtype, copy=False)


def log_bessel_i_vjp(g: Array, x: NonNegative, *, order: float) -> tuple[Array]:
    r"""Cotangent of x; the order has none.

    .. math:: \partial_x \log I_\nu(x) = \frac{I_{\nu+1}(x)}{I_\nu(x)} + \frac{\nu}{x}

    by the recurrence NIST DLMF 10.29.2; both terms are positive.
    """
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    order = checked(order)
    with np.errstate(all="ignore"):
        ratio = Pieces(xp, xp.where(x1 < xp.inf, x1, 1.0), order + 0.0 * xp.zeros_like(x1)).ratio()
        slope = xp.where(x1 == xp.inf, 1.0, ratio + (order / x1 if order > 0 else 0.0))
        return (unbroadcast(g * xp.where(x1 >= 0, slope, xp.nan), x, dtype),)


def log_bessel_i_value_and_vjp(g: Array, x: NonNegative, *, order: float) -> tuple[Array, tuple[Array]]:
    """`log_bessel_i` and `log_bessel_i_vjp`; kernels make one pass of both.

    >>> value, (dx,) = log_bessel_i_value_and_vjp(1.0, 0.0, order=0.0)
    >>> float(value), float(dx)
    (0.0, 0.0)
    """
    return log_bessel_i(x, order=order), log_bessel_i_vjp(g, x, order=order)
