"""Kernels of refengine.samplers."""

from refengine._tree import subpackages
from refengine.backends.numba.samplers._run import run as run

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.samplers")
