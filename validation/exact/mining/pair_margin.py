"""Pair-margin mining by comparing exact distances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Pairs
from validation.exact.draws import Draw
from validation.exact.losses._pairs import distance
from validation.exact.mining._batch import as_pairs, gap_draws


def pair_margin(
    x: Any, labels: Any, *, positive_margin: Any, negative_margin: Any, normalize_x: bool, inclusive: bool
) -> Pairs:
    """d > m_p for equal labels, d < m_n for others.

    Source: hadsell-2006, section 2.1
    """
    positive, negative = [], []
    for i, j in np.ndindex(len(x), len(x)):
        if i == j:
            continue
        d = distance(x[i], x[j], normalize_x)
        if labels[i] == labels[j] and (d >= positive_margin if inclusive else d > positive_margin):
            positive.append((i, j))
        if labels[i] != labels[j] and (d <= negative_margin if inclusive else d < negative_margin):
            negative.append((i, j))
    return as_pairs(positive, negative)


def draw_pair_margin(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(i: int, margin: float, normalize: bool) -> Any:
        inclusive = i % 3 == 0
        other = {"pytorch_metric_learning": {"inclusive": False}} if inclusive else {"with_equals": {"inclusive": True}}
        high = 0.75 if normalize and margin == 0 else 2 * margin
        given = {"positive_margin": margin, "negative_margin": high}
        return given | {"normalize_x": normalize, "inclusive": inclusive}, other

    yield from gap_draws(rng, (0.0, 1.0, 2.0), constants)
