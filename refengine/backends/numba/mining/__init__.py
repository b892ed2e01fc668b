"""Kernels of refengine.mining, exposed as there."""

from refengine.backends.numba.mining.batch_hard import Triplets, batch_hard

__all__ = ["Triplets", "batch_hard"]
