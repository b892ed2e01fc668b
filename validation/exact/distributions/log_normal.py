"""The log-normal distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.distributions.log_normal import Parameters
from validation.exact.distributions import normal
from validation.exact.distributions._location_scale import (
    POSITIVE,
    REAL,
    defined,
    estimable,
    expm1,
    log_upper,
    no_estimate,
    samples,
    upper,
)
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, exp, log, pi, stated


def near(rng: np.random.Generator, loc: float = 0.0, scale: float = 1.0, **others: float) -> float:
    return float(np.exp(np.clip(loc + scale * rng.normal(), -690, 690)))


@defined(-inf, -inf, from_0=True)
def log_prob(x: Number, loc: Number, scale: Number) -> Any:
    """-z^2/2 - log x - log s - log(2 pi)/2.

    Source: johnson-1994, chapter 14
    """
    z = (log(x) - loc) / scale
    return -z * z / 2 - log(x) - log(scale) - log(2 * pi()) / 2


@defined(0.0, 1.0, from_0=True)
def cdf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1994, chapter 14
    """
    z = (log(x) - loc) / scale
    return upper(-z)


@defined(-inf, 0.0, from_0=True)
def log_cdf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1994, chapter 14
    """
    z = (log(x) - loc) / scale
    return log_upper(-z)


@defined(1.0, 0.0, from_0=True)
def sf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1994, chapter 14
    """
    z = (log(x) - loc) / scale
    return upper(z)


@defined(0.0, -inf, from_0=True)
def log_sf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1994, chapter 14
    """
    z = (log(x) - loc) / scale
    return log_upper(z)


@defined()
def icdf(u: Number, loc: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; 0 and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1994, chapter 14
    """
    if u == 0:
        return stated(0.0, (u, inf), (loc, 0), (scale, 0))
    if u == 1:
        return stated(inf, (u, inf), (loc, inf), (scale, inf))
    return exp(normal.icdf(u, loc, scale))


@defined()
def sample(noise: Number, loc: Number, scale: Number) -> Any:
    """exp(loc + scale * noise).

    Source: johnson-1994, chapter 14
    """
    return exp(loc + scale * noise)


@defined()
def entropy(loc: Number, scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1994, chapter 14
    """
    return loc + log(scale) + (1 + log(2 * pi())) / 2


@defined()
def mean(loc: Number, scale: Number) -> Any:
    """The mean.

    Source: johnson-1994, chapter 14
    """
    return exp(loc + scale * scale / 2)


@defined()
def variance(loc: Number, scale: Number) -> Any:
    """The variance.

    Source: johnson-1994, chapter 14
    """
    return exp(2 * loc + scale * scale) * expm1(scale * scale)


@defined()
def mode(loc: Number, scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1994, chapter 14
    """
    return exp(loc - scale * scale)


@defined()
def kl_divergence(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """That of the normal distributions: log(s_q/s_p) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2) - 1/2.

    Source: kullback-1959, chapter 9, eq. 1.4
    """
    return normal.kl_divergence(loc_p, scale_p, loc_q, scale_q)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"noise": REAL, "loc": REAL, "scale": POSITIVE}, None, {"noise": (1e-3, 8.0)})


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"x": POSITIVE, "loc": REAL, "scale": POSITIVE}, near)
    for x, scale in ((1e-300, 1e300), (1e300, 1e-300), (5e-324, 1e-300), (1.7e308, 1e5), (1e-310, 2.0)):
        yield Draw({"x": x, "loc": 0.5, "scale": scale}, flags=("HUGE_PARAMETER",), difficulty=5)
    for x in (1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0)):
        yield Draw({"x": float(x), "loc": 0.0, "scale": 0.5}, flags=("NEAR_ROOT",), difficulty=3)
    for x in (0.0, -0.5, inf, -inf):
        yield Draw({"x": x, "loc": 0.0, "scale": 2.0}, flags=("OUT_OF_SUPPORT",))
    for loc, scale in ((inf, 1.0), (1.0, inf), (1.0, -1.0), (-inf, 2.0)):
        yield Draw({"x": 0.5, "loc": loc, "scale": scale}, result="invalid")


def maximum_likelihood(data: Any) -> Any:
    """Mean and standard deviation of the logarithms.

    Source: johnson-1994, chapter 14
    """
    if not estimable(data) or min(float(x) for x in data) <= 0:
        return Parameters(*no_estimate(data))
    return normal.maximum_likelihood([log(x) for x in data])


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.lognormal, positive=True)
