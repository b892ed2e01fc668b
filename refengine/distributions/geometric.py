r"""Geometric distribution of the number of failures before the first success, :math:`f(k; p) = (1-p)^k p`.

The support is 0, 1, 2, ..., as in torch, jax and TensorFlow Probability; SciPy's ``geom`` counts the trials and
starts at 1.
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
    whole,
)
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Unit
from refengine.special._saddle_point import (
    product_minus,
)

__all__ = [
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
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


def log_prob(k: Count, p: Unit) -> Array:
    r"""Logarithm of the geometric probability of k failures before the first success.

    .. math:: \log f(k; p) = k \log(1-p) + \log p, \qquad 0 \log 0 = 0

    k, p: broadcast together; the result has the broadcast shape. Counts stand in integer or floating arrays. float32
    when every floating array is, else float64, and float64 inside. k that is negative, infinite or not whole: -inf
    with zero gradient. At p = 0, where no success ever comes, it is the limit -inf; at p = 1 only k = 0 is possible.
    p outside [0, 1], and nan: nan. Feller (1968), section VI.8.

    >>> float(log_prob(0, 0.5)), float(log_prob(2, 0.5)), float(log_prob(0, 1.0))
    (-0.6931471805599453, -2.0794415416798357, 0.0)
    """
    xp, dtype, k, p = elementwise(k=k, p=p)
    with np.errstate(all="ignore"):
        value = xp.log(p) + xp.where(k == 0, 0.0, k * xp.log1p(-p))
        value = xp.where(whole(xp, k) & (k < xp.inf), value, -xp.inf)
        return result(xp, dtype, value, unit(p) & ~xp.isnan(k))


def log_prob_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial_p = \frac{1}{p} - \frac{k}{1-p} = \frac{1 - p - k p}{p (1-p)}

    with k p - 1 as if with twice the digits. The limits are inf at p = 0, 1 for k = 0 and -inf else at p = 1.
    """
    xp, dtype, g, k, q = elementwise(g=g, k=k, p=p)
    with np.errstate(all="ignore"):
        slope = (0.0 - product_minus(xp, q, k, 1.0) - q) / (1 - q) / q
        slope = xp.where(k == 0, 1 / q, xp.where(q == 0, xp.inf, xp.where(q == 1, -xp.inf, slope)))
        slope = xp.where(whole(xp, k) & (k < xp.inf), slope, 0.0)
        return cotangents(g, dtype, unit(q) & ~xp.isnan(k), (slope, p))


def log_prob_value_and_vjp(g: Array, k: Count, p: Unit) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dp,) = log_prob_value_and_vjp(1.0, 1, 0.5)
    >>> float(value), float(dp)
    (-1.3862943611198906, 0.0)
    """
    return log_prob(k, p), log_prob_vjp(g, k, p)


def cdf(k: Count, p: Unit) -> Array:
    r"""Distribution function, the probability of at most k.

    .. math:: F(k; p) = 1 - (1-p)^{k+1}

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, 1 from the end of the support on; of a k that is not whole the whole part counts. p outside [0, 1],
    and nan: nan; at p = 0 it is the limit from inside. Feller (1968), section VI.8.

    >>> round(float(cdf(0, 0.25)), 15), float(cdf(-1, 0.25))
    (0.25, 0.0)
    """
    return tail(_tails, "cdf", k=k, p=p)


def cdf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial_p F = (k+1) (1-p)^k
    """
    (dp,) = tail_vjp(_tails, "cdf", g, ("p",), k=k, p=p)
    return (dp,)


def sf(k: Count, p: Unit) -> Array:
    r"""Survival function, the probability of more than k, with full relative accuracy.

    .. math:: 1 - F(k; p)

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    1 for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. p outside [0, 1],
    and nan: nan; at p = 0 it is the limit from inside. Feller (1968), section VI.8.

    >>> float(sf(0, 0.25))
    0.75
    """
    return tail(_tails, "sf", k=k, p=p)


def sf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial(1 - F) = -\partial F, \qquad \partial_p F = (k+1) (1-p)^k
    """
    (dp,) = tail_vjp(_tails, "sf", g, ("p",), k=k, p=p)
    return (dp,)


def log_cdf(k: Count, p: Unit) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; p)

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    -inf for k < 0, 0 from the end of the support on; of a k that is not whole the whole part counts. p outside [0,
    1], and nan: nan; at p = 0 it is the limit from inside. Feller (1968), section VI.8.

    >>> round(float(log_cdf(0, 0.25)), 14)  # log(1/4)
    -1.38629436111989
    """
    return tail(_tails, "log_cdf", k=k, p=p)


