"""Probability distributions: one module each, the function names the quantity."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__)
