"""The geometric distribution of the failures before the first success, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import count, is_nan, times_log, unit
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, log, pointwise, stated


@pointwise
def log_prob(k: Number, p: Number) -> Any:
    """k log(1 - p) + log p, 0 log 0 = 0; at 0 and 1 the limits from inside.

    Source: feller-1968, VI.8
    """
    if is_nan(k, p) or not unit(p):
        return stated(nan, (p, nan))
    if not count(k):
        return stated(-inf, (p, 0))
    if p == 0:
        return stated(-inf, (p, inf))
    if p == 1 and k > 0:
        return stated(-inf, (p, -inf))
    return log(p) + times_log(k, 1 - p)


@pointwise
def trials(k: Number, p: Number) -> Any:
    """The convention that the trial of the success is counted as well."""
    return log_prob(k - 1, p)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    other = {"trials": trials}
    for _ in range(70):
        p = short(rng.uniform(0.01, 0.99))
        k = int(rng.geometric(p)) - 1
        yield Draw({"k": k, "p": p}, flags=("AMBIGUOUS_CONVENTION",), result="ambiguous", alternatives=other)
    for _ in range(60):
        p = decades(rng, 1e-15, 1)
        yield Draw({"k": int(rng.exponential() / p), "p": p}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(40):  # next to the mean, where the slope vanishes
        p = decades(rng, 1e-14, 0.5)
        k = round((1 - p) / p) + int(rng.integers(-1, 2))
        yield Draw({"k": k, "p": p}, flags=("CANCELLATION",), difficulty=4)
    for p in (1e-20, 1e-300, 1e-310, 5e-324, 2.0**-53, 1 - 2.0**-53, 1 - 2.0**-24):
        for k in (0, 1, 10, 10**15):
            flags = ("SUBNORMAL", "TINY_P") if p < 1e-307 else ("SATURATION",)
            yield Draw({"k": k, "p": p}, flags=flags, difficulty=3)
    for k, p in ((0, 1.0), (0, 0.0), (3, 0.0), (3, 1.0)):
        yield Draw({"k": k, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k in (-1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    for k, p in ((1, -0.5), (1, 1.5), (0, nan), (nan, 0.5), (0.5, nan)):
        yield Draw({"k": k, "p": p}, result="invalid")
    yield Draw({"k": np.array([[0], [1], [30]]), "p": np.array([0.25, 0.5, 0.75])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 1, 1]), "p": np.array(0.625)}, flags=("BROADCAST",))
