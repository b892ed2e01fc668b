"""Attention of projected queries, keys and values, and the way back: what multi-head and self-attention share.

Two biases would leave rounding where a gradient is 0. That of the keys shifts all scores of a query alike, so it enters
only under a cap. That of the values is averaged with weights that sum to 1: a column of ones beside the values carries
what they sum to, which drop-out and empty rows change.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, namespace, promote, unbroadcast
from refengine.attention._alignment import rounded
from refengine.attention._arguments import Checked, Options, check, check_cotangent, check_mask
from refengine.attention._rows import (
    Rows,
    average,
    average_backward,
    for_each_head,
    of_shift,
    over_group,
    rows_of,
    scores_backward,
    softmax,
    top_of,
)
from refengine.attention._scores import check_axis, check_batch
from refengine.domains import Array

OPTIONAL = ("b_query", "b_key", "b_value", "b_output", "bias")
NAMES = ("q", "k", "v", "w_query", "w_key", "w_value", "w_output", *OPTIONAL)


class _Projected(NamedTuple):
    """The result and, where g was given, the cotangents by the names of the arguments; in float64."""

    xp: Any
    dtype: Any
    arrays: dict[str, Any]
    value: Any
    cotangents: dict[str, Any]


def attend(
    options: Options, key_mask: Array | None, *arguments: Array | None, of_itself: bool = False, **cotangent: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Multi-head attention and, for a cotangent g, the cotangents of the arguments that are given.

    The arguments are those of `multi_head.attention` in its order; with ``of_itself`` q, k and v are one array, which
    gets the sum of their cotangents. ``query_mask`` of the options has the shape (..., Q).
    """
    with np.errstate(all="ignore"):
        named = dict(zip(NAMES, arguments, strict=True))
        xp, dtype, a, value, found = _attend(options, key_mask, **named, **cotangent)
        value = xp.astype(value, dtype, copy=False)
        if of_itself and found:
            found["q"] = found["q"] + found.pop("k") + found.pop("v")
        return value, rounded(xp, dtype, a, **{name: found[name] for name in NAMES if name in found})


def _attend(options: Options, key_mask: Array | None, **arguments: Array | None) -> _Projected:
    names = [name for name, a in arguments.items() if a is not None or name not in OPTIONAL]
    xp, dtype, *given = promote(**{name: arguments[name] for name in names})
    a = {name: xp.astype(array, xp.float64, copy=False) for name, array in zip(names, given, strict=True)}
    batch, queries = _check(a)
    asks = check_mask(xp, options.query_mask, (*batch, queries), "(..., Q)", "query_mask")
    c, inner = _between(xp, a, batch, options, key_mask, asks)
    rows = rows_of(c, inner)
    p = softmax(xp, rows, inner.empty_row)
    heads, shares = average(c, inner, rows, p), None
    if "b_value" in a:
        heads, shares = heads[..., :-1], heads[..., -1:]
        heads = heads + shares * for_each_head(c, a["b_value"][:, None, :])
    undefined = options.empty_row == "nan" or (options.empty_row == "mean" and c.shape[-1] == 0)
    blank = xp.any(rows.empty, axis=-3) & undefined  # (..., Q, 1)
    value = xp.sum(xp.matmul(heads, xp.permute_dims(a["w_output"], (1, 2, 0))), axis=-3) + a.get("b_output", 0.0)
    value = xp.where(blank, xp.nan, value)
    value = value if asks is None else xp.where(asks[..., None], value, 0.0)
    if "g" not in a:
        return _Projected(xp, dtype, a, value, {})
    g = xp.where(blank, 0.0, a["g"])
    g = g if asks is None else xp.where(asks[..., None], g, 0.0)
    heads = xp.where(blank[..., None, :, :], 0.0, heads)
    shares = None if shares is None else xp.where(blank[..., None, :, :], 0.0, shares)
    found = _from_output(a, g, heads)
    found |= _from_average(c, inner, rows, p, a, found.pop("heads"), shares)
    if options.empty_row == "nan" and g.shape[-1]:
        asking = unbroadcast(xp.astype(blank, xp.float64), a["q"][..., :1]) > 0
        found["q"] = xp.where(asking, xp.nan, found["q"])
    return _Projected(xp, dtype, a, value, found)


def _between(
    xp: Any, a: dict[str, Any], batch: tuple[int, ...], options: Options, key_mask: Any, asks: Any
) -> tuple[Checked, Options]:
    """The arguments of dot-product attention; an empty row is nan in the result alone, not in its heads."""
    keys = a["k"].shape[-2]
    shape = (*batch, a["w_query"].shape[0], a["q"].shape[-2], keys)
    mask = check_mask(xp, options.mask, shape, "(..., H, Q, K)")
    key_mask = check_mask(xp, key_mask, (*batch, keys), "(..., K)", "key_mask")
    if key_mask is not None:
        real = key_mask[..., None, None, :]
        mask = real if mask is None else mask & real
    rule = "zero" if options.empty_row == "nan" else options.empty_row
    inner = options._replace(mask=mask, query_mask=None if asks is None else asks[..., None, :], empty_row=rule)
    q = _project(a["q"], a["w_query"], a.get("b_query"))
    shift = a.get("b_key")
    shift = shift if shift is None or options.softcap is not None else 0 * shift  # nan stays nan
    k, v = _project(a["k"], a["w_key"], shift), _project(a["v"], a["w_value"])
    if "b_value" in a:
        v = xp.concat([v, xp.ones((*v.shape[:-1], 1), dtype=xp.float64)], axis=-1)
    bias = a.get("bias")
    if shift is not None and options.softcap is not None:
        bias = xp.broadcast_to(xp.asarray(0.0) if bias is None else bias, shape)  # its cotangent is that of the scores
    return check(inner, q=q, k=k, v=v, bias=bias), inner


