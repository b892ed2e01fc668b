"""Hard mining by comparing exact distances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Triplets
from validation.exact.draws import Draw
from validation.exact.mining._batch import all_triplets_of, as_triplets, farther, gap_draws


def hard(x: Any, labels: Any, *, normalize_x: bool, inclusive: bool) -> Triplets:
    """d_an <= d_ap over all triplets.

    Source: schroff-2015-facenet, section 3.2
    """
    rows = [(a, p, n, farther(x, a, n, p, normalize_x)) for a, p, n in all_triplets_of(labels)]
    return as_triplets([(a, p, n) for a, p, n, d in rows if (d <= 0 if inclusive else d < 0)])


def draw_hard(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(i: int, margin: float, normalize: bool) -> Any:
        inclusive = i % 3 > 0
        other = {"strict": {"inclusive": False}} if inclusive else {"with_equals": {"inclusive": True}}
        return {"normalize_x": normalize, "inclusive": inclusive}, other

    yield from gap_draws(rng, (0.0, 1.0, 2.0), constants)
