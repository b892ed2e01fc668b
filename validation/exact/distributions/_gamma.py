"""Draws and edges that the gamma and the inverse gamma distribution share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from math import inf, nan

import numpy as np
from scipy import special

from validation.exact import incomplete
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, stated

RANGES = {"concentration": (1e-300, 1e15), "rate": (1e-100, 1e100)}


def undefined(*parameters: Number) -> bool:
    return not all(0 < p < inf for p in parameters)


def nothing(*arguments: Number) -> Number:
    return stated(nan, *((a, nan) for a in arguments))


def flat(value: float, *arguments: Number) -> Number:
    return stated(value, *((a, 0) for a in arguments))


def quantile(u: Number, upper: Number, a: Number) -> Number:
    """t with P(a, t) = u, where upper = 1 - u."""
    below, shape = float(u) < 0.5, float(a)
    guess = special.gammaincinv(shape, float(u)) if below else special.gammainccinv(shape, float(upper))
    power = (math.log(float(u)) + math.lgamma(shape + 1)) / shape
    return incomplete.gamma_quantile(a, u, upper, math.log(guess) if guess > 1e-290 else power)


def data(rng: np.random.Generator, inverse: bool, low: float, high: float) -> dict[str, float]:
    """A point within a few standard deviations, parameters over decades."""
    a, b = decades(rng, low, high), decades(rng, 1e-6, 1e6)
    t = float(abs(a + math.sqrt(a) * rng.normal() * 2)) or a
    return {"x": b / t if inverse else t / b, "concentration": a, "rate": b}


def draw_density(rng: np.random.Generator, inverse: bool, edges: Callable[..., Iterator[Draw]]) -> Iterator[Draw]:
    for _ in range(50):
        a, b = short(decades(rng, 0.1, 30)), short(decades(rng, 0.1, 30))
        yield Draw({"x": short(decades(rng, 0.05, 20)), "concentration": a, "rate": b})
    for _ in range(45):
        yield Draw(data(rng, inverse, 0.05, 1e4), difficulty=2)
    for _ in range(45):
        yield Draw(data(rng, inverse, 1e5, 1e15), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(20):
        point = {name: decades(rng, 1e-90, 1e90) for name in ("x", "concentration", "rate")}
        yield Draw(point, difficulty=5)
    for _ in range(15):  # tails
        point = data(rng, inverse, 0.1, 1e6)
        yield Draw(point | {"x": point["x"] * decades(rng, 1e-6, 1e3)}, difficulty=3)
    for _ in range(12):  # tiny concentrations
        yield Draw(data(rng, inverse, 1e-300, 1e-3), flags=("NEAR_POLE",), difficulty=4)
    for switch in (0.75, 1.0, 8.0, 10.0, 12.0):  # where the algorithms of libraries change over
        for a in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw({"x": 2.5, "concentration": float(a), "rate": 3.0}, flags=("WRONG_BRANCH",), difficulty=3)
    for side in (0.5, 1.5):  # deviations of half the mean, where a series ends
        for x in (np.nextafter(side, 0), side, np.nextafter(side, 9)):
            yield Draw({"x": float(x), "concentration": 40.0, "rate": 40.0}, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (5e-324, 1e-310, 1e-300):
        for a in (0.5, 1.0, 2.5):
            yield Draw({"x": x, "concentration": a, "rate": 2.0}, flags=("SUBNORMAL",), difficulty=5)
    yield Draw({"x": 1e-200, "concentration": 2.0, "rate": 1e-200}, flags=("SUBNORMAL",), difficulty=5)
    for a, b in ((1.0, 2.0), (0.5, 2.0), (3.0, 2.0)):
        yield from edges(a, b)
    for x in (-0.5, -5e-324, inf, -inf):
        yield Draw({"x": x, "concentration": 2.0, "rate": 2.0}, flags=("OUT_OF_SUPPORT",))
    yield from invalid("x", 0.5)
    yield broadcast("x", [0.25, 1.0, 3.5])


def draw_probability(rng: np.random.Generator, inverse: bool) -> Iterator[Draw]:
    for _ in range(50):
        a, b = short(decades(rng, 0.1, 30)), short(decades(rng, 0.1, 8))
        yield Draw({"x": short(decades(rng, 0.1, 20)), "concentration": a, "rate": b})
    for low, high, count, flags in (
        (1e-8, 1.0, 25, ("NEAR_POLE",)),
        (1.0, 1e4, 45, ()),
        (1e5, 1e12, 35, ("HUGE_PARAMETER", "CANCELLATION")),
    ):
        for _ in range(count):
            yield Draw(data(rng, inverse, low, high), flags=flags, difficulty=4 if flags else 2)
    for _ in range(25):  # tails
        point = data(rng, inverse, 0.1, 1e9)
        yield Draw(point | {"x": point["x"] * (1 + rng.choice([-0.9, 9]) * rng.uniform())}, difficulty=3)
    for switch in (0.5, 1.0, 8.0, 20.0, 200.0):
        yield Draw({"x": 1.0, "concentration": switch, "rate": switch}, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (1e-300, 1e300) if inverse else (5e-324, 1e-310, 1e-300, 1e300):
        yield Draw({"x": x, "concentration": 0.5, "rate": 2.0}, flags=("SUBNORMAL",), difficulty=5)
    for a in (0.5, 1.0, 3.0):
        for x in (0.0, -1.0, inf, -inf):
            flags = ("SUPPORT_EDGE",) if x == 0 else ("OUT_OF_SUPPORT",)
            yield Draw({"x": x, "concentration": a, "rate": 2.0}, flags=flags)
    yield from invalid("x", 0.5)
    yield broadcast("x", [0.25, 1.0, 3.5])


def draw_quantile(rng: np.random.Generator, name: str, low: float) -> Iterator[Draw]:
    for _ in range(55):
        a, b = short(decades(rng, max(low, 0.1), 30)), short(decades(rng, 0.1, 30))
        yield Draw({name: short(rng.uniform(0.01, 0.99)), "concentration": a, "rate": b})
    for lowest, highest, count, flags in (
        (low, 1.0, 30, ("NEAR_POLE",)),
        (1.0, 1e4, 50, ()),
        (1e5, 1e10, 25, ("HUGE_PARAMETER", "CANCELLATION")),
    ):
        for _ in range(count):
            point = {"concentration": decades(rng, lowest, highest), "rate": decades(rng, 1e-6, 1e6)}
            yield Draw({name: float(rng.uniform())} | point, flags=flags, difficulty=4 if flags else 2)
    for _ in range(25):  # tails
        u = decades(rng, 1e-60, 0.1) if rng.integers(2) else 1 - decades(rng, 2.0**-53, 0.1)
        point = {"concentration": decades(rng, max(low, 0.3), 1e6), "rate": decades(rng, 1e-3, 1e3)}
        yield Draw({name: u} | point, flags=("SATURATION",), difficulty=3)
    for a in (0.5, 1.0, 3.0):
        for u in (0.0, 1.0):
            yield Draw({name: u, "concentration": a, "rate": 2.0}, flags=("SUPPORT_EDGE",))
    for u in (-0.5, 1.5):
        yield Draw({name: u, "concentration": 2.0, "rate": 2.0}, result="invalid")
    yield from invalid(name, 0.5)
    yield broadcast(name, [0.25, 0.5, 0.875])


def invalid(name: str, value: float) -> Iterator[Draw]:
    for a, b in ((-1.0, 2.0), (0.0, 2.0), (2.0, -1.0), (2.0, 0.0), (inf, 2.0), (2.0, inf), (nan, 2.0), (2.0, nan)):
        yield Draw({name: value, "concentration": a, "rate": b}, result="invalid")
    yield Draw({name: nan, "concentration": 2.0, "rate": 2.0}, result="invalid")


def broadcast(name: str, values: list[float]) -> Draw:
    shapes = {"concentration": np.array([[0.5], [11.5], [300.0]]), "rate": np.array(2.0)}
    return Draw({name: np.array(values)} | shapes, flags=("BROADCAST",))


def draw_fit(rng: np.random.Generator, inverse: bool) -> Iterator[Draw]:
    for _ in range(30):
        a, count = decades(rng, 0.1, 30), int(rng.integers(2, 12))
        found = np.maximum(rng.gamma(a, size=count), 1e-3)
        yield Draw({"data": short(1 / found if inverse else found)})
    for _ in range(15):
        a, count = decades(rng, 0.05, 1e4), int(rng.integers(10, 40))
        found = np.maximum(rng.gamma(a, size=count), 1e-100) * decades(rng, 1e-6, 1e6)
        yield Draw({"data": 1 / found if inverse else found}, difficulty=2)
    for _ in range(8):  # nearly equal data: a concentration of up to 1e12
        yield Draw(
            {"data": 3.0 + decades(rng, 1e-6, 1e-2) * rng.normal(size=int(rng.integers(2, 9)))},
            flags=("CANCELLATION", "HUGE_PARAMETER"),
            difficulty=4,
        )
    for _ in range(6):  # over many decades: a small concentration
        yield Draw({"data": 10.0 ** rng.uniform(-60, 3, size=int(rng.integers(2, 9)))}, difficulty=4)
    for wrong in ([], [2.0], [2.0, 2.0, 2.0], [0.0, 1.0], [1.0, -1.0], [1.0, nan], [1.0, inf]):
        yield Draw({"data": np.array(wrong)}, flags=("EMPTY_ROW",), result="invalid")
