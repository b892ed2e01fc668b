"""Kernels of refengine.special, exposed as there."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.special")
