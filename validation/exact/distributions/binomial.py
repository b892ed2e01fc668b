"""The binomial probability as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, lgamma, log, number, pointwise, stated


@pointwise
def log_prob(k: Number, n: Number, p: Number) -> Any:
    """log n! - log k! - log (n - k)! + k log p + (n - k) log(1 - p), 0 log 0 = 0; at 0 and 1 the slope from inside.

    Source: loader-2000
    """
    if not (0 <= p <= 1 and _whole(n) and n >= 0) or math.isnan(float(k)):
        return stated(nan, (p, nan))
    if not (_whole(k) and 0 <= k <= n):
        return stated(-inf, (p, 0))
    if p == 0:
        return stated(0.0, (p, -n)) if k == 0 else stated(-inf, (p, inf))
    if p == 1:
        return stated(0.0, (p, n)) if k == n else stated(-inf, (p, -inf))
    terms = [lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)]
    terms += [k * log(p)] if k > 0 else []
    terms += [(n - k) * log(1 - p)] if k < n else []
    return sum(terms[1:], terms[0])


def _whole(count: Number) -> bool:
    return not count.stated and count == number(math.floor(float(count)))


@pointwise
def zero_slope(k: Number, n: Number, p: Number) -> Any:
    """The convention that an impossible event has no slope."""
    return stated(-inf, (p, 0))


@pointwise
def clamped(k: Number, n: Number, p: Number) -> Any:
    """The convention that a probability of exactly 0 or 1 is moved inside by 2^-52, where it does not move on."""
    eps = number(2.0**-52)
    return Number(log_prob(k, n, eps if p == 0 else 1 - eps).ball)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(60):
        n = int(rng.integers(1, 40))
        yield Draw({"k": int(rng.integers(0, n + 1)), "n": n, "p": short(rng.uniform(0.01, 0.99))})
    for _ in range(50):
        n = int(decades(rng, 10, 1e5))
        yield Draw(_typical(rng, n, rng.uniform(1e-3, 1)), difficulty=2)
    for _ in range(50):
        n = int(decades(rng, 1e6, 1e15))
        yield Draw(_typical(rng, n, rng.uniform(1e-3, 1)), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(20):  # few of very many
        n = int(decades(rng, 1e6, 1e15))
        yield Draw(_typical(rng, n, decades(rng, 0.01, 100) / n), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(20):  # tails
        n = int(decades(rng, 2, 1e9))
        k = int(rng.integers(0, n + 1))
        yield Draw({"k": k, "n": n, "p": decades(rng, 1e-12, 1)}, difficulty=3)
    for p in (1e-20, 1e-100, 1e-300, 1e-310, 5e-324, 2.0**-53, 1e-8):
        for k, n in ((0, 10), (1, 10), (3, 10), (10, 10), (7, 10**15)):
            flags = ("TINY_P", "SUBNORMAL") if p < 1e-307 else ("TINY_P",)
            yield Draw({"k": k, "n": n, "p": p}, flags=flags, difficulty=3)
    for p in (1 - 2.0**-53, 1 - 2.0**-24):
        for k, n in ((0, 10), (9, 10), (10, 10), (10**15 - 7, 10**15)):
            yield Draw({"k": k, "n": n, "p": p}, flags=("SATURATION",), difficulty=3)
    for side in (0.5, 1.5):  # deviations of half the mean, where a series ends
        for k, n in ((40, 10**6), (2, 5), (700, 1000)):
            for near in (np.nextafter(side, 0), side, np.nextafter(side, 2)):
                if near * k < n:
                    yield Draw({"k": k, "n": n, "p": float(near) * k / n}, flags=("WRONG_BRANCH",), difficulty=3)
    for k, n in ((1, 2), (1, 9), (7, 8), (8, 16), (12, 25), (15, 16)):  # where tables of Stirling's error end
        yield Draw({"k": k, "n": n, "p": k / n}, flags=("WRONG_BRANCH",))
    for k, p in ((0, 0.0), (10, 1.0)):
        yield Draw({"k": k, "n": 10, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k, p in ((3, 0.0), (10, 0.0), (0, 1.0), (3, 1.0)):
        conventions = {"zero_slope": zero_slope, "clamped": clamped}
        flags = ("SATURATION", "AMBIGUOUS_CONVENTION")
        yield Draw({"k": k, "n": 10, "p": p}, flags=flags, result="ambiguous", alternatives=conventions)
    for p in (0.0, 0.25, 1.0):
        yield Draw({"k": 0, "n": 0, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k in (6, -1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "n": 5, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    yield Draw({"k": 6, "n": 5, "p": 1.0}, flags=("OUT_OF_SUPPORT",))
    for k, n, p in (
        (1, 2, -0.5),
        (1, 2, 1.5),
        (1, 2, nan),
        (1, -1, 0.5),
        (1.0, 2.5, 0.5),
        (nan, 2, 0.5),
        (1, inf, 0.5),
    ):
        yield Draw({"k": k, "n": n, "p": p}, result="invalid")
    trials = np.array([[1], [40], [10**9]])
    yield Draw({"k": np.array([0, 1, 30]), "n": trials, "p": np.array(0.625)}, flags=("BROADCAST",))
    yield Draw({"k": 3.0, "n": np.array([3.0, 11.0]), "p": np.array([[0.25], [0.5]])}, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, n: int, p: float) -> dict[str, Any]:
    """A count within a few standard deviations of the mean."""
    k = round(n * p + rng.normal() * math.sqrt(n * p * (1 - p)))
    return {"k": min(max(k, 0), n), "n": n, "p": float(p)}
