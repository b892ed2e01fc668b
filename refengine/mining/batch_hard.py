r"""Batch-hard mining: for every anchor its farthest positive and its nearest negative."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_option
from refengine.domains import Labels, Real
from refengine.mining._batch import TIE_RULES, Triplets, checked, others, squares

__all__ = ["Triplets", "batch_hard"]


def batch_hard(x: Real, labels: Labels, *, tie_rule: str = "lowest_index") -> Triplets:
    r"""The hardest triplet of every anchor in a batch, by Euclidean distance.

    .. math:: p(a) = \arg\max_{p \ne a,\; y_p = y_a} \|x_a - x_p\|, \qquad
              n(a) = \arg\min_{y_n \ne y_a} \|x_a - x_n\|

    x: (N, D) finite, labels: (N,) integers >= 0; result: anchor, positive, negative, each (T,) int64, anchors in
    order. An anchor is never its own positive, not even at distance 0; one without positive or without negative is left
    out, so T <= N. Of equally distant rows the one with the lowest index is taken. Distances come from differences, in
    float64, so duplicates are exactly 0 apart (as are rows that differ by less than 1e-160 of the largest entry);
    the squared distance would choose the same rows. Memory N x D, one anchor at a time. Not differentiable.
    Wrong shapes, labels, values that are not finite or an unknown tie_rule are a ValueError, values that are not real
    numbers a TypeError.
    Source: Hermans et al. 2017, section 2.

    >>> triplets = batch_hard([[0.0], [1.0], [3.0], [2.0]], [0, 0, 0, 1])
    >>> [field.tolist() for field in triplets]
    [[0, 1, 2], [2, 2, 0], [3, 3, 3]]
    """
    check_option("tie_rule", tie_rule, TIE_RULES)
    xp, x, y = checked(x, labels)
    chosen = [row for i in range(x.shape[0]) if (row := _hardest(xp, x, y, i))]
    columns = xp.reshape(xp.asarray(chosen, dtype=xp.int64), (-1, 3)) if chosen else xp.empty((0, 3), dtype=xp.int64)
    return Triplets(columns[:, 0], columns[:, 1], columns[:, 2])


def _hardest(xp: Any, x: Any, y: Any, i: int) -> tuple[int, int, int] | None:
    """Anchor i with its positive and negative; None where it lacks one. argmax and argmin take the first of equals."""
    positives, negatives = others(xp, y, i)
    if not (bool(xp.any(positives)) and bool(xp.any(negatives))):
        return None
    d = squares(xp, x, i)
    farthest = xp.argmax(xp.where(positives, d, -1.0))
    nearest = xp.argmin(xp.where(negatives, d, xp.inf))
    return i, int(farthest), int(nearest)
