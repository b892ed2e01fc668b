"""The logistic distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from scipy import optimize, stats

from refengine.distributions.logistic import Parameters
from validation.exact.distributions._location_scale import (
    defined,
    draws,
    estimable,
    no_estimate,
    samples,
    units,
)
from validation.exact.draws import Draw
from validation.exact.number import (
    Number,
    exp,
    log,
    log1p,
    pi,
    stated,
    tanh,
)
from validation.exact.root import root


def near(rng: np.random.Generator, loc: float = 0.0, scale: float = 1.0, **others: float) -> float:
    return float(loc + scale * rng.logistic())


@defined(-inf, -inf)
def log_prob(x: Number, loc: Number, scale: Number) -> Any:
    """-z - 2 log(1 + exp(-z)) - log s.

    Source: johnson-1995, chapter 23
    """
    z = (x - loc) / scale
    return -z - 2 * log(1 + exp(-z)) - log(scale)


@defined(0.0, 1.0)
def cdf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1995, chapter 23
    """
    z = (x - loc) / scale
    return 1 / (1 + exp(-z))


@defined(-inf, 0.0)
def log_cdf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1995, chapter 23
    """
    z = (x - loc) / scale
    return -log1p(exp(-z))


@defined(1.0, 0.0)
def sf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1995, chapter 23
    """
    z = (x - loc) / scale
    return 1 / (1 + exp(z))


@defined(0.0, -inf)
def log_sf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1995, chapter 23
    """
    z = (x - loc) / scale
    return -log1p(exp(z))


@defined()
def icdf(u: Number, loc: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; -inf and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1995, chapter 23
    """
    if u == 0:
        return stated(-inf, (u, inf), (loc, 1), (scale, -inf))
    if u == 1:
        return stated(inf, (u, inf), (loc, 1), (scale, inf))
    return loc + scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    return log(u / (1 - u))


@defined()
def sample(noise: Number, loc: Number, scale: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1995, chapter 23
    """
    return icdf(noise, loc, scale)


@defined()
def entropy(loc: Number, scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1995, chapter 23
    """
    return log(scale) + 2


@defined()
def mean(loc: Number, scale: Number) -> Any:
    """The mean.

    Source: johnson-1995, chapter 23
    """
    return loc + 0 * scale


@defined()
def variance(loc: Number, scale: Number) -> Any:
    """The variance.

    Source: johnson-1995, chapter 23
    """
    return pi() * pi() / 3 * scale * scale


@defined()
def mode(loc: Number, scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1995, chapter 23
    """
    return loc + 0 * scale


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draws(rng, near, (0.0,))


def maximum_likelihood(data: Any) -> Any:
    """Where both scores vanish: sum tanh(z/2) = 0, sum z tanh(z/2) = N.

    Source: johnson-1995, chapter 23
    """
    if not estimable(data):
        return Parameters(*no_estimate(data))
    centre, unit = units(data)
    z = [(x - centre) / unit for x in data]

    def score(t: list[Number]) -> list[Any]:
        # t[0] is one unit away from the location, so that it is not 0 for symmetric data
        w = [(y - t[0] + 1) / t[1] for y in z]
        return [sum(tanh(y / 2) for y in w), sum(y * tanh(y / 2) for y in w) - len(w)]

    start = _start(np.array([float(y) for y in z]))
    m, s = root(score, [start[0] + 1, start[1]])
    return Parameters(centre + unit * (m - 1), unit * s)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.logistic)


def _start(y: np.ndarray) -> tuple[float, float]:
    """A guess, by SciPy's simplex on the log likelihood."""
    found = optimize.minimize(
        lambda p: len(y) * p[1] - stats.logistic.logpdf((y - p[0]) / np.exp(p[1])).sum(),
        (0.0, 0.0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000},
    )
    return float(found.x[0]), float(np.exp(found.x[1]))
