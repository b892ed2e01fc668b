"""The negative binomial distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan, sqrt
from typing import Any

import numpy as np

from validation.exact.distributions._counts import around, count, is_nan, positive, times_log, unit
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, digamma, lgamma, log, pointwise, stated


@pointwise
def log_prob(k: Number, r: Number, p: Number) -> Any:
    """log Gamma(k + r) - log k! - log Gamma(r) + r log(1 - p) + k log p; at p = 0 and 1 the limits from inside.

    Source: johnson-kemp-kotz-2005, 5.1
    """
    if is_nan(k) or not (positive(r) and unit(p)):
        return stated(nan, (r, nan), (p, nan))
    if not count(k):
        return stated(-inf, (r, 0), (p, 0))
    if p == 1:
        return stated(-inf, (r, -inf), (p, -inf))
    if p == 0 and k > 0:
        return stated(-inf, (r, digamma(k + r) - digamma(r)), (p, inf))
    return lgamma(k + r) - lgamma(k + 1) - lgamma(r) + r * log(1 - p) + times_log(k, p)


@pointwise
def failures(k: Number, r: Number, p: Number) -> Any:
    """The convention that p multiplies r."""
    return log_prob(k, r, 1 - p)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    other = {"p_multiplies_r": failures}
    for _ in range(60):
        draw = _typical(rng, short(decades(rng, 0.1, 50)), short(rng.uniform(0.02, 0.98)))
        yield Draw(draw, flags=("AMBIGUOUS_CONVENTION",), result="ambiguous", alternatives=other)
    for _ in range(40):
        yield Draw(_typical(rng, decades(rng, 1e-3, 1e4), rng.uniform(1e-3, 0.999)), difficulty=2)
    for _ in range(40):
        draw = _typical(rng, decades(rng, 1e5, 1e15), rng.uniform(1e-3, 0.9))
        yield Draw(draw, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(20):  # nearly Poisson
        r = decades(rng, 1e6, 1e15)
        yield Draw(_typical(rng, r, decades(rng, 0.01, 100) / r), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(20):  # nearly the log series
        draw = {"k": int(decades(rng, 1, 1e9)), "r": decades(rng, 1e-300, 1e-3), "p": rng.uniform()}
        yield Draw(draw, flags=("NEAR_POLE",), difficulty=4)
    for _ in range(30):  # tails
        draw = {"k": int(decades(rng, 1, 1e15)), "r": decades(rng, 1e-6, 1e15), "p": decades(rng, 1e-12, 1)}
        yield Draw(draw, difficulty=3)
    for p in (1e-20, 1e-300, 1e-310, 5e-324, 2.0**-53, 1 - 2.0**-53, 1 - 2.0**-24):
        for k, r in ((0, 2.5), (1, 0.5), (10, 8.0)):
            flags = ("SUBNORMAL", "TINY_P") if p < 1e-307 else ("SATURATION",)
            yield Draw({"k": k, "r": r, "p": p}, flags=flags, difficulty=3)
    for r in (5e-324, 1e-310):
        for k in (0, 1, 5):
            yield Draw({"k": k, "r": r, "p": 0.375}, flags=("SUBNORMAL",), difficulty=5)
    for k, r, p in ((0, 2.5, 0.0), (3, 2.5, 0.0), (0, 2.5, 1.0), (3, 2.5, 1.0)):
        yield Draw({"k": k, "r": r, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k in (-1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "r": 1.5, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    for k, r, p in (
        (1, 2, -0.5),
        (1, 2, 1.5),
        (1, 2, nan),
        (1, 0.0, 0.5),
        (1, -1.0, 0.5),
        (1, nan, 0.5),
        (nan, 2, 0.5),
    ):
        yield Draw({"k": k, "r": float(r), "p": p}, result="invalid")
    yield Draw({"k": 1, "r": inf, "p": 0.5}, result="invalid")
    rates = np.array([[0.5], [40.0], [1e9]])
    yield Draw({"k": np.array([0, 1, 30]), "r": rates, "p": np.array(0.625)}, flags=("BROADCAST",))
    yield Draw({"k": 3.0, "r": np.array([3.0, 11.0]), "p": np.array([[0.25], [0.5]])}, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, r: float, p: float) -> dict[str, Any]:
    return {"k": around(rng, r * p / (1 - p), sqrt(r * p) / (1 - p)), "r": r, "p": float(p)}
