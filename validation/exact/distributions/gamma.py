"""The gamma distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.gamma import Parameters
from refengine.domains import Domain, Interval
from validation.exact import incomplete
from validation.exact.distributions import _gamma
from validation.exact.distributions._gamma import RANGES as RANGES
from validation.exact.distributions._gamma import flat, nothing, undefined
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, digamma, exp, lgamma, log, pi, pointwise, stated
from validation.exact.root import root

POSITIVE: Domain = Interval(0)
REAL: Domain = Interval()


@pointwise
def log_prob(x: Number, concentration: Number, rate: Number) -> Any:
    """a log b - log Gamma(a) + (a - 1) log x - b x; on the edge the limits from inside.

    Source: johnson-1994, chapter 17
    """
    a, b = concentration, rate
    if undefined(a, b) or x != x:
        return nothing(x, a, b)
    if x < 0 or x == inf:
        return flat(-inf, x, a, b)
    if x == 0:
        value = log(b).ball if a == 1 else (-inf if a > 1 else inf)
        return stated(value, (x, -b if a == 1 else (inf if a > 1 else -inf)), (a, -inf), (b, a / b))
    return a * log(b) - lgamma(a) + (a - 1) * log(x) - b * x


@pointwise
def open_support(x: Number, concentration: Number, rate: Number) -> Any:
    """The convention that 0 lies outside the support."""
    return flat(-inf, x, concentration, rate)


@pointwise
def no_slope(x: Number, concentration: Number, rate: Number) -> Any:
    """The convention that a density has no derivative to x on the edge of its support."""
    value = log_prob(x, concentration, rate).ball
    return stated(value, (x, nan), (concentration, -inf), (rate, concentration / rate))


@pointwise
def cdf(x: Number, concentration: Number, rate: Number) -> Any:
    """P(a, b x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.gamma_p, 0.0, 1.0, 1, x, concentration, rate)


@pointwise
def sf(x: Number, concentration: Number, rate: Number) -> Any:
    """Q(a, b x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.gamma_q, 1.0, 0.0, -1, x, concentration, rate)


@pointwise
def log_cdf(x: Number, concentration: Number, rate: Number) -> Any:
    """log P(a, b x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.log_gamma_p, -inf, 0.0, 0, x, concentration, rate)


@pointwise
def log_sf(x: Number, concentration: Number, rate: Number) -> Any:
    """log Q(a, b x).

    Source: nist-dlmf, 8.2.4
    """
    return _probability(incomplete.log_gamma_q, 0.0, -inf, -1, x, concentration, rate)


def _probability(tail: Any, low: float, high: float, sign: int, x: Number, a: Number, b: Number) -> Any:
    if undefined(a, b) or x != x:
        return nothing(x, a, b)
    if x == inf:
        return flat(high, x, a, b)
    if x == 0:
        density: Any = b if a == 1 else (inf if a < 1 else 0)
        return stated(low, (x, density if sign > 0 else (0 if sign == 0 else -density)), (a, 0), (b, 0))
    return flat(low, x, a, b) if x < 0 else tail(a, b * x)


@pointwise
def icdf(u: Number, concentration: Number, rate: Number) -> Any:
    """The root x of P(a, b x) = u; at its ends the limits.

    Source: nist-dlmf, 8.2.4
    """
    a, b = concentration, rate
    if undefined(a, b) or not 0 <= u <= 1:
        return nothing(u, a, b)
    if u == 0:
        return stated(0.0, (u, 1 / b if a == 1 else (0 if a < 1 else inf)), (a, 0), (b, 0))
    return stated(inf, (u, inf), (a, inf), (b, -inf)) if u == 1 else _gamma.quantile(u, 1 - u, a) / b


@pointwise
def sample(noise: Number, concentration: Number, rate: Number) -> Any:
    """The quantile at the noise.

    Source: figurnov-2018, equation 5
    """
    return icdf(noise, concentration, rate)


@pointwise
def entropy(concentration: Number, rate: Number) -> Any:
    """a - log b + log Gamma(a) + (1 - a) psi(a).

    Source: johnson-1994, chapter 17
    """
    if undefined(concentration, rate):
        return nothing(concentration, rate)
    return _entropy(concentration, rate)


def _entropy(a: Number, b: Number) -> Any:
    return a - log(b) + lgamma(a) + (1 - a) * digamma(a)


@pointwise
def mean(concentration: Number, rate: Number) -> Any:
    """The quotient a / b.

    Source: johnson-1994, chapter 17
    """
    return nothing(concentration, rate) if undefined(concentration, rate) else concentration / rate


@pointwise
def variance(concentration: Number, rate: Number) -> Any:
    """The quotient a / b^2.

    Source: johnson-1994, chapter 17
    """
    return nothing(concentration, rate) if undefined(concentration, rate) else concentration / rate / rate


@pointwise
def mode(concentration: Number, rate: Number) -> Any:
    """(a - 1) / b, or 0.

    Source: johnson-1994, chapter 17
    """
    if undefined(concentration, rate):
        return nothing(concentration, rate)
    return (concentration - 1) / rate if concentration > 1 else flat(0.0, concentration, rate)


