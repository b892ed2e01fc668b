"""Estimation from data: conjugate pairs of a prior and a likelihood, one module each, and Monte Carlo means."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__)
