r"""The logarithm of the standard normal distribution function."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from refengine._arrays import elementwise, special_functions, unbroadcast
from refengine.domains import Array, Real

__all__ = ["log_ndtr", "log_ndtr_value_and_vjp", "log_ndtr_vjp"]

_FAR = -1.5  # where erfc(x) gives way to exp(x^2) erfc(x)


def log_ndtr(x: Real) -> Array:
    r"""Logarithm of the standard normal distribution function, with relative accuracy in both tails.

    .. math:: \log\Phi(x) = \log \int_{-\infty}^x \frac{e^{-t^2/2}}{\sqrt{2\pi}} \, dt
              = \log\left(\tfrac12 \operatorname{erfc}(-x/\sqrt2)\right)

    x: any shape, which the result has (nothing to broadcast). float32 for float32, else float64, and float64 inside.
    To the left down to -1e154, where the value overflows to -inf; to the right until it underflows to 0. -inf, inf:
    -inf, 0. Built from SciPy's erfc and erfcx. Definition: NIST DLMF 7.18.11 and 7.2.2.

    >>> round(float(log_ndtr(0.0)), 15)
    -0.693147180559945
    >>> float(log_ndtr(-1e100))
    -5e+199
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        special = special_functions(xp)
        z = xp.abs(x) / sqrt(2)
        scaled = special.erfcx(z) / 2
        tail = xp.where(xp.abs(x) < -_FAR, special.erfc(z) / 2, xp.exp(-x * x / 2) * scaled)
        value = xp.where(x > 0, xp.log1p(-tail), xp.log(tail))
        far = xp.log(scaled) - x * x / 2
        return xp.astype(xp.where(x < _FAR, xp.where(x == -xp.inf, -xp.inf, far), value), dtype, copy=False)


def log_ndtr_vjp(g: Array, x: Real) -> tuple[Array]:
    r"""Cotangent of x, the inverse Mills ratio.

    .. math:: \partial_x \log\Phi(x) = \frac{\varphi(x)}{\Phi(x)} = \sqrt{\frac{2}{\pi}} \,
              \frac{e^{-x^2/2}}{\operatorname{erfc}(-x/\sqrt2)}
              = \sqrt{\frac{2}{\pi}} \, \frac{1}{\operatorname{erfcx}(-x/\sqrt2)}

    In the left tail it grows as -x and the last form is taken, until erfcx underflows and -x is exact.
    """
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    with np.errstate(all="ignore"):
        special = special_functions(xp)
        near = xp.exp(-x1 * x1 / 2) / special.erfc(-xp.maximum(x1, _FAR) / sqrt(2))
        far = 1 / special.erfcx(-xp.minimum(x1, _FAR) / sqrt(2))
        slope = sqrt(2 / pi) * xp.where(x1 < _FAR, far, near)
        slope = xp.where(x1 < -1e100, -x1, xp.where(x1 == xp.inf, 0.0, slope))
        return (unbroadcast(g * slope, x, dtype),)


def log_ndtr_value_and_vjp(g: Array, x: Real) -> tuple[Array, tuple[Array]]:
    """`log_ndtr` and `log_ndtr_vjp`; kernels make one pass of both.

    >>> round(float(log_ndtr_value_and_vjp(1.0, 0.0)[1][0]), 12)  # sqrt(2 / pi)
    0.797884560803
    """
    return log_ndtr(x), log_ndtr_vjp(g, x)
