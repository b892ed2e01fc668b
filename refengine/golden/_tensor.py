"""Arrays and certified numbers as JSON, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refengine.golden._case import Certified, Leaf
from refengine.golden._strict import members


def _hex(value: float) -> str:
    return value.hex() if math.isfinite(value) else str(value)


def encode_tensor(array: Any) -> dict[str, Any]:
    """``{dtype, shape, data}`` with floats in C99 hexadecimal, row-major."""
    array = np.asarray(array)
    flat = array.reshape(-1).tolist()
    data = list(map(_hex, flat)) if array.dtype.kind == "f" else flat
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}


def decode_tensor(tensor: Any) -> np.ndarray:
    """The read-only array; ValueError unless all is written as `encode_tensor` writes it."""
    parts = members(tensor, ("dtype", "shape", "data"))
    dtype, shape, data = parts["dtype"], parts["shape"], parts["data"]
    if dtype not in ("float64", "float32", "int64", "uint32", "uint64", "bool"):
        raise ValueError(f"unknown dtype {dtype!r}")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"shape must be whole numbers, got {shape}")
    kind = {"f": str, "i": int, "u": int, "b": bool}[np.dtype(dtype).kind]
    if not all(type(v) is kind for v in data):
        raise ValueError(f"data of dtype {dtype} must be {kind.__name__}")
    if len(data) != math.prod(shape):
        raise ValueError(f"shape {shape} needs {math.prod(shape)} numbers, got {len(data)}")
    values = [float.fromhex(v) for v in data] if kind is str else data
    array = np.array(values, dtype=dtype).reshape(shape)
    # a float64 that fromhex has read is its own canonical text: no second array is made to see that
    again = map(_hex, values) if dtype == "float64" else encode_tensor(array)["data"]
    if kind is str and list(again) != data:
        raise ValueError("a number is not written as C99 hexadecimal of its dtype")
    array.flags.writeable = False
    return array


def encode_leaf(leaf: Leaf) -> dict[str, Any]:
    if isinstance(leaf, np.ndarray):
        return encode_tensor(leaf)
    return {part: encode_tensor(getattr(leaf, part)) for part in ("hi", "lo", "radius")}


def decode_leaf(leaf: Any) -> Leaf:
    if "data" in members(leaf):
        return decode_tensor(leaf)
    parts = members(leaf, ("hi", "lo", "radius"))
    certified = Certified(*(decode_tensor(parts[part]) for part in ("hi", "lo", "radius")))
    hi, lo, radius = certified.hi, certified.lo, certified.radius
    if not hi.shape == lo.shape == radius.shape:
        raise ValueError("hi, lo and radius differ in shape")
    finite = np.isfinite(hi)
    if not (np.all(hi[finite] + lo[finite] == hi[finite]) and np.all(radius[finite] >= 0)):
        raise ValueError("hi is not hi + lo rounded, or the radius is negative")
    if np.any(lo[~finite] != 0) or np.any(radius[~finite] != 0):
        raise ValueError("lo and radius must be 0 where hi is not finite")
    return certified
