r"""All pairs of a batch: rows of one label, rows of two labels."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_switch
from refengine.domains import Labels
from refengine.mining._batch import Pairs, checked_labels, pairs

__all__ = ["Pairs", "all_pairs"]


def all_pairs(labels: Labels, *, ordered: bool = True) -> Pairs:
    r"""Every positive and every negative pair of a batch.

    .. math:: P = \{(i, j): i \ne j,\; y_i = y_j\}, \qquad Q = \{(i, j): y_i \ne y_j\}

    labels: (N,) integers >= 0; result: positive_anchor, positive, each (P,), and negative_anchor, negative, each (Q,)
    int64, by anchor and then by partner. A row is no pair with itself, though it may be with its duplicate. Each pair
    comes in both orders, as in pytorch-metric-learning; ``ordered=False`` keeps i < j, as sentence-transformers'
    losses count pairs. No pair of a kind: empty arrays. Memory O(N) beside the result. Wrong shapes or negative labels
    are a ValueError, values of a wrong kind a TypeError.
    Source: Hadsell et al. 2006, section 2.1.

    >>> [field.tolist() for field in all_pairs([0, 1, 0], ordered=False)]
    [[0], [2], [0, 1], [1, 2]]
    """
    check_switch("ordered", ordered)
    xp, y = checked_labels(labels)

    def kept(i: int, positive: Any, negative: Any) -> tuple[Any, Any]:
        later = xp.arange(y.shape[0]) > (-1 if ordered else i)
        return positive & later, negative & later

    return pairs(xp, y, kept)
