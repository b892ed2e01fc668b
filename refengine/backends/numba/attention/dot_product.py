"""Streaming attention on the CPU: `_forward` and `_backward` hold the loops, this file the arguments."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.attention import dot_product as reference
from refengine.attention._arguments import Checked, Options, check, check_cotangent, check_no_empty_row
from refengine.attention.dot_product import *
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import sealed
from refengine.backends.numba.attention._backward import (
    ATTENTION,
    LOG_SUM_EXP,
    WEIGHTS,
    Incoming,
    backward_to_keys,
    backward_to_queries,
    fill_weights,
)
from refengine.backends.numba.attention._forward import Sums, forward
from refengine.backends.numba.attention._tiles import TILE, Scores, Values


@kernel_of(reference.attention)
def attention(
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    keep_mask=None,
    keep_probability=1,
    query_mask=None,
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, keep_mask, keep_probability, query_mask
    )
    c = check(options, q=q, k=k, v=v, bias=bias)
    *_, out = _swept(c, options)
    return _of_queries(c, out.reshape(*c.shape[:-1], out.shape[-1])).astype(c.dtype, copy=False)


@kernel_of(reference.attention_value_and_vjp)
def attention_value_and_vjp(
    g,
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    keep_mask=None,
    keep_probability=1,
    query_mask=None,
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, keep_mask, keep_probability, query_mask
    )
    c = check(options, q=q, k=k, v=v, bias=bias, g=g)
    check_cotangent(c.arrays["g"], (*c.shape[:-1], c.arrays["v"].shape[-1]))
    t, x, z, out = _swept(c, options)
    dq, dk, dv, dbias = _swept_back(c, ATTENTION, t, x, z, out)
    value = _of_queries(c, out.reshape(*c.shape[:-1], out.shape[-1])).astype(c.dtype, copy=False)
    return value, ((dq, dk, dv) if bias is None else (dq, dk, dv, _of_shift(dbias, c)))


@kernel_of(reference.attention_vjp)
def attention_vjp(
    g,
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    keep_mask=None,
    keep_probability=1,
    query_mask=None,
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, keep_mask, keep_probability, query_mask
    )
    return attention_value_and_vjp(g, q, k, v, bias, **options._asdict())[1]


@kernel_of(reference.weights)
def weights(
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    query_mask=None,
):
    options = Options(mask, causal, alignment, window, scale, softcap, empty_row, query_mask=query_mask)
    c = check(options, q=q, k=k, bias=bias)
    t, x, z, _ = _swept(c, options)
    out = np.empty((*t.q.shape[:-1], c.shape[-1]))
    fill_weights(t, x, z, out)
    return _of_queries(c, out.reshape(c.shape)).astype(c.dtype, copy=False)


@kernel_of(reference.weights_vjp)
def weights_vjp(
    g,
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    query_mask=None,
):
    options = Options(mask, causal, alignment, window, scale, softcap, empty_row, query_mask=query_mask)
    c = check(options, q=q, k=k, bias=bias, g=g)
    check_cotangent(c.arrays["g"], c.shape)
    dq, dk, _, dbias = _swept_back(c, WEIGHTS, *_swept(c, options))
    return (dq, dk) if bias is None else (dq, dk, _of_shift(dbias, c))


@kernel_of(reference.log_sum_exp)
def log_sum_exp(
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    query_mask=None,
):
    options = Options(mask, causal, alignment, window, scale, softcap, query_mask=query_mask)
    c = check(options, q=q, k=k, bias=bias)
    _, _, z, _ = _swept(c, options)
    return (z.largest + np.log1p(z.rest)).reshape(c.shape[:-1]).astype(c.dtype, copy=False)


@kernel_of(reference.log_sum_exp_vjp)
def log_sum_exp_vjp(
    g,
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    query_mask=None,
):
    options = Options(mask, causal, alignment, window, scale, softcap, query_mask=query_mask)
    c = check(options, q=q, k=k, bias=bias, g=g)
    check_cotangent(c.arrays["g"], c.shape[:-1])
    dq, dk, _, dbias = _swept_back(c, LOG_SUM_EXP, *_swept(c, options))
    return (dq, dk) if bias is None else (dq, dk, dbias)


def _swept(c: Checked, options: Options) -> tuple[Scores, Values, Sums, np.ndarray]:
    """What the kernels read, and the result of the forward sweep."""
    t, x = _scores(c, options), _values(c, options)
    rows = t.q.shape[:3]
    z = Sums(
        np.full(rows, -1, np.int64),
        np.full(rows, -np.inf),
        np.zeros(rows),
        np.zeros((*rows, x.v.shape[-1])),
    )
    out = np.empty((*rows, x.v.shape[-1]))
    forward(t, x, z, out)
    if options.empty_row == "error":
        empty = (z.best < 0).reshape(c.shape[:-1])
        check_no_empty_row(empty if c.query_mask is None else empty & c.query_mask)
    return t, x, z, out


def _swept_back(c: Checked, kind: int, t: Scores, x: Values, z: Sums, out: np.ndarray) -> tuple[np.ndarray, ...]:
    """dq, dk, dv and dbias in the shapes of the arguments."""
    g, bias = c.arrays["g"], c.arrays["bias"]
    g = _with_batch(_of_queries(c, g[..., None] if kind == LOG_SUM_EXP else g), c.shape[:-3])
    y = Incoming(kind, g, out, np.zeros(t.q.shape[:3]), np.zeros(t.q.shape[:3]))
    dq, dk, dv = (np.zeros(a.shape) for a in (t.q, t.k, x.v))
    sums = t.q.shape[2] if t.bias.shape[2] == t.q.shape[2] else -(-t.q.shape[2] // t.rows)
    dbias = np.zeros((*t.q.shape[:2], sums, t.k.shape[2]) if t.has_bias else (0, 0, 0, 0))
    backward_to_queries(t, x, z, y, dq, dbias)
    backward_to_keys(t, x, z, y, dk, dv)
    batch = c.shape[:-3]
    dq = _of_queries(c, dq.reshape(*batch, *dq.shape[1:])).reshape(dq.shape)
    cotangents = [
        unbroadcast(d.reshape(*batch, *d.shape[1:]), c.arrays[name], c.dtype)
        for name, d in (("q", dq), ("k", dk), ("v", dv))
        if c.arrays.get(name) is not None
    ]
    cotangents += [dv] if "v" not in c.arrays else []
    return *cotangents, None if bias is None else _summed(dbias, t, bias, batch)


def _of_queries(c: Checked, rows: np.ndarray) -> np.ndarray:
    """The rows (..., H, Q, .) of padding are 0, whatever the rule for empty ones is."""
    return rows if c.query_mask is None else np.where(c.query_mask[..., None], rows, 0)


def _summed(dbias: np.ndarray, t: Scores, bias: np.ndarray, batch: tuple[int, ...]) -> Any:
    shared = dbias.shape[2] != t.q.shape[2]
    dbias = np.sum(dbias, axis=2, keepdims=True) if shared else dbias
    return unbroadcast(dbias.reshape(*batch, *dbias.shape[1:]), bias, bias.dtype)


def _of_shift(dbias: np.ndarray, c: Checked) -> np.ndarray:
    """The sum over all keys of a row is 0, whatever rounding says."""
    constant_in_row = c.shape[-1] != (dbias.shape or (0,))[-1]
    return np.where(np.isnan(dbias), np.nan, 0.0).astype(dbias.dtype) if constant_in_row else dbias


def _scores(c: Checked, options: Options) -> Scores:
    batch, (queries, keys) = c.shape[:-3], c.shape[-2:]
    q, k = (_with_batch(c.arrays[name], batch) for name in ("q", "k"))
    place = np.arange(queries) + (keys - queries if options.alignment == "bottom_right" else 0)
    left, right = options.window or (None, None)
    right = 0 if options.causal else right
    first = np.zeros(queries, np.int64) if left is None else np.maximum(place - left, 0)
    last = np.full(queries, keys) if right is None else np.clip(place + right + 1, 0, keys)
    bias, mask = _compact(c.arrays["bias"], c, np.float64), _compact(c.mask, c, np.bool_)
    widest = max(TILE, q.shape[-1], c.arrays["v"].shape[-1] if "v" in c.arrays else 0)
    rows = max(8, TILE * TILE // widest)
    has_bias, has_mask = c.arrays["bias"] is not None, c.mask is not None
    softcap = float(options.softcap or 0)
    return Scores(q, k, bias, mask, first, last, has_bias, has_mask, c.scale, softcap, rows)


def _values(c: Checked, options: Options) -> Values:
    k = c.arrays["k"]
    v = _with_batch(c.arrays["v"] if "v" in c.arrays else np.zeros((*k.shape[:-1], 0)), c.shape[:-3])
    finite = all(bool(np.all(np.isfinite(a))) for name in "qkvg" if (a := c.arrays.get(name)) is not None)
    raised = 1 / options.keep_probability
    has_keep, rule = c.keep_mask is not None, options.empty_row
    return Values(v, _compact(c.keep_mask, c, np.bool_), has_keep, raised, finite, rule == "mean", rule == "nan")


def _with_batch(array: np.ndarray, batch: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """Contiguous float64, all batch axes in one, and read-only: one type, for which kernels are compiled once."""
    full = np.broadcast_to(array, (*batch, *array.shape[-3:]))
    return sealed(np.asarray(full, dtype)).reshape(prod(batch), *array.shape[-3:])


def _compact(array: Any, c: Checked, dtype: Any) -> np.ndarray:
    """(B, H, Q, K) or 1 along axes that are broadcast, so that nothing is stored twice."""
    if array is None:
        return _with_batch(np.zeros((1, 1, 1)), (1,), dtype)
    full = np.asarray(array, dtype).reshape((1,) * (len(c.shape) - array.ndim) + array.shape)
    batch = c.shape[:-3] if prod(full.shape[:-3]) != 1 else (1,) * len(c.shape[:-3])
    return _with_batch(full, batch, dtype)
