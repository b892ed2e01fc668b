"""open-metric-learning in 2025."""

from __future__ import annotations

from typing import Any


def arcface(*, m: float = 0.5, s: float = 64.0) -> dict[str, Any]:
    """``ArcFaceLoss`` as `refengine.losses.arcface.loss`."""
    return {"scale": s, "margin": m, "boundary": "monotonic", "gradient": "exact"}
