"""The half-normal distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any

import numpy as np
from scipy import special

from validation.exact.distributions._location_scale import (
    BAD_SCALES,
    POSITIVE,
    REAL,
    defined,
    distinct,
    erf,
    half_draws,
    log_upper,
    no_estimate,
    non_negative,
    samples,
    upper,
)
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, log, log1p, number, pi, sqrt, stated
from validation.exact.root import root


def near(rng: np.random.Generator, scale: float = 1.0, **others: float) -> float:
    return float(scale * abs(rng.normal()))


@defined(-inf, -inf, from_0=True, closed=True)
def log_prob(x: Number, scale: Number) -> Any:
    """-z^2/2 - log s + log(2/pi)/2 for x >= 0.

    Source: johnson-1994, chapter 13
    """
    z = x / scale
    return -z * z / 2 - log(scale) + log(2 / pi()) / 2


@defined(0.0, 1.0, from_0=True, closed=True)
def cdf(x: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1994, chapter 13
    """
    z = x / scale
    return erf(z / sqrt(number(2)))


@defined(-inf, 0.0, from_0=True)
def log_cdf(x: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1994, chapter 13
    """
    z = x / scale
    return log(erf(z / sqrt(number(2)))) if z < 1 else log1p(-2 * upper(z))


@defined(1.0, 0.0, from_0=True, closed=True)
def sf(x: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1994, chapter 13
    """
    z = x / scale
    return 2 * upper(z)


@defined(0.0, -inf, from_0=True, closed=True)
def log_sf(x: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1994, chapter 13
    """
    z = x / scale
    return log(number(2)) + log_upper(z) if z > 1 else log1p(-erf(z / sqrt(number(2))))


@defined()
def icdf(u: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; 0 and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1994, chapter 13
    """
    if u == 0:
        return stated(0.0, (u, scale * _slope_at_0()), (scale, 0))
    if u == 1:
        return stated(inf, (u, inf), (scale, inf))
    return scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    def excess(t: list[Number]) -> list[Any]:
        return [erf(t[0] / sqrt(number(2))) - u] if u < 0.5 else [2 * upper(t[0]) - (1 - u)]

    guess = 2**0.5 * special.erfinv(float(u)) if u < 0.5 else -special.ndtri((1 - float(u)) / 2)
    return root(excess, [float(guess)])[0]


def _slope_at_0() -> Any:
    return sqrt(pi() / 2)


@defined()
def sample(noise: Number, scale: Number) -> Any:
    """scale * |noise|, 0 at the kink.

    Source: johnson-1994, chapter 13
    """
    return scale * abs(noise) if noise != 0 else 0 * scale * noise


@defined()
def entropy(scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1994, chapter 13
    """
    return log(pi() * scale * scale / 2) / 2 + number(1) / 2


@defined()
def mean(scale: Number) -> Any:
    """The mean.

    Source: johnson-1994, chapter 13
    """
    return scale * sqrt(2 / pi())


@defined()
def variance(scale: Number) -> Any:
    """The variance.

    Source: johnson-1994, chapter 13
    """
    return scale * scale * (1 - 2 / pi())


@defined()
def mode(scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1994, chapter 13
    """
    return 0 * scale


@defined()
def kl_divergence(scale_p: Number, scale_q: Number) -> Any:
    """log(s_q/s_p) + s_p^2 / (2 s_q^2) - 1/2.

    Source: kullback-1959, chapter 9, eq. 1.4
    """
    return log(scale_q / scale_p) + scale_p * scale_p / (2 * scale_q * scale_q) - number(1) / 2


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from half_draws(rng, near)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"noise": REAL, "scale": POSITIVE}, None, {"noise": (1e-3, 8.0)})
    for scale in (1.0, 3.0):
        yield Draw({"noise": 0.0, "scale": scale}, flags=("KINK",))


def maximum_likelihood(data: Any) -> Any:
    """The root of the mean square.

    Source: johnson-1994, chapter 13
    """
    if not non_negative(data):
        return no_estimate(data, 1)[0]
    return sqrt(sum(x * x for x in data) / len(data))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, partial(rng.gamma, 0.5), positive=True, bad=BAD_SCALES)


draw_entropy = draw_mean = draw_variance = draw_mode = distinct(scale=POSITIVE)
