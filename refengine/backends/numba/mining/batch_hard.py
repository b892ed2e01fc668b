"""Batch-hard mining: one anchor at a time, no matrix of distances."""

from __future__ import annotations

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._distances import square_of_difference
from refengine.backends.numba.losses._rows import contiguous, scalar
from refengine.mining._batch import TIE_RULES, checked
from refengine.mining.batch_hard import *
from refengine.mining.batch_hard import batch_hard as reference


@scalar
def _hardest(x, y, i):
    """The farthest positive and the nearest negative of anchor i; -1 where there is none."""
    positive, negative, farthest, nearest = -1, -1, -1.0, np.inf
    for j in range(x.shape[0]):
        distance = square_of_difference(x[i], x[j])
        if y[j] == y[i] and j != i and distance > farthest:
            positive, farthest = j, distance
        elif y[j] != y[i] and distance < nearest:
            negative, nearest = j, distance
    return positive, negative


@parallel
def _every_anchor(x, y, positive, negative):
    for i in numba.prange(x.shape[0]):
        positive[i], negative[i] = _hardest(x, y, i)


@kernel_of(reference)
def batch_hard(x, labels, *, tie_rule="lowest_index"):
    check_option("tie_rule", tie_rule, TIE_RULES)
    _, x, y = checked(x, labels)
    positive, negative = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
    _every_anchor(contiguous(x, np.float64), contiguous(y, np.int64), positive, negative)
    anchor = np.flatnonzero((positive >= 0) & (negative >= 0))
    return Triplets(anchor, positive[anchor], negative[anchor])
