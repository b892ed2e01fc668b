r"""Bernoulli distribution on 0 and 1, :math:`f(k; p) = p^k (1-p)^{1-k}`: one trial of the binomial distribution.

Probabilities are never clamped: the edges p = 0 and p = 1 are the limits from inside, towards possibility for the
slope of an impossible event. Counts, int64 results and their -1: see the binomial distribution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import (
    Tails,
    as_count,
    bounded,
    cotangents,
    result,
    tail,
    tail_vjp,
    unit,
)
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Real, Unit
from refengine.special._saddle_point import (
    log1p_minus,
    sum_error,
)

__all__ = [
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "kl_divergence",
    "kl_divergence_poisson",
    "kl_divergence_poisson_vjp",
    "kl_divergence_vjp",
    "log_cdf",
    "log_cdf_vjp",
    "log_prob",
    "log_prob_logits",
    "log_prob_logits_value_and_vjp",
    "log_prob_logits_vjp",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "log_sf",
    "log_sf_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "noise",
    "sample",
    "sf",
    "sf_vjp",
    "variance",
    "variance_vjp",
]


def log_prob(k: Count, p: Unit) -> Array:
    r"""Logarithm of the Bernoulli probability.

    .. math:: \log f(k; p) = k \log p + (1-k) \log(1-p), \qquad 0 \log 0 = 0

    k, p: broadcast together; the result has the broadcast shape. float32 when every floating array is, else float64,
    and float64 inside. k other than 0 and 1: -inf with zero gradient. p outside [0, 1], and nan: nan. Bishop (2006),
    eq. 2.2.

    >>> float(log_prob(1, 0.5)), float(log_prob(0, 0.0)), float(log_prob(1, 0.0))
    (-0.6931471805599453, 0.0, -inf)
    """
    xp, dtype, k, p = elementwise(k=k, p=p)
    with np.errstate(all="ignore"):
        value = xp.where(k == 0, xp.log1p(-p) + 0.0, xp.where(k == 1, xp.log(p), -xp.inf))
        return result(xp, dtype, value, unit(p) & ~xp.isnan(k))


def log_prob_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p, :math:`\partial_p = 1/p` for k = 1, :math:`-1/(1-p)` for k = 0."""
    xp, dtype, g, k, q = elementwise(g=g, k=k, p=p)
    with np.errstate(all="ignore"):
        slope = xp.where(k == 0, -1 / (1 - q), xp.where(k == 1, 1 / q, 0.0))
        return cotangents(g, dtype, unit(q) & ~xp.isnan(k), (slope, p))


