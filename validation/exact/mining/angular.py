"""Angular mining as the paper measures the angle."""

from __future__ import annotations

from collections.abc import Iterator
from math import radians
from typing import Any

import numpy as np

from refengine.mining import Triplets
from validation.exact.draws import Draw
from validation.exact.losses._pairs import distance
from validation.exact.losses._rows import norm
from validation.exact.mining._batch import all_triplets_of, as_triplets, batches
from validation.exact.number import atan


def angular(x: Any, labels: Any, *, angle: Any, normalize_x: bool) -> Triplets:
    """arctan(|a - p| / (2 |n - (a + p) / 2|)) > alpha over all triplets.

    Source: wang-2017-angular, section 3.2
    """

    def scaled(v: Any, length: Any) -> Any:
        return np.array([u / length for u in v], dtype=object)

    rows = [scaled(v, norm(v)) for v in x] if normalize_x else list(x)

    def wide(a: int, p: int, n: int) -> bool:
        chord = distance(x[a], x[p], normalize_x)
        if chord == 0:
            return False
        away = norm(2 * rows[n] - rows[a] - rows[p]) / 2
        return bool(away == 0 or atan(chord / (2 * away)) > angle)

    return as_triplets([(a, p, n) for a, p, n in all_triplets_of(labels) if wide(a, p, n)])


def draw_angular(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (x, labels, flags, difficulty) in enumerate(batches(rng)):
        normalize = i % 2 == 0
        rows = np.where(np.all(x == 0, axis=1, keepdims=True), 1.0, x) if normalize else x
        angle = radians((20.0, 40.0, 35.0, 25.0)[i % 4])
        constants = {"angle": angle, "normalize_x": normalize}
        if i % 4 == 0:
            other = {"pytorch_metric_learning": {"normalize_x": False}}
            flags = (*flags, "AMBIGUOUS_CONVENTION")
            yield Draw({"x": rows, "labels": labels}, constants, flags, difficulty, "ambiguous", other)
        else:
            yield Draw({"x": rows, "labels": labels}, constants, flags, difficulty)
    x = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [3.0, 0.0]])  # a negative in the very middle
    yield Draw(
        {"x": x, "labels": np.array([0, 0, 1, 1])},
        {"angle": 1.5, "normalize_x": False},
        ("ZERO_DISTANCE",),
        difficulty=3,
    )
