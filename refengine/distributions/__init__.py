"""Probability distributions: one module each, the function names the quantity."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__)
