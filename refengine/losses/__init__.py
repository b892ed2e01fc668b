"""Margin and metric losses: one module each."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__)
