"""Threefry 4x64-20, one block after another in registers."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.random._blocks import blocks
from refengine.random.threefry import *
from refengine.random.threefry import threefry as reference


@kernel_of(reference)
def threefry(key, counter):
    return blocks("threefry", key, counter)
