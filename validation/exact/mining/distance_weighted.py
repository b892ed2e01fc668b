"""Distance-weighted sampling by the summed probabilities of the paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Triplets
from validation.exact.draws import Draw
from validation.exact.losses._pairs import distance
from validation.exact.mining._batch import as_triplets, batches, negatives_of, positives_of
from validation.exact.number import largest, number, power


def distance_weighted(
    x: Any, labels: Any, uniforms: Any, *, cutoff: Any, nonzero_loss_cutoff: Any, empty: str
) -> Triplets:
    """n with probability proportional to 1 / q(d), by the inverse of its distribution function.

    Source: wu-2017, section 4
    """
    dimensions = x.shape[1]

    def weight(a: int, n: int) -> Any:
        d = distance(x[a], x[n], True)
        if not d < nonzero_loss_cutoff:
            return number(0)
        d = largest([number(cutoff), d])
        return power(d, number(2 - dimensions)) * power(1 - d * d / 4, number(3 - dimensions) / 2)

    rows = []
    for a in range(len(labels)):
        negatives = negatives_of(labels, a)
        weights = [weight(a, n) for n in negatives]
        if not any(w > 0 for w in weights):
            if empty == "drop" or not negatives:
                continue
            weights = [number(1) for _ in negatives]
        total = sum(weights, number(0))
        can = [n for n, w in zip(negatives, weights, strict=True) if w > 0]
        for p in positives_of(labels, a):
            chosen, reached = can[-1], number(0)
            for n, w in zip(negatives, weights, strict=True):
                reached = reached + w
                if w > 0 and uniforms[a, p] < 1 and reached > uniforms[a, p] * total:
                    chosen = n
                    break
            rows.append((a, p, chosen))
    return as_triplets(rows)


def draw_distance_weighted(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, labels: Any, flags: tuple[str, ...], difficulty: int, high: float = 1.4) -> Draw:
        n = len(labels)
        rows = np.where(np.all(x == 0, axis=1, keepdims=True), 1.0, x)
        u = np.where(rng.uniform(size=(n, n)) < 0.1, rng.choice([0.0, 1.0], size=(n, n)), rng.uniform(size=(n, n)))
        empty = ("drop", "uniform")[int(rng.integers(2))]
        constants = {"cutoff": 0.5, "nonzero_loss_cutoff": high, "empty": empty}
        return Draw({"x": rows, "labels": np.asarray(labels), "uniforms": u}, constants, flags, difficulty)

    for x, labels, flags, difficulty in batches(rng):
        yield draw(x, labels, flags, difficulty)
    for dimensions in (8, 64, 512, 512):  # densities of which the exponentials underflow
        x = rng.normal(size=(6, dimensions)) + rng.uniform(0, 2)
        yield draw(x, [0, 0, 1, 1, 2, 2], ("SATURATION",), 4)
    x = rng.normal(size=(6, 512)) / 40  # one pair at the lower cutoff, the others near the upper: all at once underflow
    x[:, 0] += 1.0 * np.array([3, 3, 0.5, 0.5, 0.5, 0.5])
    yield draw(x, [0, 1, 0, 1, 2, 2], ("SATURATION",), 5, 1.375)
    far = np.array([[1.0, 0.0], [1.0, 0.25], [-1.0, 0.0], [-1.0, 0.25]])  # no negative within the cutoff
    for _ in range(4):
        yield draw(far, [0, 0, 1, 1], ("EMPTY_ROW",), 3)
    for high in (0.75, 1.0, 1.75, 1.9375):
        yield draw(short_rows(rng), rng.integers(2, size=6), (), 2, high)


def short_rows(rng: np.random.Generator) -> Any:
    return np.round(rng.normal(size=(6, 3)) * 16) / 16 + 1 / 32
