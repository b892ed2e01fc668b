"""The von Mises density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan, pi
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact import number
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, bessel_i, cos, hypergeometric_0f1, log, pointwise, stated

RANGES = {"x": (1e-300, 1e15), "loc": (1e-300, 1e15), "concentration": (1e-300, 1e15)}


def near(rng: np.random.Generator, loc: float, concentration: float) -> float:
    """An angle within a few standard deviations of the mode, some whole turns away."""
    return loc + min(pi, 3 / concentration**0.5) * float(rng.normal()) + 2 * pi * int(rng.integers(-1, 2))


@pointwise
def log_prob(x: Number, loc: Number, concentration: Number) -> Any:
    """kappa cos(x - mu) - log(2 pi I_0(kappa)).

    Source: mardia-jupp-2000, eq. 3.5.17
    """
    if x.stated or loc.stated or not 0 <= concentration < inf:
        return stated(nan, (x, nan), (loc, nan), (concentration, nan))
    return concentration * cos(x - loc) - log(2 * number.pi() * bessel_0(concentration))


def bessel_0(concentration: Number) -> Any:
    """I_0, also at 0."""
    if concentration > 0:
        return bessel_i(0, concentration)
    return hypergeometric_0f1(1, concentration * concentration / 4)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"x": Interval(), "loc": Interval(), "concentration": Interval(0, closed=True)}
    yield from spread(rng, domains, near, RANGES, count=150)
    for switch in (7.75, 8.0, 16.0, 30.0, 32.0, 100.0, 700.0):  # where the algorithms of libraries change over
        for k in (np.nextafter(switch, 0), switch, np.nextafter(switch, 999)):
            draw = {"x": float(rng.normal()), "loc": float(rng.normal()), "concentration": float(k)}
            yield Draw(draw, flags=("WRONG_BRANCH",), difficulty=3)
    for _ in range(20):  # next to the mode, where a large concentration cancels
        k, loc = decades(rng, 1.0, 1e15), float(rng.normal())
        x = loc + float(rng.normal()) / k**0.5
        yield Draw({"x": x, "loc": loc, "concentration": k}, flags=("CANCELLATION",), difficulty=4)
    for x, loc, k in ((1.5, 0.25, 0.0), (-2.0, 1e9, 0.0), (3.0, 3.0, 1e15), (0.0, 0.0, 5e-324), (pi, 0.0, 1e300)):
        yield Draw({"x": x, "loc": loc, "concentration": k}, flags=("SATURATION",), difficulty=3)
    for x, loc, k in ((inf, 0.0, 1.0), (0.5, -inf, 1.0), (0.5, 0.25, inf)):
        yield Draw({"x": x, "loc": loc, "concentration": k}, result="invalid")
