"""All triplets, listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Triplets
from validation.exact.draws import Draw
from validation.exact.mining._batch import all_triplets_of, as_triplets, label_draws


def all_triplets(labels: Any) -> Triplets:
    """(a, p, n) with a != p, y_a = y_p != y_n.

    Source: hermans-2017, section 2
    """
    return as_triplets(all_triplets_of(labels))


def draw_all_triplets(rng: np.random.Generator) -> Iterator[Draw]:
    yield from label_draws(rng, lambda labels, flags: Draw({"labels": labels}, flags=flags))
