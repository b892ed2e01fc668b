"""Multi-similarity mining by comparing exact cosines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.mining import Pairs
from validation.exact.draws import Draw
from validation.exact.losses.cosine import cosine
from validation.exact.mining._batch import as_pairs, batches, farther, negatives_of, positives_of
from validation.exact.number import number


def multi_similarity(x: Any, labels: Any, *, epsilon: Any, inclusive: bool) -> Pairs:
    """c_ip - eps < max_n c_in, and c_in + eps > min_p c_ip.

    Source: wang-2019-multi-similarity, eq. 8 and eq. 9
    """

    def excess(i: int, j: int, k: int) -> Any:  # c_ij - c_ik, exactly 0 for equals
        return number(0) if farther(x, i, j, k, True) == 0 else cosine(x[i], x[j]) - cosine(x[i], x[k])

    def below(value: Any) -> bool:
        return bool(value <= epsilon if inclusive else value < epsilon)

    positive, negative = [], []
    for i in range(len(labels)):
        p, n = positives_of(labels, i), negatives_of(labels, i)
        if p and n:  # below the largest: below any
            positive += [(i, j) for j in p if any(below(excess(i, j, k)) for k in n)]
            negative += [(i, k) for k in n if any(below(excess(i, j, k)) for j in p)]
    return as_pairs(positive, negative)


def draw_multi_similarity(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (x, labels, flags, difficulty) in enumerate(batches(rng)):
        rows = np.where(np.all(x == 0, axis=1, keepdims=True), 1.0, x)
        inclusive = i % 3 == 0
        other = {"strict": {"inclusive": False}} if inclusive else {"with_equals": {"inclusive": True}}
        given = {"epsilon": (0.1, 0.0, 0.3)[i % 3 if "TIE" not in flags else i % 2], "inclusive": inclusive}
        tie = "TIE" in flags and given["epsilon"] == 0
        yield Draw(
            {"x": rows, "labels": labels},
            given,
            flags,
            difficulty,
            "ambiguous" if tie else "required",
            other if tie else {},
        )
