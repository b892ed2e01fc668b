"""Attention by tiles, in memory that grows with Q + K: no row of weights is ever stored.

A forward sweep keeps for every query its best key, that key's score, and the *rest*: the sum of the other exponentials
relative to the best one's, and the values that they carry. So log-sum-exp is ``largest + log1p(rest)``, and what
cancels when one weight is nearly 1 is never formed. `_backward` recomputes the weights tile by tile from ``largest``
and ``rest``: a log-sum-exp in one number would cost the digits of large scores.

Every task owns what it writes, a block of queries or of keys, and goes through its tiles in order: results do not
depend on the number of threads. Tiles are small enough for a BLAS to run each in the thread that asks.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.attention._tiles import TILE, add_product, fall, fill_scores, kept, matrix, reach, total


class Sums(NamedTuple):
    """For every query its best key (-1: empty row), that key's score, and the rest; (B, H, Q).

    ``tail`` (B, H, Q, V) is what the rest contributes to the average.
    """

    best: Any
    largest: Any
    rest: Any
    tail: Any


@numba.njit(cache=True)
def _absorb(e: Any, s: Any, z: Any, x: Any, values: Any, b: int, h: int, i0: int, j0: int) -> None:
    """Raise the best keys of a block to those of a tile, and leave in ``e`` the kept exponentials of the others."""
    best, largest, rest, tail = z.best[b, h], z.largest[b, h], z.rest[b, h], z.tail[b, h]
    for r in range(s.shape[0]):
        i = i0 + r
        found, top = -1, largest[i]
        for j in range(s.shape[1]):
            if s[r, j] > top or (found < 0 and best[i] < 0 and s[r, j] != -inf):
                found, top = j, s[r, j]
        if found >= 0:
            if best[i] >= 0:
                lower = fall(largest[i] - top)
                rest[i] = lower * (rest[i] + 1)
                factor = kept(x, b, h, i, best[i])
                for d in range(tail.shape[1]):
                    carried = tail[i, d] + factor * values[best[i], d] if factor != 0 else tail[i, d]
                    tail[i, d] = lower * carried
            best[i], largest[i] = j0 + found, top
        if best[i] >= 0:
            rest[i] += _exponentials(e[r], s[r], largest[i], found)
            if x.has_keep or x.raised != 1:
                for j in range(s.shape[1]):
                    e[r, j] *= kept(x, b, h, i, j0 + j)
        else:
            e[r] = 0


@numba.njit(cache=True)
def _exponentials(e: Any, s: Any, largest: Any, but: int) -> Any:
    """The exponentials below the largest into ``e``, except the one of the best key; their sum, nan if any is nan."""
    for j in range(s.size):
        e[j] = 0.0 if s[j] == -inf else fall(s[j] - largest)
    if but >= 0:
        e[but] = 0
    return total(e) + (largest - largest)  # nan where the best score is infinite


@numba.njit(cache=True)
def _forward_block(t: Any, x: Any, z: Any, out: Any, b: int, h: int, i0: int) -> None:
    rows = min(t.rows, t.q.shape[2] - i0)
    values = x.v[b, h // (t.q.shape[1] // t.k.shape[1])]
    kind = out.dtype
    tiles = np.empty((3, t.rows * TILE), kind)
    scratch = np.empty(t.rows * values.shape[1], kind)
    start, stop = reach(t, i0, rows, False)
    for j0 in range(start, stop, TILE):
        columns = min(TILE, t.k.shape[2] - j0)
        s, e = matrix(tiles[0], rows, columns), matrix(tiles[1], rows, columns)
        fill_scores(s, matrix(tiles[2], rows, columns), t, b, h, i0, j0)
        _absorb(e, s, z, x, values, b, h, i0, j0)
        add_product(z.tail[b, h, i0 : i0 + rows], e, values[j0 : j0 + columns], x.finite, scratch)
    for i in range(i0, i0 + rows):
        _finish(out[b, h, i], z.tail[b, h, i], z.best[b, h, i], z.rest[b, h, i], x, values, b, h, i)


@numba.njit(cache=True)
def _finish(out: Any, tail: Any, best: int, rest: Any, x: Any, values: Any, b: int, h: int, i: int) -> None:
    """The averages of one query, and its tail divided by the sum of the exponentials."""
    if best >= 0:
        factor = kept(x, b, h, i, best)
        for d in range(out.size):
            out[d] = (tail[d] + factor * values[best, d] if factor != 0 else tail[d]) / (1 + rest)
            tail[d] /= 1 + rest
    else:
        keys = values.shape[0]
        out[:] = nan if x.nan or (x.mean and keys == 0) else 0
        if x.mean:
            for j in range(keys):
                factor = kept(x, b, h, i, j)
                if factor != 0:
                    for d in range(out.size):
                        out[d] += factor * values[j, d] / keys


@parallel
def forward(t: Any, x: Any, z: Any, out: Any) -> None:
    """Fill ``out`` (B, H, Q, V) and the sums, a block of queries a task."""
    batch, heads, queries, _ = t.q.shape
    blocks = (queries + t.rows - 1) // t.rows
    for task in numba.prange(batch * heads * blocks):
        head = task // blocks
        _forward_block(t, x, z, out, head // heads, head % heads, task % blocks * t.rows)
