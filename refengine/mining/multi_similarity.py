r"""Multi-similarity mining: pairs that are hard beside the hardest pair of the other kind."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_switch
from refengine.domains import Labels, Real
from refengine.mining._batch import Pairs, check_margin, measured, pairs, squares

__all__ = ["Pairs", "multi_similarity"]


def multi_similarity(x: Real, labels: Labels, *, epsilon: float = 0.1, inclusive: bool = False) -> Pairs:
    r"""Positives less similar than the most similar negative, negatives more similar than the least similar positive.

    .. math:: P = \{(i, p): c_{ip} - \varepsilon < \max_{n: y_n \ne y_i} c_{in}\}, \qquad
              Q = \{(i, n): c_{in} + \varepsilon > \min_{p \ne i: y_p = y_i} c_{ip}\}

    x: (N, D) finite, labels: (N,) integers >= 0, c are cosines; result: positive_anchor, positive, each (P,), and
    negative_anchor, negative, each (Q,) int64, by anchor and then by partner; pytorch-metric-learning has the same
    pairs by similarity. An anchor that lacks positives or negatives has no pairs. Both inequalities are strict, as in
    the paper and in pytorch-metric-learning; ``inclusive=True`` takes equality. epsilon >= 0. Cosines are
    compared by squared distances of unit vectors: parallel rows are equal to the bit. Memory O(N) beside the result.
    Values that are not finite, rows of zeros, which have no direction, wrong shapes, labels or epsilon are a
    ValueError, values of a wrong kind a TypeError.
    Source: Wang et al. 2019, eq. 8 and eq. 9.

    >>> x = [[1.0, 0.0], [3.0, 4.0], [0.0, 1.0], [-1.0, 0.0]]  # cosines of row 0: 0.6, 0 and -1
    >>> [field.tolist() for field in multi_similarity(x, [0, 0, 1, 2])]
    [[1], [0], [1], [2]]
    """
    check_switch("inclusive", inclusive)
    epsilon = check_margin("epsilon", epsilon)
    xp, x, y, _ = measured(x, labels, True)

    def kept(i: int, positive: Any, negative: Any) -> tuple[Any, Any]:
        below = squares(xp, x, i) / 2  # 1 - c, which keeps its digits between almost parallel rows
        most, least = xp.min(xp.where(negative, below, xp.inf)), xp.max(xp.where(positive, below, -xp.inf))
        if inclusive:
            found = most - below <= epsilon, below - least <= epsilon
        else:
            found = most - below < epsilon, below - least < epsilon
        return positive & found[0], negative & found[1]

    return pairs(xp, y, kept)
