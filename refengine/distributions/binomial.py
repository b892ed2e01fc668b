r"""Binomial distribution on 0, 1, ..., n, :math:`f(k; n, p) = \binom{n}{k} p^k (1-p)^{n-k}`."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape, elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import (
    Tails,
    as_count,
    beta_tails,
    bounded,
    cotangents,
    finite,
    log_sigmoid,
    on_edge,
    result,
    sigmoid,
    smallest,
    tail,
    tail_vjp,
    unit,
)
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Real, Unit
from refengine.special._saddle_point import (
    deviance,
    product_minus,
    share_deviance,
    stirling_error,
)

__all__ = [
    "cdf",
    "cdf_vjp",
    "icdf",
    "kl_divergence",
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
        return cotangents(g, dtype, _defined(xp, k, n, q), (slope, p))


def log_prob_value_and_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dp,) = log_prob_value_and_vjp(1.0, 3, 3, 0.5)
    >>> float(value), float(dp)
    (-2.0794415416798357, 6.0)
    """
    return log_prob(k, n, p), log_prob_vjp(g, k, n, p)


def log_prob_logits(k: Count, n: Count, logits: Real) -> Array:
    r"""Logarithm of the binomial probability from log odds, :math:`p = 1 / (1 + e^{-l})`.

    .. math:: \log f(k; n, l) = \log \binom{n}{k} + k l - n \log(1 + e^l)

    k, n, logits: broadcast together; the result has the broadcast shape. Counts, dtypes and support as for `log_prob`.
    Accurate for logits of any size, where p rounds to 0 or 1 too; plus and minus infinity are the limits. nan: nan.

    Loader's saddle point (2000); n p - k comes from tanh(l/2) next to l = 0, else from the smaller of p and 1 - p.

    >>> float(log_prob_logits(1, 1, 0.0)), float(log_prob_logits(0, 2, 1e5))
    (-0.6931471805599453, -200000.0)
    """
    xp, dtype, k, n, logits = elementwise(k=k, n=n, logits=logits)
    with np.errstate(all="ignore"):
        inner = (k > 0) & (k < n) & (n < xp.inf)
        a, b = xp.where(inner, k, 1.0), xp.where(inner, n - k, 1.0)
        value = xp.where(inner, _logit_saddle_point(xp, xp.where(xp.isnan(logits), 0.0, logits), a, b), -xp.inf)
        value = xp.where(k == 0, n * log_sigmoid(xp, -logits), xp.where(k == n, n * log_sigmoid(xp, logits), value))
        value = xp.where(_possible(xp, k, n), xp.where(n == 0, 0.0, value), -xp.inf)
        return result(xp, dtype, value, finite(xp, n) & ~xp.isnan(k) & ~xp.isnan(logits))


def log_prob_logits_vjp(g: Array, k: Count, n: Count, logits: Real) -> tuple[Array]:
    r"""Cotangent of the logits, :math:`\partial_l = k - n p` as if with twice the digits; the counts have none."""
    xp, dtype, g, k, n, l = elementwise(g=g, k=k, n=n, logits=logits)
    with np.errstate(all="ignore"):
        slope = xp.where(_possible(xp, k, n), 0.0 - _logit_excess(xp, k, n, l), 0.0)
        return cotangents(g, dtype, finite(xp, n) & ~xp.isnan(k) & ~xp.isnan(l), (slope, logits))


def log_prob_logits_value_and_vjp(g: Array, k: Count, n: Count, logits: Real) -> tuple[Array, tuple[Array]]:
    """`log_prob_logits` and `log_prob_logits_vjp`; kernels make one pass of both.

    >>> value, (dlogits,) = log_prob_logits_value_and_vjp(1.0, 3, 3, 0.0)
    >>> float(value), float(dlogits)
    (-2.0794415416798357, 1.5)
    """
    return log_prob_logits(k, n, logits), log_prob_logits_vjp(g, k, n, logits)


def cdf(k: Count, n: Count, p: Unit) -> Array:
    r"""Distribution function, the probability of at most k.

    .. math:: F(k; n, p) = \sum_{j \le k} f(j; n, p) = I_{1-p}(n-k, k+1)

    k, n, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, 1 from the end of the support on; of a k that is not whole the whole part counts. n that is negative
    or not whole, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.5.

    >>> round(float(cdf(0, 2, 0.5)), 15), float(cdf(2, 2, 0.5))
    (0.25, 1.0)
    """
    return tail(_tails, "cdf", k=k, n=n, p=p)


