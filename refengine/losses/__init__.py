"""Margin and metric losses: one module each."""

from refengine.backends._kernel import subpackages

__getattr__, __dir__ = subpackages(__name__)
