r"""Hypergeometric distribution: successes among ``draws`` without replacement from a population.

.. math:: f(k; N, K, n) = \binom{K}{k} \binom{N-K}{n-k} \Big/ \binom{N}{n}

with N the population, K the successes in it and n the draws. SciPy's ``hypergeom`` calls them M, n and N. All arguments
are counts, so nothing has a derivative.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _finite_sums
from refengine.distributions import _twice as twice
from refengine.distributions._counts import (
    Tails,
    as_count,
    finite,
    result,
    tail,
    unit,
    whole,
)
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, Unit
from refengine.special._saddle_point import (
    cross_minus,
    share_deviance,
    stirling_error,
)
from refengine.special._second_difference import lgamma_difference

__all__ = [
    "cdf",
    "icdf",
    "log_cdf",
    "log_prob",
    "log_sf",
    "mean",
    "mode",
    "noise",
    "sample",
    "sf",
    "variance",
]


def log_prob(k: Count, population: Count, successes: Count, draws: Count) -> Array:
    r"""Logarithm of the hypergeometric probability, accurate to a few ulp for counts of any size.

    .. math:: \log f(k; N, K, n) = \log \binom{K}{k} + \log \binom{N-K}{n-k} - \log \binom{N}{n}

    k, population, successes, draws: broadcast together; the result has the broadcast shape. Counts stand in integer or
    floating arrays and are exact up to 2^53; there is no derivative to any. float32 when every floating array is, else
    float64, and float64 inside. k out of max(0, n+K-N), ..., min(n, K), or not whole: -inf. Counts that are negative
    or not whole, more successes or draws than the population, and nan: nan.

    Loader's saddle point (2000) for the table of k, K-k, n-k and N-K-n+k: two deviances, given by the one number
    (n K - k N) / N, computed with twice the digits. Where one of the four is 0 it is a second difference of lgamma.

    >>> round(float(log_prob(1, 4, 2, 2)), 14)  # log(2/3)
    -0.40546510810816
    >>> float(log_prob(0, 4, 0, 2)), float(log_prob(3, 4, 2, 2))
    (0.0, -inf)
    """
    xp, dtype, k, population, successes, draws = elementwise(
        k=k, population=population, successes=successes, draws=draws
    )
    with np.errstate(all="ignore"):
        fits = _fits(xp, population, successes, draws)
        a, b, c = k, successes - k, draws - k
        d = (population - successes) - c
        possible = fits & whole(xp, k) & (b >= 0) & (c >= 0) & (d >= 0)
        inner = possible & (a > 0) & (b > 0) & (c > 0) & (d > 0)
        ends = -_opposite(xp, *(xp.where(possible & ~inner, cell, 0.0) for cell in (a, b, c, d))) + 0.0
        value = _saddle_point(xp, *(xp.where(inner, cell, 1.0) for cell in (a, b, c, d)))
        value = xp.where(possible, xp.where(inner, value, ends), -xp.inf)
        return result(xp, dtype, value, fits & ~xp.isnan(k))


def cdf(k: Count, population: Count, successes: Count, draws: Count) -> Array:
    r"""Distribution function, the probability of at most k, with relative accuracy in the lower tail.

    .. math:: F(k; N, K, n) = \sum_{j \le k} f(j; N, K, n)

    k, population, successes, draws: broadcast together. float32 when every floating array is, else float64.
    0 below the support, 1 from its end on; of a k that is not whole the whole part counts. Counts that are negative
    or not whole, more successes or draws than the population, and nan: nan. The probabilities are added with twice the
    digits; a support of more than 10000 counts: nan. Johnson, Kemp and Kotz (2005), section 6.2.

    >>> round(float(cdf(0, 4, 2, 2)), 15), float(cdf(2, 4, 2, 2))  # 1/6
    (0.166666666666667, 1.0)
    """
    return tail(_tails, "cdf", k=k, population=population, successes=successes, draws=draws)


def sf(k: Count, population: Count, successes: Count, draws: Count) -> Array:
    r"""Survival function, the probability of more than k, with relative accuracy in the upper tail.

    .. math:: 1 - F(k; N, K, n) = \sum_{j > k} f(j; N, K, n)

    k, population, successes, draws: broadcast together. float32 when every floating array is, else float64.
    1 below the support, 0 from its end on; of a k that is not whole the whole part counts. Counts that are negative
    or not whole, more successes or draws than the population, and nan: nan. The probabilities are added with twice the
    digits; a support of more than 10000 counts: nan. Johnson, Kemp and Kotz (2005), section 6.2.

    >>> round(float(sf(1, 4, 2, 2)), 15), float(sf(2, 4, 2, 2))  # 1/6
    (0.166666666666667, 0.0)
    """
    return tail(_tails, "sf", k=k, population=population, successes=successes, draws=draws)


def log_cdf(k: Count, population: Count, successes: Count, draws: Count) -> Array:
    r"""Logarithm of the `cdf`, accurate where that underflows.

    .. math:: \log F(k; N, K, n)

    k, population, successes, draws: broadcast together. float32 when every floating array is, else float64.
    -inf below the support, 0 from its end on; of a k that is not whole the whole part counts. Counts that are negative
    or not whole, more successes or draws than the population, and nan: nan. The probabilities are added with twice the
    digits; a support of more than 10000 counts: nan. Johnson, Kemp and Kotz (2005), section 6.2.

    >>> round(float(log_cdf(0, 4, 2, 2)), 12)  # log(1/6)
    -1.791759469228
    """
    return tail(_tails, "log_cdf", k=k, population=population, successes=successes, draws=draws)


def log_sf(k: Count, population: Count, successes: Count, draws: Count) -> Array:
    r"""Logarithm of the `sf`, accurate where that underflows.

    .. math:: \log(1 - F(k; N, K, n))

    k, population, successes, draws: broadcast together. float32 when every floating array is, else float64.
    0 below the support, -inf from its end on; of a k that is not whole the whole part counts. Counts that are negative
    or not whole, more successes or draws than the population, and nan: nan. The probabilities are added with twice the
    digits; a support of more than 10000 counts: nan. Johnson, Kemp and Kotz (2005), section 6.2.

    >>> round(float(log_sf(1, 4, 2, 2)), 12)  # log(1/6)
    -1.791759469228
    """
    return tail(_tails, "log_sf", k=k, population=population, successes=successes, draws=draws)


def icdf(u: Unit, population: Count, successes: Count, draws: Count) -> Array:
    r"""Quantile: the smallest count whose `cdf` is at least u, as int64.

    .. math:: F^{-1}(u; N, K, n) = \min \{k : F(k; N, K, n) \ge u\}

    u, population, successes, draws: broadcast together. The ends of the support at u = 0 and 1. Where u lies within
    rounding of a step of the `cdf`, that step's count or the next. -1 where u is outside [0, 1], where there is no
    distribution, and for a support of more than 10000 counts. Devroye (1986), section III.2.1.

    >>> int(icdf(0.16, 4, 2, 2)), int(icdf(0.17, 4, 2, 2))
    (0, 1)
    """
    xp, _, u, *table = elementwise(u=u, population=population, successes=successes, draws=draws)
    with np.errstate(all="ignore"):
        fits, low, size, population, successes, draws = _support(xp, *table)
        up, down = _ratios(xp, low, size, population, successes, draws)
        place = _mode(xp, population, successes, draws)[0] - low
        steps = _finite_sums.steps(xp, up, down, place, xp.where(fits & unit(u), u, 0.5), size)
        return as_count(xp, low + steps, fits & unit(u))


def sample(noise: Unit, population: Count, successes: Count, draws: Count) -> Array:
    r"""A draw by inversion of the `cdf`, from uniform noise; int64, hence without derivative.

    .. math:: k = \min \{k : F(k; N, K, n) \ge \text{noise}\}

    noise, population, successes, draws: broadcast together. Edges as for the `icdf`. Devroye (1986), section III.2.1.

    >>> int(sample(0.4, 4, 2, 2))
    1
    """
    elementwise(noise=noise, population=population, successes=successes, draws=draws)  # errors name the noise
    return icdf(noise, population, successes, draws)


def mean(population: Count, successes: Count, draws: Count) -> Array:
    r"""Expectation.

    .. math:: E[k] = n K / N

    population, successes, draws: broadcast together. float32 when every floating array is, else float64, and float64
    inside. Counts that are negative or not whole, more successes or draws than the population, and nan: nan. Johnson,
    Kemp and Kotz (2005), section 6.2.

    >>> float(mean(10, 5, 4))
    2.0
    """
    xp, dtype, population, successes, draws = elementwise(population=population, successes=successes, draws=draws)
    with np.errstate(all="ignore"):
        return result(
            xp,
            dtype,
            xp.where(population == 0, 0.0, draws * (successes / population)),
            _fits(xp, population, successes, draws),
        )


def variance(population: Count, successes: Count, draws: Count) -> Array:
    r"""Variance.

    .. math:: \operatorname{var} k = n \frac{K}{N} \frac{N-K}{N} \frac{N-n}{N-1}

    population, successes, draws: broadcast together. float32 when every floating array is, else float64, and float64
    inside. Counts that are negative or not whole, more successes or draws than the population, and nan: nan. Johnson,
    Kemp and Kotz (2005), section 6.2.

    >>> float(variance(5, 2, 2))
    0.36
    """
    xp, dtype, population, successes, draws = elementwise(population=population, successes=successes, draws=draws)
    with np.errstate(all="ignore"):
        return result(xp, dtype, _variance(xp, population, successes, draws), _fits(xp, population, successes, draws))


def mode(population: Count, successes: Count, draws: Count) -> Array:
    r"""The most probable count, as int64.

    .. math:: \left\lfloor \frac{(n+1)(K+1)}{N+2} \right\rfloor

    population, successes, draws: broadcast together. -1 where two counts are equally probable, and out of the domain.
    Johnson, Kemp and Kotz (2005), section 6.2.

    >>> int(mode(10, 5, 4)), int(mode(10, 5, 5)), int(mode(5, 2, 1))
    (2, -1, 0)
    """
    xp, _, population, successes, draws = elementwise(population=population, successes=successes, draws=draws)
    with np.errstate(all="ignore"):
        return as_count(xp, *_mode(xp, population, successes, draws))


def _fits(xp: Array, population: Array, successes: Array, draws: Array) -> Array:
    counts = finite(xp, population) & finite(xp, successes) & finite(xp, draws)
    return counts & (successes <= population) & (draws <= population)


def _support(xp: Any, population: Array, successes: Array, draws: Array) -> tuple[Array, ...]:
    """Whether its sums are made; its least count and its size; the table, one of size 1 where they are not."""
    fits = _fits(xp, population, successes, draws)
    low, high = xp.maximum(draws + successes - population, 0.0), xp.minimum(draws, successes)
    fits = fits & (high - low < _finite_sums.MOST)
    table = (xp.where(fits, v, 0.0) for v in (population, successes, draws))
    return fits, xp.where(fits, low, 0.0), xp.where(fits, high - low + 1, 1.0), *table


def _ratios(
    xp: Any, low: Array, size: Array, population: Array, successes: Array, draws: Array
) -> tuple[twice.Pair, twice.Pair]:
    """f(j) / f(j-1) = (K-j+1) (n-j+1) / (j (N-K-n+j)) over the support (..., L), as quotients."""
    j = low[..., None] + xp.astype(xp.arange(_finite_sums.length(xp, size)), xp.float64)
    rest = population - successes - draws
    up = twice.product(successes[..., None] - j + 1, draws[..., None] - j + 1)
    return up, twice.product(j, rest[..., None] + j)


def _tails(xp: Any, k: Array, population: Array, successes: Array, draws: Array) -> Tails:
    fits, low, size, *table = _support(xp, population, successes, draws)
    before, beyond = xp.floor(k) < low, xp.floor(k) >= low + size - 1
    at = xp.where(fits & ~before & ~beyond & ~xp.isnan(k), xp.floor(k) - low, 0.0)
    sums = _finite_sums.summed(xp, *_ratios(xp, low, size, *table), _mode(xp, *table)[0] - low, at, size)
    first, second = log_prob(low + at, *table), log_prob(low + at + 1, *table)
    return _finite_sums.tails(xp, sums, first, second, before, beyond, fits & ~xp.isnan(k))


def _opposite(xp: Array, a: Array, b: Array, c: Array, d: Array) -> Array:
    """R of the cell opposite to an empty one, and of the two others: -log f where the table has an empty cell."""
    diagonal = (a == 0) | (d == 0)
    opposite = xp.where(diagonal, xp.maximum(a, d), xp.maximum(b, c))
    one, other = xp.where(diagonal, b, a), xp.where(diagonal, c, d)
    return lgamma_difference(xp, opposite + 1, one, other)


def _saddle_point(xp: Array, a: Array, b: Array, c: Array, d: Array) -> Array:
    """A table of four positive counts."""
    successes, failures = a + b, c + d
    draws, rest = a + c, b + d
    total = draws + rest
    e = cross_minus(xp, b, c, a, d) / total
    x, y = draws / total, rest / total
    large = share_deviance(xp, x, y, a, b, e) + share_deviance(xp, x, y, c, d, -e)
    power = (draws / a / c) * (rest / b / d) * (successes / total) * (failures / (2 * pi))
    errors = [stirling_error(xp, cell) for cell in (a, b, c, d, successes, failures, draws, rest, total)]
    inside = (errors[0] + errors[1] - errors[4]) + (errors[2] + errors[3] - errors[5])
    return large + xp.log(power) / 2 - (inside - (errors[6] + errors[7] - errors[8]))


def _variance(xp: Any, population: Array, successes: Array, draws: Array) -> Array:
    share, rest = successes / population, (population - successes) / population
    value = draws * share * rest * ((population - draws) / (population - 1))
    return xp.where(population <= 1, 0.0, value)


def _mode(xp: Any, population: Array, successes: Array, draws: Array) -> tuple[Array, Array]:
    """The largest k with f(k) >= f(k-1), which is (n+1)(K+1) >= k (N+2), and whether it is the only mode."""
    n, s, total = draws + 1, successes + 1, population + 2
    k = xp.floor(n * (s / total))
    k = xp.where(cross_minus(xp, n, s, k + 1, total) >= 0, k + 1, k)
    tie = cross_minus(xp, n, s, k, total)
    k = xp.where(tie < 0, k - 1, k)
    least = xp.maximum(draws + successes - population, 0.0)
    return k, _fits(xp, population, successes, draws) & ((tie != 0) | (k <= least))
