"""Kernels of refengine.distributions."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.distributions")