def log_cdf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial \log F = \frac{\partial F}{F}, \qquad \partial_p F = (k+1) (1-p)^k
    """
    (dp,) = tail_vjp(_tails, "log_cdf", g, ("p",), k=k, p=p)
    return (dp,)


def log_sf(k: Count, p: Unit) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; p))

    k, p: broadcast together. float32 when every floating array is, else float64, and float64 inside.
    0 for k < 0, -inf from the end of the support on; of a k that is not whole the whole part counts. p outside [0,
    1], and nan: nan; at p = 0 it is the limit from inside. Feller (1968), section VI.8.

    >>> round(float(log_sf(1, 0.5)), 14)  # log(1/4)
    -1.38629436111989
    """
    return tail(_tails, "log_sf", k=k, p=p)


def log_sf_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial \log(1 - F) = -\frac{\partial F}{1 - F}, \qquad
              \partial_p F = (k+1) (1-p)^k
    """
    (dp,) = tail_vjp(_tails, "log_sf", g, ("p",), k=k, p=p)
    return (dp,)


def icdf(u: Unit, p: Unit) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; p) = \min \{k : F(k; p) \ge u\}

    u, p: broadcast together. 0 at u = 0, the end of the support at u = 1. Where u lies within rounding of a step of
    the `cdf`, that step's count or the next. 2^63 - 1 stands for what is larger, infinity among it; -1 where u is
    outside
    [0, 1] or there is no distribution. Devroye (1986), section III.2.1.

    >>> int(icdf(0.5, 0.5)), int(icdf(0.6, 0.5))
    (0, 1)
    """
    xp, _, u, p = elementwise(u=u, p=p)
    with np.errstate(all="ignore"):
        return _icdf(xp, u, p)


def sample(noise: Unit, p: Unit) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; p) \ge \text{noise}\}

    noise, p: broadcast together. Edges as for the `icdf`. Devroye (1986), section III.2.1.

    >>> int(sample(0.9, 0.25))
    8
    """
    elementwise(noise=noise, p=p)  # errors name the noise
    return icdf(noise, p)


def mean(p: Unit) -> Array:
    r"""Expectation.

    .. math:: E[k] = (1-p)/p

    p: broadcast. float32 when every floating array is, else float64, and float64 inside. inf at p = 0. p outside [0,
    1], and nan: nan. Feller (1968), section IX.3.

    >>> float(mean(0.25))
    3.0
    """
    xp, dtype, p = elementwise(p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, (1 - p) / p, unit(p))


def mean_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: -1/p^2
    """
    like = (p,)
    _, dtype, g, p = elementwise(g=g, p=p)
    with np.errstate(all="ignore"):
        slopes = (-1 / p / p,)
        return cotangents(g, dtype, unit(p), *zip(slopes, like, strict=True))


def variance(p: Unit) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = (1-p)/p^2

    p: broadcast. float32 when every floating array is, else float64, and float64 inside. inf at p = 0. p outside [0,
    1], and nan: nan. Feller (1968), section IX.3.

    >>> float(variance(0.5))
    2.0
    """
    xp, dtype, p = elementwise(p=p)
    with np.errstate(all="ignore"):
        return result(xp, dtype, (1 - p) / p / p, unit(p))


def variance_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: (p - 2)/p^3
    """
    like = (p,)
    _, dtype, g, p = elementwise(g=g, p=p)
    with np.errstate(all="ignore"):
        slopes = ((p - 2) / p / p / p,)
        return cotangents(g, dtype, unit(p), *zip(slopes, like, strict=True))


def mode(p: Unit) -> Array:
    r"""The most probable count, as int64.

    .. math:: \operatorname{argmax}_k f(k; p) = 0

    p: broadcast. -1 for p = 0, where all counts are equally impossible, outside [0, 1], and nan. Feller (1968),
    section VI.8.

    >>> int(mode(0.25))
    0
    """
    xp, _, p = elementwise(p=p)
    with np.errstate(all="ignore"):
        return as_count(xp, 0.0 * p, unit(p) & (p > 0))


def entropy(p: Unit) -> Array:
    r"""Entropy in nats.

    .. math:: H(p) = -\log p - \frac{1-p}{p} \log(1-p)

    p: any shape, which broadcasts to the result's. float32 for float32, else float64. inf at p = 0, 0 at p = 1.
    p outside [0, 1], and nan: nan. Cover and Thomas (2006), section 2.1.

    >>> round(float(entropy(0.5)), 12)  # 2 log(2)
    1.38629436112
    """
    xp, dtype, p = elementwise(p=p)
    with np.errstate(all="ignore"):
        value = -xp.log(p) - xp.where(p == 0, -1.0, xp.where(p == 1, 0.0, (1 - p) * (xp.log1p(-p) / p)))
        return result(xp, dtype, value + 0.0, unit(p))


