"""Loader's deviance, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, log, pointwise, stated

RANGES = {"k": (1e-300, 1e300), "mean": (1e-300, 1e300)}


@pointwise
def binomial_deviance(k: Number, mean: Number) -> Any:
    """k log(k / m) + m - k.

    Source: loader-2000, section 3
    """
    if not (k >= 0 and mean > 0):
        return stated(nan, (k, nan), (mean, nan))
    if k == 0:
        return stated(mean.ball, (k, -inf), (mean, 1))
    return k * log(k / mean) + mean - k


def draw_binomial_deviance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"k": Interval(0, closed=True), "mean": Interval(0)}, None, RANGES, count=160)
    for _ in range(30):
        m = decades(rng, 1e-3, 1e15)
        gap = 1 + rng.choice([-1, 1]) * decades(rng, 1e-15, 0.3)
        yield Draw({"k": m * gap, "mean": m}, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for m in (4.0, 1e10):
        for ratio in (2 / 3, 2.0, 0.5, 1.5):  # where a series ends
            for near in (np.nextafter(ratio, 0), ratio, np.nextafter(ratio, 9)):
                yield Draw({"k": float(near) * m, "mean": m}, flags=("WRONG_BRANCH",), difficulty=3)
    for k, m in ((0.0, 2.5), (0.0, 1e300), (7.0, 7.0), (5e-324, 1.0), (1.0, 1e-310)):
        yield Draw({"k": k, "mean": m}, flags=("SUPPORT_EDGE",))
