"""Losses on the cosines of a batch: one N x N buffer that holds cosines, then derivatives; two matrix products.

A loss fills each row of the buffer with its own derivatives, up to a factor for the row's positives and one for its
negatives. Both rows of a pair meet in `pulled`, which needs nothing else.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._rows import contiguous, exp_row, orthogonal_rows, scalar, sum_of, unit_vectors

TILE = 32


def cosines(x):
    """The buffer of cosines, which rounding may carry beyond 1, and what `pulled` takes: directions and lengths."""
    to_x = unit_vectors(contiguous(x, np.float64))
    with np.errstate(all="ignore"):
        return np.matmul(to_x[0], to_x[0].T), to_x


def positives(y):
    """How many other rows have the label of each."""
    _, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    return counts[place] - 1.0


@parallel
def _both_ways(c, y, of_p, of_n):
    """Replace c by its sum with its transpose, each row scaled: by of_p where the labels agree, else by of_n.

    Row t from the top and row t from the bottom of the tiles make equal work.
    """
    n = c.shape[0]
    tiles = (n + TILE - 1) // TILE
    for t in numba.prange(tiles):
        first = t // 2 if t % 2 == 0 else tiles - 1 - t // 2
        for second in range(first, tiles):
            for i in range(first * TILE, min(n, (first + 1) * TILE)):
                c[i, i] = 0
                for j in range(max(i + 1, second * TILE), min(n, (second + 1) * TILE)):
                    if y[i] == y[j]:
                        both = of_p[i] * c[i, j] + of_p[j] * c[j, i]
                    else:
                        both = of_n[i] * c[i, j] + of_n[j] * c[j, i]
                    c[i, j] = c[j, i] = both


def pulled(c, y, of_p, of_n, to_x, dtype):
    """Cotangent of x from the buffer of derivatives, which is used up."""
    unit, largest, norm = to_x
    if np.any(np.isnan(norm)):  # every row meets the one that has no direction
        return (np.full(unit.shape, np.nan, dtype),)
    with np.errstate(all="ignore"):
        _both_ways(c, y, contiguous(of_p, np.float64), contiguous(of_n, np.float64))
        dx = np.matmul(c, unit)
        orthogonal_rows(dx, unit, largest, norm)
        return (dx.astype(dtype, copy=False),)


@scalar
def clipped(c):
    """Min and max would pass over nan."""
    return 1.0 if c > 1 else (-1.0 if c < -1 else c)


@parallel
def two_sums(c, y, gamma_p, sign, gamma_n, mining, tops, sums):
    """The largest ``sign * c`` of each row's positives and the largest c of its negatives, and their exponentials.

    The buffer takes the exponentials of gamma times what they are below the largest, ``sums`` their sums. Where there
    is none the largest is 0, and the sum too. Unless ``mining`` is nan, a positive whose cosine is as much above the
    largest of the negatives is left out, and a negative as much below the least of the positives; sign is -1 then.
    """
    for i in numba.prange(c.shape[0]):
        top_p, top_n = -np.inf, -np.inf
        for j in range(c.shape[1]):
            s = clipped(c[i, j])
            if y[j] != y[i]:
                top_n = s if s > top_n or s != s else top_n
            elif j != i:
                top_p = sign * s if sign * s > top_p or s != s else top_p
        for j in range(c.shape[1]):
            s = clipped(c[i, j])
            if y[j] != y[i]:
                c[i, j] = -np.inf if s + mining <= -top_p else gamma_n * (s - top_n)
            else:
                c[i, j] = -np.inf if j == i or s - mining >= top_n else gamma_p * (sign * s - top_p)
        exp_row(c[i])
        sum_p = 0.0
        for j in range(c.shape[1]):
            sum_p += c[i, j] if y[j] == y[i] else 0.0
        sum_n = 0.0
        for j in range(c.shape[1]):
            sum_n += c[i, j] if y[j] != y[i] else 0.0
        tops[i, 0] = 0.0 if top_p == -np.inf else top_p
        tops[i, 1] = 0.0 if top_n == -np.inf else top_n
        sums[i, 0], sums[i, 1] = sum_p, sum_n


@parallel
def against_all(c, y, scale, each, g, weights, losses, by_pair):
    """Minus log of the softmax at every positive: ``losses`` gets the sum over a row's, ``by_pair`` each, if wanted.

    The buffer takes the derivatives to scale * c, of the losses times ``each`` of the row or, where there are such,
    the weights ``g`` of the pairs. At the largest cosine they follow from the others, as 1 less them would cancel.
    """
    for i in numba.prange(c.shape[0]):
        top, place = -np.inf, -1
        for j in range(c.shape[1]):
            s = clipped(c[i, j])
            if j != i and (s > top or s != s):
                top, place = s, j
        at_top, beside, gaps, count = 0.0, 0.0, 0.0, 0
        for j in range(c.shape[1]):
            gap = scale * (top - clipped(c[i, j]))
            c[i, j] = -gap
            if y[j] == y[i] and j != i:
                weight = g[i, j] if weights else each[i]
                gaps += gap
                count += 1
                if weights:
                    by_pair[i, j] = gap
                if j == place:
                    at_top = weight
                else:
                    beside += weight
        c[i, i] = -np.inf
        if place >= 0 and top == top:
            c[i, place] = -np.inf
        exp_row(c[i])
        rest, whole = sum_of(c[i]), at_top + beside
        total = math.log1p(rest)
        losses[i] = gaps + count * total if count > 0 else 0.0
        share = whole / (1 + rest)
        for j in range(c.shape[1]):
            c[i, j] *= share
        for j in range(c.shape[1]):
            if y[j] == y[i] and j != i:
                c[i, j] -= g[i, j] if weights else each[i]
                if weights:
                    by_pair[i, j] = by_pair[i, j] + total
        c[i, i] = 0.0
        if place >= 0:
            c[i, place] = beside - whole * (rest / (1 + rest))


@parallel
def against_negatives(c, y, scale, each, g, weights, losses, by_pair):
    """As `against_all`, of softmaxes over one positive and all negatives."""
    for i in numba.prange(c.shape[0]):
        top, rest = -np.inf, 0.0
        for j in range(c.shape[1]):
            s = clipped(c[i, j])
            if y[j] != y[i]:
                top = s if s > top or s != s else top
        for j in range(c.shape[1]):
            s = clipped(c[i, j])
            if y[j] != y[i]:
                c[i, j] = math.exp(scale * (s - top))
                rest += c[i, j]
        whole, losses[i] = 0.0, 0.0
        for j in range(c.shape[1]):
            if y[j] == y[i] and j != i:
                h = scale * (top - clipped(c[i, j])) + math.log(rest) if top != -np.inf else -np.inf * abs(c[i, j] + 2)
                small = math.exp(-abs(h))
                loss = (0.0 if h < 0 else h) + math.log1p(small)
                slope = (small if h < 0 else 1.0) / (1 + small) * (g[i, j] if weights else each[i])
                losses[i] += loss
                if weights:
                    by_pair[i, j] = loss
                whole += slope
                c[i, j] = -slope
        for j in range(c.shape[1]):
            if y[j] != y[i]:
                c[i, j] *= whole / rest
