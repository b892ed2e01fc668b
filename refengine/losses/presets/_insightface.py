"""insightface, recognition/arcface_torch in 2026: heads on cosines; a margin in the angle is outside of the graph.

Versions before 2022 had ArcFace with "monotonic" and the exact gradient. Its sharded cross-entropy cuts probabilities
below 1e-30: a loss above 69.0776 stays there, with the gradient of the loss itself.
"""

from __future__ import annotations

from typing import Any


def arcface(*, s: float = 64.0, margin: float = 0.5) -> dict[str, Any]:
    """``ArcFace`` as `refengine.losses.arcface.loss` and its logits."""
    return {"scale": s, "margin": margin, "boundary": "none", "gradient": "straight_through"}


def cosface(*, s: float = 64.0, m: float = 0.40) -> dict[str, Any]:
    """``CosFace`` as `refengine.losses.cosface.loss` and its logits."""
    return {"scale": s, "margin": m}


def combined_margin(*, s: float = 64.0, m1: float = 1.0, m2: float = 0.5, m3: float = 0.0) -> dict[str, Any]:
    """``CombinedMarginLoss`` as `refengine.losses.combined_margin.loss` and its logits.

    With m3 > 0 it leaves m1 and m2 out, and is CosFace; with m1 other than 1 and m3 = 0 it raises.
    """
    if m3 > 0:
        return {"scale": s, "m1": 1.0, "m2": 0.0, "m3": m3, "gradient": "exact"}
    if m1 != 1 or m3 != 0:
        raise ValueError(f"insightface raises for m1 = {m1!r}, m3 = {m3!r}")
    return {"scale": s, "m1": 1.0, "m2": m2, "m3": 0.0, "gradient": "straight_through"}


def combined_margin_mxnet(*, s: float = 64.0, m1: float = 1.0, m2: float = 0.3, m3: float = 0.2) -> dict[str, Any]:
    """The loss of recognition/arcface_mxnet as `refengine.losses.combined_margin.loss`: all three margins."""
    return {"scale": s, "m1": m1, "m2": m2, "m3": m3, "gradient": "exact"}
