"""The beta density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

import validation.exact.special.regularized_beta as integral
from refengine.distributions.beta import Parameters
from refengine.domains import Interval
from validation.exact import incomplete
from validation.exact.distributions._domain import (
    data_draws,
    known,
    level,
    log1p,
    positive,
    solved,
    undefined,
    unknown_estimate,
)
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.number import Number, digamma, exp, lgamma, log, number, pi, pointwise, stated

RANGES = {n + q: (1e-6, 1e15) for n in "ab" for q in ("", "_p", "_q")}
RANGES |= {"x": (1e-300, 1e15), "rate_q": (1e-300, 1e15), "concentration_q": (1e-6, 1e15), "scale_q": (1e-100, 1e15)}
SHAPES = {"a": Interval(0), "b": Interval(0)}


def near(rng: np.random.Generator, a: float, b: float) -> float | None:
    """A random number, or none where it rounds to 0 or 1."""
    x = float(rng.beta(a, b))
    return x if 0 < x < 1 else None


@pointwise
def log_prob(x: Number, a: Number, b: Number) -> Any:
    """(a - 1) log x + (b - 1) log(1 - x) - log B(a, b); on the edges the limits from inside.

    Source: nist-dlmf, 5.12.1 (the integrand, normalised)
    """
    if not (0 < a < inf and 0 < b < inf) or x != x:
        return stated(nan, (x, nan), (a, nan), (b, nan))
    if x < 0 or x > 1:
        return stated(-inf, (x, 0), (a, 0), (b, 0))
    if x == 0:
        value, slope = _edge(a, b)
        return stated(value, (x, slope), (a, -inf), (b, digamma(a + b) - digamma(b)))
    if x == 1:
        value, slope = _edge(b, a)
        return stated(value, (x, -slope), (a, digamma(a + b) - digamma(a)), (b, -inf))
    return (a - 1) * log(x) + (b - 1) * log(1 - x) + lgamma(a + b) - lgamma(a) - lgamma(b)


def _edge(a: Number, b: Number) -> tuple[Any, Any]:
    """Value and slope into the support where the density is proportional to t^(a-1) (1-t)^(b-1) and t goes to 0."""
    if a == 1:
        return log(b).ball, 1 - b
    return (-inf, inf) if a > 1 else (inf, -inf)


@pointwise
def open_support(x: Number, a: Number, b: Number) -> Any:
    """The convention that 0 and 1 lie outside the support."""
    return stated(-inf, (x, 0), (a, 0), (b, 0))


@pointwise
def no_slope(x: Number, a: Number, b: Number) -> Any:
    """The convention that a density has no derivative to x on the edge of its support."""
    value, by_a, by_b = log_prob(x, a, b), -inf, digamma(a + b) - digamma(b)
    if x == 1:
        by_a, by_b = digamma(a + b) - digamma(a), -inf
    return stated(value.ball, (x, nan), (a, by_a), (b, by_b))


EDGE_CONVENTIONS = {"open_support": open_support, "no_slope": no_slope}


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        a, b = short(decades(rng, 0.1, 50)), short(decades(rng, 0.1, 50))
        yield Draw({"x": short(rng.uniform(0.01, 0.99)), "a": a, "b": b})
    for _ in range(50):
        yield Draw(_typical(rng, decades(rng, 0.05, 1e4), decades(rng, 0.05, 1e4)), difficulty=2)
    for _ in range(50):
        draw = _typical(rng, decades(rng, 1e5, 1e15), decades(rng, 1e5, 1e15))
        yield Draw(draw, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(30):  # one shape small, the other huge
        a, b = decades(rng, 0.01, 20), decades(rng, 1e6, 1e15)
        x = _typical(rng, a, b)["x"]
        a, b, x = (a, b, x) if rng.integers(2) else (b, a, 1 - x)
        yield Draw({"x": x, "a": a, "b": b}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(30):
        x = decades(rng, 1e-300, 0.5)
        yield Draw({"x": x, "a": decades(rng, 1e-300, 1e300), "b": decades(rng, 1e-300, 1e300)}, difficulty=5)
    for _ in range(20):  # tails: far from the mode on either side
        x, a, b = decades(rng, 1e-12, 0.3), decades(rng, 0.1, 1e6), decades(rng, 0.1, 1e6)
        yield Draw({"x": x if rng.integers(2) else 1 - x, "a": a, "b": b}, difficulty=3)
    for _ in range(15):  # tiny shapes: log(a / x) must not be the difference of two logarithms
        a = decades(rng, 1e-300, 1e-3)
        yield Draw({"x": a * decades(rng, 0.3, 3), "a": a, "b": decades(rng, 1e-3, 1e3)}, flags=("NEAR_POLE",))
    for _ in range(12):  # a density of one: its logarithm vanishes
        a, b = (1 + rng.choice([-1, 1]) * decades(rng, 1e-15, 1e-2) for _ in range(2))
        yield Draw({"x": rng.uniform(0.01, 0.99), "a": a, "b": b}, flags=("NEAR_ROOT",), difficulty=4)
    for switch in (0.5, 1.0, 2.0, 8.0, 10.0, 12.0):  # where the algorithms of libraries change over
        for near in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw(_typical(rng, float(near), decades(rng, 0.1, 1e6)), flags=("WRONG_BRANCH",), difficulty=3)
    for side in (0.5, 1.5):  # deviations of half the mean, where a series ends
        for a, b in ((40.0, 1e6), (3.0, 5e3)):
            x = side * a / (a + b)
            for near in (np.nextafter(x, 0), x, np.nextafter(x, 1)):
                yield Draw({"x": float(near), "a": a, "b": b}, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (5e-324, 1e-310, 2.0**-1022, 1e-20, 2.0**-53, 1 - 2.0**-53, 1 - 2.0**-52, 1 - 2.0**-24):
        for a, b in ((0.5, 0.5), (1.0, 8.0), (2.5, 1.0)):
            flags = ("SUBNORMAL",) if x < 1e-307 else ("SUPPORT_EDGE",)
            yield Draw({"x": x, "a": a, "b": b}, flags=flags, difficulty=3)
    for x, a, b in ((0.25, 5e-324, 1.0), (0.5, 1e-310, 1e-310), (1e-300, 1e-300, 1e300), (0.5, 1e300, 1e300)):
        yield Draw({"x": x, "a": a, "b": b}, flags=("SUBNORMAL",) if a < 1e-307 else ("HUGE_PARAMETER",), difficulty=5)
    for x in (0.0, 1.0):
        for a, b in ((1.0, 8.0), (8.0, 1.0), (1.0, 1.0), (2.0, 3.0), (0.5, 0.25), (3.0, 0.5)):
            flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
            yield Draw({"x": x, "a": a, "b": b}, flags=flags, result="ambiguous", alternatives=EDGE_CONVENTIONS)
    for x in (-0.5, 1.5, -5e-324, 1 + 2.0**-52, inf, -inf):
        yield Draw({"x": x, "a": 2.0, "b": 2.0}, flags=("OUT_OF_SUPPORT",))
    for x, a, b in (
        (0.5, -1.0, 2.0),
        (0.5, 2.0, 0.0),
        (nan, 2.0, 2.0),
        (0.5, nan, 1.0),
        (0.5, 1.0, inf),
        (-1.0, 0.0, 1.0),
    ):
        yield Draw({"x": x, "a": a, "b": b}, result="invalid")
    shapes = {"a": np.array([[0.5], [40.0], [3e7]]), "b": np.array([0.25, 2.0, 1e9, 11.5])}
    yield Draw({"x": np.array(0.375)} | shapes, flags=("BROADCAST",))
    yield Draw({"x": np.array([[[0.25]], [[0.5]]])} | shapes, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, a: float, b: float) -> dict[str, Any]:
    """A point within a few standard deviations of the mean, inside the support."""
    mean, sd = a / (a + b), np.sqrt(a / (a + b) * b / (a + b) / (a + b + 1))
    x = mean + sd * rng.normal()
    x = x if 0 < x < 1 else mean * rng.uniform(0.01, 1)
    return {"x": float(min(x, 1 - 2.0**-53)), "a": a, "b": b}


@pointwise
def cdf(x: Number, a: Number, b: Number) -> Any:
    """I_x(a, b).

    Source: nist-dlmf, 8.17.2
    """
    return _probability(x, a, b, integral.regularized_beta, 0.0, 1.0)


@pointwise
def sf(x: Number, a: Number, b: Number) -> Any:
    """1 - I_x(a, b).

    Source: nist-dlmf, 8.17.2
    """
    return _probability(x, a, b, integral.regularized_beta_complement, 1.0, 0.0)


@pointwise
def log_cdf(x: Number, a: Number, b: Number) -> Any:
    """log I_x(a, b).

    Source: nist-dlmf, 8.17.2
    """
    return _probability(x, a, b, integral.log_regularized_beta, -inf, 0.0)


@pointwise
def log_sf(x: Number, a: Number, b: Number) -> Any:
    """log(1 - I_x(a, b)).

    Source: nist-dlmf, 8.17.2
    """
    return _probability(x, a, b, integral.log_regularized_beta_complement, 0.0, -inf)


def _probability(x: Number, a: Number, b: Number, f: Any, below: float, above: float) -> Any:
    if not (positive(a, b) and known(x)):
        return undefined(x, a, b)
    return level(below if x < 0 else above, x, a, b) if x < 0 or x > 1 else f(a, b, x)


@pointwise
def icdf(u: Number, a: Number, b: Number) -> Any:
    """The x at which I_x(a, b) = u, solved for logit x.

    Source: nist-dlmf, 8.17.2
    """
    if not (positive(a, b) and 0 <= u <= 1):
        return undefined(u, a, b)
    if u == 0 or u == 1:
        shape, other = (a, b) if u == 0 else (b, a)
        return stated(float(u), (u, 1 / other if shape == 1 else inf if shape > 1 else 0.0), (a, 0.0), (b, 0.0))
    from refengine.special._incomplete_inverse import beta_quantile

    x, y = (float(z) for z in beta_quantile(np, *(np.float64(float(z)) for z in (a, b, u, 1 - u))))

    def equation(unknowns: list[Number]) -> list[Any]:
        odds = exp(-unknowns[0])
        point, rest = 1 / (1 + odds), odds / (1 + odds)
        if u < 0.5:
            return [incomplete.log_beta_p(a, b, point, rest) - log(u)]
        return [incomplete.log_beta_q(a, b, point, rest) - log1p(-u)]

    logit = solved(equation, [float(np.log(x) - np.log(y))])[0]
    return 1 / (1 + exp(-logit))


@pointwise
def sample(noise: Number, a: Number, b: Number) -> Any:
    """The x at which I_x(a, b) is the noise.

    Source: nist-dlmf, 8.17.2
    """
    return icdf(noise, a, b)


def _quantiles(name: str) -> Any:
    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        for low, high, count, flags in (
            (0.1, 50.0, 110, ()),
            (1e-2, 1e4, 50, ()),
            (1e5, 1e15, 30, ("HUGE_PARAMETER", "CANCELLATION")),
        ):
            for _ in range(count):
                a, b, u = decades(rng, low, high), decades(rng, low, high), rng.uniform()
                if low == 0.1:
                    a, b, u = short(a), short(b), short(u)
                yield Draw({name: float(u), "a": float(a), "b": float(b)}, flags=flags, difficulty=2)
        for u in (1e-300, 1e-20, 1 - 2.0**-53):
            for a, b in ((1.0, 3.0), (2.5, 0.5), (30.0, 40.0)):
                yield Draw({name: u, "a": a, "b": b}, flags=("SATURATION",), difficulty=3)
        for u in (0.0, 1.0):
            for a, b in ((1.0, 3.0), (3.0, 1.0), (2.0, 0.5)):
                yield Draw({name: u, "a": a, "b": b}, flags=("SUPPORT_EDGE",))
        for u, a, b in ((-1.0, 1.0, 2.0), (2.0, 1.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, -1.0), (nan, 1.0, 1.0)):
            yield Draw({name: u, "a": a, "b": b}, result="invalid")
        columns = {"a": np.array([2.0, 30.0]), "b": np.array([0.5, 7.0])}
        yield Draw({name: np.array([[0.25], [0.875]]), **columns}, flags=("BROADCAST",))

    return draw


draw_icdf, draw_sample = _quantiles("u"), _quantiles("noise")


def _minus_entropy(a: Number, b: Number) -> Any:
    c = a + b
    return (a - 1) * digamma(a) + (b - 1) * digamma(b) - (c - 2) * digamma(c) - _log_beta(a, b)


def _log_beta(a: Number, b: Number) -> Any:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@pointwise
def entropy(a: Number, b: Number) -> Any:
    """log B(a, b) - (a - 1) psi(a) - (b - 1) psi(b) + (a + b - 2) psi(a + b).

    Source: johnson-kotz-balakrishnan-1995, chapter 25
    """
    return -_minus_entropy(a, b) if positive(a, b) else undefined(a, b)


@pointwise
def mean(a: Number, b: Number) -> Any:
    """a / (a + b).

    Source: johnson-kotz-balakrishnan-1995, chapter 25
    """
    return a / (a + b) if positive(a, b) else undefined(a, b)


@pointwise
def variance(a: Number, b: Number) -> Any:
    """a b / ((a + b)^2 (a + b + 1)).

    Source: johnson-kotz-balakrishnan-1995, chapter 25
    """
    c = a + b
    return a * b / (c * c * (c + 1)) if positive(a, b) else undefined(a, b)


@pointwise
def mode(a: Number, b: Number) -> Any:
    """(a - 1) / (a + b - 2) for a, b >= 1.

    Source: johnson-kotz-balakrishnan-1995, chapter 25
    """
    if not (positive(a, b) and a >= 1 and b >= 1 and (a > 1 or b > 1)):
        return undefined(a, b)
    return (a - 1) / (a + b - 2)


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, SHAPES, None, RANGES, 120)
    for _ in range(80):
        a, b = 1 + decades(rng, 1e-12, 1e12), 1 + decades(rng, 1e-12, 1e12)
        yield Draw({"a": a, "b": b}, flags=("CANCELLATION",), difficulty=3)
    for a, b in ((1.0, 2.0), (2.0, 1.0), (1.0, 1e9)):
        yield Draw({"a": a, "b": b}, flags=("SUPPORT_EDGE",))


@pointwise
def kl_divergence(a_p: Number, b_p: Number, a_q: Number, b_q: Number) -> Any:
    """The expectation under p of log p - log q.

    Source: rauber-2008
    """
    if not positive(a_p, b_p, a_q, b_q):
        return undefined(a_p, b_p, a_q, b_q)
    top = digamma(a_p + b_p)
    other = (a_q - 1) * (digamma(a_p) - top) + (b_q - 1) * (digamma(b_p) - top) - _log_beta(a_q, b_q)
    return _minus_entropy(a_p, b_p) - other


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    names = ("a_p", "b_p", "a_q", "b_q")
    yield from spread(rng, dict.fromkeys(names, Interval(0)), None, RANGES)
    for _ in range(20):  # nearly equal, and nearly proportional
        a, b = decades(rng, 1e-2, 1e9), decades(rng, 1e-2, 1e9)
        f = 1 + decades(rng, 1e-9, 0.9)
        g = f if rng.integers(2) else 1 + decades(rng, 1e-9, 0.9)
        yield Draw(dict(zip(names, (a, b, a * f, b * g), strict=True)), flags=("CANCELLATION",), difficulty=4)


@pointwise
def kl_divergence_exponential(a_p: Number, b_p: Number, rate_q: Number) -> Any:
    """The expectation under p of log p - log q.

    Source: johnson-kotz-balakrishnan-1995, chapter 25 (the moments)
    """
    if not positive(a_p, b_p, rate_q):
        return undefined(a_p, b_p, rate_q)
    return _minus_entropy(a_p, b_p) - log(rate_q) + rate_q * a_p / (a_p + b_p)


@pointwise
def kl_divergence_gamma(a_p: Number, b_p: Number, concentration_q: Number, rate_q: Number) -> Any:
    """The expectation under p of log p - log q.

    Source: johnson-kotz-balakrishnan-1995, chapter 25 (the moments)
    """
    k, rate = concentration_q, rate_q
    if not positive(a_p, b_p, k, rate):
        return undefined(a_p, b_p, k, rate)
    c = a_p + b_p
    return _minus_entropy(a_p, b_p) + lgamma(k) - k * log(rate) - (k - 1) * (digamma(a_p) - digamma(c)) + rate * a_p / c


@pointwise
def kl_divergence_normal(a_p: Number, b_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """The expectation under p of log p - log q.

    Source: johnson-kotz-balakrishnan-1995, chapter 25 (the moments)
    """
    if not (positive(a_p, b_p, scale_q) and -inf < loc_q < inf):
        return undefined(a_p, b_p, loc_q, scale_q)
    c = a_p + b_p
    off = a_p / c - loc_q
    spread_ = a_p * b_p / (c * c * (c + 1)) + off * off
    return _minus_entropy(a_p, b_p) + log(2 * pi()) / 2 + log(scale_q) + spread_ / (2 * scale_q * scale_q)


@pointwise
def kl_divergence_uniform(a_p: Number, b_p: Number, low_q: Number, high_q: Number) -> Any:
    """log(high - low) less the entropy of p.

    Source: johnson-kotz-balakrishnan-1995, chapter 26
    """
    if not (positive(a_p, b_p) and -inf < low_q < high_q < inf):
        return undefined(a_p, b_p, low_q, high_q)
    if low_q > 0 or high_q < 1:
        return level(inf, a_p, b_p, low_q, high_q)
    return _minus_entropy(a_p, b_p) + log(high_q - low_q)


def draw_kl_divergence_uniform(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(180):
        low, high = (0.1, 30.0) if i < 90 else (1e-3, 1e4) if i < 140 else (1e5, 1e15)
        a, b = decades(rng, low, high), decades(rng, low, high)
        left, right = -decades(rng, 1e-6, 1e6), 1 + decades(rng, 1e-6, 1e6)
        a, b, left, right = (short(v) for v in (a, b, left, right)) if i < 90 else (a, b, left, right)
        flags = ("HUGE_PARAMETER", "CANCELLATION") if i >= 140 else ()
        yield Draw({"a_p": a, "b_p": b, "low_q": left, "high_q": max(right, 1.0)}, flags=flags)
    for i in range(20):
        low, high = (0.0, 1.0) if i < 10 else (rng.uniform(), 1 + rng.uniform())
        flag = "SUPPORT_EDGE" if i < 10 else "OUT_OF_SUPPORT"
        case = {"a_p": decades(rng, 0.1, 9), "b_p": decades(rng, 0.1, 9), "low_q": low, "high_q": high}
        yield Draw(case, flags=(flag,))
    for bad in ((1.0, 1.0, 2.0, 1.0), (1.0, 1.0, 0.0, 0.0), (-1.0, 1.0, 0.0, 1.0), (1.0, nan, 0.0, 1.0)):
        yield Draw(dict(zip(("a_p", "b_p", "low_q", "high_q"), bad, strict=True)), result="invalid")


def maximum_likelihood(data: Any) -> Parameters:
    """Where the derivatives of the log likelihood to both shapes vanish.

    Source: minka-2000
    """
    floats = np.array([float(x) for x in data])
    if len(floats) < 2 or not all(0 < x < 1 for x in floats) or len(set(floats)) == 1:
        return Parameters(unknown_estimate(data), unknown_estimate(data))
    from refengine.distributions.beta import maximum_likelihood as guess

    left = sum((log(x) for x in data), number(0)) / len(floats)
    right = sum((log(1 - x) for x in data), number(0)) / len(floats)

    def score(unknowns: list[Number]) -> list[Any]:
        a, b = unknowns
        top = digamma(a + b)
        return [digamma(a) - top - left, digamma(b) - top - right]

    return Parameters(*solved(score, [float(v) for v in guess(floats)]))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def quantile(u: Any, a: float) -> Any:
        return (1 - (1 - u) ** (1 / rng.uniform(0.5, 5))) ** (1 / a)

    for draw in data_draws(rng, quantile, sizes=(2, 2, 3)):
        if np.all(np.abs(draw.arguments["data"] - 0.5) < 0.5) or draw.result == "invalid":
            yield draw
