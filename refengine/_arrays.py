"""The few helpers that every operation needs: namespace, promotion, unbroadcasting, checked arguments."""

from __future__ import annotations

from importlib import import_module
from math import prod
from typing import Any

import array_api_compat
import numpy as np

from refengine.domains import Array


def namespace(*arrays: Array) -> Any:
    """The array-API namespace of the arrays among the arguments; NumPy's when there is none."""
    found = [a for a in arrays if array_api_compat.is_array_api_obj(a)]
    return array_api_compat.array_namespace(*(found or [np.empty(0)]))


def promote(**arguments: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *arrays`` of the named arguments in one floating dtype.

    float32 when every floating array is float32, else float64; Python numbers and integer arrays do not vote.
    A dtype that holds no real numbers is a TypeError that names its argument.
    """
    xp, dtype, numbers = _voted(arguments)
    return xp, dtype, *(xp.astype(a, dtype, copy=False) for a in numbers)


def _voted(arguments: dict[str, Array]) -> tuple[Any, Any, list[Any]]:
    """The namespace, the dtype of the result, and the arguments as arrays of their own dtypes."""
    xp = namespace(*arguments.values())
    numbers = {name: _numeric(xp, name, a) for name, a in arguments.items()}
    votes = [
        numbers[name].dtype
        for name, a in arguments.items()
        if not isinstance(a, int | float) and xp.isdtype(numbers[name].dtype, "real floating")
    ]
    dtype = xp.float32 if votes and all(vote == xp.float32 for vote in votes) else xp.float64
    return xp, dtype, list(numbers.values())


def elementwise(**arguments: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """`promote` for functions of broadcast scalars, whose arithmetic is float64 whatever the result's dtype.

    Zero has no sign here: a limit from above or below is said by the domain, not by the sign of an argument's zero.
    Shapes that do not broadcast are a ValueError that names the arguments.
    """
    xp, dtype, *arrays = broadcastable(**arguments)
    return xp, dtype, *(a + 0.0 for a in arrays)


def broadcastable(**arguments: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """`elementwise` for kernels, which take zeros as they come and save the copy.

    Counts do not pass through float32 on their way.
    """
    xp, dtype, arrays = _voted(arguments)
    try:
        np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        shapes = ", ".join(f"{name} {tuple(a.shape)}" for name, a in zip(arguments, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: {shapes}") from None
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def _numeric(xp: Any, name: str, value: Array) -> Any:
    try:
        array = value if array_api_compat.is_array_api_obj(value) else xp.asarray(value)
        if xp.isdtype(array.dtype, ("real floating", "integral")):
            return array
        came = array.dtype
    except (TypeError, ValueError):
        came = type(value).__name__
    raise TypeError(f"{name} must hold real numbers, got {came}")


def as_float64(xp: Any, name: str, value: Array) -> Any:
    """The array or number in float64. TypeError that names the argument where it holds no real numbers."""
    return xp.astype(_numeric(xp, name, value), xp.float64, copy=False)


def unbroadcast(cotangent: Array, like: Array, dtype: Any = None) -> Array:
    """Sum ``cotangent`` over the axes along which ``like`` was broadcast, back to the shape of ``like``."""
    xp, shape = namespace(cotangent), np.shape(like) if not hasattr(like, "shape") else tuple(like.shape)
    added = cotangent.ndim - len(shape)
    axes = tuple(range(added)) + tuple(
        added + i for i, size in enumerate(shape) if size == 1 and cotangent.shape[added + i] != 1
    )
    summed = xp.reshape(xp.sum(cotangent, axis=axes) if axes else cotangent, shape)
    return summed if dtype is None else xp.astype(summed, dtype, copy=False)


def check_shape(name: str, array: Array, expected: tuple[int | str, ...], **sizes: int) -> None:
    """ValueError unless ``array`` has the expected shape: letters stand for axes, known ones are in ``sizes``."""
    wanted = tuple(sizes.get(axis, axis) if isinstance(axis, str) else axis for axis in expected)
    fits = len(array.shape) == len(wanted) and all(
        isinstance(w, str) or w == got for w, got in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        letters = ", ".join(map(str, expected))
        known = ", ".join(f"{k} = {v}" for k, v in sizes.items() if k in expected)
        raise ValueError(f"{name} must have shape ({letters}){' with ' + known if known else ''}, got {array.shape}")


def check_labels(name: str, labels: Array, rows: int, classes: int | None = None) -> Array:
    """The labels as an integer array of shape (N,), each below ``classes``; TypeError or ValueError otherwise."""
    xp = namespace(labels)
    array = labels if array_api_compat.is_array_api_obj(labels) else xp.asarray(labels)
    if prod(array.shape) and not xp.isdtype(array.dtype, "integral"):
        raise TypeError(f"{name} must hold integers, got {array.dtype}")
    check_shape(name, array, ("N",), N=rows)
    if classes is not None and rows:
        low, high = int(xp.min(array)), int(xp.max(array))
        if low < 0 or high >= classes:
            raise ValueError(f"{name} must lie in 0..{classes - 1}, got {low if low < 0 else high}")
    return xp.astype(array, xp.int64, copy=False)


def check_option(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """ValueError unless ``value`` is one of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_number(name: str, value: Any) -> float:
    """The constant as a float. TypeError unless it is one real number."""
    array = _numeric(namespace(value), name, value)
    if array.ndim:
        raise TypeError(f"{name} must be one number, got shape {tuple(array.shape)}")
    return float(array)


def check_switch(name: str, value: Any) -> None:
    """TypeError unless ``value`` is True or False: a string would be true whatever it says."""
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def special_functions(xp: Any) -> Any:
    """SciPy's special functions for arrays of ``xp``: CuPy's own, else SciPy's, by way of NumPy where need be."""
    if array_api_compat.is_cupy_namespace(xp):
        return import_module("cupyx.scipy.special")
    scipy_special = import_module("scipy.special")
    return scipy_special if array_api_compat.is_numpy_namespace(xp) else _ThroughNumPy(xp, scipy_special)


class _ThroughNumPy:
    """Functions of NumPy arrays for the arrays of another namespace."""

    def __init__(self, xp: Any, functions: Any) -> None:
        self.xp, self.functions = xp, functions

    def __getattr__(self, name: str) -> Any:
        return lambda *arrays: self.xp.asarray(getattr(self.functions, name)(*(np.from_dlpack(a) for a in arrays)))
