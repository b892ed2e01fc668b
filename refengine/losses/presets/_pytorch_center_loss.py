"""KaiyangZhou's pytorch-center-loss.

Distances are clamped after the other classes are masked, which adds (C - 1) 1e-12 to the loss of each row.
"""

from __future__ import annotations

from typing import Any


def center() -> dict[str, Any]:
    """``CenterLoss`` as `refengine.losses.center.loss`: no half, and a mean over the batch."""
    return {"half_factor": False, "reduction": "mean"}


def center_update(*, alpha: float) -> dict[str, Any]:
    """Its centers learn by gradient descent: `refengine.losses.center.update`, without 1 + n in the denominator."""
    return {"alpha": alpha, "rule": "autograd"}