def cdf_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial_p F = -\frac{n-k}{1-p} f(k; n, p)
    """
    (dp,) = tail_vjp(_tails, "cdf", g, ("p",), k=k, n=n, p=p)
    return (dp,)


def sf(k: Count, n: Count, p: Unit) -> Array:
    r"""Survival function, the probability of more than k, with full relative accuracy.

    .. math:: 1 - F(k; n, p)

    k, n, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    1 for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. n that is negative
    or not whole, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.5.

    >>> round(float(sf(1, 2, 0.5)), 15), float(sf(2, 2, 0.5))
    (0.25, 0.0)
    """
    return tail(_tails, "sf", k=k, n=n, p=p)


def sf_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial(1 - F) = -\partial F, \qquad \partial_p F = -\frac{n-k}{1-p} f(k; n, p)
    """
    (dp,) = tail_vjp(_tails, "sf", g, ("p",), k=k, n=n, p=p)
    return (dp,)


def log_cdf(k: Count, n: Count, p: Unit) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; n, p)

    k, n, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    -inf for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. n that is
    negative or not whole, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.5.

    >>> round(float(log_cdf(0, 2, 0.5)), 14)  # log(1/4)
    -1.38629436111989
    """
    return tail(_tails, "log_cdf", k=k, n=n, p=p)


def log_cdf_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial \log F = \frac{\partial F}{F}, \qquad \partial_p F = -\frac{n-k}{1-p} f(k; n, p)
    """
    (dp,) = tail_vjp(_tails, "log_cdf", g, ("p",), k=k, n=n, p=p)
    return (dp,)


def log_sf(k: Count, n: Count, p: Unit) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; n, p))

    k, n, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, -inf from the end of the support on; of a k that is not whole the whole part counts. n that is
    negative or not whole, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.5.

    >>> round(float(log_sf(1, 2, 0.5)), 14)  # log(1/4)
    -1.38629436111989
    """
    return tail(_tails, "log_sf", k=k, n=n, p=p)


def log_sf_vjp(g: Array, k: Count, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial \log(1 - F) = -\frac{\partial F}{1 - F}, \qquad
              \partial_p F = -\frac{n-k}{1-p} f(k; n, p)
    """
    (dp,) = tail_vjp(_tails, "log_sf", g, ("p",), k=k, n=n, p=p)
    return (dp,)


def icdf(u: Unit, n: Count, p: Unit) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; n, p) = \min \{k : F(k; n, p) \ge u\}

    u, n, p: broadcast together. 0 at u = 0, the end of the support at u = 1. Where u lies within rounding of a step of
    the `cdf`, that step's count or the next. 2^63 - 1 stands for what is larger, infinity among it; -1 where u is
    outside
    [0, 1] or there is no distribution. Devroye (1986), section III.2.1.

    >>> int(icdf(0.25, 2, 0.5)), int(icdf(0.26, 2, 0.5))
    (0, 1)
    """
    xp, _, u, n, p = elementwise(u=u, n=n, p=p)
    with np.errstate(all="ignore"):
        return _icdf(xp, u, n, p)


def sample(noise: Unit, n: Count, p: Unit) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; n, p) \ge \text{noise}\}

    noise, n, p: broadcast together. Edges as for the `icdf`. Devroye (1986), section III.2.1.

    >>> int(sample(0.4, 3, 0.5))
    1
    """
    elementwise(noise=noise, n=n, p=p)  # errors name the noise
    return icdf(noise, n, p)


def mean(n: Count, p: Unit) -> Array:
    r"""Expectation.

    .. math:: E[k] = n p

    n, p: broadcast together. float32 when every floating array is, else float64, and float64 inside. n that is
    negative or not whole, p outside [0, 1], and nan: nan. Johnson, Kemp and Kotz (2005), section 3.2.

    >>> float(mean(10, 0.25))
    2.5
    """
    xp, dtype, n, p = elementwise(n=n, p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, n * p, finite(xp, n) & unit(p))


