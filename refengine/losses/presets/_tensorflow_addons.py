"""tensorflow-addons: distances of embeddings as they are. "L_2" there is squared, "L_1" is the Euclidean distance."""

from __future__ import annotations

from typing import Any


def triplet_hard(*, margin: float = 1.0, soft: bool = False, distance_metric: str = "L_2") -> dict[str, Any]:
    """``triplet_hard_loss`` as `refengine.losses.triplet.loss_triplets`, once the triplets are chosen.

    `refengine.mining.batch_hard` chooses them. An anchor without positives counts there, with a positive at the
    distance 0.
    """
    squared = {"L_1": False, "L_2": True}[distance_metric]
    return {"margin": margin, "squared": squared, "soft": soft, "reduction": "mean"}


def contrastive(*, margin: float = 1.0) -> dict[str, Any]:
    """``contrastive_loss`` as `refengine.losses.contrastive.loss`: squared, without the half."""
    return {"margin": margin, "squared": True, "half_factor": False, "normalize_x": False, "reduction": "mean"}
