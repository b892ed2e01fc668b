"""FaceX-Zoo in 2022: heads on cosines."""

from __future__ import annotations

from typing import Any


def arcface(*, margin_arc: float = 0.35, scale: float = 32.0) -> dict[str, Any]:
    """``ArcFace`` as `refengine.losses.arcface.loss`, for margin_am = 0: beyond pi - m the cosine itself."""
    return {"scale": scale, "margin": margin_arc, "boundary": "identity", "gradient": "exact"}


def cosface(*, margin: float = 0.35, scale: float = 32.0) -> dict[str, Any]:
    """``AM_Softmax`` as `refengine.losses.cosface.loss`."""
    return {"scale": scale, "margin": margin}


def circle_class(*, margin: float = 0.25, gamma: float = 256.0) -> dict[str, Any]:
    """``CircleLoss`` as `refengine.losses.circle.loss_class`."""
    return {"gamma": gamma, "margin": margin, "weights": "detached"}


def adacos(*, previous_scale: float | None = None) -> dict[str, Any]:
    """``AdaCos`` as `refengine.losses.adacos.loss`: the scale is updated before it is used, in evaluation too."""
    constants = {"mode": "dynamic", "previous_scale": previous_scale, "median_scope": "target"}
    return constants | {"median_even": "lower", "scale_timing": "before"}
