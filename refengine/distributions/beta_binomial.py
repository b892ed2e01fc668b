r"""Beta-binomial distribution on 0, 1, ..., n: a binomial whose probability is drawn from a beta distribution.

.. math:: f(k; n, a, b) = \binom{n}{k} \frac{B(k+a, n-k+b)}{B(a, b)}
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_shape, elementwise
from refengine.distributions import _finite_sums, _polya
from refengine.distributions import _twice as twice
from refengine.distributions._counts import (
    Tails,
    as_count,
    cotangents,
    finite,
    positive,
    result,
    tail,
    tail_vjp,
    unit,
    whole,
)
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.distributions._twice import Pair
from refengine.domains import Array, Count, NonNegative, Positive, Unit
from refengine.special._saddle_point import (
    cross_minus,
    log_product,
    remainder,
    share_deviance,
    stirling_error,
    sum_error,
    weight,
)
from refengine.special._second_difference import beyond_log, digamma_fall, lgamma_difference
from refengine.special.digamma_difference import digamma_difference

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "icdf",
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


class Parameters(NamedTuple):
    """The shapes, as `maximum_likelihood` estimates them."""

    a: Positive
    b: Positive


def log_prob(k: Count, n: Count, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the beta-binomial probability, accurate to a few ulp for counts and shapes of any size.

    .. math:: \log f(k; n, a, b) = \log \binom{n}{k} + \log B(k+a, n-k+b) - \log B(a, b)

    k, n, a, b: broadcast together; the result has the broadcast shape. Counts stand in integer or floating arrays and
    are exact up to 2^53. float32 when every floating array is, else float64, and float64 inside. k outside 0, ..., n,
    or not whole: -inf with zero gradients. n that is negative or not whole, shapes that are not positive and finite,
    and nan: nan.

    Loader's saddle point (2000), twice: with x = (k+a) / (n+a+b) the large terms are the deviances of k from n x and of
    a from (a+b) x, both given by the one number (a (n-k) - b k) / (n+a+b), computed with twice the digits. For k = 0
    and k = n it is a second difference of lgamma, whose series is differenced on paper.

    >>> round(float(log_prob(1, 2, 1.0, 1.0)), 15)  # log(1/3)
    -1.09861228866811
    >>> float(log_prob(0, 0, 2.0, 3.0)), float(log_prob(3, 2, 2.0, 3.0))
    (0.0, -inf)
    """
    xp, dtype, k, n, a, b = elementwise(k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        fits, possible = _fits(xp, n, a, b), whole(xp, k) & (k <= n)
        inner = fits & possible & (k > 0) & (k < n)
        m, rest = xp.where(inner, k, 1.0), xp.where(inner, n - k, 1.0)
        c, d, count = xp.where(fits, a, 1.0), xp.where(fits, b, 1.0), xp.where(fits, n, 1.0)
        value = xp.where(inner, _saddle_point(xp, m, rest, c, d), -xp.inf)
        ends = -lgamma_difference(xp, xp.where(k == 0, d, c), count, xp.where(k == 0, c, d)) + 0.0
        value = xp.where((k == 0) | (k == n), ends, value)
        value = xp.where(possible, xp.where(n == 0, 0.0, value), -xp.inf)
        return result(xp, dtype, value, fits & ~xp.isnan(k))


def log_prob_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b; the counts have none.

    .. math:: \partial_a = \psi(k+a) - \psi(a) - \psi(n+a+b) + \psi(a+b), \qquad
              \partial_b = \psi(n-k+b) - \psi(b) - \psi(n+a+b) + \psi(a+b)

    The differences cancel near the mode. For the smaller shape, let it be b, the derivative to a is written as
    :math:`Q(a; n, b) - (\psi(n+a) - \psi(k+a))`, where Q, the second difference of digamma, is a sum of positive terms;
    for the larger one, as :math:`\log((k+a)(a+b) / (a(n+a+b)))`, which near the mode is the logarithm of 1 + t with a
    t known to all digits, and what digamma differences have beyond their logarithms.
    """
    xp, dtype, g, k, n, c, d = elementwise(g=g, k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        fits, possible = _fits(xp, n, c, d), whole(xp, k) & (k <= n)
        inside = fits & possible & (n > 0)
        m, count = xp.where(inside, k, 1.0), xp.where(inside, n, 2.0)
        c, d = xp.where(fits, c, 1.0), xp.where(fits, d, 1.0)
        da = xp.where(inside, _slope(xp, m, count - m, c, d), 0.0)
        db = xp.where(inside, _slope(xp, count - m, m, d, c), 0.0)
        return cotangents(g, dtype, fits & ~xp.isnan(k), (da, a), (db, b))


def log_prob_value_and_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (da, db) = log_prob_value_and_vjp(1.0, 1, 1, 1.0, 1.0)
    >>> round(float(value), 12), round(float(da), 12), round(float(db), 12)
    (-0.69314718056, 0.5, -0.5)
    """
    return log_prob(k, n, a, b), log_prob_vjp(g, k, n, a, b)


def cdf(k: Count, n: Count, a: Positive, b: Positive) -> Array:
    r"""Distribution function, the probability of at most k, with relative accuracy in the lower tail.

    .. math:: F(k; n, a, b) = \sum_{j \le k} f(j; n, a, b)

    k, n, a, b: broadcast together. float32 when every floating array is, else float64. Below the support
    0, 1 from its end on; of a k that is not whole the whole part counts. n that is negative or not whole, shapes
    that are not positive and finite, and nan: nan. The probabilities are added with twice the digits; certified for n
    up to 300 and shapes from 1e-280, nan for n from 10000 on. Johnson, Kemp and Kotz (2005), section 6.9.2.

    >>> round(float(cdf(0, 2, 1.0, 1.0)), 15), float(cdf(2, 2, 1.0, 1.0))
    (0.333333333333333, 1.0)
    """
    return tail(_tails, "cdf", k=k, n=n, a=a, b=b)


def cdf_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b, sums of terms of one sign with F and G = 1 - F at the count i or k.

    .. math:: \partial_a F(k) = -\sum_{i < n} \frac{F(\min(i, k)) \, G(\max(i, k))}{a + i}, \qquad
              \partial_b F(k) = \sum_{i < n} \frac{F(\min(i, k)) \, G(\max(i, k))}{b + n - 1 - i}
    """
    da, db = tail_vjp(_tails, "cdf", g, ("a", "b"), k=k, n=n, a=a, b=b)
    return da, db


def sf(k: Count, n: Count, a: Positive, b: Positive) -> Array:
    r"""Survival function, the probability of more than k, with relative accuracy in the upper tail.

    .. math:: 1 - F(k; n, a, b) = \sum_{j > k} f(j; n, a, b)

    k, n, a, b: broadcast together. float32 when every floating array is, else float64. Below the support
    1, 0 from its end on; of a k that is not whole the whole part counts. n that is negative or not whole, shapes
    that are not positive and finite, and nan: nan. The probabilities are added with twice the digits; certified for n
    up to 300 and shapes from 1e-280, nan for n from 10000 on. Johnson, Kemp and Kotz (2005), section 6.9.2.

    >>> round(float(sf(1, 2, 1.0, 1.0)), 15), float(sf(2, 2, 1.0, 1.0))
    (0.333333333333333, 0.0)
    """
    return tail(_tails, "sf", k=k, n=n, a=a, b=b)


def sf_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b: those of the `cdf` with the other sign.

    .. math:: \partial (1 - F) = -\partial F
    """
    da, db = tail_vjp(_tails, "sf", g, ("a", "b"), k=k, n=n, a=a, b=b)
    return da, db


def log_cdf(k: Count, n: Count, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; n, a, b)

    k, n, a, b: broadcast together. float32 when every floating array is, else float64. Below the support
    -inf, 0 from its end on; of a k that is not whole the whole part counts. n that is negative or not whole, shapes
    that are not positive and finite, and nan: nan. The probabilities are added with twice the digits; certified for n
    up to 300 and shapes from 1e-280, nan for n from 10000 on. Johnson, Kemp and Kotz (2005), section 6.9.2.

    >>> round(float(log_cdf(0, 2, 1.0, 1.0)), 12)  # log(1/3)
    -1.098612288668
    """
    return tail(_tails, "log_cdf", k=k, n=n, a=a, b=b)


def log_cdf_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b, by the sums of `cdf_vjp` with F(min(i, k)) in units of F(k).

    .. math:: \partial \log F = \frac{\partial F}{F}
    """
    da, db = tail_vjp(_tails, "log_cdf", g, ("a", "b"), k=k, n=n, a=a, b=b)
    return da, db


def log_sf(k: Count, n: Count, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; n, a, b))

    k, n, a, b: broadcast together. float32 when every floating array is, else float64. Below the support
    0, -inf from its end on; of a k that is not whole the whole part counts. n that is negative or not whole, shapes
    that are not positive and finite, and nan: nan. The probabilities are added with twice the digits; certified for n
    up to 300 and shapes from 1e-280, nan for n from 10000 on. Johnson, Kemp and Kotz (2005), section 6.9.2.

    >>> round(float(log_sf(1, 2, 1.0, 1.0)), 12)  # log(1/3)
    -1.098612288668
    """
    return tail(_tails, "log_sf", k=k, n=n, a=a, b=b)


def log_sf_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b, by the sums of `cdf_vjp` with G(max(i, k)) in units of G(k).

    .. math:: \partial \log(1 - F) = -\frac{\partial F}{1 - F}
    """
    da, db = tail_vjp(_tails, "log_sf", g, ("a", "b"), k=k, n=n, a=a, b=b)
    return da, db


