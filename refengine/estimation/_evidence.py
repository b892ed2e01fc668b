r"""Evidences of counts, whose large terms are cancelled on paper.

The evidence is the largest likelihood, a probability, times Occam's factor, which is at most 1: both logarithms are
negative, so their sum loses nothing. With posterior shapes A = a + K, B = b + M, sums c = a + b, C = A + B, n = K + M,
and the observed fraction K / n, the logarithm of the factor is

.. math:: \log\frac{B(A, B)}{B(a, b)} - K \log\frac Kn - M \log\frac Mn = D(a, b; e) + D(K, M; -e)
          + \log\frac{w(a) w(b) w(C)}{w(c) w(A) w(B)} + (\text{Stirling errors})

where :math:`D(a, b; e) = a \log(1 + e/a) + b \log(1 - e/b) \le 0` and :math:`e = (K b - a M) / C`, and for w and the
errors see `refengine.special._saddle_point`. The Poisson likelihood has the same with B and b replaced by the rates.
"""

from __future__ import annotations

from typing import Any

from refengine.distributions import binomial
from refengine.domains import Array
from refengine.special._saddle_point import (
    log1p_minus,
    log_minus_digamma,
    log_quotient,
    product_minus,
    remainder,
    stirling_error,
    weight,
)
from refengine.special._second_difference import digamma_fall, lgamma_difference
from refengine.special.digamma_difference import digamma_difference


def two_outcomes(xp: Any, k: Array, n: Array, a: Array, b: Array) -> Array:
    """Log evidence of successes k of n, (..., N), under a beta prior (...); whole counts, positive shapes."""
    hits, misses = xp.sum(k, axis=-1), xp.sum(n - k, axis=-1)
    rarer = hits <= misses
    share = xp.where(rarer, hits, misses) / xp.where(hits + misses > 0, hits + misses, 1.0)
    k = xp.where(rarer[..., None], k, n - k)  # 1 - share loses nothing
    fit = xp.sum(binomial.log_prob(k, n, share[..., None]), axis=-1)
    one, other = xp.where(hits == 0, b, a), xp.where(hits == 0, a, b)
    certain = -lgamma_difference(xp, one, hits + misses, other)
    return fit + xp.where((hits == 0) | (misses == 0), certain, _factor(xp, a, b, hits, misses)) + 0.0


