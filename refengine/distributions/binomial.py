r"""Binomial distribution on 0, 1, ..., n, :math:`f(k; n, p) = \binom{n}{k} p^k (1-p)^{n-k}`."""

from __future__ import annotations

from math import pi

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Count, Unit
from refengine.special._saddle_point import deviance, product_minus, stirling_error

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(k: Count, n: Count, p: Unit) -> Array:
    r"""Logarithm of the binomial probability, accurate to a few ulp for any number of trials and any probability.

    .. math:: \log f(k; n, p) = \log \binom{n}{k} + k \log p + (n-k) \log(1-p), \qquad 0 \log 0 = 0

    k, n, p: broadcast together; the result has the broadcast shape. Counts stand in integer or floating arrays and are
    exact up to 2^53. float32 when every floating array is, else float64, and float64 inside. k outside 0, ..., n, or
    not whole: -inf with zero gradient. n that is negative or not whole, p outside [0, 1], and nan: nan.

    Loader's saddle point (2000): Stirling's series and n p - k are cancelled on paper, the latter with twice
    the digits.

    >>> float(log_prob(1, 2, 0.5))  # log(1/2)
    -0.6931471805599453
    >>> float(log_prob(0, 10, 0.0)), float(log_prob(3, 10, 0.0))
    (0.0, -inf)
    """
    xp, dtype, k, n, p = elementwise(k=k, n=n, p=p)
    with np.errstate(all="ignore"):
        inner = (k > 0) & (k < n) & (p > 0) & (p < 1) & (n < xp.inf)
        a, b = xp.where(inner, k, 1.0), xp.where(inner, n - k, 1.0)
        value = xp.where(inner, _saddle_point(xp, xp.where(inner, p, 0.5), a, b), -xp.inf)
        value = xp.where(k == 0, xp.where(n == 0, 0.0, n * xp.log1p(-p) + 0.0), value)
        value = xp.where((k == n) & (n > 0), n * xp.log(p), value)
        value = xp.where(_possible(xp, k, n), value, -xp.inf)
        return xp.astype(xp.where(_defined(xp, k, n, p), value, xp.nan), dtype, copy=False)


def log_prob_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p; the counts have none.

    .. math:: \partial_p = \frac{k}{p} - \frac{n-k}{1-p} = \frac{k - n p}{p (1-p)}

    with n p - k as if with twice the digits. At p = 0 and p = 1 it is the limit from inside: -n for the certain event
    k = 0 at p = 0, n for k = n at p = 1, and for impossible events inf at 0 and -inf at 1: towards possibility.
    """
    xp, dtype, g, k, n, q = elementwise(g=g, k=k, n=n, p=p)
    with np.errstate(all="ignore"):
        slope = -product_minus(xp, q, n, k) / (1 - q) / q
        slope = xp.where(k == 0, -n / (1 - q), xp.where(k == n, n / q, slope))
        slope = xp.where(_possible(xp, k, n) & (n > 0), slope, 0.0)
        return (unbroadcast(g * xp.where(_defined(xp, k, n, q), slope, xp.nan), p, dtype),)


def log_prob_value_and_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dp,) = log_prob_value_and_vjp(1.0, 3, 3, 0.5)
    >>> float(value), float(dp)
    (-2.0794415416798357, 6.0)
    """
    return log_prob(k, n, p), log_prob_vjp(g, k, n, p)


def _possible(xp: Array, k: Array, n: Array) -> Array:
    return (k >= 0) & (k <= n) & (xp.floor(k) == k)


def _defined(xp: Array, k: Array, n: Array, p: Array) -> Array:
    return (p >= 0) & (p <= 1) & (n >= 0) & (n < xp.inf) & (xp.floor(n) == n) & ~xp.isnan(k)


def _saddle_point(xp: Array, p: Array, k: Array, rest: Array) -> Array:
    low, high = xp.minimum(k, rest), xp.maximum(k, rest)
    errors = stirling_error(xp, low) + (stirling_error(xp, high) - stirling_error(xp, low + high))
    power = xp.log(2 * pi * low / (1 + low / high)) / 2
    return deviance(xp, p, k, rest, product_minus(xp, p, k + rest, k)) - power - errors
