r"""Pair-margin mining: positives that are far apart, negatives that are close together."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_switch
from refengine.domains import Labels, Real
from refengine.mining._batch import Pairs, check_margin, distances, measured, pairs, threshold

__all__ = ["Pairs", "pair_margin"]


def pair_margin(
    x: Real,
    labels: Labels,
    *,
    positive_margin: float = 0.2,
    negative_margin: float = 0.8,
    normalize_x: bool = True,
    inclusive: bool = False,
) -> Pairs:
    r"""Pairs on the wrong side of a margin of their own.

    .. math:: P = \{(i, j): i \ne j,\; y_i = y_j,\; d_{ij} > m_p\}, \qquad Q = \{(i, j): y_i \ne y_j,\; d_{ij} < m_n\}

    x: (N, D) finite, labels: (N,) integers >= 0; result: positive_anchor, positive, each (P,), and negative_anchor,
    negative, each (Q,) int64, by anchor and then by partner; each pair in both orders. d is the Euclidean distance,
    between unit vectors unless ``normalize_x=False``. Both inequalities are strict, as in pytorch-metric-learning,
    whose PairMarginMiner this is; ``inclusive=True`` takes equality. Margins >= 0. These are the pairs
    of which the hinges of :func:`refengine.losses.contrastive.loss` are positive. No pair of a kind: empty arrays.
    Decided by distances in float64 from differences of rows, 0 for duplicates. Memory O(N) beside the result.
    Values that are not finite, rows of zeros that ought to be normalised, wrong shapes, labels or margins are a
    ValueError, values of a wrong kind a TypeError.
    Source: Hadsell et al. 2006, section 2.1, whose loss has m_p = 0.

    >>> x, margins = [[0.0], [1.0], [3.0]], {"positive_margin": 0.5, "negative_margin": 2.5}
    >>> [field.tolist() for field in pair_margin(x, [0, 0, 1], normalize_x=False, **margins)]
    [[0, 1], [1, 0], [1, 2], [2, 1]]
    """
    check_switch("inclusive", inclusive)
    m_p, m_n = check_margin("positive_margin", positive_margin), check_margin("negative_margin", negative_margin)
    xp, x, y, size = measured(x, labels, normalize_x)
    low, high = threshold(m_p, size), threshold(m_n, size)

    def kept(i: int, positive: Any, negative: Any) -> tuple[Any, Any]:
        d = distances(xp, x, i, False)
        return (
            (positive & (d >= low), negative & (d <= high))
            if inclusive
            else (positive & (d > low), negative & (d < high))
        )

    return pairs(xp, y, kept)
