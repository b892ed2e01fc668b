"""Kernels of refengine.attention."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.attention")
