"""log(1 - exp(-x)), as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, log, nan
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.draws import Draw, distinct, near_points, spread
from validation.exact.number import Number, exp, log1p, pointwise, stated


@pointwise
def log1mexp(x: Number) -> Any:
    """log(1 - exp(-x)).

    Source: machler-2012, eq. 7
    """
    if not x >= 0:
        return stated(nan, (x, nan))
    return stated(-inf, (x, inf)) if x == 0 else log1p(-exp(-x))


def draw_log1mexp(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(
        spread(rng, {"x": Interval(0, closed=True)}, count=190),
        near_points(rng, "x", (log(2),), (700.0, 709.0, 745.0)),
    )
    yield Draw({"x": 0.0}, flags=("SATURATION",))
