"""PaddlePaddle, margin_cross_entropy: takes cosines; its gradient has no guard at c = 1 and -1."""

from __future__ import annotations

from typing import Any


def combined_margin(
    *, margin1: float = 1.0, margin2: float = 0.5, margin3: float = 0.0, scale: float = 64.0
) -> dict[str, Any]:
    """``margin_cross_entropy`` as `refengine.losses.combined_margin.logits`, before the cross-entropy."""
    return {"scale": scale, "m1": margin1, "m2": margin2, "m3": margin3, "gradient": "exact"}
