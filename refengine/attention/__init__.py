"""Attention: one module a mechanism."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__)
