"""Attention: one module a mechanism."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__)
