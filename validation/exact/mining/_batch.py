"""What the definitions of the miners share: comparisons that are decided exactly, and batches with ties."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refengine.mining import Pairs, Triplets
from validation.exact.draws import Draw, decades, short
from validation.exact.losses._pairs import distance, squared_distance
from validation.exact.number import number


def all_triplets_of(labels: Any) -> list[tuple[int, int, int]]:
    """Every (a, p, n) in order."""
    n = range(len(labels))
    return [(a, p, k) for a in n for p in n for k in n if a != p and labels[a] == labels[p] and labels[a] != labels[k]]


def positives_of(labels: Any, i: int) -> list[int]:
    return [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]


def negatives_of(labels: Any, i: int) -> list[int]:
    return [j for j in range(len(labels)) if labels[j] != labels[i]]


def as_triplets(rows: list[tuple[int, int, int]]) -> Triplets:
    return Triplets(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def as_pairs(positive: list[tuple[int, int]], negative: list[tuple[int, int]]) -> Pairs:
    columns = [np.array(rows, dtype=np.int64).reshape(-1, 2).T for rows in (positive, negative)]
    return Pairs(*columns[0], *columns[1])


def farther(x: Any, i: int, j: int, k: int, normalize: bool) -> Any:
    """A number with the sign of d_ij - d_ik, from sums and products alone: exact, so that ties are decided.

    For unit vectors it is that of cos_ik |cos_ik| - cos_ij |cos_ij|, without denominators.
    """
    if not normalize:
        return ((x[i] - x[j]) ** 2).sum() - ((x[i] - x[k]) ** 2).sum()
    to_j, to_k = (x[i] * x[j]).sum(), (x[i] * x[k]).sum()
    return to_k * abs(to_k) * (x[j] * x[j]).sum() - to_j * abs(to_j) * (x[k] * x[k]).sum()


def gap(x: Any, a: int, p: int, n: int, squared: bool, normalize: bool) -> Any:
    """d_an - d_ap, which is exactly 0 for equals."""
    if farther(x, a, n, p, normalize) == 0:
        return number(0)
    measure = squared_distance if squared else distance
    return measure(x[a], x[n], normalize) - measure(x[a], x[p], normalize)


def gap_draws(rng: np.random.Generator, margins: Any, constants: Any) -> Iterator[Draw]:
    """Batches for a miner of triplets by their gap; ``constants(i, margin, normalize)`` gives constants, alternatives.

    Margins on a lattice are whole numbers, so that gaps of rows that are taken as they are may equal them.
    """
    for i, (x, labels, flags, difficulty) in enumerate(batches(rng)):
        lattice = bool(np.all(x == np.round(x))) and "TIE" in flags
        normalize = i % 2 == 1
        if normalize:
            x = np.where(np.all(x == 0, axis=1, keepdims=True), 1.0, x)
        margin = float(margins[i // 2 % len(margins)])
        if not lattice or (normalize and margin > 0):  # gaps of unit vectors that are whole numbers have no exact bits
            margin = short(float(rng.uniform(0.05, 1)))
        size = np.abs(x).max() if x.size and not normalize else 1.0
        margin *= 2.0 ** np.floor(np.log2(size)) if size > 1e6 or size < 1e-6 else 1.0
        given, alternatives = constants(i, margin, normalize)
        result = "ambiguous" if "TIE" in flags and alternatives else "required"
        arguments = {"x": x, "labels": labels}
        yield Draw(arguments, given, flags, difficulty, result, alternatives)


def batches(rng: np.random.Generator) -> Iterator[tuple[Any, Any, tuple[str, ...], int]]:
    """Rows, labels, flags and difficulty: generic, with ties, with duplicates, far away, huge, lone rows."""

    def made(x: Any, labels: Any, *flags: str, difficulty: int = 1) -> tuple[Any, Any, tuple[str, ...], int]:
        return np.asarray(x, dtype=float), np.asarray(labels, dtype=np.int64), flags, difficulty

    for _ in range(24):
        n, d = rng.integers(3, 8), rng.integers(1, 5)
        yield made(short(rng.normal(size=(n, d))), rng.integers(1 + n // 2, size=n))
    for _ in range(20):  # small integers: exact ties
        n, d = rng.integers(4, 8), rng.integers(1, 3)
        yield made(rng.integers(-2, 3, size=(n, d)), rng.integers(2, size=n), "TIE", difficulty=2)
    for _ in range(4):  # duplicates: the anchor itself is at the same distance as its positive
        x = np.repeat(short(rng.normal(size=(3, 2))), 2, axis=0)
        yield made(x, [0, 0, 1, 1, 2, 2], "TIE", "SELF_PAIR", "ZERO_DISTANCE", difficulty=3)
        yield made(x, rng.integers(2, size=6), "TIE", "SELF_PAIR", "ZERO_DISTANCE", difficulty=3)
    for _ in range(4):  # |a|^2 - 2 a.b + |b|^2 has no digits left
        x = 1e8 * rng.normal(size=(1, 3)) + short(rng.normal(size=(6, 3)))
        yield made(x, rng.integers(2, size=6), "CANCELLATION", difficulty=4)
    for size in (1e300, 1e-300, 1e155, 1e-160):
        yield made(rng.normal(size=(6, 3)) * size, [0, 1, 0, 1, 0, 2], "OVERFLOW_F32", difficulty=4)
    for _ in range(4):
        x = rng.normal(size=(5, 2)) * decades(rng, 1e-3, 1e3)
        yield made(x, [4, 0, 4, 0, 9], "EMPTY_ROW", difficulty=2)  # a singleton has no positive
    yield made([[3.0, 4.0], [0.0, 0.0], [5.0, 0.0], [0.0, -5.0], [4.0, 3.0]], [0, 0, 0, 1, 1], "TIE")
    yield made(short(rng.normal(size=(4, 2))), [1, 1, 1, 1], "EMPTY_ROW")
    yield made(short(rng.normal(size=(4, 2))), [0, 1, 2, 3], "EMPTY_ROW")
    yield made([[1.0, 2.0]], [0], "EMPTY_ROW")
    yield made(np.zeros((0, 2)), [], "EMPTY_ROW")


def label_draws(rng: np.random.Generator, make: Callable[[Any, tuple[str, ...]], Draw]) -> Iterator[Draw]:
    """Labels alone: few and many of a kind, lone ones, one class, none."""
    for i in range(70):
        n = 3 + i % 6
        labels = rng.integers(1 + i % 5, size=n) * int(rng.integers(1, 4))
        flags = () if i % 2 else ("SELF_PAIR",)
        yield make(labels, flags if len(set(labels.tolist())) < n else ("EMPTY_ROW",))
    for lone in ([7], [0, 1, 2, 3], [2, 2, 2, 2], [2**40, 0, 2**40], [5, 1, 5, 1, 5]):
        yield make(np.array(lone), ("EMPTY_ROW",))
    yield make(np.zeros(0, np.int64), ("EMPTY_ROW",))
