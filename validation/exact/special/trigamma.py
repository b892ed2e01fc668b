"""Trigamma, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.draws import Draw, distinct, near_points, spread
from validation.exact.number import Number, pointwise, polygamma, stated


@pointwise
def trigamma(x: Number) -> Any:
    """psi'(x).

    Source: nist-dlmf, 5.15.1
    """
    return polygamma(1, x) if x > 0 else stated(nan, (x, nan))


def draw_trigamma(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(
        spread(rng, {"x": Interval(0)}, count=190),
        near_points(rng, "x", (1.0,), (10.0, 12.0, 13.0)),
    )
