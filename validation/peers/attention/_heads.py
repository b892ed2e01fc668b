"""Shapes (..., H, L, D) as libraries want them: exactly one batch axis."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np


def one_batch(xp: Any, *arrays: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The common batch shape of q, k, v (..., H, L, D), and each of them as (B, H, L, D)."""
    batch = np.broadcast_shapes(*(tuple(a.shape[:-3]) for a in arrays))
    wide = [xp.broadcast_to(a, (*batch, *a.shape[-3:])) for a in arrays]
    return batch, [a.reshape((prod(batch), *a.shape[-3:])) for a in wide]


def pairs(xp: Any, array: Any, batch: tuple[int, ...], heads: int, queries: int, keys: int) -> Any:
    """A mask or a bias as (B, H, Q, K); None stays."""
    if array is None:
        return None
    return xp.broadcast_to(array, (*batch, heads, queries, keys)).reshape((prod(batch), heads, queries, keys))
