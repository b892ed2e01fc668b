"""torch 2.13."""

from __future__ import annotations

from typing import Any

from refengine.attention.presets._masks import inverted, of_scores


def torch_sdpa(
    *, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None, documented: bool = False
) -> dict[str, Any]:
    """``torch.nn.functional.scaled_dot_product_attention`` 2.13 as `refengine.attention.dot_product.attention`.

    A boolean ``attn_mask`` has True where a query attends; a floating one is added. A causal mask is aligned top left,
    and with a mask at once it is refused. An empty row is 0; by the code that the documentation calls equivalent
    (``documented=True``) it is nan.
    """
    if is_causal and attn_mask is not None:
        raise ValueError("attn_mask must be None with is_causal=True: the function refuses both")
    rule = "nan" if documented else "zero"
    constants = {"causal": is_causal, "alignment": "top_left", "scale": scale, "empty_row": rule}
    return constants | of_scores(attn_mask)


def torch_mha(
    *, attn_mask: Any = None, key_padding_mask: Any = None, need_weights: bool = True, num_heads: int = 1
) -> dict[str, Any]:
    """``torch.nn.MultiheadAttention`` 2.13 as `refengine.attention.multi_head.attention`.

    In its boolean masks True stands for what is *masked*, the opposite of the function that it calls; floating masks
    are added to the scores, both if both are such. ``attn_mask`` (L, S) or (N num_heads, L, S), ``key_padding_mask``
    (N, S). An empty row is nan with ``need_weights=True``, its default, and 0 without: which results are returned
    changes what they are.
    """
    found = inverted(attn_mask)
    for name, array in found.items():
        if array.ndim == 3:
            found[name] = array.reshape(-1, num_heads, *array.shape[1:])
    padding = inverted(key_padding_mask)
    if "mask" in padding:
        found["key_mask"] = padding["mask"]
    if "bias" in padding:
        found["bias"] = padding["bias"][..., None, None, :] + found.get("bias", 0.0)
    return {"empty_row": "nan" if need_weights else "zero"} | found
