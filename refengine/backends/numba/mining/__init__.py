"""Kernels of refengine.mining, exposed as there."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.mining")
