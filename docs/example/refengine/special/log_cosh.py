r"""The logarithm of the hyperbolic cosine, a smooth stand-in for the absolute value."""

from __future__ import annotations

from math import log

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Real

__all__ = ["log_cosh", "log_cosh_vjp"]


def log_cosh(x: Real) -> Array:
    r"""Logarithm of the hyperbolic cosine, accurate to a few ulp for any x.

    .. math:: \log \cosh x = \log \frac{e^x + e^{-x}}{2}

    x: any shape, which the result has; float32 only if x is. Near 0, where the value is
    of order x²/2, it is :math:`\log(1 + 2 \sinh^2(x/2))`, elsewhere
    :math:`|x| - \log 2 + \log(1 + e^{-2|x|})`: neither subtracts nearly equal numbers,
    and neither overflows. At infinity: inf. nan gives nan. TypeError if x holds no real
    numbers. Definition: NIST DLMF 4.28.2.

    >>> float(log_cosh(0.0))
    0.0
    >>> float(log_cosh(-1000.0)) == 1000 - log(2)
    True
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        size = xp.abs(x)
        near = size < 1
        half = xp.sinh(xp.where(near, x, 0.0) / 2)
        far = size - log(2) + xp.log1p(xp.exp(-2 * size))
        return xp.astype(xp.where(near, xp.log1p(2 * half * half), far), dtype, copy=False)


def log_cosh_vjp(g: Array, x: Real) -> tuple[Array]:
    r"""Cotangent of x.

    .. math:: \frac{d}{dx} \log \cosh x = \frac{\sinh x}{\cosh x} = \tanh x
    """
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    return (unbroadcast(g * xp.tanh(x1), x, dtype),)
