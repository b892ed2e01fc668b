"""The Cauchy distribution, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from scipy import optimize, stats

from refengine.distributions.cauchy import Parameters
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


def near(rng: np.random.Generator, loc: float = 0.0, scale: float = 1.0, **others: float) -> float:
    return float(loc + scale * rng.standard_cauchy())


@defined(-inf, -inf)
def log_prob(x: Number, loc: Number, scale: Number) -> Any:
    """-log(pi s (1 + z^2)).

    Source: johnson-1994, chapter 16
    """
    z = (x - loc) / scale
    return -log(pi() * scale * (1 + z * z))


@defined(0.0, 1.0)
def cdf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X <= x).

    Source: johnson-1994, chapter 16
    """
    z = (x - loc) / scale
    return _lower(z)


@defined(-inf, 0.0)
def log_cdf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1994, chapter 16
    """
    z = (x - loc) / scale
    return _log_lower(z)


@defined(1.0, 0.0)
def sf(x: Number, loc: Number, scale: Number) -> Any:
    """P(X > x).

    Source: johnson-1994, chapter 16
    """
    z = (x - loc) / scale
    return _lower(-z)


@defined(0.0, -inf)
def log_sf(x: Number, loc: Number, scale: Number) -> Any:
    """log P(X > x).

    Source: johnson-1994, chapter 16
    """
    z = (x - loc) / scale
    return _log_lower(-z)


@defined()
def icdf(u: Number, loc: Number, scale: Number) -> Any:
    """The x of cdf(x) = u; -inf and inf at 0 and 1, with the limits as slopes.

    Source: johnson-1994, chapter 16
    """
    if u == 0:
        return stated(-inf, (u, inf), (loc, 1), (scale, -inf))
    if u == 1:
        return stated(inf, (u, inf), (loc, 1), (scale, inf))
    return loc + scale * _standard_quantile(u)


def _standard_quantile(u: Number) -> Any:
    return -cos(pi() * u) / sin(pi() * u)


def _lower(z: Number) -> Any:
    """1/2 + arctan(z) / pi, which is arctan(-1/z) / pi for z < 0."""
    return atan(-1 / z) / pi() if z < -1 else number(1) / 2 + atan(z) / pi()


def _log_lower(z: Number) -> Any:
    return log1p(-_lower(-z)) if z > 1 else log(_lower(z))


@defined()
def sample(noise: Number, loc: Number, scale: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1994, chapter 16
    """
    return icdf(noise, loc, scale)


@defined()
def entropy(loc: Number, scale: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1994, chapter 16
    """
    return log(4 * pi() * scale)


@defined()
def mode(loc: Number, scale: Number) -> Any:
    """Where the density is largest.

    Source: johnson-1994, chapter 16
    """
    return loc + 0 * scale


@defined()
def kl_divergence(loc_p: Number, scale_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """log(((s_p + s_q)^2 + (m_p - m_q)^2) / (4 s_p s_q)).

    Source: chyzak-2019
    """
    s, d = scale_p + scale_q, loc_p - loc_q
    return log((s * s + d * d) / (4 * scale_p * scale_q))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draws(rng, near, (1.0, -1.0, 1e150))


def maximum_likelihood(data: Any) -> Any:
    """Where both scores vanish: sum 2 z / (1 + z^2) = 0, sum 2 z^2 / (1 + z^2) = N.

    Source: copas-1975
    """
    if not estimable(data, len(data) / 2):
        return Parameters(*no_estimate(data))
    centre, unit = units(data)
    z = [(x - centre) / unit for x in data]

    def score(t: list[Number]) -> list[Any]:
        # t[0] is one unit away from the location, so that it is not 0 for symmetric data
        w = [(y - t[0] + 1) / t[1] for y in z]
        return [sum(y / (1 + y * y) for y in w), sum(2 * y * y / (1 + y * y) for y in w) - len(w)]

    start = _start(np.array([float(y) for y in z]))
    m, s = root(score, [start[0] + 1, start[1]])
    return Parameters(centre + unit * (m - 1), unit * s)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.standard_cauchy, least=3)


def _start(y: np.ndarray) -> tuple[float, float]:
    """A guess, by SciPy's simplex on the log likelihood."""
    found = optimize.minimize(
        lambda p: len(y) * p[1] - stats.cauchy.logpdf((y - p[0]) / np.exp(p[1])).sum(),
        (0.0, 0.0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000},
    )
    return float(found.x[0]), float(np.exp(found.x[1]))
