"""What the maximum likelihood estimates of counts share."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_shape, promote
from refengine.domains import Array


def sample_of(data: Array, *others: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, data, *others`` with the data of shape (N,), all in float64."""
    names = {"data": data} | {f"other{i}": other for i, other in enumerate(others)}
    xp, dtype, *arrays = promote(**names)
    check_shape("data", arrays[0], ("N",))
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)
