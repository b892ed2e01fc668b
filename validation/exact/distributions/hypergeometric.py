"""The hypergeometric distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import count, is_nan, log_choose
from validation.exact.draws import Draw, decades
from validation.exact.number import Number, number, pointwise


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


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
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
        k = int(rng.choice([low, high, rng.integers(low, high + 1)]))
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
