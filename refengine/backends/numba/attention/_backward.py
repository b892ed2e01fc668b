"""The sweeps back: one over blocks of queries for dq and dbias, one over blocks of keys for dk and dv."""

from __future__ import annotations

from math import inf, nan
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.attention._tiles import TILE, add_product, fall, fill_scores, kept, matrix, reach, total

ATTENTION, WEIGHTS, LOG_SUM_EXP = 0, 1, 2


class Incoming(NamedTuple):
    """The cotangent g (B, H, Q, .) of which result, and what is taken off the weights' cotangents in every row.

    The cotangents of the scores are ``p (dp - sum p dp)``; shift and mean (B, H, Q) add up to that sum, and where one
    weight exceeds 1/2 the shift is that key's own dp, so that its term is -p mean, and nothing cancels.
    """

    kind: int
    g: Any
    out: Any
    shift: Any
    mean: Any


@numba.njit(cache=True)
def _tile(
    p: Any, ds: Any, s: Any, slope: Any, t: Any, x: Any, z: Any, y: Any, b: int, h: int, i0: int, j0: int
) -> None:
    """The kept weights ``p`` of a tile and the cotangents ``ds`` of its scores."""
    rows, columns = s.shape
    fill_scores(s, slope, t, b, h, i0, j0)
    if y.kind == ATTENTION and y.g.shape[3]:
        values = x.v[b, h // (t.q.shape[1] // t.k.shape[1]), j0 : j0 + columns]
        np.dot(y.g[b, h, i0 : i0 + rows], values.T, ds)
    elif y.kind == WEIGHTS:
        ds[:] = y.g[b, h, i0 : i0 + rows, j0 : j0 + columns]
    else:
        ds[:] = 0
    for r in range(rows):
        if z.best[b, h, i0 + r] < 0:
            ds[r] = 0
            for j in range(columns):
                p[r, j] = kept(x, b, h, i0 + r, j0 + j) / t.k.shape[2] if x.mean else 0
        else:
            _row(p[r], ds[r], s[r], x, z, y, b, h, i0 + r, j0)


@numba.njit(cache=True)
def _row(p: Any, ds: Any, s: Any, x: Any, z: Any, y: Any, b: int, h: int, i: int, j0: int) -> None:
    largest, share = z.largest[b, h, i], 1 / (1 + z.rest[b, h, i])
    shift, mean = y.shift[b, h, i], y.mean[b, h, i]
    drops = x.has_keep or x.raised != 1
    for j in range(s.size):
        p[j] = 0.0 if s[j] == -inf else fall(s[j] - largest) * share
        if drops:
            factor = kept(x, b, h, i, j0 + j)
            ds[j] = ds[j] * factor if factor != 0 else factor
    best = z.best[b, h, i] - j0
    if z.rest[b, h, i] < 1 and 0 <= best < s.size:
        ds[best] = shift
    for j in range(s.size):
        ds[j] = 0.0 if s[j] == -inf else p[j] * ((ds[j] - shift) - mean)
    if drops:
        for j in range(s.size):
            factor = kept(x, b, h, i, j0 + j)
            p[j] = p[j] * factor if factor != 0 else factor


@numba.njit(cache=True)
def _center(tiles: Any, t: Any, x: Any, z: Any, y: Any, b: int, h: int, i0: int, rows: int) -> None:
    """Fill shift and mean of a block."""
    values = x.v[b, h // (t.q.shape[1] // t.k.shape[1])]
    for i in range(i0, i0 + rows):
        y.shift[b, h, i], y.mean[b, h, i] = 0, 0
        best, rest = z.best[b, h, i], z.rest[b, h, i]
        if y.kind == LOG_SUM_EXP:
            y.mean[b, h, i] = -y.g[b, h, i, 0]
        elif y.kind == WEIGHTS and best >= 0 and rest < 1:
            y.shift[b, h, i] = y.g[b, h, i, best]
        elif y.kind == ATTENTION and best >= 0 and not rest < 1:
            y.shift[b, h, i] = np.sum(y.g[b, h, i] * y.out[b, h, i])
        elif y.kind == ATTENTION and best >= 0:
            factor = kept(x, b, h, i, best)
            if factor != 0:
                y.shift[b, h, i] = factor * np.sum(y.g[b, h, i] * values[best])
            y.mean[b, h, i] = np.sum(y.g[b, h, i] * z.tail[b, h, i]) - rest / (1 + rest) * y.shift[b, h, i]
    if y.kind == WEIGHTS:
        _center_weights(tiles, t, x, z, y, b, h, i0, rows)


@numba.njit(cache=True)
def _center_weights(tiles: Any, t: Any, x: Any, z: Any, y: Any, b: int, h: int, i0: int, rows: int) -> None:
    """Two sweeps where no weight exceeds 1/2: the second mean is what rounding left of the first."""
    start, stop = reach(t, i0, rows, False)
    for sweep in range(2):
        sums = np.zeros(rows, y.mean.dtype)
        for j0 in range(start, stop, TILE):
            s = matrix(tiles[0], rows, min(TILE, t.k.shape[2] - j0))
            fill_scores(s, matrix(tiles[1], *s.shape), t, b, h, i0, j0)
            for r in range(rows):
                i = i0 + r
                for j in range(s.shape[1]):
                    if s[r, j] != -inf and j0 + j != z.best[b, h, i]:
                        above = y.g[b, h, i, j0 + j] - y.shift[b, h, i]
                        sums[r] += fall(s[r, j] - z.largest[b, h, i]) * above
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
def _queries_block(t: Any, x: Any, z: Any, y: Any, dq: Any, dbias: Any, b: int, h: int, i0: int) -> None:
    rows = min(t.rows, t.q.shape[2] - i0)
    tiles = np.empty((4, t.rows * TILE), dq.dtype)
    scratch = np.empty(t.rows * t.q.shape[3], dq.dtype)
    keys = t.k[b, h // (t.q.shape[1] // t.k.shape[1])]
    residue = np.zeros(rows, dq.dtype)
    _center(tiles, t, x, z, y, b, h, i0, rows)
    start, stop = reach(t, i0, rows, False)
    for j0 in range(start, stop, TILE):
        columns = min(TILE, t.k.shape[2] - j0)
        s, p, ds = matrix(tiles[0], rows, columns), matrix(tiles[1], rows, columns), matrix(tiles[2], rows, columns)
        slope = matrix(tiles[3], rows, columns)
        _tile(p, ds, s, slope, t, x, z, y, b, h, i0, j0)
        if t.has_bias:
            for r in range(rows):
                # a bias that all queries share needs one sum a block, not a row a query
                dbias[b, h, i0 + r if dbias.shape[2] == t.q.shape[2] else i0 // t.rows, j0 : j0 + columns] += ds[r]
        _times_slope(ds, s, slope, t)
        for r in range(rows):
            residue[r] += total(ds[r])
        add_product(dq[b, h, i0 : i0 + rows], ds, keys[j0 : j0 + columns], x.finite, scratch)
    for i in range(i0, i0 + rows):
        if y.kind == ATTENTION and t.softcap == 0 and z.best[b, h, i] >= 0:
            # on paper ds sums to 0; what rounding left of the sum would be magnified by what the keys have in common
            dq[b, h, i] -= residue[i - i0] * keys[z.best[b, h, i]]
        if x.nan and y.g.shape[3] and z.best[b, h, i] < 0:
            dq[b, h, i] = nan


@numba.njit(cache=True)
def _times_slope(ds: Any, s: Any, slope: Any, t: Any) -> None:
    """From the cotangents of the scores to those of the products of queries and keys."""
    for r in range(s.shape[0]):
        for j in range(s.shape[1]):
            ds[r, j] *= t.scale
        if t.softcap > 0:
            for j in range(s.shape[1]):
                ds[r, j] = 0 if s[r, j] == -inf else ds[r, j] * slope[r, j]


@numba.njit(cache=True)
def _keys_block(t: Any, x: Any, z: Any, y: Any, dk: Any, dv: Any, b: int, key_head: int, j0: int) -> None:
    columns = min(TILE, t.k.shape[2] - j0)
    tiles = np.empty((4, t.rows * TILE), dk.dtype)
    scratch = np.empty(TILE * max(dk.shape[3], dv.shape[3]), dk.dtype)
    group = t.q.shape[1] // t.k.shape[1]
    for h in range(key_head * group, (key_head + 1) * group):
        for i0 in range(0, t.q.shape[2], t.rows):
            rows = min(t.rows, t.q.shape[2] - i0)
            start, stop = reach(t, i0, rows, x.mean)
            if start < j0 + columns and j0 < stop:
                s, p, ds = (
                    matrix(tiles[0], rows, columns),
                    matrix(tiles[1], rows, columns),
                    matrix(tiles[2], rows, columns),
                )
                slope = matrix(tiles[3], rows, columns)
                _tile(p, ds, s, slope, t, x, z, y, b, h, i0, j0)
                _times_slope(ds, s, slope, t)
                add_product(dk[b, key_head, j0 : j0 + columns], ds.T, t.q[b, h, i0 : i0 + rows], x.finite, scratch)
                if y.kind == ATTENTION:
                    add_product(dv[b, key_head, j0 : j0 + columns], p.T, y.g[b, h, i0 : i0 + rows], x.finite, scratch)


@parallel
def backward_to_queries(t: Any, x: Any, z: Any, y: Any, dq: Any, dbias: Any) -> None:
    """Add to dq (B, H, Q, D) and dbias, and fill shift and mean of y, a block of queries a task."""
    batch, heads, queries, _ = t.q.shape
    blocks = (queries + t.rows - 1) // t.rows
    for task in numba.prange(batch * heads * blocks):
        head = task // blocks
        _queries_block(t, x, z, y, dq, dbias, head // heads, head % heads, task % blocks * t.rows)


@parallel
def backward_to_keys(t: Any, x: Any, z: Any, y: Any, dk: Any, dv: Any) -> None:
    """Add to dk (B, H_kv, K, D) and dv, a block of keys a task; needs shift and mean of y."""
    batch, heads, keys, _ = t.k.shape
    blocks = (keys + TILE - 1) // TILE
    for task in numba.prange(batch * heads * blocks):
        head = task // blocks
        _keys_block(t, x, z, y, dk, dv, head // heads, head % heads, task % blocks * TILE)


@parallel
def fill_weights(t: Any, x: Any, z: Any, out: Any) -> None:
    """The weights themselves, (B, H, Q, K), a block of queries a task."""
    batch, heads, queries, _ = t.q.shape
    blocks = (queries + t.rows - 1) // t.rows
    for task in numba.prange(batch * heads * blocks):
        head = task // blocks
        _weights_block(t, x, z, out, head // heads, head % heads, task % blocks * t.rows)


@numba.njit(cache=True)
def _weights_block(t: Any, x: Any, z: Any, out: Any, b: int, h: int, i0: int) -> None:
    rows = min(t.rows, t.q.shape[2] - i0)
    tiles = np.empty((2, t.rows * TILE), out.dtype)
    for j0 in range(0, t.k.shape[2], TILE):
        s = matrix(tiles[0], rows, min(TILE, t.k.shape[2] - j0))
        fill_scores(s, matrix(tiles[1], *s.shape), t, b, h, i0, j0)
        for r in range(rows):
            i = i0 + r
            for j in range(s.shape[1]):
                if z.best[b, h, i] < 0:
                    out[b, h, i, j0 + j] = nan if x.nan else (1 / t.k.shape[2] if x.mean else 0)
                else:
                    e = fall(s[r, j] - z.largest[b, h, i])
                    out[b, h, i, j0 + j] = 0 if s[r, j] == -inf else e / (1 + z.rest[b, h, i])
