"""The logarithm of the mean of two exponentials."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, exp, log, pointwise, stated


@pointwise
def log_cosh(x: Number) -> Any:
    """log cosh x = log((exp(x) + exp(-x)) / 2).

    Source: nist-dlmf, 4.28.2
    """
    if x.stated:
        value = float(x)
        return stated(abs(value), (x, nan if value != value else np.sign(value)))
    return log((exp(x) + exp(-x)) / 2)


def draw_log_cosh(rng: np.random.Generator) -> Iterator[Draw]:
    sign = (-1.0, 1.0)
    for _ in range(80):
        yield Draw({"x": short(rng.choice(sign) * decades(rng, 1e-2, 50))})
    for _ in range(60):
        yield Draw({"x": rng.choice(sign) * decades(rng, 1e-8, 1e4)}, difficulty=2)
    for _ in range(40):  # the value is x^2 / 2, and 1 + x^2 / 2 holds none of its digits
        x = rng.choice(sign) * decades(rng, 1e-150, 1e-8)
        yield Draw({"x": x}, flags=("NEAR_ROOT",), difficulty=4)
    for _ in range(20):
        x = rng.choice(sign) * decades(rng, 710, 1e300)
        yield Draw({"x": x}, flags=("HUGE_PARAMETER",), difficulty=3)
    for switch in (0.5, 1.0):  # where the kernel and the reference change over
        for x in (np.nextafter(switch, 0), switch, np.nextafter(switch, 2)):
            yield Draw({"x": float(x)}, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (0.0, inf, -inf):
        yield Draw({"x": x})
    yield Draw({"x": nan}, result="undefined")