def log_prob_value_and_vjp(g: Array, k: Count, p: Unit) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dp,) = log_prob_value_and_vjp(1.0, 0, 0.5)
    >>> float(value), float(dp)
    (-0.6931471805599453, -2.0)
    """
    return log_prob(k, p), log_prob_vjp(g, k, p)


def log_prob_logits(k: Count, logits: Real) -> Array:
    r"""Logarithm of the Bernoulli probability from log odds, :math:`p = 1 / (1 + e^{-l})`.

    .. math:: \log f(k; l) = k l - \log(1 + e^l)

    k, logits: broadcast together; the result has the broadcast shape. float32 when every floating array is, else
    float64, and float64 inside. Computed as the log sigmoid of l or -l, accurate for logits of any size. At plus and
    minus infinity it is the limit: 0 for the certain event, -inf for the impossible one. k other than 0 and 1: -inf
    with zero gradient. nan: nan. Bishop (2006), eq. 2.2 and 4.59.

    >>> float(log_prob_logits(1, 0.0)), float(log_prob_logits(0, 1e5))
    (-0.6931471805599453, -100000.0)
    """
    xp, dtype, k, logits = elementwise(k=k, logits=logits)
    with np.errstate(all="ignore"):
        value = xp.where((k == 0) | (k == 1), _counts.log_sigmoid(xp, (2 * k - 1) * logits), -xp.inf)
        return result(xp, dtype, value, ~xp.isnan(k) & ~xp.isnan(logits))


def log_prob_logits_vjp(g: Array, k: Count, logits: Real) -> tuple[Array]:
    r"""Cotangent of the logits, :math:`\partial_l = k - \sigma(l)`, which is :math:`\pm \sigma(\mp l)`."""
    xp, dtype, g, k, l = elementwise(g=g, k=k, logits=logits)
    with np.errstate(all="ignore"):
        sign = 2 * k - 1
        slope = xp.where((k == 0) | (k == 1), sign * _counts.sigmoid(xp, -sign * l), 0.0)
        return cotangents(g, dtype, ~xp.isnan(k) & ~xp.isnan(l), (slope, logits))


def log_prob_logits_value_and_vjp(g: Array, k: Count, logits: Real) -> tuple[Array, tuple[Array]]:
    """`log_prob_logits` and `log_prob_logits_vjp`; kernels make one pass of both.

    >>> value, (dlogits,) = log_prob_logits_value_and_vjp(1.0, 1, 0.0)
    >>> float(value), float(dlogits)
    (-0.6931471805599453, 0.5)
    """
    return log_prob_logits(k, logits), log_prob_logits_vjp(g, k, logits)


def cdf(k: Count, p: Unit) -> Array:
    r"""Distribution function, the probability of at most k.

    .. math:: F(k; p) = 1 - p, \qquad 0 \le k < 1

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, 1 from the end of the support on; of a k that is not whole the whole part counts. p outside [0, 1],
    and nan: nan. Bishop (2006), eq. 2.2.

    >>> float(cdf(0, 0.25)), float(cdf(1, 0.25)), float(cdf(-1, 0.25))
    (0.75, 1.0, 0.0)
    """
    return tail(_tails, "cdf", k=k, p=p)


def cdf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial_p F = -1, \qquad 0 \le k < 1
    """
    (dp,) = tail_vjp(_tails, "cdf", g, ("p",), k=k, p=p)
    return (dp,)


def sf(k: Count, p: Unit) -> Array:
    r"""Survival function, the probability of more than k, with full relative accuracy.

    .. math:: 1 - F(k; p)

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    1 for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. p outside [0, 1],
    and nan: nan. Bishop (2006), eq. 2.2.

    >>> float(sf(0, 1e-30)), float(sf(1, 0.25))
    (1e-30, 0.0)
    """
    return tail(_tails, "sf", k=k, p=p)


def sf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial(1 - F) = -\partial F, \qquad \partial_p F = -1, \qquad 0 \le k < 1
    """
    (dp,) = tail_vjp(_tails, "sf", g, ("p",), k=k, p=p)
    return (dp,)


def log_cdf(k: Count, p: Unit) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; p)

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    -inf for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. p outside [0,
    1], and nan: nan. Bishop (2006), eq. 2.2.

    >>> float(log_cdf(0, 0.5)), float(log_cdf(1, 0.5))
    (-0.6931471805599453, 0.0)
    """
    return tail(_tails, "log_cdf", k=k, p=p)


def log_cdf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial \log F = \frac{\partial F}{F}, \qquad \partial_p F = -1, \qquad 0 \le k < 1
    """
    (dp,) = tail_vjp(_tails, "log_cdf", g, ("p",), k=k, p=p)
    return (dp,)


def log_sf(k: Count, p: Unit) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; p))

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, -inf from the end of the support on; of a k that is not whole the whole part counts. p outside [0,
    1], and nan: nan. Bishop (2006), eq. 2.2.

    >>> float(log_sf(0, 0.5)), float(log_sf(1, 0.5))
    (-0.6931471805599453, -inf)
    """
    return tail(_tails, "log_sf", k=k, p=p)


def log_sf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial \log(1 - F) = -\frac{\partial F}{1 - F}, \qquad \partial_p F = -1, \qquad 0 \le k < 1
    """
    (dp,) = tail_vjp(_tails, "log_sf", g, ("p",), k=k, p=p)
    return (dp,)


def icdf(u: Unit, p: Unit) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; p) = \min \{k : F(k; p) \ge u\}

    u, p: broadcast together. The comparison of u with 1 - p is exact. u or p outside [0, 1], and nan: -1. Devroye
    (1986), section III.2.1.

    >>> int(icdf(0.75, 0.25)), int(icdf(0.76, 0.25))
    (0, 1)
    """
    xp, _, u, p = elementwise(u=u, p=p)
    total = u + p
    above = (total > 1) | ((total == 1) & (sum_error(u, p) > 0))
    return as_count(xp, xp.where(above, xp.asarray(1.0), 0.0), unit(u) & unit(p))


