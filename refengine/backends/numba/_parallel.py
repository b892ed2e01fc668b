"""How a kernel is launched: compiled once, cached, safe to call from several Python threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

_LAUNCH = threading.RLock()  # numba's workqueue layer aborts the process when two threads launch parallel loops at once


class parallel:
    """``numba.njit(parallel=True)`` whose launches take turns, so that every threading layer is safe."""

    def __init__(self, loop: Callable[..., Any]) -> None:
        self.loop = numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")(loop)

    def __call__(self, *arguments: Any) -> Any:
        with _LAUNCH:
            return self.loop(*arguments)


def flat(*arrays: Any) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """The common shape of broadcast arrays and each of them as a contiguous float64 vector."""
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    vectors = []
    for a in arrays:  # a broadcast view of one element is contiguous, but numba must not see it: NumPy warns of it
        vector = np.ascontiguousarray(a, dtype=np.float64) if np.shape(a) == shape else np.full(shape, a, np.float64)
        vectors.append(vector.reshape(-1))
    return shape, vectors
