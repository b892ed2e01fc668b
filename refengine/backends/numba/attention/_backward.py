"""The way back: what is taken off in every row first, then tiles, each of which adds to all cotangents."""

from __future__ import annotations

from math import inf, nan
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends.numba._exponential import fall
from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.attention._products import accumulate, transpose
from refengine.backends.numba.attention._tiles import (
    TILE,
    add_product,
    block_of,
    fill_scores,
    inner,
    kept,
    kept_tile,
    matrix,
    no_strip,
    reach,
    tile_of,
    tops_of,
)

ATTENTION, WEIGHTS, LOG_SUM_EXP = 0, 1, 2


class Incoming(NamedTuple):
    """The cotangent g (B, H, Q, .) of which result, and what is taken off the weights' cotangents in every row.

    The cotangents of the scores are ``p (dp - sum p dp)``; shift and mean (B, H, Q) add up to that sum, and where one
    weight exceeds 1/2 the shift is that key's own dp, so that its term is -p mean, and nothing cancels.
    """

    kind: int
    g: Any
    out: Any
    share: Any  # of the best key: its weight
    shift: Any
    mean: Any
    of_sum: Any  # the cotangent of log-sum-exp beside g
    residue: Any  # the sum of the scores' cotangents


@numba.njit(cache=True)
def _tile(
    p: Any,
    ds: Any,
    slope: Any,
    part: Any,
    queries: Any,
    g: Any,
    t: Any,
    x: Any,
    z: Any,
    y: Any,
    b: int,
    h: int,
    i0: int,
    j0: int,
    tops: Any,
) -> None:
    """The weights ``p`` of a tile (keys, queries) after drop-out, and the cotangents ``ds`` of its scores.

    ``part`` takes the sums of these over the keys. With ``tops``, p comes with the exponentials of a strip.
    """
    columns, rows = p.shape
    block = slice(i0, i0 + rows)
    if not tops.size:
        fill_scores(p, slope, queries, t, b, h, i0, j0)
    ds[:] = 0
    if y.kind == ATTENTION:
        accumulate(ds, x.v[b, h // (t.q.shape[1] // t.k.shape[1]), j0 : j0 + columns], g)
    elif y.kind == WEIGHTS:
        ds[:] = y.g[b, h, block, j0 : j0 + columns].T
    drops = x.has_keep or x.raised != 1
    if drops:
        kept_tile(ds, x, b, h, i0, j0)
    for i in range(i0, i0 + rows):
        best = z.best[b, h, i] - j0
        if z.rest[b, h, i] < 1 and 0 <= best < columns:
            ds[best, i - i0] = y.shift[b, h, i]
    of_rows = y.shift[b, h, block], y.mean[b, h, block]
    if tops.size:
        _weigh_kept(p, ds, tops, z.largest[b, h, block], y.share[b, h, block], *of_rows, part)
    else:
        _weigh(p, ds, z.largest[b, h, block], y.share[b, h, block], *of_rows, part)
    for i in range(i0, i0 + rows):
        if x.mean and z.best[b, h, i] < 0:
            p[:, i - i0] = 1 / t.k.shape[2]
    if drops:
        kept_tile(p, x, b, h, i0, j0)


@numba.njit(cache=True)
def _weigh(s: Any, ds: Any, largest: Any, share: Any, shift: Any, mean: Any, part: Any) -> None:
    """From scores to weights, and from the weights' cotangents to those of the scores; ``part`` takes their sums."""
    part[:] = 0
    for j in range(s.shape[0]):
        for r in range(s.shape[1]):
            seen = s[j, r] != -inf
            p = fall(s[j, r] - largest[r]) * share[r] if seen else s.dtype.type(0)
            d = ((ds[j, r] - shift[r]) - mean[r]) * p if seen else s.dtype.type(0)
            s[j, r], ds[j, r] = p, d
            part[r] += d


@numba.njit(cache=True)
def _weigh_kept(e: Any, ds: Any, tops: Any, largest: Any, share: Any, shift: Any, mean: Any, part: Any) -> None:
    """The same from exponentials relative to ``tops``, which become factors of a row."""
    part[:] = 0
    for r in range(e.shape[1]):
        tops[r] = fall(tops[r] - largest[r]) * share[r]
    for j in range(e.shape[0]):
        for r in range(e.shape[1]):
            unseen = e[j, r] < 0
            p = e.dtype.type(0) if unseen else e[j, r] * tops[r]
            d = e.dtype.type(0) if unseen else ((ds[j, r] - shift[r]) - mean[r]) * p
            e[j, r], ds[j, r] = p, d
            part[r] += d


@numba.njit(cache=True)
def center_block(t: Any, x: Any, z: Any, y: Any, b: int, h: int, i0: int, rows: int) -> None:
    """Fill share, shift and mean of a block."""
    values = x.v[b, h // (t.q.shape[1] // t.k.shape[1])]
    for i in range(i0, i0 + rows):
        y.share[b, h, i], y.shift[b, h, i], y.mean[b, h, i] = 1 / (1 + z.rest[b, h, i]), 0, 0
        best, rest = z.best[b, h, i], z.rest[b, h, i]
        if y.kind == LOG_SUM_EXP:
            y.mean[b, h, i] = -y.g[b, h, i, 0]
        elif y.kind == WEIGHTS and best >= 0 and rest < 1:
            y.shift[b, h, i] = y.g[b, h, i, best]
        elif y.kind == ATTENTION and best >= 0 and not rest < 1:
            y.shift[b, h, i] = inner(y.g[b, h, i], y.out[b, h, i])
        elif y.kind == ATTENTION and best >= 0:
            factor = kept(x, b, h, i, best)
            if factor != 0:
                y.shift[b, h, i] = factor * inner(y.g[b, h, i], values[best])
            y.mean[b, h, i] = inner(y.g[b, h, i], z.tail[b, h, i]) - rest / (1 + rest) * y.shift[b, h, i]
    if y.kind == WEIGHTS:
        _center_weights(t, x, z, y, b, h, i0, rows)
    for i in range(i0, i0 + rows):
        if z.best[b, h, i] >= 0:
            y.mean[b, h, i] -= y.of_sum[b, h, i]
            y.residue[b, h, i] -= y.of_sum[b, h, i]


@numba.njit(cache=True)
def _center_weights(t: Any, x: Any, z: Any, y: Any, b: int, h: int, i0: int, rows: int) -> None:
    """Two sweeps where no weight exceeds 1/2: the second mean is what rounding left of the first."""
    tiles = np.empty((2, t.rows * TILE), t.q.dtype)
    queries = np.empty((t.q.shape[3], rows), t.q.dtype)
    transpose(queries, t.q[b, h, i0 : i0 + rows], t.scale)
    start, stop = reach(t, i0, rows, False)
    for sweep in range(2):
        sums = np.zeros(rows, y.mean.dtype)
        for j0 in range(start, stop, TILE):
            s = matrix(tiles[0], min(TILE, t.k.shape[2] - j0), rows)
            fill_scores(s, matrix(tiles[1], *s.shape), queries, t, b, h, i0, j0)
            for r in range(rows):
                i = i0 + r
                for j in range(s.shape[0]):
                    if s[j, r] != -inf and j0 + j != z.best[b, h, i]:
                        above = y.g[b, h, i, j0 + j] - y.shift[b, h, i]
                        sums[r] += fall(s[j, r] - z.largest[b, h, i]) * above
        for r in range(rows):
            i = i0 + r
            if z.best[b, h, i] >= 0:
                own = y.g[b, h, i, z.best[b, h, i]] - y.shift[b, h, i]
                found = (sums[r] + own) / (1 + z.rest[b, h, i])
                if sweep == 0 and not z.rest[b, h, i] < 1:
                    y.shift[b, h, i] = found
                elif sweep == 1:
                    y.mean[b, h, i] = found


@numba.njit(cache=True)
def meet_block(
    t: Any, x: Any, z: Any, y: Any, dq: Any, dk: Any, dv: Any, dbias: Any, strip: Any, b: int, h: int, i0: int, of: Any
) -> None:
    """A block of queries and the keys ``of[0] <= j < of[1]``; their weights come from ``strip`` unless it is empty.

    It adds to its own keys' rows of dk and dv, and its own queries' of dq, dbias and ``y.residue``. ``turned`` holds
    the block's scaled queries (D, rows) and, for an average, its cotangents (V, rows): transposed once, since
    `accumulate` wants the rows of its right factor in C order.
    """
    rows, key_head = min(t.rows, t.q.shape[2] - i0), h // (t.q.shape[1] // t.k.shape[1])
    tiles, part = np.empty((3, t.rows * TILE), t.q.dtype), np.empty(rows, t.q.dtype)
    width = y.g.shape[3] if y.kind == ATTENTION else 0
    turned = np.empty((t.q.shape[3] + width) * rows, t.q.dtype)
    queries = matrix(turned, t.q.shape[3], rows)
    g = matrix(turned[queries.size :], width, rows)
    transpose(queries, t.q[b, h, i0 : i0 + rows], t.scale)
    if y.kind == ATTENTION:
        transpose(g, y.g[b, h, i0 : i0 + rows], 1)
    start, stop = reach(t, i0, rows, x.mean)
    for j0 in range(max(start, of[0]), min(stop, of[1]), TILE):
        columns = min(TILE, t.k.shape[2] - j0)
        ds, slope = matrix(tiles[1], columns, rows), matrix(tiles[2], columns, rows)
        p = tile_of(strip, t, j0, rows) if strip.tops.size else matrix(tiles[0], columns, rows)
        _tile(p, ds, slope, part, queries, g, t, x, z, y, b, h, i0, j0, tops_of(strip, j0))
        if y.kind == ATTENTION:
            add_product(dv[b, key_head, j0 : j0 + columns], p, y.g[b, h, i0 : i0 + rows], x.finite)
        if t.softcap > 0 and t.after_bias:
            _times_slope(ds, slope)
        if dbias.size:
            for r in range(rows):
                # a bias that all queries share needs one sum a block, not a row a query
                row = i0 + r if dbias.shape[2] == t.q.shape[2] else i0 // t.rows
                dbias[b, h, row, j0 : j0 + columns] += ds[:, r]
        if t.softcap > 0 and not t.after_bias:
            _times_slope(ds, slope)
        residue = y.residue[b, h, i0 : i0 + rows]
        for r in range(rows):
            residue[r] += part[r]
        add_product(dk[b, key_head, j0 : j0 + columns], ds, t.q[b, h, i0 : i0 + rows], x.finite)
        keys = t.k[b, key_head, j0 : j0 + columns]
        add_product(dq[b, h, i0 : i0 + rows], ds.T, keys, x.finite)


@numba.njit(cache=True)
def start_of(array: Any, block: int, part: int, parts: int) -> Any:
    """Where a part begins, at a whole number of blocks."""
    length: int = array.shape[2]
    return min((length + block - 1) // block * part // parts * block, length)


@numba.njit(cache=True)
def _times_slope(ds: Any, slope: Any) -> None:
    """From the cotangents of the scores to those of the products of queries and keys."""
    for j in range(ds.shape[0]):
        for r in range(ds.shape[1]):
            if ds[j, r] != 0:
                ds[j, r] *= slope[j, r]


@shared_out
def center(start: int, stop: int, t: Any, x: Any, z: Any, y: Any) -> None:
    """Fill share, shift and mean of y, a block of queries a task."""
    for task in range(start, stop):
        b, h, i0 = block_of(t, task)
        center_block(t, x, z, y, b, h, i0, min(t.rows, t.q.shape[2] - i0))


@shared_out
def backward(
    start: int, stop: int, t: Any, x: Any, z: Any, y: Any, dq: Any, dk: Any, dv: Any, dbias: Any, turn: int
) -> None:
    """Every part of the keys meets one part of the queries, another at each turn: no two tasks share a sum."""
    key_heads, group = t.k.shape[1], t.q.shape[1] // max(t.k.shape[1], 1)
    for task in range(start, stop):
        head, a, c = task // t.parts, task % t.parts, (task % t.parts + turn) % t.parts
        b, first = head // key_heads, head % key_heads * group
        keys = start_of(t.k, TILE, a, t.parts), start_of(t.k, TILE, a + 1, t.parts)
        for h in range(first, first + group):  # all that read these keys
            for i0 in range(start_of(t.q, t.rows, c, t.parts), start_of(t.q, t.rows, c + 1, t.parts), t.rows):
                meet_block(t, x, z, y, dq, dk, dv, dbias, no_strip(t), b, h, i0, keys)


@shared_out
def finish(start: int, stop: int, t: Any, x: Any, z: Any, y: Any, dq: Any) -> None:
    """From the sums to dq."""
    _, heads, queries, _ = t.q.shape
    group = heads // t.k.shape[1] if heads else 1
    for row in range(start, stop):
        b, h, i = row // (heads * queries), row // queries % heads, row % queries
        best, residue = z.best[b, h, i], y.residue[b, h, i]
        for d in range(dq.shape[3]):
            # on paper ds sums to 0; what rounding left of the sum would be magnified by what the keys have in common
            own = residue * t.k[b, h // group, best, d] if best >= 0 and y.kind == ATTENTION and t.softcap == 0 else 0.0
            dq[b, h, i, d] = nan if best < 0 and x.nan and y.g.shape[3] else t.scale * (dq[b, h, i, d] - own)
