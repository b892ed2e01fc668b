"""The Poisson distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import around, count, is_nan
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, lgamma, log, pointwise, stated


@pointwise
def log_prob(k: Number, rate: Number) -> Any:
    """k log(rate) - rate - log k!, 0 log 0 = 0; at rate 0 the slope from inside.

    Source: loader-2000
    """
    if is_nan(k) or not 0 <= rate < inf:
        return stated(nan, (rate, nan))
    if not count(k):
        return stated(-inf, (rate, 0))
    if k == 0:
        return -rate
    return k * log(rate) - rate - lgamma(k + 1) if rate > 0 else stated(-inf, (rate, inf))


@pointwise
def zero_slope(k: Number, rate: Number) -> Any:
    """The convention that an impossible event has no slope."""
    return stated(-inf, (rate, 0))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        rate = short(decades(rng, 0.05, 40))
        yield Draw({"k": around(rng, rate, rate**0.5 + 1), "rate": rate})
    for low, high, flags in ((1e-3, 1e5, ()), (1e5, 1e15, ("HUGE_PARAMETER", "CANCELLATION"))):
        for _ in range(45):
            rate = decades(rng, low, high)
            yield Draw({"k": around(rng, rate, rate**0.5), "rate": rate}, flags=flags, difficulty=4)
    for _ in range(30):  # tails
        k, rate = int(decades(rng, 1, 1e15)), decades(rng, 1e-300, 1e15)
        yield Draw({"k": k, "rate": rate}, difficulty=3)
    for rate in (1e-300, 1e-310, 5e-324, 1e-20):
        for k in (0, 1, 7):
            flags = ("SUBNORMAL",) if rate < 1e-307 else ("TINY_P",)
            yield Draw({"k": k, "rate": rate}, flags=flags, difficulty=3)
    for side in (0.5, 1.5, 2.0):  # deviations of half the mean, where a series ends
        for k in (1, 2, 7, 8, 15, 16, 40, 10**6):
            for near in (np.nextafter(side, 0), side):
                yield Draw({"k": k, "rate": float(near) * k}, flags=("WRONG_BRANCH",), difficulty=3)
    yield Draw({"k": 0, "rate": 0.0}, flags=("ZERO_LOG_ZERO",))
    for k in (1, 5):
        conventions = {"zero_slope": zero_slope}
        flags = ("ZERO_LOG_ZERO", "AMBIGUOUS_CONVENTION")
        yield Draw({"k": k, "rate": 0.0}, flags=flags, result="ambiguous", alternatives=conventions)
    for k in (-1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "rate": 2.5}, flags=("OUT_OF_SUPPORT",))
    for k, rate in ((1, -0.5), (1, inf), (1, nan), (nan, 0.5), (-1, -1.0)):
        yield Draw({"k": k, "rate": rate}, result="invalid")
    yield Draw({"k": np.array([[0], [1], [30]]), "rate": np.array([0.25, 12.0, 1e4])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 3, 1]), "rate": np.array(0.625)}, flags=("BROADCAST",))
