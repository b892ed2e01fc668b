"""The Laplace distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.distributions.laplace import Parameters
from validation.exact.distributions._location_scale import (
    defined,
    draws,
    estimable,
    no_estimate,
    samples,
)
from validation.exact.draws import Draw
from validation.exact.number import Number, detached, exp, log, log1p, number, pi, pointwise, stated


def near(rng: np.random.Generator, loc: float = 0.0, scale: float = 1.0, **others: float) -> float:
    return float(loc + scale * rng.laplace())


@defined(-inf, -inf)
def log_prob(x: Number, loc: Number, scale: Number) -> Any:
    """-|z| - log(2 s); no slope to x and m at the kink.

    Source: johnson-1995, chapter 24
    """
    z = (x - loc) / scale
    return (0 * x if z == 0 else -abs(z)) - log(2 * scale)


@defined(0.0, 1.0)
def cdf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1995, chapter 24
    """
    z = (x - loc) / scale
    return _lower(z)


@defined(-inf, 0.0)
def log_cdf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1995, chapter 24
    """
    z = (x - loc) / scale
    return _log_lower(z)


@defined(1.0, 0.0)
def sf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1995, chapter 24
    """
    z = (x - loc) / scale
    return _lower(-z)


@defined(0.0, -inf)
def log_sf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1995, chapter 24
    """
    z = (x - loc) / scale
    return _log_lower(-z)


@defined()
def icdf(u: Number, loc: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; -inf and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1995, chapter 24
    """
    if u == 0:
        return stated(-inf, (u, inf), (loc, 1), (scale, -inf))
    if u == 1:
        return stated(inf, (u, inf), (loc, 1), (scale, inf))
    return loc + scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    return log(2 * u) if u < 0.5 else -log(2 * (1 - u))


def _lower(z: Number) -> Any:
    return exp(z) / 2 if z < 0 else 1 - exp(-z) / 2


def _log_lower(z: Number) -> Any:
    return z - log(number(2)) if z < 0 else log1p(-exp(-z) / 2)


@pointwise
def from_below(x: Number, loc: Number, scale: Number) -> Any:
    """The convention that a kink has the slope from below."""
    return (x - loc) / scale - log(2 * scale)


@pointwise
def from_above(x: Number, loc: Number, scale: Number) -> Any:
    """The convention that a kink has the slope from above."""
    return (loc - x) / scale - log(2 * scale)


@defined()
def sample(noise: Number, loc: Number, scale: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1995, chapter 24
    """
    return icdf(noise, loc, scale)


@defined()
def entropy(loc: Number, scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1995, chapter 24
    """
    return 1 + log(2 * scale)


@defined()
def mean(loc: Number, scale: Number) -> Any:
    """The mean.

    Source: johnson-1995, chapter 24
    """
    return loc + 0 * scale


@defined()
def variance(loc: Number, scale: Number) -> Any:
    """The variance.

    Source: johnson-1995, chapter 24
    """
    return 2 * scale * scale


@defined()
def mode(loc: Number, scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1995, chapter 24
    """
    return loc + 0 * scale


@defined()
def kl_divergence(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """log(s_q/s_p) + |d| / s_q + (s_p/s_q) exp(-|d| / s_p) - 1 for d = m_p - m_q.

    Source: gil-2011
    """
    d = abs(loc_p - loc_q)
    return log(scale_q / scale_p) + d / scale_q + scale_p / scale_q * exp(-d / scale_p) - 1


@defined()
def kl_divergence_normal(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of (x - m_q)^2 / (2 s_q^2) + log s_q + log(2 pi)/2.

    Source: johnson-1995, chapter 24
    """
    d = loc_p - loc_q
    square = 2 * scale_p * scale_p + d * d
    return square / (2 * scale_q * scale_q) + log(scale_q) + log(2 * pi()) / 2 - 1 - log(2 * scale_p)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draws(rng, near, kink={"from_below": from_below, "from_above": from_above})


def maximum_likelihood(data: Any) -> Any:
    """The median, halfway between two, and the mean distance from it, which has no slope through the median.

    Source: johnson-1995, chapter 24
    """
    if not estimable(data):
        return Parameters(*no_estimate(data))
    order, n = sorted(range(len(data)), key=lambda i: float(data[i])), len(data)
    median = (data[order[(n - 1) // 2]] + data[order[n // 2]]) / 2
    held = detached(median)
    return Parameters(median, sum(abs(x - held) for x in data if x != held) / n)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.laplace)