def sample(noise: Unit, p: Unit) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; p) \ge \text{noise}\}

    noise, p: broadcast together. Devroye (1986), section III.2.1.

    >>> int(sample(0.9, 0.25))
    1
    """
    elementwise(noise=noise, p=p)  # errors name the noise
    return icdf(noise, p)


def mean(p: Unit) -> Array:
    r"""Expectation.

    .. math:: E[k] = p

    p: any shape, which broadcasts to the result's. float32 for float32, else float64. Outside [0, 1]: nan. Bishop
    (2006), eq. 2.3.

    >>> float(mean(0.25))
    0.25
    """
    xp, dtype, p = elementwise(p=p)
    return result(xp, dtype, p, unit(p))


def mean_vjp(g: Array, p: Unit) -> tuple[Array]:
    """Cotangent of p, :math:`1`."""
    xp, dtype, g, q = elementwise(g=g, p=p)
    return cotangents(g, dtype, unit(q), (xp.ones_like(q), p))


def variance(p: Unit) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = p (1-p)

    p: any shape, which broadcasts to the result's. float32 for float32, else float64. Outside [0, 1]: nan. Bishop
    (2006), eq. 2.4.

    >>> float(variance(0.25))
    0.1875
    """
    xp, dtype, p = elementwise(p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, p * (1 - p), unit(p))


def variance_vjp(g: Array, p: Unit) -> tuple[Array]:
    """Cotangent of p, :math:`1 - 2p`."""
    _, dtype, g, q = elementwise(g=g, p=p)
    with np.errstate(all="ignore"):
        return cotangents(g, dtype, unit(q), (1 - 2 * q, p))


def mode(p: Unit) -> Array:
    r"""The more probable outcome, as int64.

    .. math:: \operatorname{argmax}_k f(k; p)

    p: any shape, which broadcasts to the result's. -1 at p = 1/2, where both are, and for p outside [0, 1]. Bishop
    (2006), eq. 2.2.

    >>> int(mode(0.25)), int(mode(0.75)), int(mode(0.5))
    (0, 1, -1)
    """
    xp, _, p = elementwise(p=p)
    return as_count(xp, xp.where(p > 0.5, xp.asarray(1.0), 0.0), unit(p) & (p != 0.5))


def entropy(p: Unit) -> Array:
    r"""Entropy in nats.

    .. math:: H(p) = -p \log p - (1-p) \log(1-p), \qquad 0 \log 0 = 0

    p: any shape, which broadcasts to the result's. float32 for float32, else float64. Outside [0, 1]: nan. Bishop
    (2006), eq. B.4.

    >>> float(entropy(0.5)), float(entropy(0.0))
    (0.6931471805599453, 0.0)
    """
    xp, dtype, p = elementwise(p=p)
    with np.errstate(all="ignore"):
        inside = (p > 0) & (p < 1)
        value = xp.where(inside, -p * xp.log(p) - (1 - p) * xp.log1p(-p), 0.0)
        return result(xp, dtype, value, unit(p))


