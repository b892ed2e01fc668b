"""Dot-product attention, value and all gradients, against PyTorch's scaled_dot_product_attention on the CPU.

The floor is the six matrix products alone by NumPy's BLAS: S = Q K' and P V to the value, back G V' and one for each
gradient. torch makes S a second time on the way back, and so do the kernels where a task's weights take over 1 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

import refengine
from validation.benchmarks._compare import Comparison, available_threads, compare
from validation.benchmarks.losses import agree

HEADS, LENGTH, WIDTH, LIMIT = 8, 2048, 64, 1.0
LONG, LONG_HEADS = 16_384, 1


def run() -> Iterator[Comparison]:
    for dtype in (np.float32, np.float64):
        yield _against_torch(dtype)
    yield _long()


def _against_torch(dtype: Any) -> Comparison:
    g, q, k, v = arrays = _arrays(HEADS, LENGTH, dtype)
    scores, slopes = np.empty((2, LENGTH, LENGTH), dtype)

    def products() -> None:
        for h in range(HEADS):
            np.matmul(q[h], k[h].T, out=scores)
            scores @ v[h]
            np.matmul(g[h], v[h].T, out=slopes)
            scores.T @ g[h], slopes.T @ q[h], slopes @ k[h]

    ours, theirs = _ours(arrays), _torch(*arrays)
    agree(ours(), theirs())
    return compare(
        f"attention.dot_product, forward + backward, H {HEADS}, L {LENGTH}, D {WIDTH}, {np.dtype(dtype).name}",
        ours,
        theirs,
        peer="torch scaled_dot_product_attention",
        limit=LIMIT,
        floor=products,
        rounds=7,
        memory=True,
    )


def _long() -> Comparison:
    """Memory that grows with L: results, as much again for sums, and for each thread its tiles."""
    arrays = _arrays(LONG_HEADS, LONG, np.float32)
    rows = LONG_HEADS * LONG
    bound = rows * (5 * 4 * WIDTH + WIDTH + 64) + available_threads() * 2**21
    found = compare(
        f"attention.dot_product, forward + backward, H {LONG_HEADS}, L {LONG}, D {WIDTH}, float32, "
        f"O(L) bound {bound / 2**20:.1f} MiB, one matrix of scores {rows * LONG * 4 / 2**20:.0f} MiB",
        _ours(arrays),
        _torch(*arrays),
        peer="torch scaled_dot_product_attention",
        limit=float("inf"),  # the bound is on memory
        rounds=1,
        memory=True,
    )
    assert found.memory is None or found.memory[0] < bound, f"{found}: more than the bound"
    return found


def _arrays(heads: int, length: int, dtype: Any) -> Any:
    return np.random.default_rng(length).standard_normal((4, heads, length, WIDTH)).astype(dtype)


def _ours(arrays: Any) -> Callable[[], Any]:
    return partial(refengine.backend("numba").attention.dot_product.attention_value_and_vjp, *arrays)


def _torch(g: Any, *arrays: Any) -> Callable[[], Any]:
    q, k, v = leaves = [torch.from_numpy(a)[None].requires_grad_() for a in arrays]
    cotangent = torch.from_numpy(g)[None]

    def value_and_gradients() -> Any:
        value = scaled_dot_product_attention(q, k, v)
        return value[0], [d[0] for d in torch.autograd.grad(value, leaves, cotangent)]

    return value_and_gradients


if __name__ == "__main__":
    for comparison in run():
        print(comparison, flush=True)
