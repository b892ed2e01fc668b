"""Miners: integer indices of pairs and triplets in a batch; each file holds the function that it is named after."""

from refengine.mining.batch_hard import Triplets, batch_hard

__all__ = ["Triplets", "batch_hard"]
