"""torch.nn 2.13."""

from __future__ import annotations

from typing import Any


def softmax(*, reduction: str = "mean") -> dict[str, Any]:
    """``cross_entropy`` as `refengine.losses.softmax.loss`."""
    return {"reduction": reduction}


def triplet(*, margin: float = 1.0, reduction: str = "mean") -> dict[str, Any]:
    """``triplet_margin_loss`` as `refengine.losses.triplet.loss_triplets`, up to the eps of its distances.

    It adds 1e-6 to every component of a difference before taking the length.
    """
    return {"margin": margin, "squared": False, "soft": False, "reduction": reduction}
