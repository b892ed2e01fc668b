"""MCMC transitions as pure functions of a state and explicit noise: one module a sampler."""

from refengine._tree import subpackages
from refengine.samplers._run import Result, pre_drawn, run, to_arviz
from refengine.samplers.targets import Target

__all__ = ["Result", "Target", "pre_drawn", "run", "to_arviz"]

__getattr__, __dir__ = subpackages(__name__)
