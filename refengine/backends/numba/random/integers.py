"""Integers by rejection, each word's retries one after another."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.random._blocks import bounded
from refengine.random._words import check_generator
from refengine.random.integers import *
from refengine.random.integers import accepted_up_to, bounds
from refengine.random.integers import integers as reference


@kernel_of(reference)
def integers(key, counter, *, low=0, high, generator="philox"):
    check_generator(generator)
    low, n = bounds(low, high)
    return bounded(generator, key, counter, low, n, accepted_up_to(n))
