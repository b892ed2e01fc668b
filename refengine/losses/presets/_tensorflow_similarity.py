"""tensorflow-similarity."""

from __future__ import annotations

from typing import Any


def arcface(*, margin: float = 0.5, scale: float = 64.0) -> dict[str, Any]:
    """``ArcFaceLoss`` as `refengine.losses.arcface.loss`."""
    return {"scale": scale, "margin": margin, "boundary": "none", "gradient": "exact"}