def entropy_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p, :math:`\log((1-p)/p)`; at 0 and 1 it is inf and -inf."""
    xp, dtype, g, q = elementwise(g=g, p=p)
    with np.errstate(all="ignore"):
        return cotangents(g, dtype, unit(q), (xp.log1p(-q) - xp.log(q), p))


def kl_divergence(p_p: Unit, p_q: Unit) -> Array:
    r"""Divergence of one Bernoulli distribution from another.

    .. math:: D(p \| q) = p \log(p/q) + (1-p) \log((1-p)/(1-q))

    p_p, p_q: broadcast together. float32 when every floating array is, else float64. No cancellation for p near q. inf
    with zero gradients where q forbids what p allows. Outside [0, 1]: nan. Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence(0.0, 0.5)), float(kl_divergence(0.5, 0.0))
    (0.6931471805599453, inf)
    """
    xp, dtype, p, q = elementwise(p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        return result(xp, dtype, _counts.bernoulli_divergence(xp, p, q), unit(p) & unit(q))


def kl_divergence_vjp(g: Array, p_p: Unit, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of p and q.

    .. math:: \partial_p D = \log(p/q) - \log((1-p)/(1-q)), \qquad \partial_q D = (q - p) / (q (1-q))

    At p = q = 0 and 1 the derivative to p is inf and -inf, towards where the divergence is infinite.
    """
    xp, dtype, g, p, q = elementwise(g=g, p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        dp, dq = _counts.divergence_slopes(xp, p, q)
        return cotangents(g, dtype, unit(p) & unit(q), (dp, p_p), (dq, p_q))


def kl_divergence_poisson(p_p: Unit, rate_q: NonNegative) -> Array:
    r"""Divergence of a Bernoulli distribution from a Poisson distribution.

    .. math:: D = p \log p + (1-p) \log(1-p) - p \log \lambda + \lambda

    p_p, rate_q: broadcast together. float32 when every floating array is, else float64. Written as the divergence of
    Poisson's with rate p, and a rest of order p^2. inf with zero gradients for p > 0 and rate 0. p outside [0, 1], a
    rate that is negative or infinite, and nan: nan. Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence_poisson(0.0, 2.0)), float(kl_divergence_poisson(1.0, 1.0))
    (2.0, 1.0)
    """
    xp, dtype, p, rate = elementwise(p_p=p_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        small = p < 0.5
        rest = xp.where(small, (1 - p) * log1p_minus(xp, -p) + p * p, xp.where(p < 1, (1 - p) * xp.log1p(-p), 0.0) + p)
        value = _counts.poisson_divergence(xp, p, rate) + rest
        return result(xp, dtype, value, unit(p) & (rate >= 0) & (rate < xp.inf))


def kl_divergence_poisson_vjp(g: Array, p_p: Unit, rate_q: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents of p and the rate.

    .. math:: \partial_p D = \log(p/\lambda) - \log(1-p), \qquad \partial_\lambda D = (\lambda - p) / \lambda
    """
    xp, dtype, g, p, rate = elementwise(g=g, p_p=p_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        fits = (rate > 0) | (p == 0)
        dp = xp.where(
            p == 0, xp.where(rate > 0, xp.asarray(-xp.inf), xp.inf), _counts.log_ratio(xp, p, rate) - xp.log1p(-p)
        )
        drate = xp.where(p == 0, 1.0, (rate - p) / rate)
        slopes = [(xp.where(fits, d, 0.0), like) for d, like in ((dp, p_p), (drate, rate_q))]
        return cotangents(g, dtype, unit(p) & (rate >= 0) & (rate < xp.inf), *slopes)


def maximum_likelihood(data: Unit) -> Array:
    r"""The probability under which the data are most probable.

    .. math:: \hat p = \frac{1}{N} \sum_i x_i

    data: (N,), taken as real numbers in [0, 1]; others, and no data: nan. float32 for float32, else float64. Bishop
    (2006), eq. 2.7.

    >>> float(maximum_likelihood(np.array([0.0, 1.0, 1.0, 0.0])))
    0.5
    """
    xp, dtype, x = sample_of(data)
    return xp.astype(
        xp.where(xp.all(unit(x)), xp.sum(x) / x.shape[0] if x.shape[0] else xp.asarray(xp.nan), xp.nan),
        dtype,
        copy=False,
    )


def maximum_likelihood_vjp(g: Array, data: Unit) -> tuple[Array]:
    """Cotangent of the data, :math:`1/N` each."""
    xp, dtype, x, g = sample_of(data, g)
    slope = xp.where(xp.all(unit(x)), xp.asarray(1 / max(x.shape[0], 1)), xp.nan)
    return (xp.astype(g * slope + xp.zeros_like(x), dtype, copy=False),)


def _tails(xp: Any, k: Array, p: Array) -> Tails:
    one = 1.0 + 0.0 * p
    slopes = {"cdf": (-one,), "sf": (one,), "log_cdf": (-1 / (1 - p),), "log_sf": (1 / p,)}
    found = Tails(1 - p, p, xp.log1p(-p) + 0.0, xp.log(p), slopes)
    return bounded(xp, found, k < 0, k >= 1, unit(p) & ~xp.isnan(k))
