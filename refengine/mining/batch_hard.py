r"""Batch-hard mining: for every anchor its farthest positive and its nearest negative."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from refengine._arrays import check_labels, check_option, check_shape, promote
from refengine.domains import Indices, Labels, Real

__all__ = ["Triplets", "batch_hard"]

TIE_RULES = ("lowest_index",)


class Triplets(NamedTuple):
    """Rows of a batch that form triplets: three integer arrays (T,)."""

    anchor: Indices
    positive: Indices
    negative: Indices


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
    xp, x, y = _checked(x, labels)
    chosen = [row for i in range(x.shape[0]) if (row := _hardest(xp, x, y, i))]
    columns = xp.reshape(xp.asarray(chosen, dtype=xp.int64), (-1, 3)) if chosen else xp.empty((0, 3), dtype=xp.int64)
    return Triplets(columns[:, 0], columns[:, 1], columns[:, 2])


def _hardest(xp: Any, x: Any, y: Any, i: int) -> tuple[int, int, int] | None:
    """Anchor i with its positive and negative; None where it lacks one. argmax and argmin take the first of equals."""
    same = y == y[i]
    positives, negatives = same & (xp.arange(x.shape[0]) != i), ~same
    if not (bool(xp.any(positives)) and bool(xp.any(negatives))):
        return None
    squares = xp.sum((x - x[i : i + 1, :]) ** 2, axis=1)
    farthest = xp.argmax(xp.where(positives, squares, -1.0))
    nearest = xp.argmin(xp.where(negatives, squares, xp.inf))
    return i, int(farthest), int(nearest)


def _checked(x: Any, labels: Any) -> tuple[Any, Any, Any]:
    xp, _, x = promote(x=x)
    check_shape("x", x, ("N", "D"))
    y = check_labels("labels", labels, x.shape[0])
    if y.shape[0] and int(xp.min(y)) < 0:
        raise ValueError(f"labels must not be negative, got {int(xp.min(y))}")
    if not bool(xp.all(xp.isfinite(x))):
        raise ValueError("x must be finite")
    x = xp.astype(x, xp.float64, copy=False)
    largest = float(xp.max(xp.abs(x))) if math.prod(x.shape) else 0.0
    # a power of two: squares neither overflow nor vanish, and ties stay ties
    return xp, x * math.ldexp(1.0, min(1000, -math.frexp(largest)[1])), y
