"""Kernels of refengine.random, exposed as there."""

from refengine.backends.numba.random.integers import integers
from refengine.backends.numba.random.normal import normal
from refengine.backends.numba.random.philox import philox
from refengine.backends.numba.random.threefry import threefry
from refengine.backends.numba.random.uniform import uniform
from refengine.random import Stream, counters, key

__all__ = ["Stream", "counters", "integers", "key", "normal", "philox", "threefry", "uniform"]
