"""keras 3.15 on its JAX backend."""

from __future__ import annotations

from typing import Any

from refengine.attention.presets._masks import both


def keras(
    *, scale: float = 1.0, query_mask: Any = None, value_mask: Any = None, use_causal_mask: bool = False
) -> dict[str, Any]:
    """``keras.layers.Attention`` 3.15 (``score_mode="dot"``) as `refengine.attention.dot_product.attention`.

    No scale by default; with ``use_scale=True`` it is learned and starts at 1. ``query_mask`` (B, Q) makes rows 0,
    ``value_mask`` (B, K) masks keys; the causal mask is aligned top left. Add the axis of heads. What is masked has 1e9
    taken off its score, or 65504 in float16. An empty row is so the mean of all values in float32; float64 keeps seven
    digits of the scores, and the row attends as if there were no mask.
    """
    constants: dict[str, Any] = {"causal": use_causal_mask, "alignment": "top_left", "scale": scale}
    constants |= both(None if value_mask is None else value_mask[:, None, None, :]) | {"empty_row": "mean"}
    return constants | ({} if query_mask is None else {"query_mask": query_mask[:, None, :]})


def keras_mha(
    *,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    attention_mask: Any = None,
    use_causal_mask: bool = False,
    sliding_window: int | None = None,
    return_attention_scores: bool = False,
) -> dict[str, Any]:
    """``keras.layers.MultiHeadAttention`` 3.15 as `refengine.attention.multi_head.attention`.

    True attends, and masks intersect; ``sliding_window`` counts the query's own place, on both sides. An empty row is
    the mean of all values, but 0 with ``return_attention_scores=True`` or a dropout rate: which results are returned
    changes what they are. ``query_mask`` (B, T), which the layer takes from its input and ignores as an argument, makes
    empty rows, not zeros.
    """
    masks = [None if attention_mask is None else attention_mask[:, None]]
    masks += [None if query_mask is None else query_mask[:, None, :, None]]
    masks += [None if m is None else m[:, None, None, :] for m in (value_mask, key_mask)]
    window = None if sliding_window is None else (sliding_window - 1, sliding_window - 1)
    constants = {"causal": use_causal_mask, "alignment": "top_left", "window": window}
    return constants | {"empty_row": "zero" if return_attention_scores else "mean"} | both(*masks)
