r"""Negative binomial distribution on 0, 1, 2, ..., :math:`f(k; r, p) = \frac{\Gamma(k+r)}{k!\,\Gamma(r)} (1-p)^r p^k`.

p multiplies k, as in torch: the number of successes, each of probability p, before the r-th failure; r is any positive
number. SciPy's and NumPy's p is 1 - p.
"""

from __future__ import annotations

from math import log, pi
from typing import NamedTuple

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import as_count, cotangents, excess, positive, result, unit, whole
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Positive, Unit
from refengine.special._saddle_point import deviance, log_quotient, remainder, weight
from refengine.special.digamma_difference import digamma_difference

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp", "noise"]


def log_prob(k: Count, r: Positive, p: Unit) -> Array:
    r"""Logarithm of the negative binomial probability, accurate to a few ulp for counts and r of any size.

    .. math:: \log f(k; r, p) = \log \frac{\Gamma(k+r)}{k!\,\Gamma(r)} + r \log(1-p) + k \log p, \qquad 0 \log 0 = 0

    k, r, p: broadcast together; the result has the broadcast shape. Counts stand in integer or floating arrays and are
    exact up to 2^53. float32 when every floating array is, else float64, and float64 inside. k that is negative,
    infinite or not whole: -inf with zero gradients. At p = 0 only k = 0 is possible; at p = 1 all k have the limit
    -inf. r that is not positive and finite, p outside [0, 1], and nan: nan.

    Loader's saddle point (2000): f is the beta density of p with shapes k and r, times p (1-p) / k.

    >>> round(float(log_prob(1, 1.0, 0.5)), 14)  # log(1/4)
    -1.38629436111989
    >>> float(log_prob(0, 2.0, 0.0)), float(log_prob(3, 2.0, 0.0))
    (0.0, -inf)
    """
    xp, dtype, k, r, p = elementwise(k=k, r=r, p=p)
    with np.errstate(all="ignore"):
        inner = whole(xp, k) & (k > 0) & (k < xp.inf) & (p > 0) & (p < 1) & positive(xp, r)
        m, s, q = xp.where(inner, k, 1.0), xp.where(inner, r, 1.0), xp.where(inner, p, 0.5)
        value = xp.where(inner, _saddle_point(xp, m, s, q), -xp.inf)
        value = xp.where(k == 0, r * xp.log1p(-p) + 0.0, value)
        return result(xp, dtype, value, _defined(xp, k, r, p))


def log_prob_vjp(g: Array, k: Count, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial_r = \psi(k+r) - \psi(r) + \log(1-p), \qquad
              \partial_p = \frac{k}{p} - \frac{r}{1-p} = \frac{k - p (k+r)}{p (1-p)}

    with k - p (k+r) as if with twice the digits. Limits: at p = 0 the derivative to p is -r for k = 0, else inf; at
    p = 1 both derivatives are -inf.
    """
    xp, dtype, g, k, s, q = elementwise(g=g, k=k, r=r, p=p)
    with np.errstate(all="ignore"):
        possible = whole(xp, k) & (k < xp.inf)
        dr = digamma_difference(s, xp.where(possible, k, 0.0)) + xp.log1p(-q)
        dp = xp.where(k == 0, -s / (1 - q), -excess(xp, q, k, s) / (1 - q) / q)
        dp = xp.where(q == 1, -xp.inf, xp.where((q == 0) & (k > 0), xp.inf, dp))
        dr, dp = (xp.where(possible, slope, 0.0) for slope in (dr, dp))
        return cotangents(g, dtype, _defined(xp, k, s, q), (dr, r), (dp, p))


def log_prob_value_and_vjp(g: Array, k: Count, r: Positive, p: Unit) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dr, dp) = log_prob_value_and_vjp(1.0, 0, 1.0, 0.5)
    >>> float(value), float(dr), float(dp)
    (-0.6931471805599453, -0.6931471805599453, -2.0)
    """
    return log_prob(k, r, p), log_prob_vjp(g, k, r, p)


def _defined(xp: Array, k: Array, r: Array, p: Array) -> Array:
    return positive(xp, r) & unit(p) & ~xp.isnan(k)


def _saddle_point(xp: Array, k: Array, r: Array, p: Array) -> Array:
    low, high = xp.minimum(k, r), xp.maximum(k, r)
    power = log_quotient(xp, weight(xp, low), k, weight(xp, high) / weight(xp, low + high))
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    return deviance(xp, p, k, r, excess(xp, p, k, r)) + power - errors