def icdf(u: Unit, n: Count, a: Positive, b: Positive) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; n, a, b) = \min \{k : F(k; n, a, b) \ge u\}

    u, n, a, b: broadcast together. 0 at u = 0, n at u = 1. Where u lies within rounding of a step of the `cdf`, that
    step's count or the next. -1 where u is outside [0, 1], where there is no distribution, and for n from 10000 on.
    Devroye (1986), section III.2.1.

    >>> int(icdf(0.33, 2, 1.0, 1.0)), int(icdf(0.34, 2, 1.0, 1.0))
    (0, 1)
    """
    xp, _, u, n, a, b = elementwise(u=u, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        fits, n, a, b = _summable(xp, n, a, b)
        level = xp.where(fits & unit(u), u, 0.5)
        return as_count(
            xp, _finite_sums.steps(xp, *_ratios(xp, n, a, b), _peak(xp, n, a, b), level, n + 1), fits & unit(u)
        )


def sample(noise: Unit, n: Count, a: Positive, b: Positive) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; n, a, b) \ge \text{noise}\}

    noise, n, a, b: broadcast together. Edges as for the `icdf`. Devroye (1986), section III.2.1.

    >>> int(sample(0.4, 2, 1.0, 1.0))
    1
    """
    elementwise(noise=noise, n=n, a=a, b=b)  # errors name the noise
    return icdf(noise, n, a, b)


