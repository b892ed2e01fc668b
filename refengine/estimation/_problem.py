"""Arguments of an estimation problem: data along one axis, parameters that broadcast with the axes before it.

Leading axes (...) are independent problems. A cotangent of the data is the same for every observation of a problem
wherever the estimate depends on the data through sums only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, promote, unbroadcast
from refengine.domains import Array


def problem(data: str, rank: int = 1, **arguments: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *arrays`` in float64: ``data`` with ``rank`` own axes, broadcast together; others have none.

    ValueError that names the argument where an axis is missing or leading axes do not broadcast.
    """
    xp, dtype, *_ = promote(**arguments)
    arrays = [as_float64(xp, name, a) for name, a in arguments.items()]  # counts beyond float32 stay whole
    own = [rank if name in data.split() else 0 for name in arguments]
    for name, array, axes in zip(arguments, arrays, own, strict=True):
        if array.ndim < axes:
            raise ValueError(f"{name} must have shape (..., N), got {tuple(array.shape)}")
    try:
        leads = [np.broadcast_shapes(*(a.shape for a, r in zip(arrays, own, strict=True) if r == rank))[:-rank]]
        np.broadcast_shapes(*leads, *(a.shape for a, r in zip(arrays, own, strict=True) if r == 0))
    except ValueError:
        shapes = ", ".join(f"{name} {tuple(a.shape)}" for name, a in zip(arguments, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: {shapes}") from None
    together = iter(xp.broadcast_arrays(*(a for a, r in zip(arrays, own, strict=True) if r)))
    arrays = [next(together) if r else a for a, r in zip(arrays, own, strict=True)]
    return xp, dtype, *arrays


def cotangent(xp: Any, g: Array, shape: tuple[int, ...], name: str = "g") -> Array:
    """The cotangent of a result of that shape in float64, zeros for None; ValueError where it does not broadcast."""
    if g is None and name != "g":
        return xp.zeros(shape, dtype=xp.float64)
    g = xp.astype(promote(**{name: g})[2], xp.float64, copy=False)
    try:
        return xp.broadcast_to(g, shape)
    except (ValueError, RuntimeError):
        raise ValueError(f"{name} must have the result's shape {shape}, got {tuple(g.shape)}") from None


def cotangents(xp: Any, g: Any, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """One for each field of a NamedTuple."""
    parts = tuple(g) if hasattr(g, "_fields") else ()
    if len(parts) != len(shapes):
        raise TypeError(f"g must be a tuple of {len(shapes)} named fields, got {type(g).__name__}")
    named = zip(g._fields, parts, shapes, strict=True)
    return tuple(cotangent(xp, part, shape, f"g.{field}") for field, part, shape in named)


def per_row(values: Array) -> Array:
    """Numbers (...) to go with data (..., N)."""
    return values[..., None]


def mean_of(xp: Any, x: Array) -> Array:
    """The mean of the last axis, corrected by the mean of what is left; 0 of nothing."""
    n = max(x.shape[-1], 1)
    mean = xp.sum(x, axis=-1) / n
    return mean + xp.sum(x - per_row(mean), axis=-1) / n


def to_every(xp: Any, cotangent: Array, size: int, like: Array, dtype: Any) -> Array:
    """A cotangent (...) given to each of the ``size`` observations of ``like`` (..., N)."""
    return unbroadcast(xp.broadcast_to(cotangent[..., None], (*cotangent.shape, size)), like, dtype)
