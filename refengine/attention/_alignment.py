"""Scores of queries and keys, and the way back: each function gives the scores and a map of their cotangents.

The map takes the cotangents ds (..., Q, K), 0 where a pair is not attended, and which pairs are attended. Queries and
keys that no attended pair contains may hold nan: they are left out of every sum. ``top`` marks the largest score of
each row, for cotangents that sum to 0 over its keys, as those of softmax do: what all keys have in common then cancels,
and is better left out.
"""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_shape, namespace, promote, unbroadcast
from refengine.attention._arguments import check_cotangent, check_mask
from refengine.attention._rows import selected_sum, top_of
from refengine.attention._scores import average, average_backward, check_axis, check_batch, to_scores, weigh
from refengine.domains import Array


def dot(q: Array, k: Array) -> tuple[Any, Any]:
    """``q_i . k_j``; cotangents of q and k."""
    xp = namespace(q)

    def pull(ds: Any, attended: Any, top: Any = None) -> tuple[Any, ...]:
        dk = selected_sum(xp, xp.matrix_transpose(attended), xp.matrix_transpose(ds), q)
        return selected_sum(xp, attended, ds, k), dk

    return xp.matmul(q, xp.matrix_transpose(k)), pull


def general(q: Array, k: Array, weight: Array) -> tuple[Any, Any]:
    """``q_i . (W k_j)``; cotangents of q, k and W."""
    xp = namespace(q)

    def pull(ds: Any, attended: Any, top: Any = None) -> tuple[Any, ...]:
        keys = selected_sum(xp, attended, ds, k)
        queries = selected_sum(xp, xp.matrix_transpose(attended), xp.matrix_transpose(ds), q)
        own = _taking_part(q, attended, -1)
        dweight = xp.matmul(xp.matrix_transpose(own), keys)
        return xp.matmul(keys, xp.matrix_transpose(weight)), xp.matmul(queries, weight), dweight

    return xp.matmul(xp.matmul(q, weight), xp.matrix_transpose(k)), pull


def concat(
    q: Array, k: Array, w_query: Array, w_key: Array, w_score: Array, bias: Array | float = 0.0
) -> tuple[Any, Any]:
    """``w . tanh(W_q q_i + W_k k_j + b)``; cotangents of q, k, W_q, W_k, w and b."""
    xp = namespace(q)
    left, right = xp.matmul(q, xp.matrix_transpose(w_query)), xp.matmul(k, xp.matrix_transpose(w_key))
    u = left[..., :, None, :] + right[..., None, :, :] + bias
    t, near = xp.tanh(u), xp.exp(-2 * xp.abs(u))
    slope = 4 * near / (1 + near) ** 2  # 1 - tanh^2, which cancels where tanh saturates

    def pull(ds: Any, attended: Any, top: Any = None) -> tuple[Any, ...]:
        chosen, ds = attended[..., None], ds[..., None]
        of_query, from_top = slope, t
        if top is not None:
            from_top, of_query = _from_top(xp, u, right[..., None, :, :], slope, top[..., None])
        dleft = xp.sum(xp.where(chosen, ds * w_score * of_query, 0.0), axis=-2)
        dright = xp.sum(xp.where(chosen, ds * w_score * slope, 0.0), axis=-3)
        dw = xp.sum(xp.where(chosen, ds * from_top, 0.0), axis=(-3, -2))
        dq, dk = xp.matmul(dleft, w_query), xp.matmul(dright, w_key)
        dw_query = xp.matmul(xp.matrix_transpose(dleft), _taking_part(q, attended, -1))
        dw_key = xp.matmul(xp.matrix_transpose(dright), _taking_part(k, attended, -2))
        return dq, dk, dw_query, dw_key, dw, xp.sum(dleft, axis=-2)

    return xp.sum(w_score * t, axis=-1), pull


