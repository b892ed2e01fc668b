"""The regularised incomplete beta function and its complement as integrals of the beta density."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact import incomplete
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, digamma, pointwise, stated


@pointwise
def regularized_beta(a: Number, b: Number, x: Number) -> Any:
    """The integral of t^(a-1) (1-t)^(b-1) / B(a, b) from 0 to x.

    Source: nist-dlmf, 8.17.2
    """
    if not _valid(a, b, x):
        return stated(nan, (a, nan), (b, nan), (x, nan))
    if x == 0 or x == 1:
        return stated(float(x), (a, 0), (b, 0), (x, _density_at(x, a, b)))
    return incomplete.beta_p(a, b, x)


@pointwise
def regularized_beta_complement(a: Number, b: Number, x: Number) -> Any:
    """The integral of t^(a-1) (1-t)^(b-1) / B(a, b) from x to 1.

    Source: nist-dlmf, 8.17.2
    """
    if not _valid(a, b, x):
        return stated(nan, (a, nan), (b, nan), (x, nan))
    if x == 0 or x == 1:
        return stated(1 - float(x), (a, 0), (b, 0), (x, -_density_at(x, a, b)))
    return incomplete.beta_q(a, b, x)


@pointwise
def log_regularized_beta(a: Number, b: Number, x: Number) -> Any:
    """The logarithm of I_x(a, b).

    Source: nist-dlmf, 8.17.2
    """
    if not _valid(a, b, x):
        return stated(nan, (a, nan), (b, nan), (x, nan))
    if x == 0:
        return stated(-inf, (a, -inf), (b, digamma(a + b) - digamma(b)), (x, inf))
    return stated(0.0, (a, 0), (b, 0), (x, _density_at(x, a, b))) if x == 1 else incomplete.log_beta_p(a, b, x)


@pointwise
def log_regularized_beta_complement(a: Number, b: Number, x: Number) -> Any:
    """The logarithm of 1 - I_x(a, b).

    Source: nist-dlmf, 8.17.2
    """
    if not _valid(a, b, x):
        return stated(nan, (a, nan), (b, nan), (x, nan))
    if x == 1:
        return stated(-inf, (a, digamma(a + b) - digamma(a)), (b, -inf), (x, -inf))
    return stated(0.0, (a, 0), (b, 0), (x, -_density_at(x, a, b))) if x == 0 else incomplete.log_beta_q(a, b, x)


def _valid(a: Number, b: Number, x: Number) -> bool:
    return 0 < a < inf and 0 < b < inf and 0 <= x <= 1


def _density_at(x: Number, a: Number, b: Number) -> Any:
    shape, other = (a, b) if x == 0 else (b, a)
    if shape == 1:
        return Number(other.ball)
    return inf if shape < 1 else 0.0


def _draw(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        a, b = short(decades(rng, 0.1, 50)), short(decades(rng, 0.1, 50))
        yield Draw({"a": a, "b": b, "x": short(rng.uniform(0.01, 0.99))})
    for low, high, count, flags in (
        (1e-2, 2.0, 20, ()),
        (1.0, 1e4, 35, ()),
        (1e5, 1e10, 25, ("HUGE_PARAMETER", "CANCELLATION")),
        (1e10, 1e15, 15, ("HUGE_PARAMETER", "CANCELLATION")),
    ):
        for _ in range(count):
            yield Draw(
                _typical(rng, decades(rng, low, high), decades(rng, low, high)),
                flags=flags,
                difficulty=4 if flags else 2,
            )
    for _ in range(15):  # one shape small, the other huge
        a, b = decades(rng, 0.01, 20), decades(rng, 1e6, 1e15)
        yield Draw(_typical(rng, *((a, b) if rng.integers(2) else (b, a))), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(25):  # tails
        x, a, b = decades(rng, 1e-12, 0.3), decades(rng, 0.1, 1e6), decades(rng, 0.1, 1e6)
        yield Draw({"a": a, "b": b, "x": x if rng.integers(2) else 1 - x}, difficulty=3)
    for _ in range(15):  # tiny shapes: one tail is of their size
        a, b = decades(rng, 1e-12, 1e-2), decades(rng, 1e-3, 1e3)
        a, b = (a, b) if rng.integers(2) else (b, a)
        yield Draw({"a": a, "b": b, "x": rng.uniform(0.01, 0.99)}, flags=("NEAR_POLE",), difficulty=4)
    for switch in (0.5, 1.0, 8.0, 40.0):  # where the algorithms of libraries change over
        for a in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw({"a": float(a), "b": switch, "x": 0.5}, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (5e-324, 1e-310, 1e-20, 2.0**-53, 1 - 2.0**-53, 1 - 2.0**-24):
        for a, b in ((0.5, 0.5), (2.5, 1.0)):
            edge = ("SUBNORMAL",) if x < 1e-307 else ("SUPPORT_EDGE",)
            yield Draw({"a": a, "b": b, "x": x}, flags=edge, difficulty=3)
    for x in (0.0, 1.0):
        for a, b in ((1.0, 8.0), (8.0, 1.0), (2.0, 3.0), (0.5, 0.25)):
            yield Draw({"a": a, "b": b, "x": x}, flags=("SUPPORT_EDGE",))
    for a, b, x in (
        (2.0, 2.0, -0.5),
        (2.0, 2.0, 1.5),
        (-1.0, 2.0, 0.5),
        (2.0, 0.0, 0.5),
        (2.0, 2.0, nan),
        (nan, 1.0, 0.5),
        (1.0, inf, 0.5),
        (0.0, 1.0, 1.0),
    ):
        yield Draw({"a": a, "b": b, "x": x}, result="invalid")
    shapes = {"a": np.array([[0.5], [40.0], [3e7]]), "b": np.array([0.25, 2.0, 1e9, 11.5])}
    yield Draw(shapes | {"x": np.array(0.375)}, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, a: float, b: float) -> dict[str, Any]:
    """A point within a few standard deviations of the mean, inside the support."""
    mean, sd = a / (a + b), np.sqrt(a / (a + b) * b / (a + b) / (a + b + 1))
    x = mean + 2 * sd * rng.normal()
    x = x if 0 < x < 1 else mean * rng.uniform(0.01, 1)
    return {"a": a, "b": b, "x": float(min(x, 1 - 2.0**-53))}


draw_regularized_beta = draw_regularized_beta_complement = _draw
draw_log_regularized_beta = draw_log_regularized_beta_complement = _draw
