r"""The logarithm of one minus an exponential."""

from __future__ import annotations

from math import log

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, NonNegative

__all__ = ["log1mexp", "log1mexp_value_and_vjp", "log1mexp_vjp"]


def log1mexp(x: NonNegative) -> Array:
    r"""Logarithm of the probability of an event whose complement has the log probability -x.

    .. math:: \log(1 - e^{-x})

    x: any shape, which the result has (nothing to broadcast). float32 for float32, else float64, and float64 inside.
    At 0 the value is -inf and the slope inf; x < 0: nan. Up to log 2 by expm1, beyond it by log1p: Machler,
    "Accurately computing log(1 - exp(-abs(a)))" (2012), eq. 7.

    >>> round(float(log1mexp(log(2.0))), 15)
    -0.693147180559945
    >>> float(log1mexp(1e-300)), float(log1mexp(100.0))
    (-690.7755278982137, -3.720075976020836e-44)
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        value = xp.where(x < log(2), xp.log(-xp.expm1(-x)), xp.log1p(-xp.exp(-x)))
        return xp.astype(value, dtype, copy=False)


def log1mexp_vjp(g: Array, x: NonNegative) -> tuple[Array]:
    r"""Cotangent of x: :math:`\partial_x \log(1 - e^{-x}) = e^{-x} / (1 - e^{-x}) = 1 / (e^x - 1)`."""
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    with np.errstate(all="ignore"):
        slope = xp.where(x1 < 700, 1 / xp.expm1(x1), xp.exp(-x1))
        return (unbroadcast(g * xp.where(x1 >= 0, slope, xp.nan), x, dtype),)


def log1mexp_value_and_vjp(g: Array, x: NonNegative) -> tuple[Array, tuple[Array]]:
    """`log1mexp` and `log1mexp_vjp`; kernels make one pass of both.

    >>> value, (dx,) = log1mexp_value_and_vjp(1.0, log(2.0))
    >>> round(float(dx), 15)
    1.0
    """
    return log1mexp(x), log1mexp_vjp(g, x)
