"""Kernels of refengine.samplers."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.samplers")
