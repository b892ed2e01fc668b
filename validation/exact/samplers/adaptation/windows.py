"""The windows of a warm-up by going through it draw by draw, as Stan's program does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from validation.exact.draws import Draw


@cache
def schedule_of(count: int, initial: int, first: int, last: int, schedule: str) -> tuple[int, ...]:
    """The number of the window of every draw."""
    if count < 20:
        return (0,) * count
    if initial + first + last > count:
        initial, last = count * 15 // 100, count // 10
        first = count - initial - last
    numbers, end, number = [0] * initial, count - last, 1
    size, closes = first, initial + first - 1
    if schedule == "numpyro" and closes < end - 1 and closes + 2 * size > end - 1:
        closes = end - 1
    for draw in range(initial, end):
        numbers.append(number)
        if draw == closes and draw < end - 1:
            number, size = number + 1, 2 * size
            closes = draw + size
            if closes != end - 1 and closes + 2 * size >= end:  # the following window would reach beyond the end
                closes = end - 1
    return (*numbers, *[number + 1] * last)


def window(
    draw: Any, draws: Any, *, initial: int = 75, first: int = 25, last: int = 50, schedule: str = "stan"
) -> np.ndarray:
    """One draw after another.

    Source: stan-manual, section "Automatic parameter tuning"
    """

    def one(t: int, n: int) -> int:
        return schedule_of(int(n), initial, first, last, schedule)[t] if 0 <= t < n else -1

    return np.asarray(np.vectorize(one, otypes=[np.int64])(draw, draws))


def draw_window(rng: np.random.Generator) -> Iterator[Draw]:
    for count in (1000, 150, 151, 174, 175, 200, 224, 225, 226, 299, 300, 374, 375, 500, 150, 149, 100, 21, 20, 19, 1):
        numbers = schedule_of(count, 75, 25, 50, "stan")
        edges = [t for t in range(1, count) if numbers[t] != numbers[t - 1]]
        for t in {0, count - 1, *edges, *(t - 1 for t in edges)}:
            yield Draw({"draw": t, "draws": count}, {}, ("WRONG_BRANCH",), 2)
    for _ in range(110):
        count = int(10 ** rng.uniform(0, 4))
        yield Draw({"draw": int(rng.integers(0, count)), "draws": count}, {}, (), 1)
    for t, count in ((-1, 100), (100, 100), (0, 0), (5, 3), (-7, 1000)):
        yield Draw({"draw": t, "draws": count}, {}, ("OUT_OF_SUPPORT",), 2)
    for count in (151, 199, 220, 225, 500):
        for t in (75, 99, 100, 149):
            other = {"numpyro": {"schedule": "numpyro"}}
            yield Draw({"draw": t, "draws": count + 1}, {}, ("AMBIGUOUS_CONVENTION",), 2, alternatives=other)
    for count in (21, 60, 220, 1000):
        constants = {"initial": 10, "first": 5, "last": 6, "schedule": "numpyro" if count % 20 else "stan"}
        arguments = {"draw": np.arange(0, count, 7)[:, None], "draws": np.array([count, 150])}
        yield Draw(arguments, constants, ("BROADCAST",))
