r"""The difference of two digammas, :math:`\psi(x + d) - \psi(x) = \sum_{k \ge 0} d / ((x+k)(x+d+k))`.

Every parameter gradient of a beta or binomial family is one; subtracting two digammas loses all digits for large x.
"""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, NonNegative, Positive
from refengine.special._polygamma import trigamma

__all__ = ["digamma_difference", "digamma_difference_value_and_vjp", "digamma_difference_vjp"]

# B_2k / (2k): psi(x) ~ log x - 1/(2x) - sum_k B_2k / (2k x^2k)  (NIST DLMF 5.11.2)
_DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
# B_2k: psi'(x) ~ 1/x + 1/(2x^2) + sum_k B_2k / x^(2k+1)
_TRIGAMMA_SERIES = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 12


def digamma_difference(x: Positive, d: NonNegative) -> Array:
    r"""Digamma of x + d minus digamma of x, accurate to a few ulp for any positive x and non-negative d.

    .. math:: \psi(x + d) - \psi(x) = \sum_{k=0}^{\infty} \frac{d}{(x+k)(x+d+k)}

    x, d: broadcast together; the result has the broadcast shape. All terms are positive, so the first ones are added
    as they stand and the tail, where x has grown to 12, is the asymptotic series (NIST DLMF 5.7.6 and 5.11.2) with
    the subtraction done on paper. Outside the domain: nan. float64 inside, whatever the dtype.

    >>> float(digamma_difference(1.0, 1.0))
    1.0
    >>> float(digamma_difference(1e300, 1.0))
    1e-300
    """
    xp, dtype, x, d = elementwise(x=x, d=d)
    with np.errstate(all="ignore"):
        head = xp.zeros_like(x + d)
        for k in range(_SHIFT):
            head = head + xp.where(x < _SHIFT, d / (x + d + k) / (x + k), 0.0)
        low = xp.where(x < _SHIFT, x + _SHIFT, x)
        high = low + d
        s, t = 1 / low / low, 1 / high / high
        gap = (d / low / high) * (1 / low + 1 / high)  # s - t
        series = gap * _slope(_DIGAMMA_SERIES, s, t)
        value = head + (xp.log1p(d / low) + (d / low / high) / 2 + series)
        value = xp.where(xp.isinf(d) & xp.isfinite(x), d, value)
        inside = (x > 0) & (d >= 0)
        return xp.astype(xp.where(inside, value, xp.nan), dtype, copy=False)


def digamma_difference_vjp(g: Array, x: Positive, d: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents of x and d.

    .. math:: \partial_d = \psi'(x + d), \qquad
              \partial_x = \psi'(x+d) - \psi'(x) = -\sum_k \frac{d\,(2(x+k)+d)}{(x+k)^2 (x+d+k)^2}
    """
    xp, dtype, g, x0, d0 = elementwise(g=g, x=x, d=d)
    with np.errstate(all="ignore"):
        x1 = x0 + d0
        inside = (x0 > 0) & (d0 >= 0)
        fall = xp.where(inside, -_trigamma_fall(xp, x0, d0), xp.nan)
        slope = xp.where(inside, trigamma(xp, x1), xp.nan)
        return unbroadcast(g * fall, x, dtype), unbroadcast(g * slope, d, dtype)


def digamma_difference_value_and_vjp(g: Array, x: Positive, d: NonNegative) -> tuple[Array, tuple[Array, Array]]:
    """`digamma_difference` and `digamma_difference_vjp`; kernels make one pass of both.

    >>> float(digamma_difference_value_and_vjp(1.0, 1.0, 1.0)[0])
    1.0
    """
    return digamma_difference(x, d), digamma_difference_vjp(g, x, d)


def _slope(coefficients: tuple[float, ...], s: Array, t: Array) -> Array:
    """``(p(s) - p(t)) / (s - t)`` for ``p(s) = sum_k coefficients[k] s^(k+1)``: Horner's scheme, divided on paper."""
    value, slope = 0.0 * s, 0.0 * s
    for c in reversed(coefficients):
        slope = value + t * slope
        value = c + s * value
    return value + t * slope


def _trigamma_fall(xp: Array, x: Array, d: Array) -> Array:
    """``psi'(x) - psi'(x + d)``."""
    fall = xp.zeros_like(x + d)
    for k in range(_SHIFT):
        term = (d / (x + d + k) / (x + k)) * (1 / (x + k) + 1 / (x + d + k))
        fall = fall + xp.where(x < _SHIFT, term, 0.0)
    low = xp.where(x < _SHIFT, x + _SHIFT, x)
    high = low + d
    r, q = 1 / low, 1 / high
    step = d / low / high  # r - q
    power = 0.0 * r
    for c in reversed(_TRIGAMMA_SERIES):
        power = (c + power) * r * r
    # r^(2k+1) - q^(2k+1) = r (r^2k - q^2k) + (r - q) q^2k
    tail = 0.0 * r
    for c in reversed(_TRIGAMMA_SERIES):
        tail = (c + tail) * q * q
    squares = step * (r + q) * _slope(_TRIGAMMA_SERIES, r * r, q * q)
    return fall + (step * (1 + (r + q) / 2 + tail) + r * squares)
