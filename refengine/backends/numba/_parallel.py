"""How a kernel is launched: compiled once, cached, safe to call from several Python threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from refengine._arrays import broadcastable, unbroadcast

_LAUNCH = threading.RLock()  # numba's workqueue layer aborts the process when two threads launch parallel loops at once


class parallel:
    """``numba.njit(parallel=True)`` whose launches take turns, so that every threading layer is safe."""

    def __init__(self, loop: Callable[..., Any]) -> None:
        self.loop = numba.njit(parallel=True, cache=True, nogil=True, error_model="numpy")(loop)

    def __call__(self, *arguments: Any) -> Any:
        with _LAUNCH:
            return self.loop(*arguments)


class shared_out:
    """``numba.njit`` of a loop over a range, its first two arguments; each of several Python threads takes a part.

    For loops that take turns with matrix products: OpenMP's threads go on spinning for a while when a loop is over,
    and what they keep busy is missing to BLAS. These sleep.
    """

    def __init__(self, loop: Callable[..., Any], *, cached: bool = True) -> None:
        self.loop = numba.njit(cache=cached, nogil=True, error_model="numpy")(loop)

    def __call__(self, count: int, *arguments: Any, parts: int | None = None) -> None:
        """The whole range in as many ``parts`` as there are threads, or in fewer where that is said."""
        threads = numba.get_num_threads()
        parts = threads if parts is None else min(parts, threads)
        ends = [count * k // parts for k in range(parts + 1)]
        rest = [_pool().submit(self.loop, *pair, *arguments) for pair in pairwise(ends[1:])]
        self.loop(0, ends[1], *arguments)
        for part in rest:
            part.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="refengine")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has no threads but its own


def fused(loop: Any, names: Sequence[str], g: Any, **arguments: Any) -> tuple[Any, tuple[Any, ...]]:
    """Value and cotangents of an elementwise kernel ``loop(g, *arguments, value, *slopes)``, each in its own shape.

    ``names`` are the arguments that have a cotangent, in the order of the slopes.
    """
    _, dtype, *_ = broadcastable(**arguments)
    _, gradient_dtype, *arrays = broadcastable(g=g, **arguments)
    shape, vectors = flat(*arrays)
    out = np.empty((1 + len(names), vectors[0].size))
    loop(*vectors, *out)
    value, *slopes = out.reshape(len(out), *shape)
    with np.errstate(all="ignore"):  # what float32 cannot hold
        return value.astype(dtype, copy=False), tuple(
            unbroadcast(slope, arguments[name], gradient_dtype) for slope, name in zip(slopes, names, strict=True)
        )


def flat(*arrays: Any) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """The common shape of broadcast arrays and each of them as a contiguous float64 vector."""
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return shape, [_vector(np.asarray(a, dtype=np.float64), shape) for a in arrays]


def _vector(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return sealed(array if array.shape == shape else np.broadcast_to(array, shape)).reshape(-1)


def sealed(array: np.ndarray) -> np.ndarray:
    """The array in C order, read-only, without a copy where possible: what a kernel takes in.

    A kernel is compiled anew for every combination of writable and read-only arguments; of those that it only reads,
    this leaves one.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view.reshape(np.shape(array))
