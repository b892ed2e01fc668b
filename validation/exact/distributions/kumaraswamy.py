"""The Kumaraswamy distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.distributions.kumaraswamy import Parameters
from refengine.domains import Interval
from validation.exact.distributions._domain import (
    data_draws,
    euler,
    expm1,
    known,
    level,
    log1p,
    positive,
    solved,
    undefined,
    unknown_estimate,
)
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, digamma, exp, lgamma, log, number, pointwise, power, stated

RANGES = {"a": (1e-300, 1e15), "b": (1e-300, 1e15)}
SHAPES: dict[str, Any] = {"a": Interval(0), "b": Interval(0)}


def near(rng: np.random.Generator, a: float, b: float) -> float | None:
    """A quantile, or none where it rounds to 0 or 1."""
    with np.errstate(all="ignore"):
        x = float(np.exp(np.log(-np.expm1(-rng.exponential() / b)) / a))
    return x if 0 < x < 1 else None


@pointwise
def log_prob(x: Number, a: Number, b: Number) -> Any:
    """log(a b) + (a - 1) log x + (b - 1) log(1 - x^a); on the edges the limits from inside.

    Source: kumaraswamy-1980
    """
    if not (positive(a, b) and known(x)):
        return undefined(x, a, b)
    if x < 0 or x > 1:
        return level(-inf, x, a, b)
    if x == 0:
        edge = inf if a < 1 else -inf
        return stated(log(b).ball if a == 1 else edge, (x, 1 - b if a == 1 else -edge), (a, -inf), (b, 1 / b))
    if x == 1:
        edge = inf if b < 1 else -inf
        return stated(log(a).ball if b == 1 else edge, (x, a - 1 if b == 1 else edge), (a, b / a), (b, -inf))
    return log(a) + log(b) + (a - 1) * log(x) + (b - 1) * _log_rest(x, a)


def _log_rest(x: Number, a: Number) -> Any:
    """log(1 - x^a)."""
    t = a * log(x)
    return log(-expm1(t)) if t > -1 else log1p(-exp(t))


@pointwise
def open_support(x: Number, a: Number, b: Number) -> Any:
    """The convention that 0 and 1 lie outside the support."""
    return level(-inf, x, a, b)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"x": Interval(0, 1, closed=True), **SHAPES}, near, RANGES)
    for _ in range(15):  # at the mode of a steep density
        a, b = decades(rng, 1e-3, 1e3), decades(rng, 1e3, 1e15)
        x = float(b ** (-1 / a))
        if 1e-300 < x < 1:
            yield Draw({"x": x, "a": a, "b": b}, flags=("CANCELLATION",), difficulty=4)
    yield from _edges("x", True)


def _edges(name: str, ambiguous: bool) -> Iterator[Draw]:
    for x in (0.0, 1.0):
        for a, b in ((1.0, 3.0), (3.0, 1.0), (1.0, 1.0), (2.0, 3.0), (0.5, 0.25)):
            more: dict[str, Any] = {"result": "ambiguous", "alternatives": {"open_support": open_support}}
            flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION") if ambiguous else ("SUPPORT_EDGE",)
            yield Draw({name: x, "a": a, "b": b}, flags=flags, **(more if ambiguous else {}))


def _with_edges(name: str) -> Any:
    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        yield from spread(rng, {name: Interval(0, 1, closed=True), **SHAPES}, near, RANGES)
        yield from _edges(name, False)

    return draw


draw_cdf = draw_sf = draw_log_cdf = draw_log_sf = _with_edges("x")
draw_icdf, draw_sample = _with_edges("u"), _with_edges("noise")


@pointwise
def cdf(x: Number, a: Number, b: Number) -> Any:
    """1 - (1 - x^a)^b.

    Source: kumaraswamy-1980
    """
    return _probability(x, a, b, 0.0, 1.0, 1, lambda w: -expm1(w))


@pointwise
def sf(x: Number, a: Number, b: Number) -> Any:
    """(1 - x^a)^b.

    Source: kumaraswamy-1980
    """
    return _probability(x, a, b, 1.0, 0.0, -1, lambda w: exp(w))


@pointwise
def log_cdf(x: Number, a: Number, b: Number) -> Any:
    """log(1 - (1 - x^a)^b).

    Source: kumaraswamy-1980
    """
    if positive(a, b) and x == 0:
        return stated(-inf, (x, inf), (a, -inf), (b, 1 / b))
    return _probability(x, a, b, -inf, 0.0, 1, lambda w: log(-expm1(w)))


@pointwise
def log_sf(x: Number, a: Number, b: Number) -> Any:
    """b log(1 - x^a).

    Source: kumaraswamy-1980
    """
    if positive(a, b) and x == 1:
        return stated(-inf, (x, -inf), (a, b / a), (b, -inf))
    return _probability(x, a, b, 0.0, -inf, -1, lambda w: w)


def _probability(x: Number, a: Number, b: Number, below: float, above: float, sign: int, f: Any) -> Any:
    if not (positive(a, b) and known(x)):
        return undefined(x, a, b)
    if x < 0 or x > 1:
        return level(below if x < 0 else above, x, a, b)
    if x == 0:
        slope = sign * b if a == 1 else 0.0 if a > 1 else sign * inf
        return stated(below, (x, slope), (a, 0.0), (b, 0.0))
    if x == 1:
        slope = sign * a if b == 1 else 0.0 if b > 1 else sign * inf
        return stated(above, (x, slope), (a, 0.0), (b, 0.0))
    return f(b * _log_rest(x, a))


@pointwise
def icdf(u: Number, a: Number, b: Number) -> Any:
    """(1 - (1 - u)^(1/b))^(1/a).

    Source: kumaraswamy-1980
    """
    if not (positive(a, b) and 0 <= u <= 1):
        return undefined(u, a, b)
    if u == 0:
        return stated(0.0, (u, 1 / b if a == 1 else 0.0 if a < 1 else inf), (a, 0.0), (b, 0.0))
    if u == 1:
        return stated(1.0, (u, 1 / a if b == 1 else 0.0 if b < 1 else inf), (a, 0.0), (b, 0.0))
    w = log1p(-u) / b
    return exp((log(-expm1(w)) if w > -1 else log1p(-exp(w))) / a)


@pointwise
def sample(noise: Number, a: Number, b: Number) -> Any:
    """(1 - (1 - u)^(1/b))^(1/a).

    Source: kumaraswamy-1980
    """
    return icdf(noise, a, b)


@pointwise
def entropy(a: Number, b: Number) -> Any:
    """1 - 1/b + (1 - 1/a) (psi(b + 1) + gamma) - log(a b).

    Source: jones-2009
    """
    if not positive(a, b):
        return undefined(a, b)
    return 1 - 1 / b + (1 - 1 / a) * (digamma(b + 1) + euler()) - log(a) - log(b)


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, SHAPES, None, RANGES)
    for _ in range(12):
        a, b = (1 + rng.choice([-1, 1]) * decades(rng, 1e-12, 0.1) for _ in range(2))
        yield Draw({"a": float(a), "b": float(b)}, flags=("NEAR_ROOT",), difficulty=4)


@pointwise
def mean(a: Number, b: Number) -> Any:
    """b B(1 + 1/a, b) = Gamma(1 + 1/a) Gamma(1 + b) / Gamma(1 + 1/a + b).

    Source: jones-2009
    """
    if not positive(a, b):
        return undefined(a, b)
    return exp(lgamma(1 + 1 / a) + lgamma(1 + b) - lgamma(1 + 1 / a + b))


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, SHAPES, None, RANGES, 150)
    for _ in range(70):  # means that are not too small to be written
        smaller, larger = decades(rng, 1e-8, 60), decades(rng, 1e-3, 1e15)
        r, b = (smaller, larger) if rng.integers(2) else (larger, smaller)
        yield Draw({"a": 1 / r, "b": b}, flags=("HUGE_PARAMETER",), difficulty=3)


@pointwise
def variance(a: Number, b: Number) -> Any:
    """E[x^2] - E[x]^2, with E[x^n] = Gamma(1 + n/a) Gamma(1 + b) / Gamma(1 + n/a + b).

    Source: jones-2009
    """
    if not positive(a, b):
        return undefined(a, b)
    first, second = (exp(lgamma(1 + n / a) + lgamma(1 + b) - lgamma(1 + n / a + b)) for n in (1, 2))
    return second - first * first


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_mean(rng)


@pointwise
def mode(a: Number, b: Number) -> Any:
    """((a - 1) / (a b - 1))^(1/a) for a, b >= 1.

    Source: jones-2009
    """
    if not (positive(a, b) and a >= 1 and b >= 1 and (a > 1 or b > 1)):
        return undefined(a, b)
    if a == 1:
        return stated(0.0, (a, 1 / (b - 1)), (b, 0.0))
    return power((a - 1) / (a * b - 1), 1 / a)


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, SHAPES, None, RANGES, 120)
    for _ in range(80):
        a, b = 1 + decades(rng, 1e-12, 1e12), 1 + decades(rng, 1e-12, 1e12)
        yield Draw({"a": a, "b": b}, flags=("CANCELLATION",), difficulty=3)
    for a, b in ((1.0, 2.0), (2.0, 1.0), (1.0, 1e9)):
        yield Draw({"a": a, "b": b}, flags=("SUPPORT_EDGE",))


def maximum_likelihood(data: Any) -> Parameters:
    """Where the derivatives of the log likelihood to both shapes vanish.

    Source: jones-2009, section 7
    """
    floats = np.array([float(x) for x in data])
    if len(floats) < 2 or not all(0 < x < 1 for x in floats) or len(set(floats)) == 1:
        return Parameters(unknown_estimate(data), unknown_estimate(data))
    from refengine.distributions.kumaraswamy import maximum_likelihood as guess

    logs, n = [log(x) for x in data], len(floats)

    def other(a: Number) -> Any:
        return -n / sum((log(1 - exp(a * y)) for y in logs), number(0))

    def score(unknowns: list[Number]) -> list[Any]:
        a, b = unknowns[0], other(unknowns[0])
        powers = [exp(a * y) for y in logs]
        terms = (y * (1 - (b - 1) * p / (1 - p)) for y, p in zip(logs, powers, strict=True))
        return [1 / a + sum(terms, number(0)) / n]

    a = solved(score, [float(guess(floats).a)])[0]
    return Parameters(a, other(a))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def quantile(u: Any, a: float) -> Any:
        return (1 - (1 - u) ** (1 / rng.uniform(0.5, 5))) ** (1 / a)

    for draw in data_draws(rng, quantile):
        if np.all(np.abs(draw.arguments["data"] - 0.5) < 0.5) or draw.result == "invalid":
            yield draw
