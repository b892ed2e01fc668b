r"""Negative binomial distribution on 0, 1, 2, ..., :math:`f(k; r, p) = \frac{\Gamma(k+r)}{k!\,\Gamma(r)} (1-p)^r p^k`.

p multiplies k, as in torch: the number of successes, each of probability p, before the r-th failure; r is any positive
number. SciPy's and NumPy's p is 1 - p.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import (
    Tails,
    as_count,
    beta_tails,
    bounded,
    cotangents,
    excess,
    on_edge,
    positive,
    result,
    smallest,
    tail,
    tail_vjp,
    unit,
    whole,
)
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Positive, Unit
from refengine.special._saddle_point import (
    deviance,
    log1p_minus,
    log_quotient,
    remainder,
    weight,
)
from refengine.special._second_difference import (
    beyond_log,
    trigamma_beyond,
    trigamma_beyond_fall,
)
from refengine.special.digamma_difference import digamma_difference

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "icdf",
    "kl_divergence",
    "kl_divergence_vjp",
    "log_cdf",
    "log_cdf_vjp",
    "log_prob",
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


def cdf(k: Count, r: Positive, p: Unit) -> Array:
    r"""Distribution function, the probability of at most k.

    .. math:: F(k; r, p) = \sum_{j \le k} f(j; r, p) = I_{1-p}(r, k+1)

    k, r, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, 1 from the end of the support on; of a k that is not whole the whole part counts. r that is not
    positive and finite, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.24.

    >>> round(float(cdf(0, 1.0, 0.25)), 15), float(cdf(-1, 1.0, 0.25))
    (0.75, 0.0)
    """
    return tail(_tails, "cdf", k=k, r=r, p=p)


def cdf_vjp(g: Array, k: Count, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial_p F = -\frac{k+r}{1-p} f(k; r, p), \qquad
              \partial_r F = \partial_r I_{1-p}(r, k+1)
    """
    dr, dp = tail_vjp(_tails, "cdf", g, ("r", "p"), k=k, r=r, p=p)
    return dr, dp


def sf(k: Count, r: Positive, p: Unit) -> Array:
    r"""Survival function, the probability of more than k, with full relative accuracy.

    .. math:: 1 - F(k; r, p)

    k, r, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    1 for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. r that is not
    positive and finite, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.24.

    >>> round(float(sf(0, 1.0, 0.25)), 15)
    0.25
    """
    return tail(_tails, "sf", k=k, r=r, p=p)


