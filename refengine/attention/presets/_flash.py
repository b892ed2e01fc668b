"""flash-attn 2.8."""

from __future__ import annotations

from typing import Any

from refengine.attention.presets._masks import sides


def flash(
    *,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    before_2_1: bool = False,
) -> dict[str, Any]:
    """``flash_attn_func`` 2.8 as `refengine.attention.dot_product.attention`.

    Causal mask and window are aligned bottom right, since version 2.1; before it, top left. Window ends count. The cap
    comes before masks. An empty row is 0 and its log-sum-exp inf, where it is -inf here. ``alibi_slopes`` are the bias
    `refengine.attention.alibi.bias` with alignment "bottom_right" and distance "absolute", after the cap.
    """
    alignment = "top_left" if before_2_1 else "bottom_right"
    constants = {"causal": causal, "alignment": alignment, "window": sides(*window_size), "empty_row": "zero"}
    return constants | {"scale": softmax_scale, "softcap": softcap or None}
