"""The logarithm of the gamma function, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact import number
from validation.exact.draws import Draw, distinct, near_points, spread
from validation.exact.number import Number, pointwise, stated


@pointwise
def lgamma(x: Number) -> Any:
    """log Gamma(x).

    Source: nist-dlmf, 5.2.1
    """
    return number.lgamma(x) if x > 0 else stated(nan, (x, nan))


def draw_lgamma(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(
        spread(rng, {"x": Interval(0)}, count=190),
        near_points(rng, "x", (1.0, 2.0), (0.5, 1.5, 2.5, 3.5, 8.0, 13.0)),
    )
