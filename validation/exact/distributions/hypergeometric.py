"""The hypergeometric distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np
from flint import arb

from validation.exact.distributions._counts import (
    count,
    distinct,
    draw_modes,
    draw_quantiles,
    draw_tails,
    integers,
    is_nan,
    log_choose,
    quantile,
    unit,
)
from validation.exact.draws import Draw, decades
from validation.exact.number import Number, log, log1p, number, pointwise


@pointwise
def log_prob(k: Number, population: Number, successes: Number, draws: Number) -> Any:
    """log C(K, k) + log C(N - K, n - k) - log C(N, n).

    Source: johnson-kemp-kotz-2005, 6.1
    """
    k, population, successes, draws = (number(float(x)) for x in (k, population, successes, draws))
    counts = count(population) and count(successes) and count(draws)
    if is_nan(k) or not (counts and successes <= population and draws <= population):
        return Number(nan)
    failures = population - successes
    if not (count(k) and k <= successes and k <= draws and draws - k <= failures):
        return Number(-inf)
    return log_choose(successes, k) + log_choose(failures, draws - k) - log_choose(population, draws)


@distinct
def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    population: Any
    successes: Any
    draws: Any
    for _ in range(80):
        yield Draw(_typical(rng, int(rng.integers(2, 60))))
    for _ in range(50):
        yield Draw(_typical(rng, int(decades(rng, 60, 1e6))), difficulty=2)
    for _ in range(60):
        draw = _typical(rng, int(decades(rng, 1e6, 9e15)))
        yield Draw(draw, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(30):  # few successes or few draws
        population = int(decades(rng, 1e6, 9e15))
        successes, draws = int(decades(rng, 1, 100)), int(decades(rng, 1, population))
        pair = (successes, draws) if rng.integers(2) else (draws, successes)
        yield Draw(_typical(rng, population, *pair), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(25):  # tails, and tables with an empty cell
        population = int(decades(rng, 4, 1e12))
        successes, draws = (int(rng.integers(1, population)) for _ in range(2))
        low, high = max(0, draws + successes - population), min(draws, successes)
        k = int(rng.choice([low, high, int(rng.integers(low, high + 1))]))
        arguments = {"k": k, "population": population, "successes": successes, "draws": draws}
        yield Draw(arguments, flags=("SUPPORT_EDGE",), difficulty=3)
    for population in (10**6, 10**12, 9 * 10**15):  # nearly certain: a logarithm next to 0
        for k, successes, draws in ((0, 1, 3), (0, 2, 2), (1, 1, population - 1), (2, 2, population - 3)):
            arguments = {"k": k, "population": population, "successes": successes, "draws": draws}
            yield Draw(arguments, flags=("NEAR_ROOT",), difficulty=4)
    for k, population, successes, draws in ((0, 0, 0, 0), (0, 5, 0, 3), (3, 5, 5, 3), (2, 5, 2, 5), (0, 5, 2, 0)):
        arguments = {"k": k, "population": population, "successes": successes, "draws": draws}
        yield Draw(arguments, flags=("SUPPORT_EDGE",))
    for k in (4, -1, 0.5, inf, -inf, 0):
        yield Draw({"k": k, "population": 9, "successes": 7, "draws": 3}, flags=("OUT_OF_SUPPORT",))
    for k, population, successes, draws in (
        (1, -1, 0, 0),
        (1, 5, 6, 2),
        (1, 5, 2, 6),
        (1, 5.5, 2, 2),
        (1, 5, 2.5, 2),
        (1, 5, 2, nan),
        (nan, 5, 2, 2),
        (1, inf, 2, 2),
    ):
        arguments = {"k": k, "population": population, "successes": successes, "draws": draws}
        yield Draw(arguments, result="invalid")
    table = {"successes": np.array([[3], [40], [70]]), "draws": np.array([4, 10])}
    yield Draw({"k": np.array(2), "population": np.array(100)} | table, flags=("BROADCAST",))
    yield Draw({"k": np.array([[[0]], [[3]]]), "population": np.array(10**9)} | table, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, population: int, successes: int = 0, draws: int = 0) -> dict[str, Any]:
    successes = successes or int(rng.integers(1, population))
    draws = draws or int(rng.integers(1, population))
    p = successes / population
    sd = np.sqrt(draws * p * (1 - p) * (1 - draws / population))
    k = round(draws * p + sd * rng.normal())
    low, high = max(0, draws + successes - population), min(draws, successes)
    return {"k": int(min(max(k, low), high)), "population": population, "successes": successes, "draws": draws}


def _counts(*arguments: Number) -> list[Number] | None:
    population, successes, draws = (number(float(x)) for x in arguments)
    fits = count(population) and count(successes) and count(draws)
    return [population, successes, draws] if fits and successes <= population and draws <= population else None


@pointwise
def mean(population: Number, successes: Number, draws: Number) -> Any:
    """n K / N.

    Source: johnson-kemp-kotz-2005, 6.2
    """
    found = _counts(population, successes, draws)
    if found is None:
        return Number(nan)
    return found[2] * found[1] / found[0] if found[0] > 0 else number(0)


@pointwise
def variance(population: Number, successes: Number, draws: Number) -> Any:
    """n K (N - K) (N - n) / (N^2 (N - 1)).

    Source: johnson-kemp-kotz-2005, 6.2
    """
    found = _counts(population, successes, draws)
    if found is None:
        return Number(nan)
    total, k, n = found
    return n * k * (total - k) * (total - n) / (total * total * (total - 1)) if total > 1 else number(0)


@integers
def mode(population: Number, successes: Number, draws: Number) -> int:
    """The largest whole number up to (n + 1) (K + 1) / (N + 2); none where that is whole and both counts are possible.

    Source: johnson-kemp-kotz-2005, 6.2
    """
    found = _counts(population, successes, draws)
    if found is None:
        return -1
    total, s, n = (int(float(x)) for x in found)
    k, rest = divmod((n + 1) * (s + 1), total + 2)
    return -1 if rest == 0 and k > max(0, n + s - total) else k


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    population = math.ceil(decades(rng, max(low, 2), high)) + 1
    successes, draws = (int(rng.integers(0, population + 1)) for _ in range(2))
    return {"population": population, "successes": successes, "draws": draws}


INVALID = ({"population": -1}, {"successes": 10**6}, {"draws": 10**6}, {"population": nan}, {"draws": 0.5})


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    special = [
        {"population": n, "successes": s, "draws": d}
        for n, s, d in (
            (0, 0, 0),
            (1, 0, 1),
            (1, 1, 1),
            (1, 0, 0),
            (10, 5, 5),
            (5, 2, 1),
            (5, 5, 3),
            (5, 0, 3),
            (8, 4, 3),
        )
    ]
    yield from draw_modes(rng, point, special, INVALID)


draw_mean = draw_variance = draw_mode


def _ways(low: int, high: int, table: tuple[int, int, int]) -> Number:
    """The probability of low, ..., high: a sum of whole numbers over a whole number.

    Draws may be exchanged for successes, and for those that are not drawn; the smallest of the four is taken for draws.
    """
    population, successes, draws = table
    if min(draws, population - draws) > min(successes, population - successes):
        successes, draws = draws, successes
    if population - draws < draws:
        draws, low, high = population - draws, successes - high, successes - low
    rest = population - successes - draws
    ways, some = 0, math.comb(successes, low) * math.comb(population - successes, draws - low) if low <= high else 0
    for j in range(low, high + 1):
        ways += some
        some = some * (successes - j) * (draws - j) // ((j + 1) * (rest + j + 1)) if j < high else 0
    return Number(arb(ways) / arb(math.comb(population, draws)))


def _tail(name: str, k: Number, *arguments: Number) -> Any:
    found = _counts(*arguments)
    k = number(float(k))
    if found is None or is_nan(k):
        return Number(nan)
    population, successes, draws = (int(float(v)) for v in found)
    least, most = max(0, draws + successes - population), min(draws, successes)
    if k < least or k >= most:
        ends = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "log_cdf": (-inf, 0.0), "log_sf": (0.0, -inf)}[name]
        return Number(ends[0] if k < least else ends[1])
    below, beyond = (least, math.floor(float(k))), (math.floor(float(k)) + 1, most)
    own, other = (below, beyond) if name.endswith("cdf") else (beyond, below)
    table = population, successes, draws
    if not name.startswith("log"):
        return _ways(*own, table)
    rest = _ways(*other, table)
    return log1p(-rest) if rest < 0.5 else log(_ways(*own, table))


@pointwise
def cdf(k: Number, population: Number, successes: Number, draws: Number) -> Any:
    """The sum of the probabilities up to k.

    Source: johnson-kemp-kotz-2005, 6.2
    """
    return _tail("cdf", k, population, successes, draws)


@pointwise
def sf(k: Number, population: Number, successes: Number, draws: Number) -> Any:
    """The sum of the probabilities beyond k.

    Source: johnson-kemp-kotz-2005, 6.2
    """
    return _tail("sf", k, population, successes, draws)


@pointwise
def log_cdf(k: Number, population: Number, successes: Number, draws: Number) -> Any:
    """log F(k).

    Source: johnson-kemp-kotz-2005, 6.2
    """
    return _tail("log_cdf", k, population, successes, draws)


@pointwise
def log_sf(k: Number, population: Number, successes: Number, draws: Number) -> Any:
    """log(1 - F(k)).

    Source: johnson-kemp-kotz-2005, 6.2
    """
    return _tail("log_sf", k, population, successes, draws)


@integers
def icdf(u: Number, population: Number, successes: Number, draws: Number) -> int:
    """The smallest count with F(k) >= u.

    Source: devroye-1986, III.2.1
    """
    found = _counts(population, successes, draws)
    if found is None or is_nan(u) or not unit(u):
        return -1
    total, s, n = (int(float(v)) for v in found)
    least, most = max(0, n + s - total), min(n, s)
    if u == 0 or u == 1:
        return least if u == 0 else most
    guess = round(n * s / total) if total else 0
    return quantile(u, lambda k: _ways(least, min(k, most), (total, s, n)), guess)


sample = icdf


def small_support(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    """A table with a support of at most 400 counts, and a k some standard deviations from the mean."""
    population = math.ceil(decades(rng, max(low, 2), high)) + 1
    successes = int(rng.integers(0, population + 1))
    draws = int(min(decades(rng, 1, 400), population))
    if rng.integers(2):
        draws = population - draws
    if rng.integers(2):
        successes, draws = draws, successes
    p = successes / population
    sd = math.sqrt(draws * p * (1 - p) * (1 - draws / population))
    k = round(draws * p + sds * sd * rng.normal())
    k = min(max(k, 0, draws + successes - population), draws, successes)
    return {"k": k, "population": population, "successes": successes, "draws": draws}


EDGES = [
    {"k": k, "population": n, "successes": s, "draws": d}
    for n, s, d in (
        (0, 0, 0),
        (5, 0, 3),
        (5, 5, 3),
        (9, 7, 3),
        (4, 2, 2),
        (10**15, 3, 10**14),
        (900, 450, 400),
        (30, 9, 28),
    )
    for k in (0, 1, 2, 3, 9)
]
QUANTILES = [
    {"u": u, "population": n, "successes": s, "draws": d}
    for u in (0.0, 0.375, 1.0)
    for n, s, d in ((0, 0, 0), (5, 0, 3), (5, 5, 3), (9, 7, 3), (10**15, 3, 10**14), (30, 9, 28))
]


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_tails(rng, small_support, EDGES, INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    yield from draw_quantiles(rng, small_support, QUANTILES, INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")
