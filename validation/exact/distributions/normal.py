"""The normal distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from scipy import special

from refengine.distributions.normal import Parameters
from validation.exact.distributions._location_scale import (
    POSITIVE,
    REAL,
    defined,
    draws,
    erf,
    estimable,
    log_upper,
    no_estimate,
    samples,
    upper,
)
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, exp, log, number, pi, sqrt, stated
from validation.exact.root import root


def near(rng: np.random.Generator, loc: float = 0.0, scale: float = 1.0, **others: float) -> float:
    return float(loc + scale * rng.normal())


@defined(-inf, -inf)
def log_prob(x: Number, loc: Number, scale: Number) -> Any:
    """-z^2/2 - log s - log(2 pi)/2.

    Source: johnson-1994, chapter 13
    """
    z = (x - loc) / scale
    return -z * z / 2 - log(scale) - log(2 * pi()) / 2


@defined(0.0, 1.0)
def cdf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1994, chapter 13
    """
    z = (x - loc) / scale
    return upper(-z)


@defined(-inf, 0.0)
def log_cdf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1994, chapter 13
    """
    z = (x - loc) / scale
    return log_upper(-z)


@defined(1.0, 0.0)
def sf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1994, chapter 13
    """
    z = (x - loc) / scale
    return upper(z)


@defined(0.0, -inf)
def log_sf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1994, chapter 13
    """
    z = (x - loc) / scale
    return log_upper(z)


@defined()
def icdf(u: Number, loc: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; -inf and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1994, chapter 13
    """
    if u == 0:
        return stated(-inf, (u, inf), (loc, 1), (scale, -inf))
    if u == 1:
        return stated(inf, (u, inf), (loc, 1), (scale, inf))
    return loc + scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    return root(lambda t: [upper(-t[0]) - u], [float(special.ndtri(float(u)))])[0] if u != 0.5 else 0 * u + _middle(u)


def _middle(u: Number) -> Any:
    """The quantile next to 1/2, where a root at 0 has no relative enclosure: shifted by one."""
    return root(lambda t: [upper(1 - t[0]) - u], [1.0])[0] - 1


@defined()
def sample(noise: Number, loc: Number, scale: Number) -> Any:
    """loc + scale * noise.

    Source: johnson-1994, chapter 13
    """
    return loc + scale * noise


@defined()
def entropy(loc: Number, scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1994, chapter 13
    """
    return log(scale) + (1 + log(2 * pi())) / 2


@defined()
def mean(loc: Number, scale: Number) -> Any:
    """The mean.

    Source: johnson-1994, chapter 13
    """
    return loc + 0 * scale


@defined()
def variance(loc: Number, scale: Number) -> Any:
    """The variance.

    Source: johnson-1994, chapter 13
    """
    return scale * scale


@defined()
def mode(loc: Number, scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1994, chapter 13
    """
    return loc + 0 * scale


@defined()
def kl_divergence(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """log(s_q/s_p) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2) - 1/2.

    Source: kullback-1959, chapter 9, eq. 1.4
    """
    d = loc_p - loc_q
    return log(scale_q / scale_p) + (scale_p * scale_p + d * d) / (2 * scale_q * scale_q) - number(1) / 2


@defined()
def kl_divergence_gumbel(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of y + exp(-y) + log s_q for y = (x - m_q) / s_q.

    Source: johnson-1994, chapter 13
    """
    d, r = (loc_p - loc_q) / scale_q, scale_p / scale_q
    return log(scale_q / scale_p) - (1 + log(2 * pi())) / 2 + d + exp(r * r / 2 - d)


@defined()
def kl_divergence_laplace(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of |x - m_q| / s_q + log(2 s_q).

    Source: leone-1961
    """
    d, h = loc_p - loc_q, (loc_p - loc_q) / scale_p
    distance = sqrt(2 / pi()) * scale_p * exp(-h * h / 2) + d * erf(h / sqrt(number(2)))
    return distance / scale_q + log(2 * scale_q / scale_p) - (1 + log(2 * pi())) / 2


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"noise": REAL, "loc": REAL, "scale": POSITIVE}, None, {"noise": (1e-3, 8.0)})


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draws(rng, near, (-1.0, -1.5, 0.0, 1.0))


def maximum_likelihood(data: Any) -> Any:
    """Mean and root of the mean squared deviation.

    Source: johnson-1994, chapter 13
    """
    if not estimable(data):
        return Parameters(*no_estimate(data))
    mean = sum(data) / len(data)
    return Parameters(mean, sqrt(sum((x - mean) ** 2 for x in data) / len(data)))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.normal)
