"""Events that are vectors: they lie on the last axis, and all leading axes broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import promote
from refengine.domains import Array


def rows(vectors: dict[str, Array], numbers: dict[str, Array] | None = None) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *vectors, *numbers`` in float64, broadcast: vectors as (..., K), numbers as (..., 1).

    dtype is float32 when every floating array is, else float64. A vector without entries or of another length than the
    first, and leading axes that do not broadcast, are a ValueError that names the arguments.
    """
    numbers = numbers or {}
    xp, dtype, *arrays = promote(**vectors, **numbers)
    found = dict(zip((*vectors, *numbers), arrays, strict=True))
    first = found[next(iter(vectors))]
    size = first.shape[-1] if first.ndim else 0
    for name in vectors:
        array = found[name]
        if array.ndim == 0 or array.shape[-1] != size or size == 0:
            wanted = f"K = {size}" if size else "K >= 1"
            raise ValueError(f"{name} must have shape (..., K) with {wanted}, got {tuple(array.shape)}")
    lead = _common({name: a.shape[:-1] if name in vectors else a.shape for name, a in found.items()})
    wide = (
        xp.broadcast_to(a, (*lead, size)) if name in vectors else xp.broadcast_to(a, lead)[..., None]
        for name, a in found.items()
    )
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in wide)


def _common(shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"leading axes do not broadcast: {listed}") from None


def whole(xp: Any, k: Array) -> Array:
    """(..., 1): whether all entries of k are whole numbers from 0 on."""
    return xp.all((k >= 0) & (k < xp.inf) & (xp.floor(k) == k), axis=-1, keepdims=True)


def every(xp: Any, conditions: Array) -> Array:
    """(..., 1): whether a condition holds for all entries of a row."""
    return xp.all(conditions, axis=-1, keepdims=True)


def sum_row(xp: Any, x: Array) -> Array:
    """(..., 1): the sums of the rows."""
    return xp.sum(x, axis=-1, keepdims=True)


def largest(xp: Any, x: Array) -> Array:
    """Booleans (..., K): the first of the largest entries of each row."""
    return xp.arange(x.shape[-1]) == xp.argmax(x, axis=-1)[..., None]