def entropy_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p, :math:`\log(1-p) / p^2`; -inf at both ends."""
    xp, dtype, g, q = elementwise(g=g, p=p)
    with np.errstate(all="ignore"):
        slope = xp.where(q == 0, -xp.inf, xp.log1p(-q) / q / q)
        return cotangents(g, dtype, unit(q), (slope, p))


def kl_divergence(p_p: Unit, p_q: Unit) -> Array:
    r"""Divergence of one geometric distribution from another.

    .. math:: D = \log\frac{p}{q} + \frac{1-p}{p} \log\frac{1-p}{1-q}

    p_p, p_q: broadcast together. float32 when every floating array is, else float64. It is the divergence of the
    Bernoulli distributions over p, which does not cancel for p near q. inf with zero gradients where q forbids what p
    allows. p = 0, outside [0, 1], and nan: nan. Kullback and Leibler (1951), eq. 2.6.

    >>> float(kl_divergence(1.0, 0.5)), float(kl_divergence(0.5, 1.0))
    (0.6931471805599453, inf)
    """
    xp, dtype, p, q = elementwise(p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        value = xp.where(q == 0, xp.inf, _counts.bernoulli_divergence(xp, p, q) / p)
        return result(xp, dtype, value, unit(p) & unit(q) & (p > 0))


def kl_divergence_vjp(g: Array, p_p: Unit, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of p and q.

    .. math:: \partial_p D = -\frac{1}{p^2} \log\frac{1-p}{1-q}, \qquad \partial_q D = \frac{q - p}{p q (1-q)}

    At p = 1 they are inf, and -1/q; at p = q = 1, -inf, towards where the divergence is infinite, and -1.
    """
    xp, dtype, g, p, q = elementwise(g=g, p_p=p_p, p_q=p_q)
    with np.errstate(all="ignore"):
        fits = (q > 0) & ((q < 1) | (p == 1))
        dp = xp.where(p == 1, xp.where(q == 1, xp.asarray(-xp.inf), xp.inf), -_counts.log_rest_ratio(xp, p, q) / p / p)
        dq = xp.where(p == 1, -1 / q, (q - p) / p / q / (1 - q))
        slopes = (xp.where(fits, slope, 0.0) for slope in (dp, dq))
        return cotangents(g, dtype, unit(p) & unit(q) & (p > 0), *zip(slopes, (p_p, p_q), strict=True))


def maximum_likelihood(data: NonNegative) -> Array:
    r"""The probability under which the data are most probable.

    .. math:: \hat p = \frac{N}{N + \sum_i x_i}

    data: (N,), taken as real numbers that are not negative; others, and no data: nan. float32 for float32, else
    float64. Johnson, Kemp and Kotz (2005), section 5.8.

    >>> float(maximum_likelihood(np.array([1.0, 2.0, 3.0])))
    0.3333333333333333
    """
    xp, dtype, x = sample_of(data)
    with np.errstate(all="ignore"):
        return xp.astype(
            xp.where(
                xp.all((x >= 0) & (x < xp.inf)),
                x.shape[0] / (x.shape[0] + xp.sum(x)) if x.shape[0] else xp.asarray(xp.nan),
                xp.nan,
            ),
            dtype,
            copy=False,
        )


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data, :math:`-\hat p^2 / N` each."""
    xp, dtype, x, g = sample_of(data, g)
    with np.errstate(all="ignore"):
        slope = xp.where(
            xp.all((x >= 0) & (x < xp.inf)),
            -x.shape[0] / (x.shape[0] + xp.sum(x)) ** 2 if x.shape[0] else xp.asarray(xp.nan),
            xp.nan,
        )
        return (xp.astype(g * slope + xp.zeros_like(x), dtype, copy=False),)


def _tails(xp: Any, k: Array, p: Array) -> Tails:
    inside = (k >= 0) & (k < xp.inf)
    m = xp.where(inside, xp.floor(k), 0.0) + 1
    z = m * xp.log1p(-p)  # log sf
    log_cdf = xp.where(z > -0.6931471805599453, xp.log(-xp.expm1(z)), xp.log1p(-xp.exp(z)))
    power = xp.where(m == 1, 1.0, xp.exp((m - 1) * xp.log1p(-p)))
    rate = m / (1 - p)
    by_log_cdf = xp.where(p == 1, xp.where(m == 1, xp.asarray(1.0), 0.0), rate / xp.expm1(-z))
    slopes = {"cdf": (m * power,), "sf": (-m * power,), "log_cdf": (by_log_cdf,), "log_sf": (-rate,)}
    found = Tails(-xp.expm1(z), xp.exp(z), log_cdf, z + 0.0, slopes)
    return bounded(xp, found, k < 0, k == xp.inf, unit(p) & ~xp.isnan(k))


def _icdf(xp: Any, u: Array, p: Array) -> Array:
    def reached(k: Array) -> Array:
        found = _tails(xp, k, p)
        return xp.where(u < 0.5, found.cdf >= u, found.sf <= 1 - u)

    k = xp.ceil(xp.log1p(-u) / xp.log1p(-p)) - 1
    # one step of the quotient's rounding, up or down
    k = xp.where((k >= 1) & reached(k - 1), k - 1, k)
    k = xp.where(reached(k), k, k + 1)
    k = xp.where((u == 0) | (p == 1), 0.0, xp.where(u == 1, xp.inf, xp.maximum(k, 0.0)))
    return as_count(xp, k, unit(u) & unit(p) & (p > 0))
