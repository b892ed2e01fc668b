"""The regularised incomplete gamma functions as integrals of the gamma density."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact import incomplete
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, pointwise, stated


@pointwise
def regularized_gamma_p(a: Number, x: Number) -> Any:
    """The integral of t^(a-1) e^-t / Gamma(a) from 0 to x.

    Source: nist-dlmf, 8.2.4
    """
    if not _valid(a, x):
        return stated(nan, (a, nan), (x, nan))
    if x == 0:
        return stated(0.0, (a, 0), (x, _density_at_zero(a)))
    return stated(1.0, (a, 0), (x, 0)) if x.stated else incomplete.gamma_p(a, x)


@pointwise
def regularized_gamma_q(a: Number, x: Number) -> Any:
    """The integral of t^(a-1) e^-t / Gamma(a) from x on.

    Source: nist-dlmf, 8.2.4
    """
    if not _valid(a, x):
        return stated(nan, (a, nan), (x, nan))
    if x == 0:
        return stated(1.0, (a, 0), (x, -_density_at_zero(a)))
    return stated(0.0, (a, 0), (x, 0)) if x.stated else incomplete.gamma_q(a, x)


@pointwise
def log_regularized_gamma_p(a: Number, x: Number) -> Any:
    """The logarithm of P(a, x).

    Source: nist-dlmf, 8.2.4
    """
    if not _valid(a, x):
        return stated(nan, (a, nan), (x, nan))
    if x == 0:
        return stated(-inf, (a, -inf), (x, inf))
    return stated(0.0, (a, 0), (x, 0)) if x.stated else incomplete.log_gamma_p(a, x)


@pointwise
def log_regularized_gamma_q(a: Number, x: Number) -> Any:
    """The logarithm of Q(a, x).

    Source: nist-dlmf, 8.2.4
    """
    if not _valid(a, x):
        return stated(nan, (a, nan), (x, nan))
    if x == 0:
        return stated(0.0, (a, 0), (x, -_density_at_zero(a)))
    return stated(-inf, (a, 0), (x, 0)) if x.stated else incomplete.log_gamma_q(a, x)


def _valid(a: Number, x: Number) -> bool:
    return 0 < a < inf and x >= 0


def _density_at_zero(a: Number) -> float:
    return inf if a < 1 else float(a == 1)


def _draw(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        yield Draw({"a": short(decades(rng, 0.1, 30)), "x": short(decades(rng, 0.1, 40))})
    for low, high, count, flags in (
        (1e-3, 1.0, 25, ()),
        (1.0, 1e4, 35, ()),
        (1e5, 1e10, 25, ("HUGE_PARAMETER", "CANCELLATION")),
        (1e10, 1e15, 15, ("HUGE_PARAMETER", "CANCELLATION")),
    ):
        for _ in range(count):  # within a few standard deviations
            a = decades(rng, low, high)
            x = float(abs(a + math.sqrt(a) * rng.normal() * 2))
            yield Draw({"a": a, "x": x}, flags=flags, difficulty=4 if flags else 2)
    for _ in range(20):  # tails
        a = decades(rng, 1e-2, 1e9)
        yield Draw({"a": a, "x": a * decades(rng, 1e-6, 0.9)}, difficulty=3)
        a = decades(rng, 1e-2, 1e9)
        yield Draw({"a": a, "x": a * decades(rng, 1.1, 1e3)}, difficulty=3)
    for _ in range(15):  # tiny shapes: 1 - P is of the size of a
        yield Draw({"a": decades(rng, 1e-12, 1e-2), "x": decades(rng, 1e-12, 30)}, flags=("NEAR_POLE",), difficulty=4)
    for switch in (0.5, 1.0, 8.0, 20.0, 200.0):  # where the algorithms of libraries change over
        for a in (np.nextafter(switch, 0), switch, np.nextafter(switch, 999)):
            yield Draw({"a": float(a), "x": switch}, flags=("WRONG_BRANCH",), difficulty=3)
    for a in (0.25, 1.0, 3.0):
        for x in (5e-324, 1e-310, 1e-300):
            yield Draw({"a": a, "x": x}, flags=("SUBNORMAL",), difficulty=5)
        for x in (0.0, inf):
            yield Draw({"a": a, "x": x}, flags=("SUPPORT_EDGE",))
    for a, x in ((-1.0, 2.0), (0.0, 1.0), (2.0, -0.5), (nan, 1.0), (1.0, nan), (inf, 1.0), (0.0, 0.0), (-1.0, inf)):
        yield Draw({"a": a, "x": x}, result="invalid")
    yield Draw({"a": np.array([[0.5], [40.0], [3e7]]), "x": np.array([0.25, 2.0, 40.5, 3e7])}, flags=("BROADCAST",))


draw_regularized_gamma_p = draw_regularized_gamma_q = _draw
draw_log_regularized_gamma_p = draw_log_regularized_gamma_q = _draw
