"""sentence-transformers in 2025, with Euclidean distances of embeddings that are not normalised."""

from __future__ import annotations

from typing import Any


def triplet(*, triplet_margin: float = 5.0) -> dict[str, Any]:
    """``TripletLoss`` as `refengine.losses.triplet.loss_triplets`; its distance adds 1e-6 to every difference."""
    return {"margin": triplet_margin, "squared": False, "soft": False, "reduction": "mean"}


def batch_all_triplet(*, margin: float = 5.0) -> dict[str, Any]:
    """``BatchAllTripletLoss`` as `refengine.losses.triplet.loss`; the mean is over losses above 1e-16."""
    return {"margin": margin, "squared": False, "soft": False, "normalize_x": False, "reduction": "nonzero"}
