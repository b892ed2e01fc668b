"""The arguments of the sweeps in the shapes that compiled loops take, and their results in those of the caller."""

from __future__ import annotations

from functools import reduce
from math import prod
from operator import iadd
from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.attention._arguments import Checked, Options, check_no_empty_row
from refengine.backends.numba._parallel import sealed
from refengine.backends.numba.attention._backward import (
    ATTENTION,
    LOG_SUM_EXP,
    Incoming,
    backward,
    center,
    finish,
)
from refengine.backends.numba.attention._both_ways import there_and_back
from refengine.backends.numba.attention._forward import Sums, forward
from refengine.backends.numba.attention._tiles import TILE, Scores, Values, blocks

ROWS = 48  # queries in a block, of float64: with 64 keys a tile of 24 KiB
MANY = 2**14  # pairs of queries and keys from which tiles of float32 are multiplied as such
MODERATE = 1e7  # the largest numbers in them: products of four, and sums of many, stay below 3e38
STRIP = 2**20  # bytes of weights that a task may keep
AT_ONCE = 16  # tasks of both sweeps at least: a part of a head's queries needs memory for sums of its own
PIECES = 64  # tasks at a time on the way back: more than most machines have cores


@np.errstate(all="ignore")
def shaped(out: np.ndarray, c: Checked) -> np.ndarray:
    """The averages (..., H, Q, V) in the dtype of the result."""
    return of_queries(c, out.reshape(*c.shape[:-1], out.shape[-1])).astype(c.dtype, copy=False)


@np.errstate(all="ignore")
def log_sum_exp_of(z: Sums, c: Checked) -> np.ndarray:
    """The log-sum-exps (..., H, Q) in the dtype of the result; -inf where a query attends to no key."""
    found: np.ndarray = z.largest + np.log1p(z.rest)
    return found.reshape(c.shape[:-1]).astype(c.dtype, copy=False)


def of_queries(c: Checked, rows: np.ndarray) -> np.ndarray:
    """The rows (..., H, Q, .) of padding are 0, whatever the rule for empty ones is."""
    return rows if c.query_mask is None else np.where(c.query_mask[..., None], rows, 0)


@np.errstate(all="ignore")
def swept(c: Checked, options: Options, place: int | None = None) -> tuple[Scores, Values, Sums, np.ndarray]:
    """What the kernels read, and the result of the forward sweep."""
    t, x, z, out = _given(c, options, place)
    forward(blocks(t), t, x, z, out)
    _check_rows(c, options, z)
    return t, x, z, out