def _from_output(a: dict[str, Any], g: Any, heads: Any) -> dict[str, Any]:
    """The cotangents of the heads and of the projection of the output."""
    xp = namespace(g)
    dweight = xp.matmul(xp.matrix_transpose(g)[..., None, :, :], heads)
    found = {"heads": xp.matmul(g[..., None, :, :], xp.permute_dims(a["w_output"], (1, 0, 2)))}
    found["w_output"] = xp.permute_dims(_leading(dweight, 3), (1, 0, 2))
    return found | ({"b_output": _leading(g, 1)} if "b_output" in a else {})


def _from_average(
    c: Checked, inner: Options, rows: Rows, p: Any, a: dict[str, Any], g: Any, shares: Any
) -> dict[str, Any]:
    """All other cotangents, from that of the heads."""
    xp, found = c.xp, {}
    if shares is not None:
        found["b_value"] = over_group(c, shares * g, a["b_value"][:, None, :])[:, 0, :]
        ones = xp.sum(g * for_each_head(c, a["b_value"][:, None, :]), axis=-1, keepdims=True)
        g = xp.concat([g, xp.zeros_like(ones) if inner.keep_mask is None else ones], axis=-1)
    ds, dv = average_backward(c, inner, rows, p, g)
    dq, dk, dbias = scores_backward(c, rows, ds, inner.empty_row)
    dv = dv[..., :-1] if shares is not None else dv
    for name, long, d in (("q", "query", dq), ("k", "key", dk), ("v", "value", dv)):
        weight = a[f"w_{long}"]
        found[name] = xp.sum(xp.matmul(d, weight), axis=-3)
        # a row without cotangents takes no part: it may hold nan
        own = xp.where(xp.any(d != 0, axis=(-3, -1))[..., None], a[name], 0.0)
        found[f"w_{long}"] = _leading(xp.matmul(xp.matrix_transpose(d), own[..., None, :, :]), 3)
        if long == "query" and "b_query" in a:
            found["b_query"] = xp.sum(_leading(d, 3), axis=-2)
    if "b_key" in a:
        found["b_key"] = 0 * xp.abs(a["b_key"]) if inner.softcap is None else _key_bias(c, inner, rows, dbias, a)
    if "bias" in a:
        found["bias"] = of_shift(unbroadcast(dbias, a["bias"]), c, inner)
    return found


def _key_bias(c: Checked, inner: Options, rows: Rows, ds: Any, a: dict[str, Any]) -> Any:
    """``sum_ij ds_ij slope_ij q_i``, where ds sums to 0 over j: only how slopes differ from that of the top key counts.

    ``1 - tanh^2`` is known to few digits next to 1, and so is the difference of two of them.
    """
    xp, top = c.xp, top_of(rows)
    t = xp.where(rows.attended, xp.tanh(c.scale * xp.matmul(rows.q, xp.matrix_transpose(rows.k)) / inner.softcap), 0.0)
    t_top, slope_top = (xp.sum(xp.where(top, x, 0.0), axis=-1, keepdims=True) for x in (t, rows.slope))
    small = (xp.abs(t) < 0.5) & (xp.abs(t_top) < 0.5)
    apart = xp.where(small, c.scale * (t_top - t) * (t_top + t), rows.slope - slope_top)
    share = xp.sum(xp.where(rows.attended, ds * apart, 0.0), axis=-1, keepdims=True)
    return over_group(c, xp.where(share != 0, share * rows.q, 0.0), a["b_key"][:, None, :])[:, 0, :]


def _project(x: Any, weight: Any, shift: Any = None) -> Any:
    """The rows of x (..., L, E) in every head, (..., H, L, D)."""
    xp = namespace(x)
    heads = xp.matmul(x[..., None, :, :], xp.matrix_transpose(weight))
    return heads if shift is None else heads + shift[:, None, :]


def _leading(array: Any, kept: int) -> Any:
    """The sum over all axes but the last ones."""
    return namespace(array).sum(array, axis=tuple(range(array.ndim - kept)))


def _check(a: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """The batch axes and Q. ValueError that names what does not fit."""
    batch = check_batch(q=a["q"], k=a["k"], v=a["v"])
    queries, width = a["q"].shape[-2:]
    check_axis("v", a["v"], -2, a["k"].shape[-2], "K", "k")
    check_shape("w_query", a["w_query"], ("H", "D", "E"), E=width)
    heads, d, _ = a["w_query"].shape
    check_shape("w_key", a["w_key"], ("H_kv", "D", "F"), D=d, F=a["k"].shape[-1])
    key_heads = a["w_key"].shape[0]
    if heads % key_heads if key_heads else heads:
        raise ValueError(f"w_key must have H_kv heads that divide the H = {heads} of w_query, got H_kv = {key_heads}")
    check_shape("w_value", a["w_value"], ("H_kv", "V", "G"), H_kv=key_heads, G=a["v"].shape[-1])
    size = a["w_value"].shape[1]
    check_shape("w_output", a["w_output"], ("O", "H", "V"), H=heads, V=size)
    out = a["w_output"].shape[0]
    for name, expected in (("b_query", (heads, d)), ("b_key", (key_heads, d)), ("b_value", (key_heads, size))):
        if name in a:
            check_shape(name, a[name], expected)
    if "b_output" in a:
        check_shape("b_output", a["b_output"], (out,))
    if "g" in a:
        check_cotangent(a["g"], (*batch, queries, out))
    return batch, queries
