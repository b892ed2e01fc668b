"""Normal numbers: compiled uniform numbers, and the reference's quantile of them, so that all bits are shared."""

from __future__ import annotations

import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.random._blocks import uniforms
from refengine.random._quantile import quantile
from refengine.random._words import check_generator
from refengine.random.normal import *
from refengine.random.normal import normal as reference


@kernel_of(reference)
def normal(key, counter, *, generator="philox"):
    check_generator(generator)
    return quantile(np, uniforms(generator, key, counter))
