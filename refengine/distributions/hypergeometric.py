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
from refengine.distributions._counts import (
    as_count,
    finite,
    result,
    whole,
)
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count
from refengine.special._saddle_point import (
    cross_minus,
    share_deviance,
    stirling_error,
)
from refengine.special._second_difference import lgamma_difference

__all__ = ["log_prob", "mean", "mode", "noise", "variance"]


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