def mean(n: Count, a: Positive, b: Positive) -> Array:
    r"""Expectation.

    .. math:: E[k] = n a / (a+b)

    n, a, b: broadcast together. float32 when every floating array is, else float64, and float64 inside. n that is
    negative or not whole, shapes that are not positive and finite, and nan: nan. Johnson, Kemp and Kotz (2005),
    section 6.9.2.

    >>> float(mean(10, 1.0, 3.0))
    2.5
    """
    xp, dtype, n, a, b = elementwise(n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        return result(xp, dtype, n * (a / (a + b)), _fits(xp, n, a, b))


def mean_vjp(g: Array, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b.

    .. math:: \partial_a = n b / (a+b)^2, \qquad \partial_b = -n a / (a+b)^2
    """
    like = (a, b)
    xp, dtype, g, n, a, b = elementwise(g=g, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        slopes = (n * (b / (a + b) / (a + b)), -n * (a / (a + b) / (a + b)))
        return cotangents(g, dtype, _fits(xp, n, a, b), *zip(slopes, like, strict=True))


def variance(n: Count, a: Positive, b: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = n \frac{a b}{(a+b)^2} \frac{a+b+n}{a+b+1}

    n, a, b: broadcast together. float32 when every floating array is, else float64, and float64 inside. n that is
    negative or not whole, shapes that are not positive and finite, and nan: nan. Johnson, Kemp and Kotz (2005),
    section 6.9.2.

    >>> float(variance(2, 1.0, 1.0))
    0.6666666666666666
    """
    xp, dtype, n, a, b = elementwise(n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        return result(xp, dtype, _variance(xp, n, a, b), _fits(xp, n, a, b))


def variance_vjp(g: Array, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b.

    .. math:: \partial_a = \operatorname{var}(k) \left( \frac{b-a}{a (a+b)}
              - \frac{n-1}{(a+b+n)(a+b+1)} \right)
    """
    like = (a, b)
    xp, dtype, g, n, a, b = elementwise(g=g, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        slopes = (_variance_slope(n, a, b), _variance_slope(n, b, a))
        return cotangents(g, dtype, _fits(xp, n, a, b), *zip(slopes, like, strict=True))


def mode(n: Count, a: Positive, b: Positive) -> Array:
    r"""The most probable count, as int64.

    .. math:: \left\lfloor \frac{(n+1)(a-1)}{a+b-2} \right\rfloor

    n, a, b: broadcast together. Between 0 and n; for a + b <= 2 the end of the larger shape. -1 where two counts are
    equally probable, and out of the domain. Johnson, Kemp and Kotz (2005), section 6.9.2.

    >>> int(mode(10, 2.0, 4.0)), int(mode(10, 0.5, 0.25)), int(mode(10, 1.0, 1.0))
    (2, 10, -1)
    """
    xp, _, n, a, b = elementwise(n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        return as_count(xp, *_mode(xp, n, a, b))


def maximum_likelihood(data: NonNegative, n: Count) -> Parameters:
    r"""The shapes under which the data are most probable, for known numbers of trials.

    .. math:: \sum_i \left( \psi(x_i + \hat a) - \psi(\hat a) \right)
              = \sum_i \left( \psi(n_i + \hat a + \hat b) - \psi(\hat a + \hat b) \right)
              = \sum_i \left( \psi(n_i - x_i + \hat b) - \psi(\hat b) \right)

    data: (N,), taken as real numbers between 0 and their n; n: (N,), or one number for all. float32 for float32, else
    float64. The estimate exists where the data vary more than binomial ones, which is
    :math:`\sum (x_i - n_i p)^2 > p (1-p) \sum n_i` with :math:`p = \sum x_i / \sum n_i` (Tarone 1979): there the
    likelihood rises as a + b comes down from infinity. Where n differs much from one observation to another it may have
    several maxima, and one although this fails; the highest one counts. Where none is above the binomial limit, where
    all data are 0 or their n (the likelihood rises until a + b = 0), for other data and for none: nan. Newton's method
    with twice the digits, see `refengine.distributions._polya`. Johnson, Kemp and Kotz (2005), section 6.9.2.

    >>> a, b = maximum_likelihood(np.array([0.0, 0.0, 1.0, 2.0, 2.0]), 2)  # P(1) = a / (2a + 1) = 1/5
    >>> round(float(a), 12), round(float(b), 12)
    (0.333333333333, 0.333333333333)
    """
    xp, dtype, x, found = _estimate(data, n)
    shapes = (xp.sum(x) * xp.nan,) * 2 if found is None else (found[1][0][0], found[1][0][1])
    return Parameters(*(xp.astype(shape, dtype, copy=False) for shape in shapes))


def maximum_likelihood_vjp(g: Parameters, data: NonNegative, n: Count) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem; the trials have none.

    .. math:: \begin{pmatrix} \dot a \\ \dot b \end{pmatrix} = \begin{pmatrix} P_a - c & -c \\ -c & P_b - c
              \end{pmatrix}^{-1} \begin{pmatrix} \psi'(x_i + a) \\ -\psi'(n_i - x_i + b) \end{pmatrix}

    for :math:`P_a = \sum (\psi'(a) - \psi'(x_i + a))`, likewise :math:`P_b`, and
    :math:`c = \sum (\psi'(a+b) - \psi'(n_i + a + b))`.
    """
    xp, dtype, x, found = _estimate(data, n)
    g_a, g_b = (as_float64(xp, "g", part) for part in g)
    if found is None:
        return (xp.astype(xp.nan * x, dtype, copy=False),)
    with np.errstate(all="ignore"):
        high, low = _polya.slopes(xp, *found, xp.stack([g_a, g_b]))
        slope = (high[:, 0] - high[:, 1]) + (sum_error(high[:, 0], -high[:, 1]) + (low[:, 0] - low[:, 1]))
        return (xp.astype(slope, dtype, copy=False),)


def _estimate(data: Array, n: Array) -> tuple[Any, Any, Array, tuple[Array, Pair] | None]:
    """``xp, dtype, data``; successes and failures (N, 2) with the estimate, where it exists."""
    xp, dtype, x = sample_of(data)
    trials = as_float64(xp, "n", n)
    if trials.ndim:
        check_shape("n", trials, ("N",), N=x.shape[0])
    with np.errstate(all="ignore"):
        counts = xp.stack([x, trials - x], axis=1)
        found = _polya.optimum(xp, counts) if bool(xp.all(finite(xp, trials))) else None
        return xp, dtype, x, None if found is None else (counts, found)


def _fits(xp: Array, n: Array, a: Array, b: Array) -> Array:
    return finite(xp, n) & positive(xp, a) & positive(xp, b)


def _summable(xp: Any, n: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """Whether the sums are made, and the parameters, harmless ones where they are not."""
    fits = _fits(xp, n, a, b) & (n < _finite_sums.MOST)
    return fits, xp.where(fits, n, 0.0), xp.where(fits, a, 1.0), xp.where(fits, b, 1.0)


def _peak(xp: Any, n: Array, a: Array, b: Array) -> Array:
    """A most probable count."""
    return xp.where(a + b == 2, xp.where(a > b, n, 0.0), _mode(xp, n, a, b)[0])


def _ratios(xp: Any, n: Array, a: Array, b: Array) -> tuple[Pair, Pair]:
    """f(j) / f(j-1) = (n-j+1) (a+j-1) / (j (b+n-j)) for j = 0, 1, ..., as quotients."""
    j = xp.astype(xp.arange(_finite_sums.length(xp, n + 1)), xp.float64) + 0.0 * n[..., None]
    n, a, b = n[..., None], a[..., None] + 0.0 * j, b[..., None] + 0.0 * j
    up = twice.settled(a + (j - 1), sum_error(a, j - 1))
    down = twice.settled(b + (n - j), sum_error(b, n - j))
    return twice.scaled(up, n - j + 1), twice.scaled(down, j)


def _tails(xp: Any, k: Array, n: Array, a: Array, b: Array) -> Tails:
    fits, n, a, b = _summable(xp, n, a, b)
    before, beyond = xp.floor(k) < 0, xp.floor(k) >= n
    at = xp.where(fits & ~before & ~beyond & ~xp.isnan(k), xp.floor(k), 0.0)
    sums = _finite_sums.summed(xp, *_ratios(xp, n, a, b), _peak(xp, n, a, b), at, n + 1)
    i, count = xp.astype(xp.arange(sums.below.shape[-1]), xp.float64), n[..., None]
    up, down = a[..., None] + i, -b[..., None] - (count - 1 - i)
    by = {"a": xp.where(i < count, up, xp.inf), "b": xp.where(i < count, down, xp.inf)}
    first, second = log_prob(at, n, a, b), log_prob(at + 1, n, a, b)
    return _finite_sums.tails(xp, sums, first, second, before, beyond, fits & ~xp.isnan(k), **by)


def _saddle_point(xp: Array, k: Array, rest: Array, a: Array, b: Array) -> Array:
    """0 < k < n."""
    n, s = k + rest, a + b
    p, q, total = k + a, rest + b, n + s
    e = cross_minus(xp, a, rest, b, k) / total
    x, y = p / total, q / total
    large = share_deviance(xp, x, y, k, rest, e) + share_deviance(xp, x, y, a, b, -e)
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    power = log_product(xp, weight(xp, low), weight(xp, high) / weight(xp, s) * xp.sqrt(n / k / rest / (p * q / total)))
    errors = (stirling_error(xp, k) + stirling_error(xp, rest) - stirling_error(xp, n)) + (
        remainder(xp, low) + (remainder(xp, high) - remainder(xp, s))
    )
    errors = errors - (stirling_error(xp, p) + stirling_error(xp, q) - stirling_error(xp, total))
    return large + power - errors


def _slope(xp: Array, k: Array, rest: Array, a: Array, b: Array) -> Array:
    """The derivative to a; that to b is the same of exchanged arguments."""
    n, s = k + rest, a + b
    fall = digamma_fall(xp, a, n, b) - digamma_difference(k + a, rest)
    t = -cross_minus(xp, a, rest, b, k) / (n + s) / a
    ratio = xp.where(t > -0.5, xp.log1p(t), xp.log((k + a) / (n + s) * (s / a)))
    near = ratio + beyond_log(xp, a, k) - beyond_log(xp, s, n)
    near = xp.where(a < 1e-290, digamma_difference(a, k) - digamma_difference(s, n), near)  # the quotients overflow
    slope = xp.where((b <= a) | (rest == 0), fall, near)
    return xp.where(k == 0, -digamma_difference(s, n), slope)


def _variance(xp: Any, n: Array, a: Array, b: Array) -> Array:
    s = a + b
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    return (n * ((s + n) / (s + 1)) * (high / s)) * low / s


def _variance_slope(n: Array, a: Array, b: Array) -> Array:
    s = a + b
    inner = (b - a) / s * ((s + n) / (s + 1)) - (a / (s + 1)) * ((n - 1) / (s + 1))
    return n * (b / s / s) * inner


def _mode(xp: Any, n: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """The mode, and whether it is the only one: f(k+1) - f(k) has the sign of (n+1)(a-1) - (k+1)(a+b-2)."""
    c, d = a - 1, b - 1
    k = xp.floor((n + 1) * (c / (c + d)))
    k = xp.where(cross_minus(xp, c, n - k, d, k + 1) >= 0, k + 1, k)
    tie = cross_minus(xp, c, n - k + 1, d, k)
    k = xp.where(tie < 0, k - 1, k)
    peaked = c + d > 0
    inside = (k > 0) & (k <= n)
    end = xp.where(a > b, n, 0.0)
    single = xp.where(peaked, (tie != 0) | ~inside, (a != b) | (n == 0))
    return xp.where(peaked, xp.minimum(xp.maximum(k, 0.0), n), end), _fits(xp, n, a, b) & single
