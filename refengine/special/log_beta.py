r"""The logarithm of the beta function, :math:`B(a, b) = \Gamma(a) \Gamma(b) / \Gamma(a + b)`."""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Positive
from refengine.special._saddle_point import log_quotient, remainder, weight
from refengine.special.digamma_difference import digamma_difference

__all__ = ["log_beta", "log_beta_value_and_vjp", "log_beta_vjp"]


def log_beta(a: Positive, b: Positive) -> Array:
    r"""Logarithm of the beta function, accurate to a few ulp for any positive arguments.

    .. math:: \log B(a, b) = \log\Gamma(a) + \log\Gamma(b) - \log\Gamma(a + b)

    a, b: broadcast together; the result has the broadcast shape. The leading terms of Stirling's series are cancelled
    on paper, as DiDonato and Morris (1992) do for large arguments; definition NIST DLMF 5.12.1. Outside the domain:
    nan.

    >>> float(log_beta(1.0, 1.0))
    0.0
    >>> round(float(log_beta(9.0, 0.5)), 12)
    -0.512365575127
    """
    xp, dtype, a, b = elementwise(a=a, b=b)
    with np.errstate(all="ignore"):
        inside = (a > 0) & (b > 0)
        low, high = xp.where(inside, xp.minimum(a, b), 1.0), xp.where(inside, xp.maximum(a, b), 1.0)
        total = low + high
        # beyond 1e300 a shape that makes the quotient overflow makes the term vanish
        powers = low * xp.log1p(xp.minimum(high / low, 1e300)) + high * xp.log1p(low / high)
        weights = log_quotient(xp, weight(xp, low), weight(xp, total) / weight(xp, high), 1.0 + 0.0 * total)
        errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, total))
        value = xp.where(low == 1, 0.0 - xp.log(high), errors - weights - powers)  # B(1, b) = 1/b to the last bit
        return xp.astype(xp.where(inside, value, xp.nan), dtype, copy=False)


def log_beta_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b.

    .. math:: \partial_a \log B = \psi(a) - \psi(a + b), \qquad \partial_b \log B = \psi(b) - \psi(a + b)
    """
    xp, dtype, g, a1, b1 = elementwise(g=g, a=a, b=b)
    g = xp.where((a1 > 0) & (b1 > 0), g, xp.nan)
    return (
        unbroadcast(-g * digamma_difference(a1, b1), a, dtype),
        unbroadcast(-g * digamma_difference(b1, a1), b, dtype),
    )


def log_beta_value_and_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_beta` and `log_beta_vjp`; kernels make one pass of both.

    >>> value, (da, db) = log_beta_value_and_vjp(1.0, 1.0, 1.0)
    >>> float(value), float(da), float(db)
    (0.0, -1.0, -1.0)
    """
    return log_beta(a, b), log_beta_vjp(g, a, b)
