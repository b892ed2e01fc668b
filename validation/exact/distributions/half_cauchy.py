"""The half-Cauchy distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any

import numpy as np
from scipy import optimize

from validation.exact.distributions._location_scale import (
    BAD_SCALES,
    POSITIVE,
    defined,
    distinct,
    half_draws,
    no_estimate,
    samples,
)
from validation.exact.draws import Draw
from validation.exact.number import (
    Number,
    atan,
    cos,
    log,
    log1p,
    number,
    pi,
    sin,
    stated,
)
from validation.exact.root import root


def near(rng: np.random.Generator, scale: float = 1.0, **others: float) -> float:
    return float(scale * abs(rng.standard_cauchy()))


@defined(-inf, -inf, from_0=True, closed=True)
def log_prob(x: Number, scale: Number) -> Any:
    """log 2 - log(pi s (1 + z^2)) for x >= 0.

    Source: johnson-1994, chapter 16
    """
    z = x / scale
    return log(number(2)) - log(pi() * scale * (1 + z * z))


@defined(0.0, 1.0, from_0=True, closed=True)
def cdf(x: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1994, chapter 16
    """
    z = x / scale
    return 2 * atan(z) / pi()


@defined(-inf, 0.0, from_0=True)
def log_cdf(x: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1994, chapter 16
    """
    z = x / scale
    return log(2 * atan(z) / pi()) if z < 1 else log1p(-2 * atan(1 / z) / pi())


@defined(1.0, 0.0, from_0=True, closed=True)
def sf(x: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1994, chapter 16
    """
    z = x / scale
    return 1 - 2 * atan(z) / pi() if z < 1 else 2 * atan(1 / z) / pi()


@defined(0.0, -inf, from_0=True, closed=True)
def log_sf(x: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1994, chapter 16
    """
    z = x / scale
    return log(2 * atan(1 / z) / pi()) if z > 1 else log1p(-2 * atan(z) / pi())


@defined()
def icdf(u: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; 0 and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1994, chapter 16
    """
    if u == 0:
        return stated(0.0, (u, scale * _slope_at_0()), (scale, 0))
    if u == 1:
        return stated(inf, (u, inf), (scale, inf))
    return scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    return sin(pi() * u / 2) / cos(pi() * u / 2)


def _slope_at_0() -> Any:
    return pi() / 2


@defined()
def sample(noise: Number, scale: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1994, chapter 16
    """
    return icdf(noise, scale)


@defined()
def entropy(scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1994, chapter 16
    """
    return log(2 * pi() * scale)


@defined()
def mode(scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1994, chapter 16
    """
    return 0 * scale


@defined()
def kl_divergence(scale_p: Number, scale_q: Number) -> Any:
    """log((s_p + s_q)^2 / (4 s_p s_q)).

    Source: chyzak-2019
    """
    s = scale_p + scale_q
    return log(s * s / (4 * scale_p * scale_q))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from half_draws(rng, near)


def maximum_likelihood(data: Any) -> Any:
    """Where the score vanishes: sum x^2 / (s^2 + x^2) = N/2, solved in units of the data.

    Source: copas-1975
    """
    if not _estimable(data):
        return no_estimate(data, 1)[0]
    unit = float(np.median([float(x) for x in data if x > 0]))
    squares = [(x / unit) * (x / unit) for x in data]

    def score(s: Any) -> Any:
        return sum(y / (y + s * s) for y in squares) - number(len(data)) / 2

    known = np.array([float(y) for y in squares])
    guess = optimize.brentq(
        lambda t: float((known / (known + np.exp(2 * t))).sum()) - len(known) / 2, -300, 300, xtol=1e-13
    )
    return unit * root(lambda t: [score(t[0])], [float(np.exp(guess))])[0]


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, partial(rng.standard_t, 1), positive=True, bad=BAD_SCALES)


def _estimable(data: Any) -> bool:
    values = [float(x) for x in data]
    return all(0 <= x < inf for x in values) and 2 * sum(x > 0 for x in values) > len(values)


draw_entropy = draw_mode = distinct(scale=POSITIVE)
