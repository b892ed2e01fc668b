"""The beta function as the quotient of gammas that defines it."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, lgamma, pointwise, stated


@pointwise
def log_beta(a: Number, b: Number) -> Any:
    """log B(a, b) = log Gamma(a) + log Gamma(b) - log Gamma(a + b).

    Source: nist-dlmf, 5.12.1
    """
    if not (a > 0 and b > 0):
        return stated(nan, (a, nan), (b, nan))
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def draw_log_beta(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        yield Draw({"a": short(decades(rng, 0.05, 50)), "b": short(decades(rng, 0.05, 50))})
    for _ in range(60):
        yield Draw({"a": decades(rng, 1e-3, 1e4), "b": decades(rng, 1e-3, 1e4)}, difficulty=2)
    for _ in range(40):
        yield Draw(
            {"a": decades(rng, 1e5, 1e15), "b": decades(rng, 1e5, 1e15)}, flags=("HUGE_PARAMETER",), difficulty=4
        )
    for _ in range(30):
        yield Draw({"a": decades(rng, 1e-300, 1e300), "b": decades(rng, 1e-300, 1e300)}, difficulty=5)
    for _ in range(12):  # lgamma vanishes at 1 and 2
        a, b = (rng.choice([1.0, 2.0]) + rng.choice([-1, 1]) * decades(rng, 1e-15, 1e-3) for _ in range(2))
        yield Draw({"a": a, "b": b}, flags=("NEAR_ROOT",), difficulty=4)
    for switch in (8.0, 10.0, 12.0, 15.0):  # where the algorithms of libraries change over
        for near in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw({"a": float(near), "b": decades(rng, 0.1, 1e6)}, flags=("WRONG_BRANCH",), difficulty=3)
    for a, b in ((9.0, 0.5), (1.0, 1.0), (1e-20, 1e20), (5e-324, 1.0), (1e-310, 1e-310), (1e15, 1.0)):
        yield Draw({"a": a, "b": b}, flags=("SUBNORMAL",) if a < 1e-307 else ("HUGE_PARAMETER",), difficulty=4)
    for a, b in ((-1.0, 2.0), (0.0, 1.0), (2.0, -0.5), (nan, 1.0)):
        yield Draw({"a": a, "b": b}, result="invalid")
    yield Draw({"a": np.array([[0.5], [40.0], [3e7]]), "b": np.array([0.25, 2.0, 1e9, 11.5])}, flags=("BROADCAST",))
