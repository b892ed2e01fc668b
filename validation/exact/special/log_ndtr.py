"""The logarithm of the normal distribution function, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.draws import Draw, decades, distinct, near_points, spread
from validation.exact.number import Number, erfc, hypergeometric_u, log, log1p, number, pi, pointwise, sqrt, stated

FAR = -1e4


@pointwise
def log_ndtr(x: Number) -> Any:
    """log(erfc(-x / sqrt(2)) / 2) = log(1 - erfc(x / sqrt(2)) / 2).

    Source: nist-dlmf, 7.18.11 and 7.11.5
    """
    if x != x:
        return stated(nan, (x, nan))
    if x < FAR:  # erfc(z) = exp(-z^2) U(1/2, 1/2, z^2) / sqrt(pi) underflows even balls
        return log(hypergeometric_u(0.5, 0.5, x * x / 2) / (2 * sqrt(pi()))) - x * x / 2
    z = x / sqrt(number(2))
    return log1p(-erfc(z) / 2) if x > 0 else log(erfc(-z) / 2)


def draw_log_ndtr(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(
        spread(rng, {"x": Interval()}, count=170),
        near_points(rng, "x", (0.0,), (-1.5, -1.0, 1.0, -1.4142135623730951, 8.3, 38.0, -38.0, 37.5)),
    )
    for low, high in ((1.0, 40.0), (40.0, 1e8), (1e8, 1e150)):  # the far left tail
        for _ in range(8):
            yield Draw({"x": -decades(rng, low, high)}, flags=("SATURATION", "CANCELLATION"), difficulty=4)
    for _ in range(8):
        yield Draw({"x": decades(rng, 5.0, 40.0)}, flags=("SATURATION",), difficulty=4)
