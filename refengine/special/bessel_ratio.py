r"""The ratio of modified Bessel functions of neighbouring orders."""

from __future__ import annotations

import numpy as np

from refengine._arrays import check_number, elementwise, unbroadcast
from refengine.domains import Array, NonNegative
from refengine.special._bessel import Pieces

__all__ = ["bessel_ratio", "bessel_ratio_value_and_vjp", "bessel_ratio_vjp"]


def bessel_ratio(x: NonNegative, *, order: float) -> Array:
    r"""Ratio of modified Bessel functions of the first kind, to a few ulp for any x and any order from 0 on.

    .. math:: R_\nu(x) = \frac{I_{\nu+1}(x)}{I_\nu(x)}

    x: any shape, which the result has (nothing to broadcast); order: one real number >= 0. float32 for float32, else
    float64, and float64 inside. At 0 it is 0, at inf 1; x < 0: nan. ValueError for an order that is negative or not
    finite. The continued fraction NIST DLMF 10.33.1 where order and x are below 32, elsewhere the uniform expansion of
    its Riccati equation.

    >>> round(float(bessel_ratio(2.0, order=0.5)), 12)  # coth(2) - 1/2
    0.537314720728
    """
    xp, dtype, x = elementwise(x=x)
    order = checked(order)
    with np.errstate(all="ignore"):
        value = Pieces(xp, xp.where(x < xp.inf, x, 1.0), order + 0.0 * xp.zeros_like(x)).ratio()
        value = xp.where(x == xp.inf, 1.0, value)
        return xp.astype(xp.where(x >= 0, value, xp.nan), dtype, copy=False)


def bessel_ratio_vjp(g: Array, x: NonNegative, *, order: float) -> tuple[Array]:
    r"""Cotangent of x; the order has none.

    .. math:: R_\nu' = 1 - R_\nu^2 - \frac{2\nu+1}{x} R_\nu
              = \frac{1}{F_{\nu+1}^2} \sum_{k \ge 0} \frac{(2\nu+1)\,(2\nu+k+2)_{k-1}}{2(\nu+k+1)\, k!\, (\nu+1)_k^2}
                \left(\frac{x}{2}\right)^{2k}, \quad F_{\nu+1} = {}_0F_1(; \nu+1; x^2/4)

    The first form follows from the recurrences (DLMF 10.29.2) and cancels for large and for small x; the second is its
    series, from that of a product of Bessel functions (10.31.3). From 32 on the uniform expansion is differentiated
    term by term.
    """
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    order = checked(order)
    with np.errstate(all="ignore"):
        slope = Pieces(xp, xp.where(x1 < xp.inf, x1, 1.0), order + 0.0 * xp.zeros_like(x1)).ratio_slope()
        slope = xp.where(x1 == xp.inf, 0.0, slope)
        return (unbroadcast(g * xp.where(x1 >= 0, slope, xp.nan), x, dtype),)


def bessel_ratio_value_and_vjp(g: Array, x: NonNegative, *, order: float) -> tuple[Array, tuple[Array]]:
    """`bessel_ratio` and `bessel_ratio_vjp`; kernels make one pass of both.

    >>> float(bessel_ratio_value_and_vjp(1.0, 0.0, order=1.0)[1][0])
    0.25
    """
    return bessel_ratio(x, order=order), bessel_ratio_vjp(g, x, order=order)


def checked(order: float) -> float:
    """The order as a float; ValueError unless it is finite and not negative."""
    order = check_number("order", order)
    if not 0 <= order < float("inf"):
        raise ValueError(f"order must be finite and not negative, got {order}")
    return order
