"""What the adaptations share: streams with their axes, and arrays of one moment put together again."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from refengine._arrays import check_number, promote
from refengine.domains import Array


def checked(stream: str, axes: str, axis_count: int, **arguments: Array) -> tuple[Any, Any, *tuple[Array, ...]]:
    """``xp, dtype, *arrays`` in float64. ValueError unless ``stream``, among the arguments, has at least its axes."""
    xp, dtype, *arrays = promote(**arguments)
    found = dict(zip(arguments, arrays, strict=True))[stream]
    if found.ndim < axis_count:
        raise ValueError(f"{stream} must have shape {axes}, got {tuple(found.shape)}")
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def check_chains(name: str, array: Array, wanted: tuple[int, ...], axes: str) -> None:
    """ValueError unless the array has the axes that the stream asks for."""
    if tuple(array.shape) != tuple(wanted):
        raise ValueError(f"{name} must have shape {axes} = {tuple(wanted)}, got {tuple(array.shape)}")


def together(xp: Any, moments: Sequence[Array], axis: int, like: tuple[int, ...]) -> Array:
    """Arrays of the moments along a new axis; ``like`` is the shape of the result where there are none."""
    return xp.stack(list(moments), axis=axis) if moments else xp.zeros(like, dtype=xp.float64)


def check_between(name: str, value: float, low: float, high: float = inf) -> float:
    """The constant as a float. ValueError unless low < value < high."""
    number = check_number(name, value)
    if not low < number < high:
        raise ValueError(f"{name} must be a number in ({low:g}, {high:g}), got {value!r}")
    return number
