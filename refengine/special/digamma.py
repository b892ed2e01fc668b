r"""The logarithmic derivative of the gamma function on the positive axis."""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise, special_functions, unbroadcast
from refengine.domains import Array, Positive
from refengine.special import _polygamma

__all__ = ["digamma", "digamma_value_and_vjp", "digamma_vjp"]


def digamma(x: Positive) -> Array:
    r"""Digamma, to a few ulp for every x > 0, also next to its root 1.4616321449683623.

    .. math:: \psi(x) = \frac{d}{dx} \log\Gamma(x)

    x: any shape, which the result has (nothing to broadcast). float32 for float32, else float64, and float64 inside.
    Outside x > 0: nan. SciPy's values, which were measured to be within 2 ulp on (0, inf) and at the root.
    Definition: NIST DLMF 5.2.2.

    >>> round(float(digamma(1.0)), 15)  # minus Euler's constant
    -0.577215664901533
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        value = special_functions(xp).digamma(xp.where(x > 0, x, 1.0))
        return xp.astype(xp.where(x > 0, value, xp.nan), dtype, copy=False)


def digamma_vjp(g: Array, x: Positive) -> tuple[Array]:
    r"""Cotangent of x: the derivative is trigamma, :math:`\psi'(x) = \sum_{k \ge 0} (x+k)^{-2}`."""
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(x1 > 0, _polygamma.trigamma(xp, x1), xp.nan), x, dtype),)


def digamma_value_and_vjp(g: Array, x: Positive) -> tuple[Array, tuple[Array]]:
    """`digamma` and `digamma_vjp`; kernels make one pass of both.

    >>> round(float(digamma_value_and_vjp(1.0, 1.0)[1][0]), 12)  # pi^2 / 6
    1.644934066848
    """
    return digamma(x), digamma_vjp(g, x)
