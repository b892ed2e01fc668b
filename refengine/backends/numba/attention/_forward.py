"""Attention by tiles, in memory that grows with Q + K: no matrix of weights is stored (but the cotangent of a bias).

A forward sweep keeps for every query its best key, that key's score, and the *rest*: the sum of the other exponentials
relative to the best one's, and the values that they carry. So log-sum-exp is ``largest + log1p(rest)``, and what
cancels when one weight is nearly 1 is never formed. `_backward` makes the weights tile by tile from ``largest`` and
``rest`` (a log-sum-exp in one number would cost the digits of large scores): from the exponentials that a block of
queries has kept in a strip, or, where keys are too many for that, from scores that are computed again.

Every task owns what it writes, its rows of the caller's arrays and tiles of its own, and goes through its tiles in
order: results do not depend on the number of threads. Products of tiles are made in blocks that stay in registers
(`_products`); no BLAS takes part.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends.numba._exponential import fall
from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.attention._products import transpose
from refengine.backends.numba.attention._tiles import (
    TILE,
    add_product,
    block_of,
    fill_scores,
    kept,
    kept_tile,
    matrix,
    no_strip,
    reach,
    tile_of,
)


class Sums(NamedTuple):
    """For every query its best key (-1: empty row), that key's score, and the rest; (B, H, Q).

    ``tail`` (B, H, Q, V) is what the rest contributes to the average.
    """

    best: Any
    largest: Any
    rest: Any
    tail: Any


@numba.njit(cache=True)
def _absorb(
    s: Any,
    exponentials: Any,
    found: Any,
    part: Any,
    z: Any,
    x: Any,
    values: Any,
    b: int,
    h: int,
    i0: int,
    j0: int,
    numbers: bool,
) -> None:
    """Raise the best keys of a block to those of a tile, whose scores become the kept exponentials of the others.

    ``exponentials`` takes all of them, before drop-out. ``numbers``: no score is nan.
    """
    columns, rows = s.shape
    block = slice(i0, i0 + rows)
    best, largest, rest, tail = z.best[b, h, block], z.largest[b, h, block], z.rest[b, h, block], z.tail[b, h, block]
    before = largest.copy()
    found[:], part[:] = -1, 0
    if numbers:
        _raise_numbers(s, largest, found, part)
    else:
        _raise(s, largest, found)
    part[:] = 0
    for r in range(rows):
        if found[r] >= 0:
            if best[r] >= 0:
                factor, lower = kept(x, b, h, i0 + r, best[r]), fall(before[r] - largest[r])
                rest[r] = lower * (rest[r] + 1)
                for d in range(tail.shape[1]):
                    tail[r, d] = lower * (tail[r, d] + factor * values[best[r], d] if factor != 0 else tail[r, d])
            best[r] = j0 + int(found[r])
            s[int(found[r]), r] = -inf
    _exponentials(s, exponentials, largest, part)
    for r in range(rows):
        rest[r] += part[r]
        if found[r] >= 0:
            exponentials[int(found[r]), r] = 1
    if x.has_keep or x.raised != 1:
        kept_tile(s, x, b, h, i0, j0)


@numba.njit(cache=True)
def _raise(s: Any, largest: Any, found: Any) -> None:
    """The best key of every column, or its first nan: `fall` of what is above the best would be no number of its own.

    Keys are numbered in the type of the scores, so that vectors hold as many of both.
    """
    for j in range(s.shape[0]):
        key = s.dtype.type(j)
        for r in range(s.shape[1]):
            score, top, place = s[j, r], largest[r], found[r]
            lower = (score <= top) | (top != top)  # a score that is nan is not
            largest[r] = top if lower else score
            found[r] = place if lower else key


@numba.njit(cache=True)
def _raise_numbers(s: Any, largest: Any, found: Any, top: Any) -> None:
    """The same without nan: maxima first, four keys at a time, and a search where one is new, which is seldom."""
    top[:] = largest
    whole = s.shape[0] // 4 * 4
    for j in range(0, whole, 4):
        for r in range(s.shape[1]):
            a, b = s[j, r], s[j + 1, r]
            c, d = s[j + 2, r], s[j + 3, r]
            a, c = a if a > b else b, c if c > d else d
            a = a if a > c else c
            top[r] = a if a > top[r] else top[r]
    for j in range(whole, s.shape[0]):
        for r in range(s.shape[1]):
            top[r] = s[j, r] if s[j, r] > top[r] else top[r]
    for r in range(s.shape[1]):
        if top[r] > largest[r]:
            j = 0
            while s[j, r] != top[r]:
                j += 1
            largest[r], found[r] = top[r], j


@numba.njit(cache=True)
def _exponentials(s: Any, exponentials: Any, largest: Any, part: Any) -> None:
    """0 in s, and below 0 in ``exponentials``, where the score is -inf."""
    for j in range(s.shape[0]):
        for r in range(s.shape[1]):
            seen = s[j, r] != -inf
            e = fall(s[j, r] - largest[r])
            exponentials[j, r] = e if seen else s.dtype.type(-1)
            e = e if seen else s.dtype.type(0)
            part[r] += e
            s[j, r] = e


@numba.njit(cache=True)
def forward_block(t: Any, x: Any, z: Any, out: Any, strip: Any, b: int, h: int, i0: int) -> None:
    """One block of queries against all its keys.

    It writes its own rows of ``z`` and ``out``, and fills ``strip`` unless that is empty. Two tiles (scores, and slopes
    of a cap, then exponentials), the scaled queries, (D, rows) as products of tiles read them, and one number a row for
    the best keys and one for sums are made here.
    """
    rows = min(t.rows, t.q.shape[2] - i0)
    values = x.v[b, h // (t.q.shape[1] // t.k.shape[1])]
    tiles = np.empty((2, t.rows * TILE), t.q.dtype)
    found, part = np.empty(rows, t.q.dtype), np.empty(rows, t.q.dtype)
    queries = np.empty((t.q.shape[3], rows), t.q.dtype)
    transpose(queries, t.q[b, h, i0 : i0 + rows], t.scale)
    start, stop = reach(t, i0, rows, False)
    numbers = t.q.itemsize == 4 and not t.has_bias  # tiles of float32 hold moderate numbers alone
    for j0 in range(start, stop, TILE):
        columns = min(TILE, t.k.shape[2] - j0)
        s = matrix(tiles[0], columns, rows)
        spare = matrix(tiles[1], columns, rows)
        fill_scores(s, spare, queries, t, b, h, i0, j0)
        exponentials = tile_of(strip, t, j0, rows) if strip.tops.size else spare
        _absorb(s, exponentials, found, part, z, x, values, b, h, i0, j0, numbers)
        add_product(z.tail[b, h, i0 : i0 + rows], s.T, values[j0 : j0 + columns], x.finite)
        if strip.tops.size:
            strip.tops[j0 // TILE, :rows] = z.largest[b, h, i0 : i0 + rows]
    for i in range(i0, i0 + rows):
        if z.best[b, h, i] >= 0:
            z.rest[b, h, i] += z.largest[b, h, i] - z.largest[b, h, i]  # nan where the best score is infinite
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


@shared_out
def forward(start: int, stop: int, t: Any, x: Any, z: Any, out: Any) -> None:
    """Fill ``out`` (B, H, Q, V) and the sums, a block of queries a task."""
    for task in range(start, stop):
        b, h, i0 = block_of(t, task)
        forward_block(t, x, z, out, no_strip(t), b, h, i0)
