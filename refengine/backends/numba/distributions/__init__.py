"""Kernels of refengine.distributions."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.distributions")
