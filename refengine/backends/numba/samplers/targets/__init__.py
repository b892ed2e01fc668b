"""Kernels of refengine.samplers.targets."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.samplers.targets")
