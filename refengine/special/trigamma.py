r"""The derivative of digamma on the positive axis."""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Positive
from refengine.special import _polygamma

__all__ = ["trigamma", "trigamma_value_and_vjp", "trigamma_vjp"]


def trigamma(x: Positive) -> Array:
    r"""Trigamma, to a few ulp for every x > 0.

    .. math:: \psi'(x) = \sum_{k=0}^{\infty} \frac{1}{(x+k)^2}

    x: any shape, which the result has (nothing to broadcast). float32 for float32, else float64, and float64 inside.
    Outside x > 0: nan. The first terms, then the asymptotic series (NIST DLMF 5.15.1 and 5.15.8).

    >>> round(float(trigamma(1.0)), 12)  # pi^2 / 6
    1.644934066848
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(x > 0, _polygamma.trigamma(xp, x), xp.nan), dtype, copy=False)


def trigamma_vjp(g: Array, x: Positive) -> tuple[Array]:
    r"""Cotangent of x, term by term: :math:`\psi''(x) = -2 \sum_{k \ge 0} (x+k)^{-3}`."""
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(x1 > 0, _polygamma.tetragamma(xp, x1), xp.nan), x, dtype),)


def trigamma_value_and_vjp(g: Array, x: Positive) -> tuple[Array, tuple[Array]]:
    """`trigamma` and `trigamma_vjp`; kernels make one pass of both.

    >>> round(float(trigamma_value_and_vjp(1.0, 1.0)[1][0]), 12)  # -2 zeta(3)
    -2.404113806319
    """
    return trigamma(x), trigamma_vjp(g, x)
