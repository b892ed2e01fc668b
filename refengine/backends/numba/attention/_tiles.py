"""Tiles of scores, and products of tiles: what every sweep over the keys shares."""

from __future__ import annotations

from math import cosh, inf, tanh
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends.numba.attention._products import accumulate

TILE = 64


class Scores(NamedTuple):
    """What the scores are made of. Arrays (B, H, ., .), where bias and masks may have axes of length 1."""

    q: Any
    k: Any
    bias: Any
    mask: Any
    first: Any  # (Q,): position restricts query i to the keys first[i] <= j < last[i]
    last: Any
    has_bias: bool
    has_mask: bool
    scale: Any
    softcap: Any  # 0: none
    after_bias: bool  # the cap
    rows: int  # queries in a block
    parts: int  # into which keys and queries are cut for the way back


class Values(NamedTuple):
    """What is averaged, and drop-out."""

    v: Any
    keep: Any
    has_keep: bool
    raised: Any  # 1 / keep_probability
    finite: bool  # no nan or inf in q, k, v, g: tiles may be multiplied as they are
    mean: bool  # empty rows average all values
    nan: bool  # empty rows are nan


def blocks(t: Scores) -> int:
    """The number of blocks of queries, in all heads."""
    batch, heads, queries, _ = t.q.shape
    return int(batch * heads * -(-queries // t.rows))


@numba.njit(cache=True)
def block_of(t: Any, task: int) -> Any:
    """Batch, head and first query of a block."""
    heads, in_head = t.q.shape[1], (t.q.shape[2] + t.rows - 1) // t.rows
    head = task // in_head
    return head // heads, head % heads, task % in_head * t.rows


@numba.njit(cache=True)
def row_of(array: Any, b: int, h: int, i: int) -> Any:
    """The row of an array whose axes of length 1 are broadcast."""
    return array[min(b, array.shape[0] - 1), min(h, array.shape[1] - 1), min(i, array.shape[2] - 1)]


@numba.njit(cache=True)
def matrix(buffer: Any, rows: int, columns: int) -> Any:
    return buffer[: rows * columns].reshape(rows, columns)


class Strip(NamedTuple):
    """What a block of queries keeps of its weights, tile by tile: exponentials relative to the tops of their time."""

    exponentials: Any  # below 0 where a query does not attend
    tops: Any  # (tiles, rows): the largest scores after this tile


@numba.njit(cache=True)
def a_strip(t: Any) -> Any:
    keys, kind = t.k.shape[2], t.q.dtype
    return Strip(np.empty(keys * t.rows, kind), np.empty(((keys + TILE - 1) // TILE, t.rows), kind))


@numba.njit(cache=True)
def no_strip(t: Any) -> Any:
    return Strip(np.empty(0, t.q.dtype), np.empty((0, 0), t.q.dtype))


@numba.njit(cache=True)
def tops_of(strip: Any, j0: int) -> Any:
    """The tops of that tile; of length 0 where there is no strip."""
    return strip.tops[j0 // TILE] if strip.tops.size else strip.exponentials


@numba.njit(cache=True)
def tile_of(strip: Any, t: Any, j0: int, rows: int) -> Any:
    """The exponentials (keys, queries) of the tile that begins with key j0."""
    return matrix(strip.exponentials[j0 * t.rows :], min(TILE, t.k.shape[2] - j0), rows)


@numba.njit(cache=True)
def capped(x: Any, softcap: Any) -> tuple[Any, Any]:
    """The score after the cap, and the slope of the cap."""
    reach = cosh(x / softcap)
    return softcap * tanh(x / softcap), 1 / (reach * reach)


@numba.njit(cache=True)
def fill_scores(s: Any, slope: Any, queries: Any, t: Any, b: int, h: int, i0: int, j0: int) -> None:
    """Scores of a tile (keys, queries), -inf where a query does not attend; with a cap also its slopes.

    ``queries`` (D, queries) are the scaled ones of the block.
    """
    columns, rows = s.shape
    s[:] = 0
    accumulate(s, t.k[b, h // (t.q.shape[1] // t.k.shape[1]), j0 : j0 + columns], queries)
    if t.first[i0 + rows - 1] > j0 or t.last[i0] < j0 + columns:
        for j in range(columns):
            for r in range(rows):
                if j0 + j < t.first[i0 + r] or j0 + j >= t.last[i0 + r]:
                    s[j, r] = -inf
    if t.softcap > 0 and not t.after_bias:
        _cap(s, slope, t.softcap)
    if t.has_bias or t.has_mask:
        for r in range(rows):
            _add_bias(s[:, r], row_of(t.bias, b, h, i0 + r), row_of(t.mask, b, h, i0 + r), t, j0)
    if t.softcap > 0 and t.after_bias:
        _cap(s, slope, t.softcap)


@numba.njit(cache=True)
def _cap(s: Any, slope: Any, softcap: Any) -> None:
    for j in range(s.shape[0]):
        for r in range(s.shape[1]):
            if s[j, r] != -inf:
                s[j, r], slope[j, r] = capped(s[j, r], softcap)


@numba.njit(cache=True)
def _add_bias(s: Any, bias: Any, mask: Any, t: Any, j0: int) -> None:
    for j in range(s.size):
        if s[j] != -inf:
            if t.has_bias:
                extra = bias[min(j0 + j, bias.size - 1)]
                s[j] = -inf if extra == -inf else s[j] + extra
            if t.has_mask and not mask[min(j0 + j, mask.size - 1)]:
                s[j] = -inf


@numba.njit(cache=True)
def inner(a: Any, b: Any) -> Any:
    """The inner product in float64."""
    result = 0.0
    for d in range(a.size):
        result += np.float64(a[d]) * b[d]
    return result


@numba.njit(cache=True)
def kept(x: Any, b: int, h: int, i: int, j: int) -> Any:
    """The factor that drop-out puts on a weight."""
    if not x.has_keep:
        return x.raised
    keep = row_of(x.keep, b, h, i)
    return x.raised if keep[min(j, keep.size - 1)] else 0 * x.raised


@numba.njit(cache=True)
def add_product(sums: Any, a: Any, b: Any, finite: bool) -> None:
    """``sums += a @ b``; where b may hold nan and inf, entries of a that are 0 choose nothing."""
    if finite:
        accumulate(sums, a, b)
    else:
        for i in range(sums.shape[0]):
            for j in range(b.shape[0]):
                if a[i, j] != 0:
                    for d in range(b.shape[1]):
                        sums[i, d] += a[i, j] * b[j, d]


@numba.njit(cache=True)
def kept_tile(a: Any, x: Any, b: int, h: int, i0: int, j0: int) -> None:
    """Drop-out on a tile (keys, queries); what is dropped is 0, whatever it was."""
    for j in range(a.shape[0]):
        for r in range(a.shape[1]):
            factor = kept(x, b, h, i0 + r, j0 + j)
            a[j, r] = a[j, r] * factor if factor != 0 else factor


@numba.njit(cache=True)
def reach(t: Any, i0: int, rows: int, all_keys: bool) -> tuple[int, int]:
    """The keys that a block of queries can meet; the ranges move forward with the query."""
    keys = t.k.shape[2]
    return (0, keys) if all_keys else (max(t.first[i0], 0) // TILE * TILE, min(t.last[i0 + rows - 1], keys))
