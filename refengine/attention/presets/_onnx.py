"""The reference evaluator of onnx 1.23."""

from __future__ import annotations

from typing import Any

from refengine._arrays import namespace
from refengine.attention.presets._masks import both, of_scores, sides, within


def onnx(
    *,
    attn_mask: Any = None,
    is_causal: int = 0,
    scale: float | None = None,
    softcap: float = 0.0,
    left_window_size: int = -1,
    right_window_size: int = -1,
    nonpad_kv_seqlen: Any = None,
    past_sequence_length: int = 0,
    queries: int | None = None,
    keys: int | None = None,
) -> dict[str, Any]:
    """``Attention`` of operator sets 23 to 25 as `refengine.attention.dot_product.attention`.

    The specification calls the causal mask "bottom-right (offset-aware)", but the offset is 0 where there is no cache:
    then it is aligned top left. With ``past_sequence_length`` (k and v hold the past too) or ``nonpad_kv_seqlen`` (B,)
    the offset is that length, or that number less Q; ``queries`` and ``keys`` say Q and all of K. ValueError for both:
    one is for a cache inside the operator, the other for one outside. What an ``attn_mask`` lacks of ``keys`` at its
    end is masked (in set 23 it must lack nothing), and a last axis of length 1 is no exception: it is not repeated.
    Window ends count. The cap comes before mask and bias, an empty row is 0. The root of the scale is taken: none below
    0.
    """
    constants: dict[str, Any] = {"scale": scale, "softcap": softcap or None, "empty_row": "zero"}
    window = sides(left_window_size, right_window_size)
    given = {name: _padded(array, keys) for name, array in of_scores(attn_mask).items()}
    if nonpad_kv_seqlen is not None and past_sequence_length:
        raise ValueError("nonpad_kv_seqlen must be None with past_sequence_length: the standard has one or the other")
    if nonpad_kv_seqlen is None and not past_sequence_length:
        return constants | {"causal": bool(is_causal), "alignment": "top_left", "window": window} | given
    if queries is None or keys is None:
        raise ValueError("queries and keys must say how many there are, with what comes before")
    xp = namespace(nonpad_kv_seqlen)
    real = within(nonpad_kv_seqlen, keys, "keys")
    offset = past_sequence_length if real is None else (xp.asarray(nonpad_kv_seqlen) - queries)[:, None, None, None]
    ahead = xp.arange(keys)[None, :] - xp.arange(queries)[:, None] - offset
    left, right = window or (None, None)
    masks = [given.pop("mask", None), None if real is None else real[:, None, None, :]]
    masks += [ahead <= 0 if is_causal else None, None if left is None else ahead >= -left]
    masks += [None if right is None else ahead <= right]
    return constants | both(*masks) | given


def _padded(mask: Any, keys: int | None) -> Any:
    """The mask with its last axis of full length."""
    xp = namespace(mask)
    if not mask.ndim or mask.shape[-1] == keys:
        return mask
    if keys is None:
        if mask.shape[-1] == 1:
            raise ValueError("keys must say to which length attn_mask is padded")
        return mask
    hidden = False if xp.isdtype(mask.dtype, "bool") else -xp.inf
    shape = (*mask.shape[:-1], max(keys - mask.shape[-1], 0))
    return xp.concat([mask, xp.full(shape, hidden, dtype=mask.dtype)], axis=-1)