def mean_vjp(g: Array, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: n
    """
    like = (p,)
    xp, dtype, g, n, p = elementwise(g=g, n=n, p=p)
    with np.errstate(all="ignore"):
        slopes = (n + 0.0 * p,)
        return cotangents(g, dtype, finite(xp, n) & unit(p), *zip(slopes, like, strict=True))


def variance(n: Count, p: Unit) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = n p (1-p)

    n, p: broadcast together. float32 when every floating array is, else float64, and float64 inside. n that is
    negative or not whole, p outside [0, 1], and nan: nan. Johnson, Kemp and Kotz (2005), section 3.2.

    >>> float(variance(8, 0.5))
    2.0
    """
    xp, dtype, n, p = elementwise(n=n, p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, n * p * (1 - p), finite(xp, n) & unit(p))


def variance_vjp(g: Array, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: n (1 - 2p)
    """
    like = (p,)
    xp, dtype, g, n, p = elementwise(g=g, n=n, p=p)
    with np.errstate(all="ignore"):
        slopes = (n * (1 - 2 * p),)
        return cotangents(g, dtype, finite(xp, n) & unit(p), *zip(slopes, like, strict=True))


def mode(n: Count, p: Unit) -> Array:
    r"""The most probable count, as int64.

    .. math:: \lfloor (n+1) p \rfloor

    n, p: broadcast together. n for p = 1. -1 where two counts are equally probable, and out of the domain. Johnson,
    Kemp and Kotz (2005), section 3.4.

    >>> int(mode(10, 0.25)), int(mode(3, 0.5)), int(mode(3, 1.0))
    (2, -1, 3)
    """
    xp, _, n, p = elementwise(n=n, p=p)
    with np.errstate(all="ignore"):
        return as_count(xp, *_mode(xp, n, p))


def kl_divergence(n: Count, p_p: Unit, p_q: Unit) -> Array:
    r"""Divergence of one binomial distribution from another with the same number of trials.

    .. math:: D = n \left( p \log\frac{p}{q} + (1-p) \log\frac{1-p}{1-q} \right)

    n, p_p, p_q: broadcast together. float32 when every floating array is, else float64. No cancellation for p near q.
    inf with zero gradients where q forbids what p allows. n that is negative or not whole, probabilities outside
    [0, 1], and nan: nan. Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence(1, 0.0, 0.5)), float(kl_divergence(10, 0.5, 0.0))
    (0.6931471805599453, inf)
    """
    xp, dtype, n, p, q = elementwise(n=n, p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        value = xp.where(n == 0, 0.0, n * _counts.bernoulli_divergence(xp, p, q))
        return result(xp, dtype, value, finite(xp, n) & unit(p) & unit(q))


def kl_divergence_vjp(g: Array, n: Count, p_p: Unit, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of p and q.

    .. math:: \partial_p D = n \left( \log\frac{p}{q} - \log\frac{1-p}{1-q} \right), \qquad
              \partial_q D = \frac{n (q - p)}{q (1-q)}

    At p = q = 0 and 1 the derivative to p is inf and -inf, towards where the divergence is infinite.
    """
    xp, dtype, g, n, p, q = elementwise(g=g, n=n, p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        slopes = (xp.where(n == 0, 0.0, n * slope) for slope in _counts.divergence_slopes(xp, p, q))
        defined = finite(xp, n) & unit(p) & unit(q)
        return cotangents(g, dtype, defined, *zip(slopes, (p_p, p_q), strict=True))


def maximum_likelihood(data: NonNegative, n: Count) -> Array:
    r"""The probability under which the data are most probable, for known numbers of trials.

    .. math:: \hat p = \sum_i x_i \Big/ \sum_i n_i

    data: (N,), taken as real numbers between 0 and their n; n: (N,), or one number for all. float32 for float32, else
    float64. Data outside, n that is negative or not whole, and no trials: nan. Johnson, Kemp and Kotz (2005),
    section 3.8.2.

    >>> float(maximum_likelihood(np.array([1.0, 2.0]), 6))
    0.25
    """
    xp, dtype, x, n, defined = _trials(data, n)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(defined, xp.sum(x) / xp.sum(n), xp.nan), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: NonNegative, n: Count) -> tuple[Array]:
    r"""Cotangent of the data, :math:`1 / \sum_i n_i` each."""
    xp, dtype, x, n, defined = _trials(data, n)
    g = as_float64(xp, "g", g)
    with np.errstate(all="ignore"):
        slope = xp.where(defined, 1 / xp.sum(n), xp.nan)
        return (xp.astype(g * slope + xp.zeros_like(x), dtype, copy=False),)


def _possible(xp: Array, k: Array, n: Array) -> Array:
    return (k >= 0) & (k <= n) & (xp.floor(k) == k)


def _defined(xp: Array, k: Array, n: Array, p: Array) -> Array:
    return (p >= 0) & (p <= 1) & (n >= 0) & (n < xp.inf) & (xp.floor(n) == n) & ~xp.isnan(k)


def _saddle_point(xp: Array, p: Array, k: Array, rest: Array) -> Array:
    return deviance(xp, p, k, rest, product_minus(xp, p, k + rest, k)) - _power_and_errors(xp, k, rest)


def _power_and_errors(xp: Array, k: Array, rest: Array) -> Array:
    low, high = xp.minimum(k, rest), xp.maximum(k, rest)
    errors = stirling_error(xp, low) + (stirling_error(xp, high) - stirling_error(xp, low + high))
    return xp.log(2 * pi * low / (1 + low / high)) / 2 + errors


def _logit_excess(xp: Any, k: Array, n: Array, logits: Array) -> Array:
    """``n p - k``."""
    share = sigmoid(xp, -xp.abs(logits))
    centred = product_minus(xp, xp.tanh(logits / 2), n / 2, k - n / 2)
    low, high = product_minus(xp, share, n, k), -product_minus(xp, share, n, n - k)
    return xp.where(xp.abs(logits) <= 1, centred, xp.where(logits > 0, high, low))


def _logit_saddle_point(xp: Any, logits: Array, k: Array, rest: Array) -> Array:
    n = k + rest
    e = _logit_excess(xp, k, n, logits)
    p, q = sigmoid(xp, logits), sigmoid(xp, -logits)
    s, t = e / k, -e / rest
    left = xp.where(s > -0.5, xp.log1p(s), log_sigmoid(xp, logits) + xp.log1p(rest / k))
    right = xp.where(t > -0.5, xp.log1p(t), log_sigmoid(xp, -logits) + xp.log1p(k / rest))
    near = (xp.abs(s) <= 0.5) & (xp.abs(t) <= 0.5)
    large = xp.where(near, share_deviance(xp, p, q, k, rest, e), k * left + rest * right)
    return large - _power_and_errors(xp, k, rest)


def _tails(xp: Any, k: Array, n: Array, p: Array) -> Tails:
    valid = finite(xp, n) & unit(p)
    inside = valid & (k >= 0) & (k < n)
    m, trials = xp.where(inside, xp.floor(k), 0.0), xp.where(inside, n, 1.0)
    found = beta_tails(xp, m, trials - m, p)
    first, last = xp.where(m == 0, trials, 0.0), xp.where(m == trials - 1, trials, 0.0)
    edge = {"cdf": (-first,), "sf": (first,), "log_cdf": (-first,), "log_sf": (xp.inf + first,)}
    found = on_edge(xp, p == 0, found, **edge)
    edge = {"cdf": (-last,), "sf": (last,), "log_cdf": (-xp.inf - last,), "log_sf": (last,)}
    found = on_edge(xp, p == 1, found, **edge)
    return bounded(xp, found, k < 0, k >= n, valid & ~xp.isnan(k))


def _icdf(xp: Any, u: Array, n: Array, p: Array) -> Array:
    valid = finite(xp, n) & unit(p)
    count, q = xp.where(valid, n, 1.0), xp.where(valid, p, 0.5)

    def tails(k: Array) -> Tails:
        return _tails(xp, k, count, q)

    end = xp.where(q == 0, 0.0, count)
    return as_count(xp, smallest(xp, u, end, count * q, count * q * (1 - q), tails), valid & unit(u))


def _mode(xp: Any, n: Array, p: Array) -> tuple[Array, Array]:
    """The largest k with f(k) >= f(k-1), which is (n+1) p >= k, and whether it is the only mode."""
    k = xp.floor((n + 1) * p)
    k = xp.where(product_minus(xp, p, n + 1, k + 1) >= 0, k + 1, k)
    tie = product_minus(xp, p, n + 1, k)
    k = xp.where(tie < 0, k - 1, k)
    return xp.minimum(k, n), finite(xp, n) & unit(p) & ((tie != 0) | (k == 0) | (k > n))


def _trials(data: Array, n: Array) -> tuple[Any, Any, Array, Array, Array]:
    """``xp, dtype, data, n, defined`` with n in the shape of the data."""
    xp, dtype, x = sample_of(data)
    trials = as_float64(xp, "n", n)
    if trials.ndim:
        check_shape("n", trials, ("N",), N=x.shape[0])
    trials = trials + 0.0 * x
    defined = xp.all((x >= 0) & (x <= trials) & finite(xp, trials)) & (xp.sum(trials) > 0)
    return xp, dtype, x, trials, defined
