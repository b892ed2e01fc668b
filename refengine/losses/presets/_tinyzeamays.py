"""TinyZeaMays' CircleLoss, the code that most re-implementations start from."""

from __future__ import annotations

from typing import Any


def circle(*, m: float, gamma: float) -> dict[str, Any]:
    """``CircleLoss`` of the pairs i < j of a batch as `refengine.losses.circle.loss`."""
    return {"gamma": gamma, "margin": m, "weights": "detached", "scope": "batch", "reduction": "sum"}


def circle_class(*, m: float, gamma: float) -> dict[str, Any]:
    """``CircleLossLikeCE`` as `refengine.losses.circle.loss_class`."""
    return {"gamma": gamma, "margin": m, "weights": "detached"}
