"""The beta density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, digamma, lgamma, log, pointwise, stated


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
