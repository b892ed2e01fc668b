"""Adaptation during warm-up as deterministic maps: what a kernel did goes in, the next tuning comes out.

A file holds ``init`` and ``step`` for one draw at a time, and ``adapt`` for a whole stream, with its vjp: a fixed
stream of acceptance probabilities has one right answer. None of them draws a random number.
"""

from refengine._tree import subpackages
from refengine.samplers.adaptation._reasonable_step_size import reasonable_step_size

__all__ = ["reasonable_step_size"]

__getattr__, __dir__ = subpackages(__name__)
