"""Philox 4x32-10, one block after another in registers."""

from __future__ import annotations

import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.random._blocks import blocks
from refengine.random.philox import *
from refengine.random.philox import philox as reference


@kernel_of(reference)
def philox(key, counter):
    return blocks("philox", key, counter).astype(np.uint32)
