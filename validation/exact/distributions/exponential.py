"""The exponential distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.distributions._location_scale import (
    BAD_SCALES,
    POSITIVE,
    defined,
    distinct,
    expm1,
    no_estimate,
    non_negative,
    samples,
)
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, digamma, exp, lgamma, log, log1p, number, pi, stated


def near(rng: np.random.Generator, rate: float = 1.0, **others: float) -> float:
    return float(min(rng.exponential() / rate, 1e308))


@defined(-inf, -inf, from_0=True, closed=True)
def log_prob(x: Number, rate: Number) -> Any:
    """log(rate) - rate x for x >= 0.

    Source: johnson-1994, chapter 19
    """
    return log(rate) - rate * x


@defined(0.0, 1.0, from_0=True, closed=True)
def cdf(x: Number, rate: Number) -> Any:
    """P(X <= x).

    Source: johnson-1994, chapter 19
    """
    return -expm1(-rate * x)


@defined(-inf, 0.0, from_0=True)
def log_cdf(x: Number, rate: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1994, chapter 19
    """
    z = rate * x
    return log(-expm1(-z)) if z < 1 else log1p(-exp(-z))


@defined(1.0, 0.0, from_0=True, closed=True)
def sf(x: Number, rate: Number) -> Any:
    """P(X > x).

    Source: johnson-1994, chapter 19
    """
    return exp(-rate * x)


@defined(0.0, -inf, from_0=True, closed=True)
def log_sf(x: Number, rate: Number) -> Any:
    """log P(X > x).

    Source: johnson-1994, chapter 19
    """
    return -rate * x


@defined()
def icdf(u: Number, rate: Number) -> Any:
    """The x of cdf(x) = u; inf at 1, with the limits as slopes.

    Source: johnson-1994, chapter 19
    """
    return stated(inf, (u, inf), (rate, -inf)) if u == 1 else -log1p(-u) / rate


@defined()
def sample(noise: Number, rate: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1994, chapter 19
    """
    return icdf(noise, rate)


@defined()
def entropy(rate: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1994, chapter 19
    """
    return 1 - log(rate)


@defined()
def mean(rate: Number) -> Any:
    """The mean.

    Source: johnson-1994, chapter 19
    """
    return 1 / rate


@defined()
def variance(rate: Number) -> Any:
    """The variance.

    Source: johnson-1994, chapter 19
    """
    return 1 / (rate * rate)


@defined()
def mode(rate: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1994, chapter 19
    """
    return 0 * rate


@defined()
def kl_divergence(rate_p: Number, rate_q: Number) -> Any:
    """log(rate_p / rate_q) + rate_q / rate_p - 1.

    Source: gil-2011
    """
    return log(rate_p / rate_q) + rate_q / rate_p - 1


@defined()
def kl_divergence_gamma(rate_p: Number, concentration_q: Number, rate_q: Number) -> Any:
    """Minus the entropy, and the mean of rate_q x - (a - 1) log x + log Gamma(a) - a log rate_q.

    Source: gil-2011
    """
    a, mean_log = concentration_q, digamma(number(1)) - log(rate_p)
    return log(rate_p) - 1 + rate_q / rate_p - (a - 1) * mean_log + lgamma(a) - a * log(rate_q)


@defined()
def kl_divergence_gumbel(rate_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of y + exp(-y) + log s for y = (x - m) / s.

    Source: johnson-1994, chapter 19
    """
    y = (1 / rate_p - loc_q) / scale_q
    return log(rate_p) - 1 + y + exp(loc_q / scale_q) * rate_p / (rate_p + 1 / scale_q) + log(scale_q)


@defined()
def kl_divergence_normal(rate_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of (x - m)^2 / (2 s^2) + log s + log(2 pi)/2.

    Source: johnson-1994, chapter 19
    """
    d = 1 / rate_p - loc_q
    square = 1 / (rate_p * rate_p) + d * d
    return log(rate_p) - 1 + square / (2 * scale_q * scale_q) + log(scale_q) + log(2 * pi()) / 2


def maximum_likelihood(data: Any) -> Any:
    """One over the mean.

    Source: johnson-1994, chapter 19
    """
    return len(data) / sum(data) if non_negative(data) else no_estimate(data, 1)[0]


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"x": Interval(0, closed=True), "rate": Interval(0)}, near)
    for x, rate in ((1e300, 1e300), (5e-324, 1e308), (1e308, 5e-324), (1e-310, 1e300), (40.0, 1.0)):
        yield Draw({"x": x, "rate": rate}, flags=("HUGE_PARAMETER",), difficulty=5)
    for rate in (1.0, 0.3, 1e9):
        yield Draw({"x": 0.0, "rate": rate}, flags=("SUPPORT_EDGE",))
    for x in (-5e-324, -5.0, inf, -inf):
        yield Draw({"x": x, "rate": 2.0}, flags=("OUT_OF_SUPPORT",))
    for rate in (inf, -1.0, -inf):
        yield Draw({"x": 0.5, "rate": rate}, result="invalid")


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.exponential, positive=True, bad=BAD_SCALES)


draw_entropy = draw_mean = draw_variance = draw_mode = distinct(rate=POSITIVE)
