"""A difference of digammas, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, digamma, pointwise, stated


@pointwise
def digamma_difference(x: Number, d: Number) -> Any:
    """psi(x + d) - psi(x).

    Source: nist-dlmf, 5.7.6
    """
    if not (x > 0 and d >= 0):
        return stated(nan, (x, nan), (d, nan))
    return digamma(x + d) - digamma(x)


def draw_digamma_difference(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        yield Draw({"x": short(decades(rng, 0.05, 50)), "d": short(decades(rng, 0.05, 50))})
    for _ in range(60):
        yield Draw({"x": decades(rng, 1e-3, 1e4), "d": decades(rng, 1e-6, 1e4)}, difficulty=2)
    for _ in range(40):
        yield Draw({"x": decades(rng, 1e5, 1e15), "d": decades(rng, 1e-3, 1e3)}, flags=("CANCELLATION",), difficulty=4)
    for _ in range(20):
        yield Draw({"x": decades(rng, 1, 100), "d": decades(rng, 1e12, 1e15)}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(25):
        yield Draw({"x": decades(rng, 1e-300, 1e300), "d": decades(rng, 1e-300, 1e300)}, difficulty=5)
    for _ in range(10):
        root = 1.4616321449683623 + rng.choice([-1, 1]) * decades(rng, 1e-15, 1e-3)
        yield Draw({"x": root, "d": decades(rng, 1e-15, 1.0)}, flags=("NEAR_ROOT",), difficulty=4)
    for switch in (8.0, 10.0, 12.0):
        for near in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw({"x": float(near), "d": decades(rng, 1e-3, 1e3)}, flags=("WRONG_BRANCH",), difficulty=3)
    yield Draw({"x": 2.5, "d": 0.0}, flags=("CANCELLATION",))
    yield Draw({"x": 1e-300, "d": 1e300}, difficulty=5, flags=("NEAR_POLE",))
    for x, d in ((-1.0, 2.0), (0.0, 1.0), (2.0, -0.5), (nan, 1.0)):
        yield Draw({"x": x, "d": d}, result="invalid")
    yield Draw({"x": np.array([[0.5], [40.0], [3e7]]), "d": np.array([0.25, 2.0, 1e9, 11.5])}, flags=("BROADCAST",))
