"""The inverse gamma distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.distributions.inverse_gamma import Parameters
from refengine.domains import Domain, Interval
from validation.exact import incomplete
from validation.exact.distributions import _gamma
from validation.exact.distributions._gamma import RANGES as RANGES
from validation.exact.distributions._gamma import flat, nothing, undefined
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, digamma, exp, lgamma, log, pointwise, stated
from validation.exact.root import root

POSITIVE: Domain = Interval(0)
REAL: Domain = Interval()


@pointwise
def log_prob(x: Number, concentration: Number, rate: Number) -> Any:
    """a log b - log Gamma(a) - (a + 1) log x - b / x; on the edge the limits from inside.

    Source: johnson-1994, chapter 17
    """
    a, b = concentration, rate
    if undefined(a, b) or x != x:
        return nothing(x, a, b)
    if x < 0 or x == inf:
        return flat(-inf, x, a, b)
    if x == 0:
        return stated(-inf, (x, inf), (a, inf), (b, -inf))
    return a * log(b) - lgamma(a) - (a + 1) * log(x) - b / x


@pointwise
def open_support(x: Number, concentration: Number, rate: Number) -> Any:
    """The convention that 0 lies outside the support."""
    return flat(-inf, x, concentration, rate)


@pointwise
def cdf(x: Number, concentration: Number, rate: Number) -> Any:
    """Q(a, b / x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.gamma_q, 0.0, 1.0, x, concentration, rate)


@pointwise
def sf(x: Number, concentration: Number, rate: Number) -> Any:
    """P(a, b / x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.gamma_p, 1.0, 0.0, x, concentration, rate)


@pointwise
def log_cdf(x: Number, concentration: Number, rate: Number) -> Any:
    """log Q(a, b / x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.log_gamma_q, -inf, 0.0, x, concentration, rate)


@pointwise
def log_sf(x: Number, concentration: Number, rate: Number) -> Any:
    """log P(a, b / x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.log_gamma_p, 0.0, -inf, x, concentration, rate)


def _probability(tail: Any, low: float, high: float, x: Number, a: Number, b: Number) -> Any:
    if undefined(a, b) or x != x:
        return nothing(x, a, b)
    if x <= 0 or x == inf:
        return flat(low if x <= 0 else high, x, a, b)
    return tail(a, b / x)


@pointwise
def icdf(u: Number, concentration: Number, rate: Number) -> Any:
    """The root x of Q(a, b / x) = u; at its ends the limits.

    Source: nist-dlmf, 8.2.4
    """
    a, b = concentration, rate
    if undefined(a, b) or not 0 <= u <= 1:
        return nothing(u, a, b)
    if u == 0:
        return stated(0.0, (u, inf), (a, 0), (b, 0))
    return stated(inf, (u, inf), (a, -inf), (b, inf)) if u == 1 else b / _gamma.quantile(1 - u, u, a)


@pointwise
def sample(noise: Number, concentration: Number, rate: Number) -> Any:
    """The quantile at the noise.

    Source: figurnov-2018, equation 5
    """
    return icdf(noise, concentration, rate)


@pointwise
def entropy(concentration: Number, rate: Number) -> Any:
    """a + log b + log Gamma(a) - (1 + a) psi(a).

    Source: johnson-1994, chapter 17
    """
    a, b = concentration, rate
    if undefined(a, b):
        return nothing(a, b)
    return a + log(b) + lgamma(a) - (1 + a) * digamma(a)


@pointwise
def mean(concentration: Number, rate: Number) -> Any:
    """The quotient b / (a - 1); inf up to a = 1.

    Source: johnson-1994, chapter 17
    """
    if undefined(concentration, rate):
        return nothing(concentration, rate)
    return rate / (concentration - 1) if concentration > 1 else flat(inf, concentration, rate)


@pointwise
def variance(concentration: Number, rate: Number) -> Any:
    """The quotient b^2 / (a - 1)^2 / (a - 2); inf up to a = 2.

    Source: johnson-1994, chapter 17
    """
    a, b = concentration, rate
    if undefined(a, b):
        return nothing(a, b)
    return b * b / ((a - 1) * (a - 1) * (a - 2)) if a > 2 else flat(inf, a, b)


@pointwise
def mode(concentration: Number, rate: Number) -> Any:
    """The quotient b / (a + 1).

    Source: johnson-1994, chapter 17
    """
    return nothing(concentration, rate) if undefined(concentration, rate) else rate / (concentration + 1)


@pointwise
def kl_divergence(concentration_p: Number, rate_p: Number, concentration_q: Number, rate_q: Number) -> Any:
    """(a_p - a_q) psi(a_p) - log Gamma(a_p) + log Gamma(a_q) + a_q log(b_p / b_q) + a_p (b_q - b_p) / b_p.

    Source: gil-2011
    """
    a, b, c, d = concentration_p, rate_p, concentration_q, rate_q
    if undefined(a, b, c, d):
        return nothing(a, b, c, d)
    return (a - c) * digamma(a) - lgamma(a) + lgamma(c) + c * log(b / d) + a * (d - b) / b


def maximum_likelihood(data: Any) -> Any:
    """For y = 1/x the root of log a - psi(a) = log(mean) - mean(log), and b = a / mean.

    Source: minka-2002
    """
    values = list(np.ravel(data))
    usual = [x for x in values if not x.stated and x > 0]
    if len(usual) < max(2, len(values)) or all(x == values[0] for x in values):
        return Parameters(nothing(*values), nothing(*values))
    count, values = len(values), [1 / x for x in values]
    centre = sum(values[1:], values[0]) / count
    gap = log(centre) - sum((log(x) for x in values[1:]), log(values[0])) / count
    a = exp(root(lambda t: [t[0] - digamma(exp(t[0])) - gap], [_start(float(gap))])[0])
    return Parameters(a, a / centre)


def _start(gap: float) -> float:
    """Minka's guess, two steps on."""
    a = (3 - gap + math.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap) if gap < 3 else 1 / gap
    return math.log(a)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_density(rng, True, _edges)


def _edges(a: float, b: float) -> Iterator[Draw]:
    flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
    alternatives = {"open_support": open_support}
    point = {"x": 0.0, "concentration": a, "rate": b}
    yield Draw(point, flags=flags, result="ambiguous", alternatives=alternatives)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_probability(rng, True)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


def draw_icdf(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_quantile(rng, "u", 1e-3)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_quantile(rng, "noise", 1e-3)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_fit(rng, True)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    names = ("concentration_p", "rate_p", "concentration_q", "rate_q")
    sizes = ((1e-10, 1e15), (1e-60, 1e60)) * 2
    yield from spread(rng, dict.fromkeys(names, POSITIVE), None, dict(zip(names, sizes, strict=True)), count=175)
    for _ in range(30):  # close to each other
        a, b, near = decades(rng, 1e-3, 1e12), decades(rng, 1e-3, 1e3), decades(rng, 1e-12, 0.5)
        c, d = (z * (1 + near * rng.normal() / 4) for z in (a, b))
        yield Draw(dict(zip(names, (a, b, c, d), strict=True)), flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for a, b in ((1.0, 2.0), (0.25, 3.0), (1e9, 5.0)):
        yield Draw(dict(zip(names, (a, b, a, b), strict=True)), flags=("NEAR_ROOT",))
