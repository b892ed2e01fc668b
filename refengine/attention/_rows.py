"""The softmax over the keys of every query: scores, who attends to whom, weights, and the way back."""

from __future__ import annotations

from math import nan
from typing import Any, NamedTuple

from refengine._arrays import namespace, unbroadcast
from refengine.attention._arguments import Checked, Options, check_no_empty_row


class Rows(NamedTuple):
    """Scores (..., H, Q, K) with -inf where a query does not attend, and what the gradients need of them."""

    scores: Any
    attended: Any
    empty: Any  # (..., H, Q, 1): queries that attend to no key and are no padding
    slope: Any  # the derivative of a score to its dot product of query and key
    bias_slope: Any  # and to its bias
    q: Any
    k: Any  # one head for each head of q


def rows_of(c: Checked, options: Options, place: int | None = None) -> Rows:
    """Scores of promoted arguments. Raises ValueError for an empty row where the options ask for it.

    ``place`` is the key at which the first query stands, where the alignment does not say it.
    """
    xp, q, k, bias = c.xp, _float64(c, "q"), for_each_head(c, _float64(c, "k")), c.arrays["bias"]
    after = options.softcap_order == "after_bias"
    scores, cap_slope = c.scale * xp.matmul(q, xp.matrix_transpose(k)), 1.0
    scores = scores + bias if bias is not None and after else scores
    if options.softcap is not None:
        near = xp.exp(-2 * xp.abs(scores / options.softcap))
        cap_slope = 4 * near / (1 + near) ** 2  # 1 - tanh^2, which cancels where tanh saturates
        scores = options.softcap * xp.tanh(scores / options.softcap)
    attended = xp.broadcast_to(_positions(xp, options, c.shape[-2], c.shape[-1], place), c.shape)
    attended = attended if c.mask is None else attended & c.mask
    if bias is not None:
        scores, attended = scores if after else scores + bias, attended & (bias != -xp.inf)
    empty = ~xp.any(attended, axis=-1, keepdims=True)
    empty = empty if c.query_mask is None else empty & c.query_mask[..., None]
    if options.empty_row == "error":
        check_no_empty_row(empty[..., 0])
    bias_slope = cap_slope if after else 1.0
    return Rows(xp.where(attended, scores, -xp.inf), attended, empty, c.scale * cap_slope, bias_slope, q, k)


def exponentials(xp: Any, rows: Rows) -> tuple[Any, Any]:
    """The maximum of every row (0 where it is empty) and the exponentials of what lies below it; 0 if unattended."""
    floor = xp.full((*rows.scores.shape[:-1], 1), -xp.inf, dtype=xp.float64)
    largest = xp.max(xp.concat([rows.scores, floor], axis=-1), axis=-1, keepdims=True)
    largest = xp.where(largest == -xp.inf, 0.0, largest)
    return largest, xp.where(rows.attended, xp.exp(rows.scores - largest), 0.0)


def top_of(rows: Rows) -> Any:
    """The first of the largest scores of each row that has an attended one."""
    xp, keys = namespace(rows.scores), rows.scores.shape[-1]
    if keys == 0:
        return rows.attended
    return (xp.arange(keys) == xp.argmax(rows.scores, axis=-1, keepdims=True)) & rows.attended


def log_sum_exp_of(xp: Any, rows: Rows) -> Any:
    """The maximum plus log1p of the sum of the other terms; -inf without a key, nan where the maximum is inf."""
    largest, e = exponentials(xp, rows)
    others = xp.sum(xp.where(top_of(rows), 0.0, e), axis=-1, keepdims=True)
    value = largest + xp.log1p(others) + (largest - largest)
    return xp.where(xp.any(rows.attended, axis=-1), value[..., 0], -xp.inf)


def softmax(xp: Any, rows: Rows, empty_row: str) -> Any:
    """The weights, by the rule for empty rows."""
    largest, e = exponentials(xp, rows)
    p = xp.where(rows.attended, e / xp.sum(e, axis=-1, keepdims=True), 0.0)
    fill = {"zero": 0.0, "error": 0.0, "nan": nan, "mean": 1 / max(p.shape[-1], 1)}[empty_row]
    return xp.where(rows.empty, fill, p)


def softmax_backward(xp: Any, rows: Rows, p: Any, dp: Any) -> Any:
    """The cotangents of the scores: ``p_j sum_i p_i (dp_j - dp_i)``."""
    p = xp.where(rows.attended, p, 0.0)
    above = xp.where(rows.attended, dp, 0.0)
    # the second time takes off what rounding left of the first: all that counts where one weight is nearly 1, and what
    # keys with much in common would magnify in dq
    for _ in range(2):
        above = above - xp.sum(p * above, axis=-1, keepdims=True)
    return xp.where(rows.attended, p * above, 0.0)