def two_slopes(xp: Any, hits: Array, misses: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """The derivatives of the logarithm of B(a + hits, b + misses) / B(a, b) to a and b."""
    c = a + b
    to_a = digamma_fall(xp, a, hits, b) - digamma_difference(c + hits, misses)
    return to_a, digamma_fall(xp, b, misses, a) - digamma_difference(c + misses, hits)


def poisson(xp: Any, k: Array, concentration: Array, rate: Array) -> Array:
    """Log evidence of Poisson counts (..., N) under a gamma prior (...); whole counts, positive parameters."""
    size, events = 1.0 * k.shape[-1], xp.sum(k, axis=-1)
    some = xp.where(events > 0, events, 1.0)
    fit = xp.sum(_poisson_log_prob(xp, k, (events / max(size, 1.0))[..., None]), axis=-1)
    a, b = concentration, rate
    e = excess(xp, some, b, a, size, b + size)
    spread = _weights(xp, a, some) + remainder(xp, a + some) - remainder(xp, a)
    shares = ((a + some) / a) * (b / (b + size)), ((a + some) / some) * (size / (b + size))
    factor = _pair(xp, a, some, e, *shares) + spread
    return fit + xp.where(events > 0, factor, -a * xp.log1p(size / b)) + 0.0


def poisson_slopes(xp: Any, events: Array, size: float, a: Array, b: Array) -> tuple[Array, Array]:
    """The derivatives of log of Gamma(a + events) b^a / (Gamma(a) (b + size)^(a + events)) to a and b."""
    e = excess(xp, events, b, a, size, b + size)
    return shape_slope(xp, a, events, e, size / b), -e / b


def shape_slope(xp: Any, a: Array, h: Array, e: Array, growth: Array) -> Array:
    """``psi(a + h) - psi(a) - log(1 + growth)`` where ``(a + h) / (1 + growth) = a + e``.

    Where the two terms are large and may cancel, their logarithms are one.
    """
    grown = a + h
    near = e / a > -0.5
    log_ratio = xp.where(near, xp.log1p(xp.where(near, e / a, 0.0)), xp.log(grown / a / (1 + growth)))
    merged = log_ratio + (log_minus_digamma(xp, a) - log_minus_digamma(xp, grown))
    return xp.where(h > a, merged, digamma_difference(a, h) - xp.log1p(growth))


def log_rise(xp: Any, a: Array, h: Array) -> Array:
    """``lgamma(a + h) - lgamma(a) - h log(a + h) + h - a log(1 + h/a)``: what Stirling's leading terms leave."""
    return _weights(xp, a, h) + (remainder(xp, a + h) - remainder(xp, a))


def _factor(xp: Any, a: Array, b: Array, hits: Array, misses: Array) -> Array:
    hits, misses = xp.where(hits > 0, hits, 1.0), xp.where(misses > 0, misses, 1.0)
    c, n = a + b, hits + misses
    p, q = (a + hits) / (c + n), (b + misses) / (c + n)
    e = excess(xp, hits, b, a, misses, c + n)
    prior = _pair(xp, a, b, e, p * (c / a), q * (c / b))
    data = _pair(xp, hits, misses, -e, p * (n / hits), q * (n / misses))
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    more = xp.where(a <= b, hits, misses)
    weights = _weights(xp, low, more) + (_weights(xp, high, n - more) - _weights(xp, c, n))
    low_error = remainder(xp, low + more) - remainder(xp, low)
    high_error = remainder(xp, high + (n - more)) - remainder(xp, high)
    return prior + data + weights + (low_error + (high_error - (remainder(xp, c + n) - remainder(xp, c))))


def _weights(xp: Any, a: Array, h: Array) -> Array:
    return log_quotient(xp, weight(xp, a), weight(xp, a + h), 1.0 + 0.0 * h)


def excess(xp: Any, k: Array, b: Array, a: Array, m: Array, total: Array) -> Array:
    """``(k b - a m) / total``, the difference rounded about once."""
    product = a * m
    return (product_minus(xp, k, b, product) - product_minus(xp, a, m + 0.0 * a, product)) / total


def _pair(xp: Any, a: Array, b: Array, e: Array, left: Array, right: Array) -> Array:
    """``a log(1 + e/a) + b log(1 - e/b) <= 0``, given the arguments of the logarithms by other means too."""
    ta, tb = xp.clip(e / a, -1e300, 1e300), xp.clip(-e / b, -1e300, 1e300)
    near = (xp.abs(ta) <= 0.5) & (xp.abs(tb) <= 0.5)
    first = xp.where(ta > -0.5, xp.log1p(xp.where(ta > -0.5, ta, 0.0)), xp.log(left))
    second = xp.where(tb > -0.5, xp.log1p(xp.where(tb > -0.5, tb, 0.0)), xp.log(right))
    return xp.where(near, a * log1p_minus(xp, ta) + b * log1p_minus(xp, tb), a * first + b * second)


def _poisson_log_prob(xp: Any, k: Array, mean: Array) -> Array:
    """Loader's saddle point for whole k >= 0 and mean > 0, or mean = 0 with k = 0."""
    y = xp.where(k > 0, k, 1.0)
    t = (mean - y) / y
    near = xp.abs(t) <= 0.5
    deviance = xp.where(near, y * log1p_minus(xp, t), y * xp.log(mean / y) - (mean - y))
    density = deviance - xp.log(2 * 3.141592653589793 * y) / 2 - stirling_error(xp, y)
    return xp.where(k > 0, density, -mean)