def _from_top(xp: Any, u: Any, right: Any, slope: Any, top: Any) -> tuple[Any, Any]:
    """``tanh u_j - tanh u_top``, and the same of the slopes 1 - tanh^2; ``right`` is the part of the keys in u.

    On one side of 0 both would cancel: there ``tanh a - tanh b = sinh(a - b) / (cosh a cosh b)``, and of
    a - b = W_k (k_a - k_b) the query is no part.
    """
    u_top, right_top, slope_top = (xp.sum(xp.where(top, a, 0.0), axis=-2, keepdims=True) for a in (u, right, slope))
    t, t_top, a, b = xp.tanh(u), xp.tanh(u_top), xp.abs(u), xp.abs(u_top)
    apart = right - right_top
    product = (1 + xp.exp(-2 * a)) * (1 + xp.exp(-2 * b))
    near = -2 * xp.sign(apart) * xp.expm1(-2 * xp.abs(apart)) * xp.exp(-2 * xp.where(a < b, a, b)) / product
    difference = xp.where(u * u_top > 0, near, t - t_top)
    far = (u * u_top < 0) & (a > 1) & (b > 1)  # the tangents are nearly 1 and -1, and their squares too
    return difference, xp.where(far, slope - slope_top, -difference * (t + t_top))


def checked(mask: Any, optional: tuple[str, ...], **arguments: Any) -> Any:
    """``xp, dtype, arrays, mask``: those given, in float64; q (..., Q, D), k (..., K, E), v (..., K, V) fit."""
    names = [name for name, a in arguments.items() if a is not None or name not in optional]
    xp, dtype, *given = promote(**{name: arguments[name] for name in names})
    a = {name: xp.astype(v, xp.float64, copy=False) for name, v in zip(names, given, strict=True)}
    batch = check_batch(**{name: a[name] for name in ("q", "k", "v") if name in a})
    if "v" in a:
        check_axis("v", a["v"], -2, a["k"].shape[-2], "K", "k")
        check_cotangent_of("g", a, (*batch, a["q"].shape[-2], a["v"].shape[-1]))
    if "k" in a:
        shape = (*check_batch(q=a["q"], k=a["k"]), a["q"].shape[-2], a["k"].shape[-2])
        mask = check_mask(xp, mask, shape, "(..., Q, K)")
        if "v" not in a:
            check_cotangent_of("g", a, shape)
    return xp, dtype, a, mask


def check_cotangent_of(name: str, arrays: dict[str, Any], shape: tuple[int, ...]) -> None:
    """`check_cotangent` of the array with this name, if it is there."""
    if name in arrays:
        check_cotangent(arrays[name], shape)


def attend(a: dict[str, Any], mask: Any, empty_row: str, scored: tuple[Any, Any], g: Any = None) -> tuple[Any, Any]:
    """The average of v under the softmax of the scores; with g also the cotangents of v and of what the scores need.

    The query of an empty row has a gradient of nan under "nan".
    """
    scores, pull = scored
    weights, v = weigh(scores, mask, empty_row), a["v"]
    value = average(weights, v, empty_row)
    if g is None:
        return value, ()
    dp, dv = average_backward(weights, g, v)
    dq, *others = pull(to_scores(weights, dp), weights.rows.attended, top_of(weights.rows))
    if empty_row == "nan" and v.shape[-1]:
        dq = namespace(dq).where(weights.rows.empty, namespace(dq).nan, dq)
    return value, (dv, dq, *others)


def rounded(xp: Any, dtype: Any, a: dict[str, Any], **cotangents: Any) -> tuple[Any, ...]:
    """The cotangents of the arrays that were given, summed over broadcast axes, in the order of the names."""
    return tuple(unbroadcast(d, a[name], dtype) for name, d in cotangents.items() if name in a)


def check_weights(a: dict[str, Any], d: int, e: int) -> None:
    """ValueError unless w_query (A, D), w_key (A, E), w_score (A,) and bias (A,) fit."""
    check_shape("w_query", a["w_query"], ("A", "D"), D=d)
    size = a["w_query"].shape[0]
    check_shape("w_key", a["w_key"], ("A", "E"), A=size, E=e)
    check_shape("w_score", a["w_score"], ("A",), A=size)
    if "bias" in a:
        check_shape("bias", a["bias"], ("A",), A=size)


def _taking_part(rows: Any, attended: Any, axis: int) -> Any:
    """The queries (axis -1) or keys (axis -2) with zeros for those that no attended pair contains."""
    xp = namespace(rows)
    return xp.where(xp.any(attended, axis=axis)[..., None], rows, 0.0)
