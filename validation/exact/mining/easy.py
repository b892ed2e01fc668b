"""Easy mining by comparing exact gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Triplets
from validation.exact.draws import Draw
from validation.exact.mining._batch import all_triplets_of, as_triplets, gap, gap_draws


def easy(x: Any, labels: Any, *, margin: Any, squared: bool, normalize_x: bool, inclusive: bool) -> Triplets:
    """d_an - d_ap > m over all triplets.

    Source: schroff-2015-facenet, section 3.2
    """
    rows = [(a, p, n, gap(x, a, p, n, squared, normalize_x)) for a, p, n in all_triplets_of(labels)]
    return as_triplets([(a, p, n) for a, p, n, d in rows if (d >= margin if inclusive else d > margin)])


def draw_easy(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(i: int, margin: float, normalize: bool) -> Any:
        inclusive = i % 3 == 0
        other = {"pytorch_metric_learning": {"inclusive": False}} if inclusive else {"with_equals": {"inclusive": True}}
        given = {"margin": margin, "squared": i // 2 % 2 > 0, "normalize_x": normalize, "inclusive": inclusive}
        return given, other

    yield from gap_draws(rng, (0.0, 1.0, 2.0), constants)
