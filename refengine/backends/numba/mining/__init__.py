"""Kernels of refengine.mining, exposed as there; miners without a kernel are the reference's."""

from refengine.backends.numba.mining.batch_hard import batch_hard
from refengine.mining import (
    Pairs,
    Triplets,
    all_pairs,
    all_triplets,
    angular,
    batch_all,
    distance_weighted,
    easy,
    hard,
    multi_similarity,
    pair_margin,
    semi_hard,
)

__all__ = [
    "Pairs",
    "Triplets",
    "all_pairs",
    "all_triplets",
    "angular",
    "batch_all",
    "batch_hard",
    "distance_weighted",
    "easy",
    "hard",
    "multi_similarity",
    "pair_margin",
    "semi_hard",
]
