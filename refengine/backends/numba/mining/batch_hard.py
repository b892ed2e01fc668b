"""Batch-hard mining: squares of distances from products in single precision choose whose differences are taken.

|x_i|^2 + |x_j|^2 - 2 x_i . x_j is wrong by less than (2 D + 9) u (|x_i|^2 + |x_j|^2), u = 2^-24, of which the slack is
some eight times: what is farther from the best than that needs no second look. The rows stand in the order of their
classes.
"""

from __future__ import annotations

import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.losses._distances import square_of_difference
from refengine.backends.numba.losses._rows import contiguous, largest_number, scalar
from refengine.mining._batch import TIE_RULES, checked
from refengine.mining.batch_hard import *
from refengine.mining.batch_hard import batch_hard as reference

BLOCK = 1024  # anchors whose products with all rows are held at a time


@scalar
def _top(row):
    return largest_number(row) if row.shape[0] > 0 else row.dtype.type(-np.inf)


@scalar
def _measured(x, order, i, begin, high, bound, sign, best, largest):
    """The row with the largest ``sign`` times the square of its distance, of equals that with the lowest index.

    Only those are measured that may reach the bound: few, so that blocks of 64 without any are passed over.
    """
    for start in range(0, high.shape[0], 64):
        block, found = high[start : start + 64], 0
        for k in range(block.shape[0]):
            found += 1 if block[k] >= bound else 0
        for k in range(block.shape[0] if found else 0):
            if block[k] >= bound:
                j = begin + start + k
                square = sign * square_of_difference(x[i], x[j])
                if square > largest or (square == largest and order[j] < order[best]):
                    best, largest = j, square
    return best, largest


@shared_out
def _anchors(start, stop, high, squares, slack, x, order, first, last, offset, positive, negative):
    """Indices of the hardest positive and negative of every anchor, -1 where there is none; ``high`` holds products."""
    low, nothing = np.empty_like(slack), slack.dtype.type(-np.inf)
    for row in range(start, stop):
        i, up = row + offset, high[row]
        a, b, size, doubt = first[i], last[i], squares[i], slack[i]
        for j in range(up.shape[0]):  # minus the squares of distances: the negatives' largest is the nearest
            up[j] = (up[j] + up[j]) - (size + squares[j])
        for j in range(a, b):
            up[j] = -up[j]
        for j in range(up.shape[0]):
            low[j] = up[j] - (doubt + slack[j])
            up[j] += doubt + slack[j]
        low[i] = up[i] = nothing
        best = -1
        if b - a > 1:
            best, _ = _measured(x, order, i, a, up[a:b], _top(low[a:b]), 1.0, -1, -np.inf)
        positive[order[i]] = order[best] if best >= 0 else -1
        bound = max(_top(low[:a]), _top(low[b:]))
        best, square = _measured(x, order, i, 0, up[:a], bound, -1.0, -1, -np.inf)
        best, square = _measured(x, order, i, b, up[b:], bound, -1.0, best, square)
        negative[order[i]] = order[best] if best >= 0 else -1


@kernel_of(reference)
def batch_hard(x, labels, *, tie_rule="lowest_index"):
    check_option("tie_rule", tie_rule, TIE_RULES)
    _, x, y = checked(x, labels)
    _, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    order, ends = np.argsort(place, kind="stable"), np.cumsum(counts)
    x, place = x[order], place[order]
    single = x.astype(np.float32)
    squares = np.einsum("ij,ij->i", single, single)
    slack = 8 * (x.shape[1] + 8) * np.finfo(np.float32).eps * squares + np.float32(x.shape[1] * 1e-36)
    positive, negative = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
    classes = contiguous((ends - counts)[place], np.int64), contiguous(ends[place], np.int64)
    given = contiguous(squares, np.float32), contiguous(slack, np.float32), contiguous(x, np.float64)
    for offset in range(0, len(x), BLOCK):
        near = np.matmul(single[offset : offset + BLOCK], single.copy().T)
        _anchors(len(near), near, *given, contiguous(order, np.int64), *classes, offset, positive, negative)
    anchor = np.flatnonzero((positive >= 0) & (negative >= 0))
    return Triplets(anchor, positive[anchor], negative[anchor])
