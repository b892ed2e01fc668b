r"""Unit vectors in the last axis: shapes, products, and what the densities on the sphere share."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np

from refengine._arrays import as_float64, promote, unbroadcast
from refengine.domains import Array


def arguments(**given: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *vectors, concentration`` in float64. ValueError unless the vectors share their last axis, D >= 2.

    ``given`` are one or two arrays of vectors and, last, the concentration, which broadcasts with their other axes.
    """
    xp, dtype, *arrays = promote(**given)
    *names, _ = given
    sizes = {tuple(a.shape[-1:]) for a in arrays[:-1]}
    if len(sizes) != 1 or sizes == {()} or min(sizes)[0] < 2:
        shapes = " and ".join(f"{n} {tuple(a.shape)}" for n, a in zip(names, arrays, strict=False))
        raise ValueError(f"{names[0]} must have shape (..., D) with D >= 2, the same D everywhere, got {shapes}")
    try:
        np.broadcast_shapes(*(a.shape[:-1] for a in arrays[:-1]), arrays[-1].shape)
    except ValueError:
        shapes = ", ".join(f"{n} {tuple(a.shape)}" for n, a in zip(given, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: {shapes}") from None
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def cotangent(g: Array, *batches: Array) -> Any:
    """The cotangent of a batch of numbers in float64, broadcast to the shape of the batch."""
    xp, _, *_ = promote(g=g)
    shape = np.broadcast_shapes(*(tuple(b.shape) for b in batches))
    return xp.broadcast_to(as_float64(xp, "g", g), shape)


def back(weight: Array, vector: Array, like: Array, dtype: Any) -> Array:
    """``weight[..., None] * vector`` summed to the shape of ``like``."""
    return unbroadcast(weight[..., None] * vector, like, dtype)


@cache
def log_area(dimensions: int) -> float:
    """The logarithm of the area of the unit sphere in D dimensions, 2 pi^(D/2) / Gamma(D/2), rounded once."""
    with localcontext(prec=40):
        two_pi = 2 * Decimal("3.14159265358979323846264338327950288419716939937510")
        area, start = (Decimal(2), 1) if dimensions % 2 else (two_pi, 2)
        for n in range(start, dimensions, 2):
            area *= two_pi / n
        return float(area.ln())