def average(c: Checked, options: Options, rows: Rows, p: Any) -> Any:
    """The values averaged with weights p after drop-out, by the rule for empty rows.

    Weights that are nan make the average nan, and drop-out does not hide them: they have no sum to be shares of.
    """
    xp, v = c.xp, for_each_head(c, _float64(c, "v"))
    value = selected_sum(xp, *_kept(c, options, rows, p), v)
    value = xp.where(xp.any(xp.isnan(p), axis=-1, keepdims=True), xp.nan, value)
    without_keys = c.shape[-1] == 0 and options.empty_row in ("nan", "mean")
    return xp.where(rows.empty, xp.nan, value) if without_keys else value


def average_backward(c: Checked, options: Options, rows: Rows, p: Any, g: Any) -> tuple[Any, Any]:
    """The cotangents of the scores and of v."""
    xp, g = c.xp, c.xp.astype(g, c.xp.float64, copy=False)
    v = for_each_head(c, _float64(c, "v"))
    chosen, kept = _kept(c, options, rows, p)
    dv = selected_sum(xp, xp.matrix_transpose(chosen), xp.matrix_transpose(kept), g)
    dp = xp.where(chosen, xp.matmul(g, xp.matrix_transpose(v)) / options.keep_probability, 0.0)
    return softmax_backward(xp, rows, p, dp), over_group(c, dv, c.arrays["v"])


def _kept(c: Checked, options: Options, rows: Rows, p: Any) -> tuple[Any, Any]:
    """Which pairs enter the average, and their weights after drop-out."""
    chosen = rows.attended | rows.empty if options.empty_row == "mean" else rows.attended
    chosen = chosen if c.keep_mask is None else chosen & c.keep_mask
    return chosen, c.xp.where(chosen, p / options.keep_probability, 0.0)


def scores_backward(c: Checked, rows: Rows, ds: Any, empty_row: str) -> tuple[Any, Any, Any]:
    """Cotangents of q, of k, and of bias (None where there is none) from those of the scores."""
    xp, bias = c.xp, c.arrays["bias"]
    # a score that is not attended has slope nan where its key is, and a cotangent of exactly 0
    du = xp.where(rows.attended, ds * rows.slope, 0.0)
    dq = selected_sum(xp, rows.attended, du, rows.k)
    if empty_row == "nan" and c.arrays["g"].shape[-1]:
        dq = xp.where(rows.empty, xp.nan, dq)
    dk = selected_sum(xp, xp.matrix_transpose(rows.attended), xp.matrix_transpose(du), rows.q)
    dbias = None if bias is None else unbroadcast(xp.where(rows.attended, ds * rows.bias_slope, 0.0), bias, c.dtype)
    return unbroadcast(dq, c.arrays["q"], c.dtype), over_group(c, dk, c.arrays["k"]), dbias


def of_shift(dbias: Any, c: Checked, options: Options) -> Any:
    """A bias that is one number for all keys changes nothing: its cotangent is exactly 0, not what rounding leaves."""
    capped = options.softcap is not None and options.softcap_order == "after_bias"
    return dbias if capped or (dbias.ndim and dbias.shape[-1] == c.shape[-1]) else 0 * dbias


def selected_sum(xp: Any, chosen: Any, a: Any, b: Any) -> Any:
    """``sum_j a_ij b_jd`` over the chosen pairs; a must be 0 at the others, where b may hold nan and inf."""
    if bool(xp.all(xp.isfinite(b))):
        return xp.matmul(a, b)
    return xp.sum(xp.where(chosen[..., None], a[..., None] * b[..., None, :, :], 0.0), axis=-2)


def for_each_head(c: Checked, keys: Any) -> Any:
    """Head h of the result is head ``h // (H / H_kv)`` of the keys or values."""
    heads, key_heads = c.shape[-3], keys.shape[-3]
    if heads == key_heads:
        return keys
    return c.xp.take(keys, c.xp.arange(heads) // (heads // key_heads), axis=-3)


def over_group(c: Checked, cotangent: Any, like: Any) -> Any:
    """The transpose of `for_each_head` and of broadcast axes."""
    *batch, heads, length, width = cotangent.shape
    key_heads = like.shape[-3]
    grouped = c.xp.reshape(cotangent, (*batch, key_heads, heads // max(key_heads, 1), length, width))
    return unbroadcast(c.xp.sum(grouped, axis=-3), like, c.dtype)


def _positions(xp: Any, options: Options, queries: int, keys: int, place: int | None) -> Any:
    offset = place if place is not None else keys - queries if options.alignment == "bottom_right" else 0
    ahead = xp.arange(keys)[None, :] - (xp.arange(queries)[:, None] + offset)
    left, right = options.window or (None, None)
    seen = ahead <= 0 if options.causal else ahead == ahead
    seen = seen if left is None else seen & (ahead >= -left)
    return seen if right is None else seen & (ahead <= right)


def _float64(c: Checked, name: str) -> Any:
    return c.xp.astype(c.arrays[name], c.xp.float64, copy=False)
