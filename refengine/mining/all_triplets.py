r"""All triplets of a batch."""

from __future__ import annotations

from refengine.domains import Labels
from refengine.mining._batch import Triplets, checked_labels, triplets

__all__ = ["Triplets", "all_triplets"]


def all_triplets(labels: Labels) -> Triplets:
    r"""Every anchor with each of its positives and each of its negatives.

    .. math:: T = \{(a, p, n): a \ne p,\; y_a = y_p \ne y_n\}

    labels: (N,) integers >= 0; result: anchor, positive, negative, each (T,) int64, in the order of (a, p, n), the same
    as that of `refengine.losses.triplet.loss` with reduction "none". An anchor is never its own positive. No triplet:
    empty arrays. There are up to about 4 N^3 / 27 of them; beside the result, memory O(N^2). Wrong shapes or negative
    labels are a ValueError, labels that are no integers a TypeError.
    Source: Hermans et al. 2017, section 2.

    >>> [field.tolist() for field in all_triplets([0, 1, 0])]
    [[0, 2], [2, 0], [1, 1]]
    """
    xp, y = checked_labels(labels)
    return triplets(xp, y, lambda i, p, negative: xp.broadcast_to(negative, (p.shape[0], y.shape[0])))
