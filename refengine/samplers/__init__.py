"""MCMC transitions as pure functions of a state and explicit noise: one module a sampler."""

from refengine._tree import subpackages
from refengine.samplers.targets import Target as Target

__getattr__, __dir__ = subpackages(__name__)