@np.errstate(all="ignore")
def swept_both_ways(
    c: Checked, options: Options, kind: int, place: int | None = None, of_sum: Any = 0
) -> tuple[Sums, np.ndarray, tuple[np.ndarray, ...]]:
    """The sums, the averages, and dq, dk, dv and dbias; ``of_sum`` is a cotangent of log-sum-exp beside g.

    dbias needs memory for (B, H, Q, K) numbers, or (B, H, blocks of queries, K) of a bias that queries share. A bias of
    one number for all keys needs none: it moves log-sum-exp by itself and no weight, whatever rounding says, unless a
    cap comes in between.
    """
    t, x, z, out = _given(c, options, place)
    g, bias = c.arrays["g"], c.arrays["bias"]
    g = _with_batch(of_queries(c, g[..., None] if kind == LOG_SUM_EXP else g), c.shape[:-3], t.q.dtype)
    share, shift, mean = np.zeros((3, *t.q.shape[:3]), t.q.dtype)
    of_rows = np.zeros(t.q.shape[:3]) + np.reshape(of_sum, t.q.shape[:3] if np.ndim(of_sum) else ())
    y = Incoming(kind, g, out, share, shift, mean, of_rows, np.zeros(t.q.shape[:3]))
    sums = t.q.shape[2] if t.bias.shape[2] == t.q.shape[2] else -(-t.q.shape[2] // t.rows)
    alike = bias is not None and bias.shape[-1:] != c.shape[-1:] and not (t.softcap and t.after_bias)
    dbias = np.zeros((*t.q.shape[:2], sums, t.k.shape[2] if t.has_bias and not alike else 0))
    dq = np.zeros_like(t.q)
    strip = t.rows * t.k.shape[2] * t.q.itemsize
    tasks = prod(t.k.shape[:2])
    if kind == ATTENTION and strip <= STRIP and not t.softcap and not x.mean:
        t = t._replace(parts=max(min(-(-AT_ONCE // max(tasks, 1)), -(-t.q.shape[2] // t.rows)), 1))
        of_parts = [np.zeros((t.parts, *a.shape), a.dtype) for a in (t.k, x.v)]
        there_and_back(tasks * t.parts, t, x, z, out, y, dq, *of_parts, dbias)
        dk, dv = (reduce(iadd, added) for added in of_parts)
    else:
        dk, dv = np.zeros_like(t.k), np.zeros_like(x.v)
        forward(blocks(t), t, x, z, out)
        center(blocks(t), t, x, z, y)
        for turn in range(t.parts):
            backward(tasks * t.parts, t, x, z, y, dq, dk, dv, dbias, turn)
    _check_rows(c, options, z)
    finish(prod(t.q.shape[:3]), t, x, z, y, dq)
    if alike:
        dbias = (y.residue if kind == LOG_SUM_EXP else np.where(z.best < 0, 0, of_rows) + 0 * y.residue)[..., None]
    dk *= t.scale
    batch = c.shape[:-3]
    dq = of_queries(c, dq.reshape(*batch, *dq.shape[1:])).reshape(dq.shape)
    cotangents = [
        unbroadcast(d.reshape(*batch, *d.shape[1:]), c.arrays[name], c.dtype)
        for name, d in (("q", dq), ("k", dk), ("v", dv))
        if c.arrays.get(name) is not None
    ]
    cotangents += [dv] if "v" not in c.arrays else []
    return z, out, (*cotangents, None if bias is None else _summed(dbias, t, bias, batch))


def _summed(dbias: np.ndarray, t: Scores, bias: np.ndarray, batch: tuple[int, ...]) -> Any:
    shared = dbias.shape[2] != t.q.shape[2]
    dbias = np.sum(dbias, axis=2, keepdims=True) if shared else dbias
    return unbroadcast(dbias.reshape(*batch, *dbias.shape[1:]), bias, bias.dtype)


def _given(c: Checked, options: Options, place: int | None) -> tuple[Scores, Values, Sums, np.ndarray]:
    """What the kernels read and write on the way there."""
    dtype = _dtype_of_tiles(c, options)
    t, x = _scores(c, options, place, dtype), _values(c, options, dtype)
    rows = t.q.shape[:3]
    z = Sums(
        np.full(rows, -1, np.int64),
        np.full(rows, -np.inf, x.v.dtype),
        np.zeros(rows),
        np.zeros((*rows, x.v.shape[-1]), x.v.dtype),
    )
    return t, x, z, np.empty((*rows, x.v.shape[-1]), x.v.dtype)


def _check_rows(c: Checked, options: Options, z: Sums) -> None:
    if options.empty_row == "error":
        empty = (z.best < 0).reshape(c.shape[:-1])
        check_no_empty_row(empty if c.query_mask is None else empty & c.query_mask)


def _scores(c: Checked, options: Options, place: int | None, dtype: Any) -> Scores:
    batch, (queries, keys) = c.shape[:-3], c.shape[-2:]
    q, k = (_with_batch(c.arrays[name], batch, dtype) for name in ("q", "k"))
    offset = place if place is not None else keys - queries if options.alignment == "bottom_right" else 0
    at = np.arange(queries) + offset
    left, right = options.window or (None, None)
    right = 0 if options.causal else right
    first = np.zeros(queries, np.int64) if left is None else np.clip(at - left, 0, keys)
    last = np.full(queries, keys) if right is None else np.clip(at + right + 1, 0, keys)
    bias, mask = _compact(c.arrays["bias"], c, dtype), _compact(c.mask, c, np.bool_)
    rows = ROWS * 8 // np.dtype(dtype).itemsize
    has_bias, has_mask = c.arrays["bias"] is not None, c.mask is not None
    softcap = float(options.softcap or 0)
    parts = min(-(-PIECES // max(prod(k.shape[:2]), 1)), -(-queries // rows), -(-keys // TILE))
    cap = softcap, options.softcap_order == "after_bias"
    return Scores(q, k, bias, mask, first, last, has_bias, has_mask, c.scale, *cap, rows, max(parts, 1))


def _values(c: Checked, options: Options, dtype: Any) -> Values:
    k = c.arrays["k"]
    v = c.arrays["v"] if "v" in c.arrays else np.zeros((*k.shape[:-1], 0))
    v = _with_batch(v, c.shape[:-3], dtype)
    finite = all(bool(np.all(np.isfinite(a))) for name in "qkvg" if (a := c.arrays.get(name)) is not None)
    raised = 1 / options.keep_probability
    has_keep, rule = c.keep_mask is not None, options.empty_row
    return Values(v, _compact(c.keep_mask, c, np.bool_), has_keep, raised, finite, rule == "mean", rule == "nan")


def _dtype_of_tiles(c: Checked, options: Options) -> Any:
    """Averages of float32 arrays are multiplied in float32 where that pays, and nothing in them can overflow.

    The factors of a product in the gradients are three of q, k, v, g, and c / rho, scale over keep probability. What
    lies below 2^-126 has few digits then, and none below 2^-149: so weights of scores more than 87 under the largest.
    """
    single = "v" in c.arrays and np.dtype(c.dtype) == np.float32 and c.shape[-2] * c.shape[-1] >= MANY
    single = single and max(abs(c.scale), 1.0) < MODERATE * options.keep_probability
    arrays = (a for name in (*"qkvg", "g_log_sum_exp") if (a := c.arrays.get(name)) is not None and a.size)
    return np.float32 if single and all(max(a.max(), -a.min()) < MODERATE for a in arrays) else np.float64


def _with_batch(array: np.ndarray, batch: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Contiguous, all batch axes in one, and read-only: one type, for which kernels are compiled once."""
    full = np.broadcast_to(array, (*batch, *array.shape[-3:]))
    return sealed(np.asarray(full, dtype)).reshape(prod(batch), *array.shape[-3:])


def _compact(array: Any, c: Checked, dtype: Any) -> np.ndarray:
    """(B, H, Q, K) or 1 along axes that are broadcast, so that nothing is stored twice."""
    if array is None:
        return _with_batch(np.zeros((1, 1, 1)), (1,), dtype)
    full = np.asarray(array, dtype).reshape((1,) * (len(c.shape) - array.ndim) + array.shape)
    batch = c.shape[:-3] if prod(full.shape[:-3]) != 1 else (1,) * len(c.shape[:-3])
    return _with_batch(full, batch, dtype)
