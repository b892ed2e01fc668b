"""transformers 4.57."""

from __future__ import annotations

from typing import Any

from refengine.attention.presets._masks import both


def hf_eager(
    *,
    attention_mask: Any = None,
    is_causal: bool = True,
    sliding_window: int | None = None,
    scaling: float | None = None,
    softcap: float | None = None,
) -> dict[str, Any]:
    """Decoders with ``attn_implementation="eager"`` as `refengine.attention.dot_product.attention`.

    ``attention_mask`` (B, K) has 1 at tokens. Positions go on after a cache, so that the causal mask is aligned bottom
    right. ``sliding_window`` counts the query itself, one more than a window's left side. The cap comes before masks,
    which add the smallest finite number: an empty row is the mean of all values, future and padding too, where the same
    model with FlashAttention has 0. Its gradient reaches queries and keys all the same; here it does not.
    """
    window = None if sliding_window is None else (sliding_window - 1, None if not is_causal else 0)
    constants: dict[str, Any] = {"causal": is_causal, "alignment": "bottom_right", "window": window}
    constants |= {"scale": scaling, "softcap": softcap, "empty_row": "mean"}
    return constants | both(None if attention_mask is None else (attention_mask != 0)[:, None, None, :])
