"""Miners: integer indices of pairs and triplets in a batch; each file holds the function that it is named after."""

from refengine.mining._batch import Pairs, Triplets
from refengine.mining.all_pairs import all_pairs
from refengine.mining.all_triplets import all_triplets
from refengine.mining.angular import angular
from refengine.mining.batch_all import batch_all
from refengine.mining.batch_hard import batch_hard
from refengine.mining.distance_weighted import distance_weighted
from refengine.mining.easy import easy
from refengine.mining.hard import hard
from refengine.mining.multi_similarity import multi_similarity
from refengine.mining.pair_margin import pair_margin
from refengine.mining.semi_hard import semi_hard

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
