"""Compiled loops for the CPU: ``refengine.backend("numba")``."""

from __future__ import annotations

import tempfile

import numba

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine")


def _nothing() -> None:
    pass


try:
    numba.njit(cache=True)(_nothing)
except RuntimeError:
    # a read-only installation without a home: numba finds no place for its cache, and would refuse every kernel
    vars(numba.config)["CACHE_DIR"] = tempfile.mkdtemp(prefix="refengine-numba-")
