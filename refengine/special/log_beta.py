r"""The logarithm of the beta function, :math:`B(a, b) = \Gamma(a) \Gamma(b) / \Gamma(a + b)`."""

from __future__ import annotations

from math import log, pi

import numpy as np

from refengine._arrays import elementwise, special_functions, unbroadcast
from refengine.domains import Array, Positive
from refengine.special._saddle_point import stirling_error
from refengine.special.digamma_difference import digamma_difference

__all__ = ["log_beta", "log_beta_value_and_vjp", "log_beta_vjp"]

_LARGE = 12


def log_beta(a: Positive, b: Positive) -> Array:
    r"""Logarithm of the beta function, accurate to a few ulp for any positive arguments.

    .. math:: \log B(a, b) = \log\Gamma(a) + \log\Gamma(b) - \log\Gamma(a + b)

    a, b: broadcast together; the result has the broadcast shape. With the smaller argument above 12 the leading terms
    of Stirling's series are cancelled on paper (DiDonato and Morris 1992, ACM TOMS 18, eq. 10; definition NIST DLMF
    5.12.1); with both below 12 it is the logarithm of a quotient of gammas. Outside the domain: nan.

    >>> float(log_beta(1.0, 1.0))
    0.0
    >>> float(log_beta(9.0, 0.5))
    -0.5123655751273185
    """
    xp, dtype, a, b = elementwise(a=a, b=b)
    with np.errstate(all="ignore"):
        p, q = xp.minimum(a, b), xp.maximum(a, b)
        value = xp.where(
            p >= _LARGE, _both_large(xp, p, q), xp.where(q >= _LARGE, _one_large(xp, p, q), _small(xp, p, q))
        )
        return xp.astype(xp.where((a > 0) & (b > 0), value, xp.nan), dtype, copy=False)


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


def _both_large(xp: Array, p: Array, q: Array) -> Array:
    errors = stirling_error(xp, p) + (stirling_error(xp, q) - stirling_error(xp, p + q))
    share = p / (p + q)
    return (p - 0.5) * xp.log(share) - q * xp.log1p(p / q) + ((log(2 * pi) - xp.log(q)) / 2 + errors)


def _one_large(xp: Array, p: Array, q: Array) -> Array:
    rise = (q - 0.5) * xp.log1p(p / q) - p + (stirling_error(xp, p + q) - stirling_error(xp, q))
    return special_functions(xp).gammaln(p) - (p * xp.log(p + q) + rise)


def _small(xp: Array, p: Array, q: Array) -> Array:
    # B(p, q) = B(p + 1, q + 1) (p + q) (p + q + 1) / (p q), where the gammas can neither overflow nor vanish
    gamma = special_functions(xp).gamma
    near = q < _LARGE
    p1, q1 = xp.where(near, p, 1.0), xp.where(near, q, 1.0)
    shifted = gamma(p1 + 1) * gamma(q1 + 1) / gamma(p1 + q1 + 2) * (p1 + q1 + 1)
    return xp.log(shifted * (1 + p1 / q1)) - xp.log(p1)