def sf_vjp(g: Array, k: Count, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial(1 - F) = -\partial F, \qquad \partial_p F = -\frac{k+r}{1-p} f(k; r, p), \qquad
              \partial_r F = \partial_r I_{1-p}(r, k+1)
    """
    dr, dp = tail_vjp(_tails, "sf", g, ("r", "p"), k=k, r=r, p=p)
    return dr, dp


def log_cdf(k: Count, r: Positive, p: Unit) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; r, p)

    k, r, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    -inf for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. r that is not
    positive and finite, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.24.

    >>> round(float(log_cdf(0, 1.0, 0.75)), 14)  # log(1/4)
    -1.38629436111989
    """
    return tail(_tails, "log_cdf", k=k, r=r, p=p)


def log_cdf_vjp(g: Array, k: Count, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial \log F = \frac{\partial F}{F}, \qquad \partial_p F = -\frac{k+r}{1-p} f(k; r, p), \qquad
              \partial_r F = \partial_r I_{1-p}(r, k+1)
    """
    dr, dp = tail_vjp(_tails, "log_cdf", g, ("r", "p"), k=k, r=r, p=p)
    return dr, dp


def log_sf(k: Count, r: Positive, p: Unit) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; r, p))

    k, r, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, -inf from the end of the support on; of a k that is not whole the whole part counts. r that is not
    positive and finite, p outside [0, 1], and nan: nan. An incomplete beta function, NIST DLMF 8.17.24.

    >>> round(float(log_sf(0, 1.0, 0.25)), 14)  # log(1/4)
    -1.38629436111989
    """
    return tail(_tails, "log_sf", k=k, r=r, p=p)


def log_sf_vjp(g: Array, k: Count, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial \log(1 - F) = -\frac{\partial F}{1 - F}, \qquad
              \partial_p F = -\frac{k+r}{1-p} f(k; r, p), \qquad
              \partial_r F = \partial_r I_{1-p}(r, k+1)
    """
    dr, dp = tail_vjp(_tails, "log_sf", g, ("r", "p"), k=k, r=r, p=p)
    return dr, dp


def icdf(u: Unit, r: Positive, p: Unit) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; r, p) = \min \{k : F(k; r, p) \ge u\}

    u, r, p: broadcast together. 0 at u = 0, the end of the support at u = 1. Where u lies within rounding of a step of
    the `cdf`, that step's count or the next. 2^63 - 1 stands for what is larger, infinity among it; -1 where u is
    outside
    [0, 1] or there is no distribution. Devroye (1986), section III.2.1.

    >>> int(icdf(0.74, 1.0, 0.25)), int(icdf(0.76, 1.0, 0.25))
    (0, 1)
    """
    xp, _, u, r, p = elementwise(u=u, r=r, p=p)
    with np.errstate(all="ignore"):
        return _icdf(xp, u, r, p)


def sample(noise: Unit, r: Positive, p: Unit) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; r, p) \ge \text{noise}\}

    noise, r, p: broadcast together. Edges as for the `icdf`. Devroye (1986), section III.2.1.

    >>> int(sample(0.4, 2.0, 0.5))
    1
    """
    elementwise(noise=noise, r=r, p=p)  # errors name the noise
    return icdf(noise, r, p)


def mean(r: Positive, p: Unit) -> Array:
    r"""Expectation.

    .. math:: E[k] = r p / (1-p)

    r, p: broadcast together. float32 when every floating array is, else float64, and float64 inside. r that is not
    positive and finite, p outside [0, 1], and nan: nan. inf at p = 1. Johnson, Kemp and Kotz (2005), section 5.1.

    >>> float(mean(2.0, 0.5))
    2.0
    """
    xp, dtype, r, p = elementwise(r=r, p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, r * p / (1 - p), positive(xp, r) & unit(p))


def mean_vjp(g: Array, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial_r = p / (1-p), \qquad \partial_p = r / (1-p)^2
    """
    like = (r, p)
    xp, dtype, g, r, p = elementwise(g=g, r=r, p=p)
    with np.errstate(all="ignore"):
        slopes = (p / (1 - p) + 0.0 * r, r / (1 - p) / (1 - p))
        return cotangents(g, dtype, positive(xp, r) & unit(p), *zip(slopes, like, strict=True))


def variance(r: Positive, p: Unit) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = r p / (1-p)^2

    r, p: broadcast together. float32 when every floating array is, else float64, and float64 inside. r that is not
    positive and finite, p outside [0, 1], and nan: nan. inf at p = 1. Johnson, Kemp and Kotz (2005), section 5.1.

    >>> float(variance(2.0, 0.5))
    4.0
    """
    xp, dtype, r, p = elementwise(r=r, p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, r * (p / (1 - p) / (1 - p)), positive(xp, r) & unit(p))


def variance_vjp(g: Array, r: Positive, p: Unit) -> tuple[Array, Array]:
    r"""Cotangents of r and p.

    .. math:: \partial_r = p / (1-p)^2, \qquad \partial_p = r (1+p) / (1-p)^3
    """
    like = (r, p)
    xp, dtype, g, r, p = elementwise(g=g, r=r, p=p)
    with np.errstate(all="ignore"):
        slopes = (p / (1 - p) / (1 - p) + 0.0 * r, r * ((1 + p) / (1 - p) / (1 - p) / (1 - p)))
        return cotangents(g, dtype, positive(xp, r) & unit(p), *zip(slopes, like, strict=True))


def mode(r: Positive, p: Unit) -> Array:
    r"""The most probable count, as int64.

    .. math:: \lfloor (r-1) p / (1-p) \rfloor \quad (r > 1), \qquad 0 \quad (r \le 1)

    r, p: broadcast together. -1 where two counts are equally probable, at p = 1, and where r is not positive and
    finite or p outside [0, 1]; 2^63 - 1 for modes above 2^53. Johnson, Kemp and Kotz (2005), section 5.4.

    >>> int(mode(3.25, 0.5)), int(mode(3.0, 0.5)), int(mode(0.5, 0.9))
    (2, -1, 0)
    """
    xp, _, r, p = elementwise(r=r, p=p)
    with np.errstate(all="ignore"):
        return as_count(xp, *_mode(xp, r, p))


def kl_divergence(r: Positive, p_p: Unit, p_q: Unit) -> Array:
    r"""Divergence of one negative binomial distribution from another with the same r.

    .. math:: D = r \log\frac{1-p}{1-q} + \frac{r p}{1-p} \log\frac{p}{q}

    r, p_p, p_q: broadcast together. float32 when every floating array is, else float64. It is r / (1-p) times the
    divergence of Bernoulli distributions, which does not cancel for p near q. inf with zero gradients where q forbids
    what p allows. r that is not positive and finite, p_p = 1, probabilities outside [0, 1], and nan: nan. Kullback and
    Leibler (1951), eq. 2.6.

    >>> float(kl_divergence(2.0, 0.0, 0.5)), float(kl_divergence(2.0, 0.5, 0.0))
    (1.3862943611198906, inf)
    """
    xp, dtype, r, p, q = elementwise(r=r, p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        value = xp.where(q == 1, xp.inf, r * (_counts.bernoulli_divergence(xp, p, q) / (1 - p)))
        return result(xp, dtype, value, positive(xp, r) & unit(p) & unit(q) & (p < 1))


def kl_divergence_vjp(g: Array, r: Positive, p_p: Unit, p_q: Unit) -> tuple[Array, Array, Array]:
    r"""Cotangents of r, p and q.

    .. math:: \partial_r D = D / r, \qquad \partial_p D = \frac{r}{(1-p)^2} \log\frac{p}{q}, \qquad
              \partial_q D = \frac{r (q - p)}{(1-p) q (1-q)}

    At p = 0 the last two are -inf and r / (1-q); at p = q = 0, inf, towards where the divergence is infinite, and r.
    """
    xp, dtype, g, s, p, q = elementwise(g=g, r=r, p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        fits = (q < 1) & ((q > 0) | (p == 0))
        dr = _counts.bernoulli_divergence(xp, p, q) / (1 - p)
        dp = s * _counts.log_ratio(xp, p, q) / (1 - p) / (1 - p)
        dp = xp.where(p == 0, xp.where(q == 0, xp.asarray(xp.inf), -xp.inf), dp)
        dq = xp.where(p == 0, s / (1 - q), s * (q - p) / (1 - p) / q / (1 - q))
        slopes = (xp.where(fits, slope, 0.0) for slope in (dr, dp, dq))
        defined = positive(xp, s) & unit(p) & unit(q) & (p < 1)
        return cotangents(g, dtype, defined, *zip(slopes, (r, p_p, p_q), strict=True))


class Parameters(NamedTuple):
    """The parameters of a negative binomial distribution."""

    r: Positive
    p: Unit


def maximum_likelihood(data: NonNegative) -> Parameters:
    r"""The parameters under which the data are most probable.

    .. math:: \sum_i \left( \psi(x_i + \hat r) - \psi(\hat r) \right) = N \log(1 + \bar x / \hat r), \qquad
              \hat p = \bar x / (\bar x + \hat r)

    data: (N,), taken as real numbers that are not negative. float32 for float32, else float64. The estimate exists
    where the variance of the data (over N) exceeds their mean; else, for other data and for none: nan. Newton's
    iteration in log r within a bracket, on a score whose leading terms have been cancelled on paper, so that nearly
    Poisson data do not spoil it. Johnson, Kemp and Kotz (2005), section 5.8.4.

    >>> found = maximum_likelihood(np.array([0.0, 0.0, 1.0, 7.0]))
    >>> round(float(found.r), 10), round(float(found.p * found.r / (1 - found.p)), 10)  # the mean of the data is 2
    (0.3696064994, 2.0)
    """
    xp, dtype, x = sample_of(data)
    with np.errstate(all="ignore"):
        r = _shape_estimate(xp, x)
        average = _mean(xp, x)
        return Parameters(*(xp.astype(z, dtype, copy=False) for z in (r, average / (average + r))))


def maximum_likelihood_vjp(g: Parameters, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    .. math:: \frac{\partial \hat r}{\partial x_i} = -\frac{\psi'(x_i + \hat r) - 1/(\hat r + \bar x)}{N h'(\hat r)},
              \qquad h(r) = \frac{1}{N} \sum_i \left( \psi(x_i + r) - \psi(r) \right) - \log(1 + \bar x / r)
    """
    xp, dtype, x, by_r, by_p = sample_of(data, *g)
    with np.errstate(all="ignore"):
        r, average, size = _shape_estimate(xp, x), _mean(xp, x), max(x.shape[0], 1)
        y, total = x + r, average + r
        slope = trigamma_beyond(xp, y) + (average - x) / y / total
        dr = -slope / size / _score(xp, x, r)[1]
        dp = (r / size - average * dr) / total / total
        return (xp.astype(by_r * dr + by_p * dp, dtype, copy=False),)


def _defined(xp: Array, k: Array, r: Array, p: Array) -> Array:
    return positive(xp, r) & unit(p) & ~xp.isnan(k)


def _saddle_point(xp: Array, k: Array, r: Array, p: Array) -> Array:
    low, high = xp.minimum(k, r), xp.maximum(k, r)
    power = log_quotient(xp, weight(xp, low), k, weight(xp, high) / weight(xp, low + high))
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    return deviance(xp, p, k, r, excess(xp, p, k, r)) + power - errors


def _tails(xp: Any, k: Array, r: Array, p: Array) -> Tails:
    inside = (k >= 0) & (k < xp.inf)
    m = xp.where(inside, xp.floor(k), 0.0)
    found = beta_tails(xp, m, r, p, to_b=True)
    first, none = xp.where(m == 0, r, 0.0), 0.0 * r
    gain = digamma_difference(xp.where(positive(xp, r), r, 1.0), m + 1)
    edge = {"cdf": (none, -first), "sf": (none, first), "log_cdf": (none, -first), "log_sf": (gain, xp.inf + none)}
    found = on_edge(xp, p == 0, found, **edge)
    last = xp.where(r == 1, m + 1, xp.where(r < 1, xp.asarray(xp.inf), 0.0))
    edge = {"cdf": (none, -last), "sf": (none, last), "log_cdf": (none - xp.inf, none - xp.inf), "log_sf": (none, last)}
    found = on_edge(xp, p == 1, found, **edge)
    return bounded(xp, found, k < 0, k == xp.inf, _defined(xp, k, r, p))


def _icdf(xp: Any, u: Array, r: Array, p: Array) -> Array:
    valid = positive(xp, r) & unit(p) & (p < 1)
    s, q = xp.where(valid, r, 1.0), xp.where(valid, p, 0.5)

    def tails(k: Array) -> Tails:
        return _tails(xp, k, s, q)

    end = xp.where(q == 0, xp.asarray(0.0), xp.inf)
    return as_count(xp, smallest(xp, u, end, s * q / (1 - q), s * q / (1 - q) / (1 - q), tails), valid & unit(u))


def _mode(xp: Any, r: Array, p: Array) -> tuple[Array, Array]:
    """The largest k with f(k) >= f(k-1), which is p (k + r - 1) >= k, and whether it is the only mode."""
    s = xp.maximum(r - 1, 0.0)
    k = xp.floor(s * p / (1 - p))
    for _ in range(4):  # what rounding may have done to a quotient below 2^53
        k = xp.where(excess(xp, p, k + 1, s) >= 0, k + 1, k)
        k = xp.where((excess(xp, p, k, s) < 0) & (k > 0), k - 1, k)
    tie = excess(xp, p, k, s)
    k = xp.where(k > 2.0**53, xp.inf, k)
    return k, positive(xp, r) & (p >= 0) & (p < 1) & ((tie != 0) | (k == 0))


def _mean(xp: Any, x: Array) -> Array:
    return xp.sum(x) / x.shape[0] if x.shape[0] else xp.asarray(xp.nan, dtype=xp.float64)


def _score(xp: Any, x: Array, r: Array) -> tuple[Array, Array]:
    r"""h(r) and its derivative.

    With :math:`\delta_i = (x_i - \bar x) / (r + \bar x)`, whose mean is 0, h is the mean of
    :math:`\log(1 + \delta_i) - \delta_i` and of what the digamma differences exceed their logarithms by.
    """
    average = _mean(xp, x)
    delta = (x - average) / (r + average)
    score = _mean(xp, log1p_minus(xp, delta)) + _mean(xp, beyond_log(xp, r + 0.0 * x, x))
    slope = _mean(xp, delta * delta / (r + x)) - _mean(xp, trigamma_beyond_fall(xp, r + 0.0 * x, x))
    return score, slope


def _shape_estimate(xp: Any, x: Array) -> Array:
    """The root of the score, which is positive below it and negative above."""
    average = _mean(xp, x)
    excess_variance = _mean(xp, (x - average) ** 2) - average
    nothing = xp.asarray(xp.nan, dtype=xp.float64)
    if not (x.shape[0] and bool(xp.all((x >= 0) & (x < xp.inf))) and float(excess_variance) > 0):
        return nothing
    low = high = middle = average * average / excess_variance
    for _ in range(400):
        if float(_score(xp, x, low)[0]) > 0:
            break
        low = low / 4
    for _ in range(400):
        if float(_score(xp, x, high)[0]) < 0:
            break
        high = high * 4
    for _ in range(100):
        score, slope = _score(xp, x, middle)
        low, high = (middle, high) if float(score) > 0 else (low, middle)
        step = score / (middle * slope)  # Newton's in log r
        new = middle * xp.exp(-step)
        if not float(low) <= float(new) <= float(high):
            new = xp.sqrt(low) * xp.sqrt(high)
        if abs(float(new / middle) - 1) < 4e-16:
            return new
        middle = new
    return middle
