r"""Poisson distribution on 0, 1, 2, ..., :math:`f(k; \lambda) = \lambda^k e^{-\lambda} / k!`."""

from __future__ import annotations

from math import pi

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import as_count, cotangents, result, whole
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Unit
from refengine.special._saddle_point import stirling_error

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp", "noise"]


def log_prob(k: Count, rate: NonNegative) -> Array:
    r"""Logarithm of the Poisson probability, accurate to a few ulp for counts and rates of any size.

    .. math:: \log f(k; \lambda) = k \log \lambda - \lambda - \log k!

    k, rate: broadcast together; the result has the broadcast shape. Counts stand in integer or floating arrays and are
    exact up to 2^53. float32 when every floating array is, else float64, and float64 inside. k that is negative,
    infinite or not whole: -inf with zero gradient. At rate 0 only k = 0 is possible. A rate that is negative or
    infinite, and nan: nan.

    Loader's saddle point (2000): Stirling's series is cancelled on paper.

    >>> float(log_prob(0, 2.5)), round(float(log_prob(1, 1.0)), 14), float(log_prob(1, 0.0))
    (-2.5, -1.0, -inf)
    """
    xp, dtype, k, rate = elementwise(k=k, rate=rate)
    with np.errstate(all="ignore"):
        inner = whole(xp, k) & (k > 0) & (k < xp.inf) & (rate > 0)
        m, r = xp.where(inner, k, 1.0), xp.where(inner, rate, 1.0)
        value = -(_counts.poisson_divergence(xp, m, r) + stirling_error(xp, m)) - xp.log(2 * pi * m) / 2
        value = xp.where(inner, value, xp.where(k == 0, -rate + 0.0, -xp.inf))
        return result(xp, dtype, value, _defined(xp, k, rate))


def log_prob_vjp(g: Array, k: Count, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of the rate, :math:`\partial_\lambda = (k - \lambda) / \lambda`.

    At rate 0 it is -1 for k = 0, and inf, towards possibility, for all other counts.
    """
    xp, dtype, g, k, r = elementwise(g=g, k=k, rate=rate)
    with np.errstate(all="ignore"):
        slope = xp.where(k == 0, -1.0, (k - r) / r)
        slope = xp.where(whole(xp, k) & (k < xp.inf), slope, 0.0)
        return cotangents(g, dtype, _defined(xp, k, r), (slope, rate))


def log_prob_value_and_vjp(g: Array, k: Count, rate: NonNegative) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (drate,) = log_prob_value_and_vjp(1.0, 2, 1.0)
    >>> round(float(value), 12), float(drate)
    (-1.69314718056, 1.0)
    """
    return log_prob(k, rate), log_prob_vjp(g, k, rate)


def _defined(xp: Array, k: Array, rate: Array) -> Array:
    return (rate >= 0) & (rate < xp.inf) & ~xp.isnan(k)
