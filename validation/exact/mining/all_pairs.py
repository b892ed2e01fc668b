"""All pairs, listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Pairs
from validation.exact.draws import Draw
from validation.exact.mining._batch import as_pairs, label_draws


def all_pairs(labels: Any, *, ordered: bool) -> Pairs:
    """(i, j) for i != j, by whether the labels are equal.

    Source: hadsell-2006, section 2.1
    """
    n = range(len(labels))
    kept = [(i, j) for i in n for j in n if (i != j if ordered else i < j)]
    return as_pairs(*([(i, j) for i, j in kept if (labels[i] == labels[j]) == same] for same in (True, False)))


def draw_all_pairs(rng: np.random.Generator) -> Iterator[Draw]:
    def make(labels: Any, flags: tuple[str, ...]) -> Draw:
        ordered = bool(rng.integers(3))
        other = {"each_once": {"ordered": False}} if ordered else {"in_both_orders": {"ordered": True}}
        flags = (*flags, "AMBIGUOUS_CONVENTION")
        return Draw({"labels": labels}, {"ordered": ordered}, flags, 1, "ambiguous", other)

    yield from label_draws(rng, make)
