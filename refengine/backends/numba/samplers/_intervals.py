"""Intervals of a trajectory in compiled code: what two neighbours weigh together, and whether they turn."""

from __future__ import annotations

from math import exp

import numba
import numpy as np

from refengine.samplers.nuts import TURNS

TRAPEZOIDAL, MOMENTUM_SUM, STAN, POSITION = range(len(TURNS))

Q_NEAR, P_NEAR, Q_FAR, P_FAR, INNER = range(5)
"""Of an interval: both ends, in the order in which it was made, and the sum of the momenta between them."""


@numba.njit(cache=True, error_model="numpy")
def weighed(top, rest, other_top, other_rest):
    """The logarithm of the sum of two weights, as top and rest."""
    if other_top > top:
        top, rest, other_top, other_rest = other_top, other_rest, top, rest
    return top, rest + (1 + other_rest) * exp(other_top - top) if other_top > -np.inf else rest


@numba.njit(cache=True, error_model="numpy")
def onwards(w, p, q, inner, share):
    """Whether both end momenta point along the sum of the inner ones and this share of their own."""
    at_p, at_q = 0.0, 0.0
    for d in range(w.size):
        total = inner[d] + (p[d] + q[d]) * share
        at_p += w[d] * p[d] * total
        at_q += w[d] * q[d] * total
    return at_p > 0 and at_q > 0


@numba.njit(cache=True, error_model="numpy")
def apart(way, first, last):
    """Whether both ends move away from each other; ``way`` is the direction of time from the first to the last."""
    at_first, at_last = 0.0, 0.0
    for d in range(first[0].size):
        along = way * (last[0][d] - first[0][d])
        at_first += along * first[1][d]
        at_last += along * last[1][d]
    return at_first >= 0 and at_last >= 0


@numba.njit(cache=True, error_model="numpy")
def joined(constants, way, single, older, newer, scratch):
    """Make of the newer interval both, neighbours of the same size, the older one made first; whether they turn."""
    w, turn, turning = constants.w, constants.turn, False
    if turn == STAN and not single:
        for d in range(w.size):
            scratch[d] = older[INNER, d] + older[P_FAR, d]
        turning = not onwards(w, older[P_NEAR], newer[P_NEAR], scratch, 1.0)
        for d in range(w.size):
            scratch[d] = newer[P_NEAR, d] + newer[INNER, d]
        turning = turning or not onwards(w, older[P_FAR], newer[P_FAR], scratch, 1.0)
    for d in range(w.size):
        between = older[P_FAR, d] + newer[P_NEAR, d]
        newer[INNER, d] = 0.0 if single else older[INNER, d] + between + newer[INNER, d]
        newer[Q_NEAR, d], newer[P_NEAR, d] = older[Q_NEAR, d], older[P_NEAR, d]
    if turn == POSITION:
        return not apart(way, (newer[Q_NEAR], newer[P_NEAR]), (newer[Q_FAR], newer[P_FAR]))
    share = 0.5 if turn == TRAPEZOIDAL else 1.0
    return turning or not onwards(w, newer[P_NEAR], newer[P_FAR], newer[INNER], share)
