"""Digamma, as it is written."""

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
def digamma(x: Number) -> Any:
    """psi(x).

    Source: nist-dlmf, 5.2.2
    """
    return number.digamma(x) if x > 0 else stated(nan, (x, nan))


def draw_digamma(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(
        spread(rng, {"x": Interval(0)}, count=190),
        near_points(rng, "x", (1.4616321449683623,), (1.0, 2.0, 10.0, 12.0)),
    )
