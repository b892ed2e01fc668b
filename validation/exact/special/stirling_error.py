"""The error of Stirling's formula, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.draws import Draw, distinct, near_points, spread
from validation.exact.number import Number, lgamma, log, number, pi, pointwise, stated


@pointwise
def stirling_error(x: Number) -> Any:
    """log Gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2.

    Source: nist-dlmf, 5.11.1
    """
    if not x > 0:
        return stated(nan, (x, nan))
    return lgamma(x) - (x - number(0.5)) * log(x) + x - log(2 * pi()) / 2


def draw_stirling_error(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(
        spread(rng, {"x": Interval(0)}, count=190),
        near_points(rng, "x", (), (0.35, 0.75, 1.0, 8.0, 12.0, 15.0, 35.0)),
    )
