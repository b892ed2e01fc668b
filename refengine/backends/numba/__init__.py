"""Compiled loops for the CPU: ``refengine.backend("numba")``."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine")
