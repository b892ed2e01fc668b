r"""Poisson distribution on 0, 1, 2, ..., :math:`f(k; \lambda) = \lambda^k e^{-\lambda} / k!`."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import (
    Tails,
    as_count,
    bounded,
    cotangents,
    gamma_tails,
    on_edge,
    result,
    smallest,
    tail,
    tail_vjp,
    unit,
    whole,
)
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Unit
from refengine.special._saddle_point import (
    stirling_error,
)

__all__ = [
    "cdf",
    "cdf_vjp",
    "icdf",
    "kl_divergence",
    "kl_divergence_bernoulli",
    "kl_divergence_bernoulli_vjp",
    "kl_divergence_binomial",
    "kl_divergence_binomial_vjp",
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


def cdf(k: Count, rate: NonNegative) -> Array:
    r"""Distribution function, the probability of at most k.

    .. math:: F(k; \lambda) = \sum_{j \le k} f(j; \lambda) = Q(k+1, \lambda)

    k, rate: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, 1 from the end of the support on; of a k that is not whole the whole part counts. A rate that is
    negative or infinite, and nan: nan. An incomplete gamma function, NIST DLMF 8.4.10.

    >>> round(float(cdf(0, 1.0)), 12), float(cdf(-1, 1.0))
    (0.367879441171, 0.0)
    """
    return tail(_tails, "cdf", k=k, rate=rate)


def cdf_vjp(g: Array, k: Count, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of rate.

    .. math:: \partial_\lambda F = -f(k; \lambda)
    """
    (drate,) = tail_vjp(_tails, "cdf", g, ("rate",), k=k, rate=rate)
    return (drate,)


def sf(k: Count, rate: NonNegative) -> Array:
    r"""Survival function, the probability of more than k, with full relative accuracy.

    .. math:: 1 - F(k; \lambda)

    k, rate: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    1 for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. A rate that is
    negative or infinite, and nan: nan. An incomplete gamma function, NIST DLMF 8.4.10.

    >>> round(float(sf(0, 1.0)), 12)
    0.632120558829
    """
    return tail(_tails, "sf", k=k, rate=rate)


