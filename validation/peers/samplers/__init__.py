"""Samplers of other libraries, step by step under the noise that they drew; their adaptations and diagnostics.

BlackJAX's underdamped Langevin dynamics is not in a release yet, and its residual resampling not among our schemes.
"""

from validation.peers.samplers._rows import main

__all__ = ["main"]
