"""The Weibull distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import Any

import numpy as np

from refengine.distributions.weibull import Parameters
from refengine.domains import NonNegative, Positive
from validation.exact.distributions._domain import (
    data_draws,
    euler,
    expm1,
    gamma,
    known,
    level,
    log1p,
    positive,
    solved,
    undefined,
    unknown_estimate,
)
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, exp, log, number, pointwise, power, stated

RANGES = {
    name + suffix: (1e-300, 1e15) for name in ("concentration", "scale") for suffix in ("", "_p", "_q")
}  # normal numbers: the quotient of subnormal ones has few digits


@pointwise
def log_prob(x: Number, concentration: Number, scale: Number) -> Any:
    """log k - k log(scale) + (k - 1) log x - (x / scale)^k; at 0 the limit from inside.

    Source: weibull-1951
    """
    k = concentration
    if not (positive(k, scale) and known(x)):
        return undefined(x, k, scale)
    if x < 0 or x == inf:
        return level(-inf, x, k, scale)
    if x == 0:
        rate, edge = -k / scale, inf if k < 1 else -inf
        if k == 1:
            return stated((-log(scale)).ball, (x, -1 / scale), (k, -inf), (scale, rate))
        return stated(edge, (x, -edge), (k, -inf), (scale, rate))
    return log(k) - k * log(scale) + (k - 1) * log(x) - power(x / scale, k)


@pointwise
def open_support(x: Number, concentration: Number, scale: Number) -> Any:
    """The convention that 0 lies outside the support."""
    return level(-inf, x, concentration, scale)


@pointwise
def no_slope(x: Number, concentration: Number, scale: Number) -> Any:
    """The convention that a density has no derivative to x on the edge of its support."""
    found = log_prob(x, concentration, scale)
    return stated(found.ball, (x, np.nan), (concentration, -inf), (scale, -concentration / scale))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"x": _domain(NonNegative), "concentration": _domain(Positive), "scale": _domain(Positive)}
    yield from spread(rng, domains, near, RANGES)
    for k, scale in ((1.0, 2.0), (0.5, 3.0), (2.0, 1.0)):
        flags, conventions = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION"), {"open_support": open_support}
        conventions |= {"no_slope": no_slope} if k == 1 else {}
        case = {"x": 0.0, "concentration": k, "scale": scale}
        yield Draw(case, flags=flags, result="ambiguous", alternatives=conventions)
    for k in (1.0, 1e3, 1e9, 1e15):  # next to the mode, where t and exp(t) - 1 vanish
        for side in (1 - 2.0**-52, 1.0, 1 + 2.0**-52, 1 + 1 / k):
            yield Draw({"x": side, "concentration": k, "scale": 1.0}, flags=("NEAR_ROOT",), difficulty=3)
    yield Draw({"x": inf, "concentration": 0.5, "scale": 1.0}, flags=("OUT_OF_SUPPORT",))


def _domain(annotation: Any) -> Any:
    return annotation.__metadata__[0]


def near(rng: np.random.Generator, concentration: float, scale: float) -> float | None:
    """A quantile, or none where it is not a positive number."""
    with np.errstate(over="ignore"):
        x = float(scale * np.exp(np.log(rng.exponential()) / concentration))
    return x if 0 < x < inf else None


@pointwise
def cdf(x: Number, concentration: Number, scale: Number) -> Any:
    """1 - exp(-(x / scale)^k).

    Source: weibull-1951
    """
    return _probability(x, concentration, scale, 0.0, 1.0, lambda w: -expm1(-w), 1)


@pointwise
def sf(x: Number, concentration: Number, scale: Number) -> Any:
    """exp(-(x / scale)^k).

    Source: weibull-1951
    """
    return _probability(x, concentration, scale, 1.0, 0.0, lambda w: exp(-w), -1)


@pointwise
def log_sf(x: Number, concentration: Number, scale: Number) -> Any:
    """-(x / scale)^k.

    Source: weibull-1951
    """
    return _probability(x, concentration, scale, 0.0, -inf, lambda w: -w, -1)


@pointwise
def log_cdf(x: Number, concentration: Number, scale: Number) -> Any:
    """log(1 - exp(-(x / scale)^k)).

    Source: weibull-1951
    """
    k = concentration
    if positive(k, scale) and x == 0:
        return stated(-inf, (x, inf), (k, -inf), (scale, -k / scale))
    return _probability(x, k, scale, -inf, 0.0, lambda w: log(-expm1(-w)), 0)


def _probability(x: Number, k: Number, scale: Number, below: float, above: float, f: Any, sign: int) -> Any:
    """f of w; below the support and at its upper end levels; at 0 the slope is the density."""
    if not (positive(k, scale) and known(x)):
        return undefined(x, k, scale)
    if x < 0 or x == inf:
        return level(below if x < 0 else above, x, k, scale)
    if x == 0:
        slope = 0.0 if k > 1 else sign * inf if k < 1 else sign / scale
        return stated(below, (x, slope), (k, 0.0), (scale, 0.0))
    return f(power(x / scale, k))


@pointwise
def icdf(u: Number, concentration: Number, scale: Number) -> Any:
    """scale (-log(1 - u))^(1/k).

    Source: weibull-1951
    """
    k = concentration
    if not (positive(k, scale) and 0 <= u <= 1):
        return undefined(u, k, scale)
    if u == 0:
        return stated(0.0, (u, 0.0 if k < 1 else inf if k > 1 else scale), (k, 0.0), (scale, 0.0))
    if u == 1:
        return stated(inf, (u, inf), (k, -inf), (scale, inf))
    return scale * power(-log1p(-u), 1 / k)


@pointwise
def sample(noise: Number, concentration: Number, scale: Number) -> Any:
    """scale (-log(1 - u))^(1/k).

    Source: weibull-1951
    """
    return icdf(noise, concentration, scale)


@pointwise
def entropy(concentration: Number, scale: Number) -> Any:
    """gamma (1 - 1/k) + log(scale / k) + 1.

    Source: johnson-kotz-balakrishnan-1994, chapter 21
    """
    k = concentration
    return euler() * (1 - 1 / k) + log(scale / k) + 1 if positive(k, scale) else undefined(k, scale)


@pointwise
def mean(concentration: Number, scale: Number) -> Any:
    """scale Gamma(1 + 1/k).

    Source: johnson-kotz-balakrishnan-1994, chapter 21
    """
    k = concentration
    return scale * gamma(1 + 1 / k) if positive(k, scale) else undefined(k, scale)


@pointwise
def variance(concentration: Number, scale: Number) -> Any:
    """scale^2 (Gamma(1 + 2/k) - Gamma(1 + 1/k)^2).

    Source: johnson-kotz-balakrishnan-1994, chapter 21
    """
    k = concentration
    if not positive(k, scale):
        return undefined(k, scale)
    return scale * scale * (gamma(1 + 2 / k) - gamma(1 + 1 / k) ** 2)


@pointwise
def mode(concentration: Number, scale: Number) -> Any:
    """scale ((k - 1) / k)^(1/k), or 0 for k <= 1.

    Source: johnson-kotz-balakrishnan-1994, chapter 21
    """
    k = concentration
    if not positive(k, scale):
        return undefined(k, scale)
    return scale * power((k - 1) / k, 1 / k) if k > 1 else level(0.0, k, scale)


@pointwise
def kl_divergence(concentration_p: Number, scale_p: Number, concentration_q: Number, scale_q: Number) -> Any:
    """The expectation under p of log p - log q.

    Source: bauckhage-2013
    """
    k, l, m, n = concentration_p, scale_p, concentration_q, scale_q
    if not positive(k, l, m, n):
        return undefined(k, l, m, n)
    own = log(k) - k * log(l) + (k - 1) * (log(l) - euler() / k) - 1
    other = log(m) - m * log(n) + (m - 1) * (log(l) - euler() / k) - power(l / n, m) * gamma(1 + m / k)
    return own - other


def maximum_likelihood(data: Any) -> Parameters:
    """Where the derivatives of the log likelihood to concentration and scale vanish.

    Source: cohen-1965
    """
    floats = np.array([float(x) for x in data])
    if len(floats) < 2 or not all(isfinite(x) and x > 0 for x in floats) or len(set(floats)) == 1:
        return Parameters(unknown_estimate(data), unknown_estimate(data))
    from refengine.distributions.weibull import maximum_likelihood as guess

    logs = [log(x) for x in data]
    average = sum(logs, number(0)) / len(floats)

    def score(unknowns: list[Number]) -> list[Any]:
        powers = [exp(unknowns[0] * y) for y in logs]
        return [sum(p * y for p, y in zip(powers, logs, strict=True)) / sum(powers) - 1 / unknowns[0] - average]

    k = solved(score, [float(guess(floats).concentration)])[0]
    return Parameters(k, exp(log(sum(exp(k * y) for y in logs) / len(floats)) / k))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from data_draws(rng, lambda u, k: (-np.log(u)) ** (1 / k) * 2.0 ** rng.integers(-9, 9))
    for size, scale in ((3, 1e-300), (4, 1e300), (5, 1e15)):
        data = scale * (-np.log(rng.uniform(size=size))) ** 0.5
        yield Draw({"data": data}, flags=("HUGE_PARAMETER",), difficulty=4)
