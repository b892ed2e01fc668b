"""The beta-binomial distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import (
    count,
    draw_modes,
    integers,
    is_nan,
    log_choose,
    positive,
    undefined,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, lgamma, number, pointwise, stated


@pointwise
def log_prob(k: Number, n: Number, a: Number, b: Number) -> Any:
    """log C(n, k) + log B(k + a, n - k + b) - log B(a, b).

    Source: johnson-kemp-kotz-2005, 6.2
    """
    if is_nan(k) or not (count(n) and positive(a) and positive(b)):
        return stated(nan, (a, nan), (b, nan))
    if not (count(k) and k <= n):
        return stated(-inf, (a, 0), (b, 0))
    return log_choose(n, k) + log_beta(k + a, n - k + b) - log_beta(a, b)


def log_beta(a: Number, b: Number) -> Any:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    n: Any
    for _ in range(60):
        n, a, b = int(rng.integers(1, 40)), short(decades(rng, 0.1, 50)), short(decades(rng, 0.1, 50))
        yield Draw({"k": int(rng.integers(0, n + 1)), "n": n, "a": a, "b": b})
    for _ in range(50):
        yield Draw(_typical(rng, decades(rng, 1, 1e5), decades(rng, 1e-2, 1e4), decades(rng, 1e-2, 1e4)), difficulty=2)
    for _ in range(50):
        n, a, b = (decades(rng, 1e5, 1e15) for _ in range(3))
        yield Draw(_typical(rng, n, a, b), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(25):  # nearly binomial
        n, a, b = decades(rng, 1, 1e3), decades(rng, 1e8, 1e15), decades(rng, 1e8, 1e15)
        yield Draw(_typical(rng, n, a, b), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(25):  # one shape small, the other huge
        a, b = decades(rng, 0.01, 20), decades(rng, 1e6, 1e15)
        a, b = (a, b) if rng.integers(2) else (b, a)
        yield Draw(_typical(rng, decades(rng, 1, 1e15), a, b), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(30):  # tiny shapes
        a, b = decades(rng, 1e-300, 1e-3), decades(rng, 1e-12, 1e3)
        a, b = (a, b) if rng.integers(2) else (b, a)
        yield Draw(_typical(rng, decades(rng, 1, 1e9), a, b), flags=("NEAR_POLE",), difficulty=4)
    for _ in range(30):  # tails
        n = int(decades(rng, 2, 1e12))
        draw = {"k": int(rng.integers(0, n + 1)), "n": n, "a": decades(rng, 1e-6, 1e12), "b": decades(rng, 1e-6, 1e12)}
        yield Draw(draw, difficulty=3)
    for _ in range(20):  # one outcome nearly certain: a logarithm next to 0
        n, b = int(decades(rng, 1, 1e6)), decades(rng, 1e8, 1e15)
        a = decades(rng, 1e-20, 1e-2)
        draw = {"k": 0, "n": n, "a": a, "b": b} if rng.integers(2) else {"k": n, "n": n, "a": b, "b": a}
        yield Draw(draw, flags=("NEAR_ROOT",), difficulty=4)
    for switch in (0.5, 0.75, 1.0, 10.0, 12.0):  # where the algorithms of libraries change over
        for near in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw(_typical(rng, 30, float(near), decades(rng, 0.1, 1e3)), flags=("WRONG_BRANCH",), difficulty=3)
    for k, n, a, b in ((3, 7, 5e-324, 1.0), (0, 7, 1e-310, 1e-310), (7, 7, 1e-310, 2.0), (2, 5, 1.0, 1e-310)):
        yield Draw({"k": k, "n": n, "a": a, "b": b}, flags=("SUBNORMAL",), difficulty=5)
    for k, n in ((0, 0), (0, 1), (1, 1), (5, 10)):
        yield Draw({"k": k, "n": n, "a": 1.0, "b": 1.0}, flags=("SUPPORT_EDGE",))
    for k in (6, -1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "n": 5, "a": 1.5, "b": 2.5}, flags=("OUT_OF_SUPPORT",))
    for k, n, a, b in (
        (1, 2, 0.0, 1.0),
        (1, 2, 1.0, -1.0),
        (1, 2, nan, 1.0),
        (1, 2, 1.0, inf),
        (1, -1, 1.0, 1.0),
        (1.0, 2.5, 1.0, 1.0),
        (nan, 2, 1.0, 1.0),
        (1, inf, 1.0, 1.0),
    ):
        yield Draw({"k": k, "n": n, "a": a, "b": b}, result="invalid")
    shapes = {"a": np.array([[0.5], [40.0], [3e7]]), "b": np.array([0.25, 2.0, 1e9, 11.5])}
    yield Draw({"k": np.array(3), "n": np.array(12)} | shapes, flags=("BROADCAST",))
    yield Draw({"k": np.array([[[0]], [[5]]]), "n": np.array(5)} | shapes, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, n: float, a: float, b: float) -> dict[str, Any]:
    p = float(rng.beta(a, b)) if min(a, b) > 1e-3 else float(rng.uniform() < a / (a + b))
    n = int(n)
    k = round(n * p + rng.normal() * np.sqrt(n * p * (1 - p)))
    return {"k": min(max(k, 0), n), "n": n, "a": a, "b": b}


def _valid(n: Number, a: Number, b: Number) -> bool:
    return count(n) and positive(a) and positive(b)


@pointwise
def mean(n: Number, a: Number, b: Number) -> Any:
    """n a / (a + b).

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    return number(float(n)) * a / (a + b) if _valid(n, a, b) else undefined(a, b)


@pointwise
def variance(n: Number, a: Number, b: Number) -> Any:
    """n a b (a + b + n) / ((a + b)^2 (a + b + 1)).

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    if not _valid(n, a, b):
        return undefined(a, b)
    n, s = number(float(n)), a + b
    return n * a * b * (s + n) / (s * s * (s + 1))


@integers
def mode(n: Number, a: Number, b: Number) -> int:
    """The count of the largest probability; none where two are equal.

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    if not _valid(n, a, b):
        return -1
    trials = int(float(n))
    if trials == 0:
        return 0
    if a + b <= 2:  # the probabilities fall and then rise, or do one of them
        return -1 if a == b else trials if a > b else 0
    top = (n + 1) * (a - 1) / (a + b - 2)
    k = math.floor(float(top.ball.floor().mid()))
    if 0 < k <= trials and (n + 1) * (a - 1) == k * (a + b - 2):
        return -1
    return min(max(k, 0), trials)


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    return {"n": math.ceil(decades(rng, low, high)), "a": decades(rng, low, high), "b": decades(rng, low, high)}


INVALID = ({"n": -1}, {"n": 2.5}, {"a": 0.0}, {"a": -1.0}, {"a": nan}, {"b": 0.0}, {"b": inf}, {"b": nan})


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    shapes = (0.5, 1.0, 1.5, 3.0, 0.25)
    special = [{"n": n, "a": a, "b": b} for n in (0, 1, 5) for a in shapes for b in shapes]
    yield from draw_modes(rng, point, special, INVALID)