@pointwise
def kl_divergence(concentration_p: Number, rate_p: Number, concentration_q: Number, rate_q: Number) -> Any:
    """(a_p - a_q) psi(a_p) - log Gamma(a_p) + log Gamma(a_q) + a_q log(b_p / b_q) + a_p (b_q - b_p) / b_p.

    Source: gil-2011
    """
    a, b, c, d = concentration_p, rate_p, concentration_q, rate_q
    if undefined(a, b, c, d):
        return nothing(a, b, c, d)
    return (a - c) * digamma(a) - lgamma(a) + lgamma(c) + c * log(b / d) + a * (d - b) / b


@pointwise
def kl_divergence_exponential(concentration_p: Number, rate_p: Number, rate_q: Number) -> Any:
    """The divergence for a concentration of 1.

    Source: gil-2011
    """
    a, b, d = concentration_p, rate_p, rate_q
    if undefined(a, b, d):
        return nothing(a, b, d)
    return (a - 1) * digamma(a) - lgamma(a) + log(b / d) + a * (d - b) / b


@pointwise
def kl_divergence_gumbel(concentration_p: Number, rate_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """-H(p) - E log q(x), where E e^(-x/s) = (1 + 1/(b s))^-a.

    Source: johnson-1994, chapter 17
    """
    a, b, m, s = concentration_p, rate_p, loc_q, scale_q
    if undefined(a, b, s) or not -inf < m < inf:
        return nothing(a, b, m, s)
    return log(s) - _entropy(a, b) + (a / b - m) / s + exp(m / s - a * log(1 + 1 / (b * s)))


@pointwise
def kl_divergence_normal(concentration_p: Number, rate_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """-H(p) - E log q(x).

    Source: johnson-1994, chapter 17
    """
    a, b, m, s = concentration_p, rate_p, loc_q, scale_q
    if undefined(a, b, s) or not -inf < m < inf:
        return nothing(a, b, m, s)
    away = (a / b - m) / s
    return log(2 * pi() * s * s) / 2 - _entropy(a, b) + (a / (b * s) / (b * s) + away * away) / 2


def maximum_likelihood(data: Any) -> Any:
    """The root of log a - psi(a) = log(mean) - mean(log), and b = a / mean.

    Source: minka-2002
    """
    values = list(np.ravel(data))
    usual = [x for x in values if not x.stated and x > 0]
    if len(usual) < max(2, len(values)) or all(x == values[0] for x in values):
        return Parameters(nothing(*values), nothing(*values))
    count = len(values)
    centre = sum(values[1:], values[0]) / count
    gap = log(centre) - sum((log(x) for x in values[1:]), log(values[0])) / count
    a = exp(root(lambda t: [t[0] - digamma(exp(t[0])) - gap], [_start(float(gap))])[0])
    return Parameters(a, a / centre)


def _start(gap: float) -> float:
    """Minka's guess, two steps on."""
    a = (3 - gap + math.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap) if gap < 3 else 1 / gap
    return math.log(a)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_density(rng, False, _edges)


def _edges(a: float, b: float) -> Iterator[Draw]:
    flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
    alternatives = {"open_support": open_support, "no_slope": no_slope}
    point = {"x": 0.0, "concentration": a, "rate": b}
    yield Draw(point, flags=flags, result="ambiguous", alternatives=alternatives)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_probability(rng, False)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


def draw_icdf(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_quantile(rng, "u", 1e-3)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_quantile(rng, "noise", 1e-3)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    return _gamma.draw_fit(rng, False)


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


def draw_kl_divergence_exponential(rng: np.random.Generator) -> Iterator[Draw]:
    names = ("concentration_p", "rate_p", "rate_q")
    sizes = ((1e-10, 1e15), (1e-60, 1e60), (1e-60, 1e60))
    yield from spread(rng, dict.fromkeys(names, POSITIVE), None, dict(zip(names, sizes, strict=True)), count=190)
    for _ in range(12):
        b, near = decades(rng, 1e-3, 1e3), decades(rng, 1e-12, 0.5)
        point = {"concentration_p": 1 + near * rng.normal() / 4, "rate_p": b, "rate_q": b * (1 + near / 4)}
        yield Draw(point, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)


def draw_kl_divergence_gumbel(rng: np.random.Generator) -> Iterator[Draw]:
    return _draw_on_line(rng)


def draw_kl_divergence_normal(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_on_line(rng)
    for _ in range(15):  # a normal of nearly the same mean and variance
        a, b = decades(rng, 1.0, 1e9), decades(rng, 1e-3, 1e3)
        point = {"concentration_p": a, "rate_p": b, "loc_q": a / b, "scale_q": math.sqrt(a) / b}
        yield Draw(point, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)


def _draw_on_line(rng: np.random.Generator) -> Iterator[Draw]:
    domains: dict[str, Domain] = {"concentration_p": POSITIVE, "rate_p": POSITIVE, "loc_q": REAL, "scale_q": POSITIVE}
    sizes = {name: (1e-6, 1e9) for name in domains}
    yield from spread(rng, domains, None, sizes, count=190)
