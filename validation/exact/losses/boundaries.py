"""The decision functions of two classes as the papers write them, with the angles themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, cos, number, pi, pointwise, sin


def _good(*angles: Number, lengths: tuple[Number, ...] = ()) -> bool:
    return all(0 <= float(a) <= math.pi for a in angles) and all(0 <= float(n) < inf for n in lengths)


def _psi(theta: Number, margin: Any, psi: str) -> Any:
    """(-1)^k cos(m theta) - 2 k on [k pi / m, (k + 1) pi / m], or cos(m theta)."""
    if psi == "cosine":
        return cos(number(margin) * theta)
    k = 0
    while number(margin) * theta > (k + 1) * pi():
        k += 1
    return (-1) ** k * cos(number(margin) * theta) - 2 * k


@pointwise
def softmax(theta_1: Number, theta_2: Number, length: Number, length_1: Number, length_2: Number, bias: Number) -> Any:
    """|x| (|w_1| cos theta_1 - |w_2| cos theta_2) + b_1 - b_2.

    Source: liu-2017-sphereface, table 1
    """
    lengths = length, length_1, length_2
    if not (_good(theta_1, theta_2, lengths=lengths) and abs(float(bias)) < inf):
        return undefined(theta_1, theta_2, *lengths, bias)
    return length * (length_1 * cos(theta_1) - length_2 * cos(theta_2)) + bias


def l_softmax(theta_1: Any, theta_2: Any, length: Any, length_1: Any, length_2: Any, *, margin: float) -> Any:
    """|x| (|w_1| psi(theta_1) - |w_2| cos theta_2).

    Source: liu-2016-l-softmax, section 3
    """

    @pointwise
    def at(theta_1: Number, theta_2: Number, length: Number, length_1: Number, length_2: Number) -> Any:
        lengths = length, length_1, length_2
        if not _good(theta_1, theta_2, lengths=lengths):
            return undefined(theta_1, theta_2, *lengths)
        return length * (length_1 * _psi(theta_1, margin, "piecewise") - length_2 * cos(theta_2))

    return at(theta_1, theta_2, length, length_1, length_2)


def w_norm_softmax(theta_1: Any, theta_2: Any, length: Any) -> Any:
    """|x| (cos theta_1 - cos theta_2).

    Source: liu-2017-sphereface, table 1
    """
    return sphereface(theta_1, theta_2, length, margin=1.0, psi="cosine")


def sphereface(theta_1: Any, theta_2: Any, length: Any, *, margin: float, psi: str = "piecewise") -> Any:
    """|x| (psi(theta_1) - cos theta_2).

    Source: liu-2017-sphereface, table 1
    """

    @pointwise
    def at(theta_1: Number, theta_2: Number, length: Number) -> Any:
        if not _good(theta_1, theta_2, lengths=(length,)):
            return undefined(theta_1, theta_2, length)
        return length * (_psi(theta_1, margin, psi) - cos(theta_2))

    return at(theta_1, theta_2, length)


def _with_target(theta_1: Any, theta_2: Any, scale: float, target: Any) -> Any:
    @pointwise
    def at(theta_1: Number, theta_2: Number) -> Any:
        if not _good(theta_1, theta_2):
            return undefined(theta_1, theta_2)
        return scale * (target(theta_1) - cos(theta_2))

    return at(theta_1, theta_2)


def normface(theta_1: Any, theta_2: Any, *, scale: float) -> Any:
    """s (cos theta_1 - cos theta_2).

    Source: wang-2018-cosface, section 3
    """
    return _with_target(theta_1, theta_2, scale, cos)


def cosface(theta_1: Any, theta_2: Any, *, scale: float, margin: float) -> Any:
    """s (cos theta_1 - m - cos theta_2).

    Source: wang-2018-cosface, section 3
    """
    return _with_target(theta_1, theta_2, scale, lambda a: cos(a) - margin)


def arcface(theta_1: Any, theta_2: Any, *, scale: float, margin: float, boundary: str = "none") -> Any:
    """s (cos(theta_1 + m) - cos theta_2), or what the rule has beyond theta_1 = pi - m.

    Source: deng-2019-arcface, section 2
    """
    m = number(margin)

    def target(a: Number) -> Any:
        holds = boundary == "none" or m == 0 or (2 * a < pi() if boundary == "easy" else a + m < pi())
        if holds:
            return cos(a + m)
        return {"monotonic": cos(a) - m * sin(m), "clip": Number(-1)}.get(boundary, cos(a))

    return _with_target(theta_1, theta_2, scale, target)


def combined_margin(theta_1: Any, theta_2: Any, *, scale: float, m1: float, m2: float, m3: float) -> Any:
    """s (cos(m1 theta_1 + m2) - m3 - cos theta_2).

    Source: deng-2019-arcface, eq. 4
    """
    return _with_target(theta_1, theta_2, scale, lambda a: cos(m1 * a + m2) - m3)


def circle(theta_1: Any, theta_2: Any, *, gamma: float, margin: float) -> Any:
    """gamma (alpha_p (s_p - Delta_p) - alpha_n (s_n - Delta_n)), s the cosines.

    Source: sun-2020, eq. 9
    """
    m = number(margin)

    @pointwise
    def at(theta_1: Number, theta_2: Number) -> Any:
        if not _good(theta_1, theta_2):
            return undefined(theta_1, theta_2)
        s_p, s_n = cos(theta_1), cos(theta_2)
        of_p, of_n = 1 + m - s_p, s_n + m
        negative = of_n * (s_n - m) if of_n > 0 else 0 * s_n
        return gamma * (of_p * (s_p - (1 - m)) - negative)

    return at(theta_1, theta_2)


def _draw(
    rng: np.random.Generator, root: Any, options: Any, defaults: dict[str, float], lengths: tuple[str, ...] = ()
) -> Iterator[Draw]:
    """Angles of all sizes, at the ends and next to them, on both sides of the boundary ``theta_2 = root(...)``."""

    def constants(i: int) -> dict[str, Any]:
        """Every third case has the defaults."""
        return options(i, np.random.default_rng(i)) if i % 3 else {}

    def draw(a: float, b: float, i: int, sizes: tuple[float, float] = (0.1, 30.0), **keywords: Any) -> Draw:
        given = {"theta_1": a, "theta_2": b}
        for name in lengths:
            value = decades(rng, *sizes)
            given[name] = value * float(rng.choice([-1.0, 1.0])) if name == "bias" else value
        if keywords.get("difficulty", 1) == 1:
            given = {name: short(value) for name, value in given.items()}
        return Draw(given | keywords.pop("changes", {}), constants(i), **keywords)

    for i in range(70):
        yield draw(*map(float, rng.uniform(0, 3.1, size=2)), i)
    for i in range(40):
        a = float(rng.uniform(0, np.pi))
        yield draw(a, float(rng.uniform(0, np.pi)), i, (1e-6, 1e6), difficulty=2)
    for i in range(50):
        a = decades(rng, 1e-9, np.pi) if i % 2 else np.pi - decades(rng, 1e-9, 3)
        b = root(a, defaults | constants(i)) + float(rng.choice([-1.0, 1.0])) * decades(rng, 1e-14, 1e-2)
        yield draw(a, float(np.clip(b, 0, np.pi)), i, flags=("NEAR_ROOT", "CANCELLATION"), difficulty=4)
    for i in range(36):
        near_0, near_pi = (lambda: decades(rng, 1e-12, 1e-3)), (lambda: np.pi - decades(rng, 1e-12, 1e-3))
        a, b = ((near_0, near_0), (near_pi, near_pi), (near_0, near_pi), (near_pi, near_0))[i % 4]
        yield draw(a(), b(), i, flags=("CANCELLATION", "BEYOND_PI_MINUS_M"), difficulty=3)
    for i, (a, b) in enumerate([(0.0, np.pi), (np.pi, 0.0), (0.0, 1.0), (np.pi, 1.0), (1.0, 0.0), (1.0, np.pi)]):
        yield draw(a, b, i, flags=("ACOS_AT_ONE",), difficulty=3)
    for i, (a, b) in enumerate([(5e-324, 1.0), (1e-300, 2.0), (1.0, 5e-324)]):
        yield draw(a, b, i, flags=("SUBNORMAL",), difficulty=5)
    for i, (a, b) in enumerate([(-0.25, 1.0), (3.25, 1.0), (1.0, -0.25), (1.0, 3.25), (math.nan, 1.0), (1.0, inf)]):
        yield draw(a, b, i, result="invalid")
    for i, name in enumerate(n for n in lengths if n != "bias"):
        yield draw(1.0, 2.0, i, result="invalid", changes={name: -1.0})
        yield draw(1.0, 2.0, i, result="invalid", changes={name: inf})
        yield draw(1.0, 2.0, i, changes={name: 0.0})
    for i in range(3):
        a, b = short(rng.uniform(0.1, 3, size=(2, 1))), short(rng.uniform(0.1, 3, size=3))
        given = {"theta_1": a, "theta_2": b} | {n: short(rng.uniform(0.5, 2, size=3)) for n in lengths}
        yield Draw(given, constants(i), flags=("BROADCAST",))


def _scales(i: int) -> float:
    return (64.0, 30.0, 1.0, 0.125)[i % 4]


def _of_psi(a: float, constants: dict[str, Any]) -> float:
    return min(constants.get("margin", 1.0) * a, math.pi)


def _of_cosine(a: float, constants: dict[str, Any]) -> float:
    value = math.cos(constants.get("m1", 1.0) * a + constants.get("m2", 0.0))
    return math.acos(min(max(value - constants.get("m3", constants.get("margin", 0.0)), -1.0), 1.0))


def _of_circle(a: float, constants: dict[str, Any]) -> float:
    return math.acos(min(math.sqrt(max(2 * constants["margin"] ** 2 - (1 - math.cos(a)) ** 2, 0.0)), 1.0))


def _margins(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {"margin": (4.0, 2.0, 3.0, 1.0, short(float(rng.uniform(1, 5))), 1.75, 1.35)[i % 7]}


def draw_softmax(rng: np.random.Generator) -> Iterator[Draw]:
    names = ("length", "length_1", "length_2", "bias")
    yield from _draw(rng, _of_psi, lambda i, rng: {}, {}, names)
    yield Draw(dict.fromkeys(("theta_1", "theta_2", *names[:3]), 1.0) | {"bias": inf}, result="invalid")


def draw_l_softmax(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw(rng, _of_psi, _margins, {"margin": 4.0}, ("length", "length_1", "length_2"))


def draw_w_norm_softmax(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw(rng, _of_psi, lambda i, rng: {}, {}, ("length",))


def draw_sphereface(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return _margins(i, rng) | {"psi": "cosine" if i % 5 == 1 else "piecewise"}

    yield from _draw(rng, _of_psi, options, {"margin": 4.0}, ("length",))
    for margin in (2.0, 3.0, 4.0, 2.5):  # where two pieces meet, and next to it
        for gap in (-1e-3, -1e-9, 1e-9, 1e-3):
            a = math.pi / margin + gap
            given = {"theta_1": a, "theta_2": math.pi - abs(gap), "length": 1.5}
            yield Draw(given, {"margin": margin, "psi": "piecewise"}, flags=("WRONG_BRANCH", "NEAR_ROOT"), difficulty=4)


def draw_normface(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw(rng, _of_psi, lambda i, rng: {"scale": _scales(i)}, {})


def draw_cosface(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"scale": _scales(i), "margin": (0.35, 0.5, 0.0, 0.25, 2.0)[i % 5]}

    yield from _draw(rng, _of_cosine, options, {"margin": 0.35})


def draw_arcface(rng: np.random.Generator) -> Iterator[Draw]:
    rules = ("none", "monotonic", "easy", "clip", "identity")

    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"scale": _scales(i), "margin": (0.5, 0.25, 1.0, 0.0, 3.0, 0.5, 0.35)[i % 7], "boundary": rules[i % 5]}

    yield from _draw(rng, lambda a, constants: a + constants["margin"], options, {"margin": 0.5})
    for rule in rules:
        for a in (math.pi - 0.5 - 1e-9, math.pi - 0.5 + 1e-9, math.pi / 2 - 1e-9, math.pi / 2 + 1e-9):
            constants = {"scale": 64.0, "margin": 0.5, "boundary": rule}
            yield Draw({"theta_1": a, "theta_2": 1.5}, constants, flags=("WRONG_BRANCH",), difficulty=3)


def draw_combined_margin(rng: np.random.Generator) -> Iterator[Draw]:
    published = (
        (1.0, 0.3, 0.2),
        (0.9, 0.4, 0.15),
        (1.0, 0.5, 0.0),
        (1.0, 0.0, 0.35),
        (1.35, 0.0, 0.0),
        (4.0, -0.5, 0.1),
    )

    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"scale": _scales(i)} | dict(zip(("m1", "m2", "m3"), published[i % 6], strict=True))

    yield from _draw(rng, _of_cosine, options, {"m2": 0.5})


def draw_circle(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"gamma": (256.0, 80.0, 1.0)[i % 3], "margin": (0.25, 0.4, 0.125, 0.0)[i % 4]}

    yield from _draw(rng, _of_circle, options, {"margin": 0.25})
    for gap in (1e-3, 1e-9, -1e-9, -1e-3):  # where the weight of the negative becomes 0
        given = {"theta_1": 0.75, "theta_2": math.acos(-0.25) + gap}
        yield Draw(given, {"gamma": 80.0, "margin": 0.25}, flags=("WRONG_BRANCH",), difficulty=3)
