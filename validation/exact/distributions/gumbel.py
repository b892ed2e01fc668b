"""The Gumbel distribution of maxima, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from scipy import optimize, stats

from refengine.distributions.gumbel import Parameters
from validation.exact.distributions._location_scale import (
    defined,
    draws,
    estimable,
    expm1,
    no_estimate,
    samples,
    units,
)
from validation.exact.draws import Draw
from validation.exact.number import Number, digamma, exp, lgamma, log, log1p, number, pi, stated
from validation.exact.root import root


def near(rng: np.random.Generator, loc: float = 0.0, scale: float = 1.0, **others: float) -> float:
    return float(loc + scale * rng.gumbel())


@defined(-inf, -inf)
def log_prob(x: Number, loc: Number, scale: Number) -> Any:
    """-z - exp(-z) - log s.

    Source: johnson-1995, chapter 22
    """
    z = (x - loc) / scale
    return -z - exp(-z) - log(scale)


@defined(0.0, 1.0)
def cdf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1995, chapter 22
    """
    z = (x - loc) / scale
    return exp(-exp(-z))


@defined(-inf, 0.0)
def log_cdf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1995, chapter 22
    """
    z = (x - loc) / scale
    return -exp(-z)


@defined(1.0, 0.0)
def sf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1995, chapter 22
    """
    z = (x - loc) / scale
    return -expm1(-exp(-z))


@defined(0.0, -inf)
def log_sf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1995, chapter 22
    """
    z = (x - loc) / scale
    return log1p(-exp(-exp(-z))) if z < 0 else log(-expm1(-exp(-z)))


@defined()
def icdf(u: Number, loc: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; -inf and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1995, chapter 22
    """
    if u == 0:
        return stated(-inf, (u, inf), (loc, 1), (scale, -inf))
    if u == 1:
        return stated(inf, (u, inf), (loc, 1), (scale, inf))
    return loc + scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    return -log(-log(u))


def _euler() -> Number:
    return -digamma(number(1))


@defined()
def sample(noise: Number, loc: Number, scale: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1995, chapter 22
    """
    return icdf(noise, loc, scale)


@defined()
def entropy(loc: Number, scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1995, chapter 22
    """
    return log(scale) + _euler() + 1


@defined()
def mean(loc: Number, scale: Number) -> Any:
    """The mean.

    Source: johnson-1995, chapter 22
    """
    return loc + _euler() * scale


@defined()
def variance(loc: Number, scale: Number) -> Any:
    """The variance.

    Source: johnson-1995, chapter 22
    """
    return pi() * pi() / 6 * scale * scale


@defined()
def mode(loc: Number, scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1995, chapter 22
    """
    return loc + 0 * scale


@defined()
def kl_divergence(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """log(s_q/s_p) + gamma (r - 1) - 1 + d + Gamma(1 + r) exp(-d) for r = s_p/s_q, d = (m_p - m_q)/s_q.

    Source: gil-2011
    """
    r, d = scale_p / scale_q, (loc_p - loc_q) / scale_q
    return log(scale_q / scale_p) + _euler() * (r - 1) - 1 + d + exp(lgamma(1 + r) - d)


@defined()
def kl_divergence_normal(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of (x - m_q)^2 / (2 s_q^2) + log s_q + log(2 pi)/2.

    Source: johnson-1995, chapter 22
    """
    d = loc_p + _euler() * scale_p - loc_q
    square = pi() * pi() / 6 * scale_p * scale_p + d * d
    return square / (2 * scale_q * scale_q) + log(scale_q) + log(2 * pi()) / 2 - (log(scale_p) + _euler() + 1)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draws(rng, near, (0.0, -50.0, 37.0))


def maximum_likelihood(data: Any) -> Any:
    """Where both scores vanish: sum exp(-z) = N, sum z (1 - exp(-z)) = N.

    Source: johnson-1995, chapter 22
    """
    if not estimable(data):
        return Parameters(*no_estimate(data))
    centre, unit = units(data)
    z = [(x - centre) / unit for x in data]

    def score(t: list[Number]) -> list[Any]:
        # t[0] is one unit away from the location, so that it is not 0 for symmetric data
        w = [(y - t[0] + 1) / t[1] for y in z]
        return [sum(1 - exp(-y) for y in w), sum(y * (1 - exp(-y)) for y in w) - len(w)]

    start = _start(np.array([float(y) for y in z]))
    m, s = root(score, [start[0] + 1, start[1]])
    return Parameters(centre + unit * (m - 1), unit * s)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.gumbel)


def _start(y: np.ndarray) -> tuple[float, float]:
    """A guess, by SciPy's simplex on the log likelihood."""
    found = optimize.minimize(
        lambda p: len(y) * p[1] - stats.gumbel_r.logpdf((y - p[0]) / np.exp(p[1])).sum(),
        (0.0, 0.0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000},
    )
    return float(found.x[0]), float(np.exp(found.x[1]))