def sf_vjp(g: Array, k: Count, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of rate.

    .. math:: \partial(1 - F) = -\partial F, \qquad \partial_\lambda F = -f(k; \lambda)
    """
    (drate,) = tail_vjp(_tails, "sf", g, ("rate",), k=k, rate=rate)
    return (drate,)


def log_cdf(k: Count, rate: NonNegative) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; \lambda)

    k, rate: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    -inf for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. A rate that is
    negative or infinite, and nan: nan. An incomplete gamma function, NIST DLMF 8.4.10.

    >>> round(float(log_cdf(0, 2.5)), 14)
    -2.5
    """
    return tail(_tails, "log_cdf", k=k, rate=rate)


def log_cdf_vjp(g: Array, k: Count, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of rate.

    .. math:: \partial \log F = \frac{\partial F}{F}, \qquad \partial_\lambda F = -f(k; \lambda)
    """
    (drate,) = tail_vjp(_tails, "log_cdf", g, ("rate",), k=k, rate=rate)
    return (drate,)


def log_sf(k: Count, rate: NonNegative) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; \lambda))

    k, rate: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, -inf from the end of the support on; of a k that is not whole the whole part counts. A rate that is
    negative or infinite, and nan: nan. An incomplete gamma function, NIST DLMF 8.4.10.

    >>> round(float(log_sf(0, 1.0)), 12)  # log(1 - 1/e)
    -0.458675145387
    """
    return tail(_tails, "log_sf", k=k, rate=rate)


def log_sf_vjp(g: Array, k: Count, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of rate.

    .. math:: \partial \log(1 - F) = -\frac{\partial F}{1 - F}, \qquad
              \partial_\lambda F = -f(k; \lambda)
    """
    (drate,) = tail_vjp(_tails, "log_sf", g, ("rate",), k=k, rate=rate)
    return (drate,)


def icdf(u: Unit, rate: NonNegative) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; \lambda) = \min \{k : F(k; \lambda) \ge u\}

    u, rate: broadcast together. 0 at u = 0, the end of the support at u = 1. Where u lies within rounding of a step of
    the `cdf`, that step's count or the next. 2^63 - 1 stands for what is larger, infinity among it; -1 where u is
    outside
    [0, 1] or there is no distribution. Devroye (1986), section III.2.1.

    >>> int(icdf(0.36, 1.0)), int(icdf(0.37, 1.0))
    (0, 1)
    """
    xp, _, u, rate = elementwise(u=u, rate=rate)
    with np.errstate(all="ignore"):
        return _icdf(xp, u, rate)


def sample(noise: Unit, rate: NonNegative) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; \lambda) \ge \text{noise}\}

    noise, rate: broadcast together. Edges as for the `icdf`. Devroye (1986), section III.2.1.

    >>> int(sample(0.5, 3.0))
    3
    """
    elementwise(noise=noise, rate=rate)  # errors name the noise
    return icdf(noise, rate)


def mean(rate: NonNegative) -> Array:
    r"""Expectation.

    .. math:: E[k] = \lambda

    rate: broadcast. float32 when every floating array is, else float64, and float64 inside. A rate that is negative
    or infinite, and nan: nan. Johnson, Kemp and Kotz (2005), eq. 4.1.1.

    >>> float(mean(2.5))
    2.5
    """
    xp, dtype, rate = elementwise(rate=rate)
    with np.errstate(all="ignore"):
        return result(xp, dtype, rate, (rate >= 0) & (rate < xp.inf))


def mean_vjp(g: Array, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of rate.

    .. math:: 1
    """
    like = (rate,)
    xp, dtype, g, rate = elementwise(g=g, rate=rate)
    with np.errstate(all="ignore"):
        slopes = (1.0 + 0.0 * rate,)
        return cotangents(g, dtype, (rate >= 0) & (rate < xp.inf), *zip(slopes, like, strict=True))


def variance(rate: NonNegative) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = \lambda

    rate: broadcast. float32 when every floating array is, else float64, and float64 inside. A rate that is negative
    or infinite, and nan: nan. Johnson, Kemp and Kotz (2005), eq. 4.1.1.

    >>> float(variance(2.5))
    2.5
    """
    xp, dtype, rate = elementwise(rate=rate)
    with np.errstate(all="ignore"):
        return result(xp, dtype, rate, (rate >= 0) & (rate < xp.inf))


def variance_vjp(g: Array, rate: NonNegative) -> tuple[Array]:
    r"""Cotangent of rate.

    .. math:: 1
    """
    like = (rate,)
    xp, dtype, g, rate = elementwise(g=g, rate=rate)
    with np.errstate(all="ignore"):
        slopes = (1.0 + 0.0 * rate,)
        return cotangents(g, dtype, (rate >= 0) & (rate < xp.inf), *zip(slopes, like, strict=True))


def mode(rate: NonNegative) -> Array:
    r"""The most probable count, as int64.

    .. math:: \lfloor \lambda \rfloor

    rate: broadcast. -1 for a positive whole rate, where rate - 1 is as probable, and for one that is negative,
    infinite or nan; 2^63 - 1 for larger modes. Johnson, Kemp and Kotz (2005), section 4.4.

    >>> int(mode(2.5)), int(mode(2.0))
    (2, -1)
    """
    xp, _, rate = elementwise(rate=rate)
    with np.errstate(all="ignore"):
        return as_count(xp, xp.floor(rate), (rate >= 0) & (rate < xp.inf) & ((xp.floor(rate) != rate) | (rate == 0)))


def kl_divergence(rate_p: NonNegative, rate_q: NonNegative) -> Array:
    r"""Divergence of one Poisson distribution from another.

    .. math:: D = \lambda_p \log(\lambda_p / \lambda_q) - \lambda_p + \lambda_q

    rate_p, rate_q: broadcast together. float32 when every floating array is, else float64. No cancellation for nearly
    equal rates. inf with zero gradients for rate_q = 0 < rate_p. Rates that are negative or infinite, and nan: nan.
    Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence(0.0, 2.0)), float(kl_divergence(1.0, 0.0))
    (2.0, inf)
    """
    xp, dtype, p, q = elementwise(rate_p=rate_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        return result(xp, dtype, _counts.poisson_divergence(xp, p, q), _valid(xp, p) & _valid(xp, q))


def kl_divergence_vjp(g: Array, rate_p: NonNegative, rate_q: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents of both rates.

    .. math:: \partial_{\lambda_p} D = \log(\lambda_p / \lambda_q), \qquad
              \partial_{\lambda_q} D = (\lambda_q - \lambda_p) / \lambda_q

    At two rates of 0 the derivative to the first is inf, towards where the divergence is infinite.
    """
    xp, dtype, g, p, q = elementwise(g=g, rate_p=rate_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        dp, dq = _counts.poisson_divergence_slopes(xp, p, q)
        return cotangents(g, dtype, _valid(xp, p) & _valid(xp, q), (dp, rate_p), (dq, rate_q))


def kl_divergence_bernoulli(rate_p: NonNegative, p_q: Unit) -> Array:
    r"""Divergence of a Poisson distribution from a Bernoulli distribution, which forbids counts above 1.

    .. math:: D = \infty \quad (\lambda > 0), \qquad D = -\log(1-p) \quad (\lambda = 0)

    rate_p, p_q: broadcast together. float32 when every floating array is, else float64. Gradients are zero where D is
    inf. A rate that is negative or infinite, p outside [0, 1], and nan: nan. Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence_bernoulli(1.0, 0.5)), float(kl_divergence_bernoulli(0.0, 0.5))
    (inf, 0.6931471805599453)
    """
    return kl_divergence_binomial(rate_p, 1.0, p_q)


def kl_divergence_bernoulli_vjp(g: Array, rate_p: NonNegative, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of the rate and p: for rate 0 inf, towards where D is, and :math:`\partial_p D = 1/(1-p)`."""
    return kl_divergence_binomial_vjp(g, rate_p, 1.0, p_q)


def kl_divergence_binomial(rate_p: NonNegative, n_q: Count, p_q: Unit) -> Array:
    r"""Divergence of a Poisson distribution from a binomial distribution, which forbids counts above n.

    .. math:: D = \infty \quad (\lambda > 0), \qquad D = -n \log(1-p) \quad (\lambda = 0)

    rate_p, n_q, p_q: broadcast together. float32 when every floating array is, else float64. Gradients are zero where
    D is inf. A rate that is negative or infinite, n that is negative or not whole, p outside [0, 1], and nan: nan.
    Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence_binomial(1.0, 5, 0.5)), float(kl_divergence_binomial(0.0, 1, 0.5))
    (inf, 0.6931471805599453)
    """
    xp, dtype, rate, n, p = elementwise(rate_p=rate_p, n_q=n_q, p_q=p_q)
    with np.errstate(all="ignore"):
        value = xp.where(rate > 0, xp.inf, xp.where(n == 0, 0.0, -n * xp.log1p(-p) + 0.0))
        return result(xp, dtype, value, _valid(xp, rate) & _counts.finite(xp, n) & _counts.unit(p))


def kl_divergence_binomial_vjp(g: Array, rate_p: NonNegative, n_q: Count, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of the rate and p: for rate 0 inf, towards where D is, and :math:`\partial_p D = n/(1-p)`.

    They are zero where D itself is infinite.
    """
    xp, dtype, g, rate, n, p = elementwise(g=g, rate_p=rate_p, n_q=n_q, p_q=p_q)
    with np.errstate(all="ignore"):
        defined = _valid(xp, rate) & _counts.finite(xp, n) & _counts.unit(p)
        fits = (rate == 0) & ((p < 1) | (n == 0))
        slopes = xp.where(fits, xp.asarray(xp.inf), 0.0), xp.where(fits & (n > 0), n / (1 - p), 0.0)
        return cotangents(g, dtype, defined, *zip(slopes, (rate_p, p_q), strict=True))


def maximum_likelihood(data: NonNegative) -> Array:
    r"""The rate under which the data are most probable, their mean.

    .. math:: \hat\lambda = \frac{1}{N} \sum_i x_i

    data: (N,), taken as real numbers that are not negative; others, and no data: nan. float32 for float32, else
    float64. Johnson, Kemp and Kotz (2005), section 4.7.

    >>> float(maximum_likelihood(np.array([1.0, 2.0, 6.0])))
    3.0
    """
    xp, dtype, x = sample_of(data)
    with np.errstate(all="ignore"):
        return xp.astype(
            xp.where(
                xp.all((x >= 0) & (x < xp.inf)), xp.sum(x) / x.shape[0] if x.shape[0] else xp.asarray(xp.nan), xp.nan
            ),
            dtype,
            copy=False,
        )


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data, :math:`1/N` each."""
    xp, dtype, x, g = sample_of(data, g)
    with np.errstate(all="ignore"):
        slope = xp.where(xp.all((x >= 0) & (x < xp.inf)), xp.asarray(1 / max(x.shape[0], 1)), xp.nan)
        return (xp.astype(g * slope + xp.zeros_like(x), dtype, copy=False),)


def _valid(xp: Any, rate: Array) -> Array:
    return (rate >= 0) & (rate < xp.inf)


def _defined(xp: Any, k: Array, rate: Array) -> Array:
    return _valid(xp, rate) & ~xp.isnan(k)


def _tails(xp: Any, k: Array, rate: Array) -> Tails:
    inside = (k >= 0) & (k < xp.inf)
    m = xp.where(inside, xp.floor(k), 0.0)
    found = gamma_tails(xp, m, rate)
    first = xp.where(m == 0, xp.asarray(1.0), 0.0)
    edge = {"cdf": (-first,), "sf": (first,), "log_cdf": (-first,), "log_sf": (xp.inf + first,)}
    found = on_edge(xp, rate == 0, found, **edge)
    return bounded(xp, found, k < 0, k == xp.inf, _defined(xp, k, rate))


def _icdf(xp: Any, u: Array, rate: Array) -> Array:
    defined = unit(u) & _valid(xp, rate)
    r = xp.where(_valid(xp, rate), rate, 1.0)

    def tails(k: Array) -> Tails:
        return _tails(xp, k, r)

    end = xp.where(r == 0, xp.asarray(0.0), xp.inf)
    return as_count(xp, smallest(xp, u, end, r, r, tails), defined)
