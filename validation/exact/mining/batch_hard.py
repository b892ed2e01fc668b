"""Batch-hard mining by comparing exact squared distances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining.batch_hard import Triplets
from validation.exact.draws import Draw, decades, short


def batch_hard(x: Any, labels: Any, *, tie_rule: str) -> Triplets:
    """The farthest other row of the same label and the nearest row of another, the first one of equals.

    Source: hermans-2017, section 2
    """

    def distance(i: int, j: int) -> Any:  # squared, which keeps the order and is exact
        return sum((u - v) ** 2 for u, v in zip(x[i], x[j], strict=True))

    def first(i: int, candidates: list[int], better: Any) -> int:
        best = candidates[0]
        for j in candidates[1:]:
            best = j if better(distance(i, j), distance(i, best)) else best
        return best

    rows = []
    for i, y in enumerate(labels):
        positives = [j for j, other in enumerate(labels) if other == y and j != i]
        negatives = [j for j, other in enumerate(labels) if other != y]
        if positives and negatives:
            rows.append((i, first(i, positives, lambda d, e: d > e), first(i, negatives, lambda d, e: d < e)))
    return Triplets(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def draw_batch_hard(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, labels: Any, *flags: str, difficulty: int = 1) -> Draw:
        arguments = {"x": np.asarray(x, dtype=float), "labels": np.asarray(labels, dtype=np.int64)}
        return Draw(arguments, {"tie_rule": "lowest_index"}, flags=flags, difficulty=difficulty)

    for _ in range(24):
        n, d = rng.integers(2, 8), rng.integers(1, 5)
        yield draw(short(rng.normal(size=(n, d))), rng.integers(3, size=n))
    for _ in range(20):  # small integers: exact ties
        n, d = rng.integers(4, 9), rng.integers(1, 3)
        yield draw(rng.integers(-2, 3, size=(n, d)), rng.integers(2, size=n), "TIE", difficulty=2)
    for _ in range(6):  # duplicates: the anchor itself is at the same distance as its positive
        x = np.repeat(short(rng.normal(size=(3, 2))), 2, axis=0)
        yield draw(x, [0, 0, 1, 1, 2, 2], "TIE", "SELF_PAIR", "ZERO_DISTANCE", difficulty=3)
        yield draw(x, rng.integers(2, size=6), "TIE", "SELF_PAIR", "ZERO_DISTANCE", difficulty=3)
    for _ in range(6):  # |a|^2 - 2 a.b + |b|^2 has no digits left
        x = 1e8 * rng.normal(size=(1, 3)) + short(rng.normal(size=(6, 3)))
        yield draw(x, rng.integers(2, size=6), "CANCELLATION", difficulty=4)
    for size in (1e300, 1e-300, 1e155, 1e-160):
        yield draw(rng.normal(size=(6, 3)) * size, rng.integers(2, size=6), "OVERFLOW_F32", difficulty=4)
    for _ in range(4):
        x = rng.normal(size=(5, 2)) * decades(rng, 1e-3, 1e3)
        yield draw(x, [4, 0, 4, 0, 9], "EMPTY_ROW", difficulty=2)  # a singleton has no positive
    yield draw(np.array([[3.0, 4.0], [0.0, 0.0], [5.0, 0.0], [0.0, -5.0], [4.0, 3.0]]), [0, 0, 0, 1, 1], "TIE")
    yield draw(short(rng.normal(size=(4, 2))), [1, 1, 1, 1], "EMPTY_ROW")
    yield draw(short(rng.normal(size=(4, 2))), [0, 1, 2, 3], "EMPTY_ROW")
    yield draw([[1.0, 2.0]], [0], "EMPTY_ROW")
    yield draw(np.zeros((0, 2)), [], "EMPTY_ROW")
