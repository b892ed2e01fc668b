"""What the definitions of the losses share that have one term for each positive pair, or a distance between rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import short
from validation.exact.losses._pairs import (
    batch,
    distance,
    reduce_anchors,
    scaled_rows,
    squared_distance,
    whole,
    with_labels,
)
from validation.exact.losses._rows import undefined
from validation.exact.losses.cosine import cosine
from validation.exact.number import Number, stated

REDUCTIONS = ("mean", "sum", "none", "nonzero")
ANCHOR_REDUCTIONS = ("mean", "sum", "none", "nonzero", "valid_anchor")


def between(x: Any, measure: Callable[[Any, Any], Any]) -> Any:
    """A symmetric measure between the rows, (N, N), each pair once; ``None`` where one is undefined."""
    found = np.empty((len(x), len(x)), dtype=object)
    for i in range(len(x)):
        for j in range(i):
            found[i, j] = found[j, i] = measure(x[i], x[j]) if whole(x[i], x[j]) else stated(nan)
            if found[i, j].stated:
                return None
    return found


def cosines(x: Any) -> Any:
    return between(x, cosine)


def distances(x: Any, normalize: bool, squared: bool = False) -> Any:
    measure = squared_distance if squared else distance
    return between(x, lambda u, v: measure(u, v, normalize))


def over_anchors(
    one: Callable[[list[Any], list[Any]], Any],
    m: Any,
    x: Any,
    labels: Any,
    reduction: str,
    positives_only: bool = False,
) -> Any:
    """The loss of what every row measures to positives and to negatives; a valid anchor has both.

    With ``positives_only`` an anchor has a loss, and is valid, if it has positives.
    """
    losses, valid = [], []
    for i, y in enumerate(labels):
        p, n = ([j for j in range(len(x)) if j != i and (labels[j] == y) == same] for same in (True, False))
        valid.append(bool(p) and (positives_only or bool(n)))
        if positives_only and not p:
            losses.append(Number(0))
        elif m is None:
            losses.append(undefined(*x.ravel()))
        else:
            losses.append(one([m[i, j] for j in p], [m[i, j] for j in n]))
    if reduction != "none" and any(v.stated for v in losses):
        return undefined(*x.ravel())
    return reduce_anchors(losses, valid, reduction)


def over_positives(
    one: Callable[[int, int], Any], x: Any, labels: Any, reduction: str, bad: bool, ordered: bool = False
) -> Any:
    """The loss of every positive pair, 0 elsewhere; each pair once in a sum, or both of its orders."""
    n = len(x)
    losses = np.empty((n, n), dtype=object)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and labels[i] == labels[j]]
    for i, j in np.ndindex(n, n):
        losses[i, j] = Number(0)
    for i, j in pairs:
        if bad:
            losses[i, j] = undefined(*x.ravel())
        else:
            losses[i, j] = losses[j, i] if j < i and not ordered else one(i, j)
    if reduction == "none":
        return losses
    return reduce_found([losses[pair] for pair in pairs if ordered or pair[0] < pair[1]], x, reduction)


def reduce_found(found: list[Any], x: Any, reduction: str) -> Any:
    """The sum of some losses, their mean, or the mean of those that are not 0."""
    if any(v.stated for v in found):
        return undefined(*x.ravel())
    if reduction == "nonzero":
        found = [v for v in found if v > 0]
    total = sum(found, Number(0))
    if reduction == "sum":
        return total
    if not found:
        return stated(nan) if reduction == "mean" else Number(0)
    return total / len(found)


def places(
    rng: np.random.Generator, normalize: bool | None, ordinary: int = 40, most: int = 5
) -> Iterator[tuple[dict[str, Any], bool, dict[str, Any]]]:
    """Arguments, whether rows are normalised, and keywords of cases of losses of distances; ``None`` takes turns.

    Normalised rows have three components or more: on a circle the directions between rows are opposite or equal, and
    their sums cancel where condition numbers, which count how directions turn, do not see it.
    """

    def turn(i: int) -> bool:
        return i % 2 > 0 if normalize is None else normalize

    for i in range(ordinary):
        yield batch(rng, rng.integers(3, most + 1), rng.integers(2, 4) + turn(i)), turn(i), {}
    for i, gap in enumerate((1e-2, 1e-5, 1e-9)):  # almost duplicates, almost opposite
        for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
            x = rng.normal(size=(4, 3))
            x[1], x[3] = (2 if turn(i) else 1) * x[0] + gap * rng.normal(size=3), -x[2] + gap * rng.normal(size=3)
            yield (
                with_labels(x, labels),
                turn(i),
                {"flags": ("ZERO_DISTANCE", "CANCELLATION"), "difficulty": 4},
            )
    for i, factor in enumerate((1.0, 4.0, -2.0)):  # duplicates
        for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
            x = short(rng.normal(size=(4, 3)))
            x[1] = (factor if turn(i) else 1.0) * x[0]
            yield with_labels(x, labels), turn(i), {"flags": ("ZERO_DISTANCE",), "difficulty": 3}
    x = short(rng.normal(size=(4, 3)))
    x[1:3] = x[0]
    for labels in ([0, 0, 0, 1], [0, 1, 2, 0]):
        yield with_labels(x, labels), turn(0), {"flags": ("ZERO_DISTANCE", "TIE"), "difficulty": 3}
    if normalize is not False:
        yield with_labels(scaled_rows(rng, 4, 3), [0, 0, 1, 1]), True, {"difficulty": 2}
    yield with_labels(short(rng.normal(size=(3, 2))), [5, 5, 5]), turn(0), {"flags": ("EMPTY_ROW",)}
    yield with_labels(short(rng.normal(size=(4, 3))), [2, 0, 1, 2]), turn(1), {"flags": ("EMPTY_ROW",)}


def edges(rng: np.random.Generator, normalize: bool | None) -> Iterator[tuple[dict[str, Any], bool, dict[str, Any]]]:
    """The same where there is nothing to compare, or no direction."""
    for labels in ([], [0], [2, 0, 1]):
        x = short(rng.normal(size=(len(labels), 2)))
        yield with_labels(x, labels), bool(normalize), {"flags": ("EMPTY_ROW",)}
    x = short(rng.normal(size=(3, 2)))
    x[1] = 0
    if normalize is not True:
        yield with_labels(x, [0, 0, 1]), False, {"flags": ("ZERO_NORM",)}
    if normalize is not False:
        yield with_labels(x, [0, 0, 1]), True, {"flags": ("ZERO_NORM",), "result": "undefined"}
    for bad in (np.nan, np.inf):
        x = short(rng.normal(size=(3, 2)))
        x[0, 1] = bad
        yield with_labels(x, [0, 0, 1]), bool(normalize), {"result": "invalid"}
