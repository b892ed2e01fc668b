"""Uniform numbers straight from the words of each block."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.random._blocks import uniforms
from refengine.random._words import check_generator
from refengine.random.uniform import *
from refengine.random.uniform import uniform as reference


@kernel_of(reference)
def uniform(key, counter, *, generator="philox"):
    check_generator(generator)
    return uniforms(generator, key, counter)
