"""Kernels over rows: vectors on the last axis, leading axes flattened; and arithmetic with twice the digits."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from refengine._arrays import unbroadcast
from refengine.backends.numba._gamma import two_sum
from refengine.distributions._rows import rows

_SPLITTER = 2.0**27 + 1
inline = numba.njit(error_model="numpy", cache=True, forceinline=True)


def fused_rows(
    loop: Any, g: Any, vectors: dict[str, Any], numbers: dict[str, Any], without: tuple[str, ...] = ()
) -> tuple[Any, tuple[Any, ...]]:
    """Value and cotangents of ``loop(g, *vectors, *numbers, value, *slopes)``, each in its own shape.

    The loop gets vectors as (N, K) and numbers as (N,), and writes the value (N,) and one slope for each argument that
    is not named in ``without``.
    """
    _, dtype, *_ = rows(vectors, numbers)
    _, gradient_dtype, *arrays = rows(vectors, {**numbers, "g": g})
    lead, size = arrays[0].shape[:-1], arrays[0].shape[-1]
    count = math.prod(lead)
    wide = [_copied(a, (count, size)) for a in arrays[: len(vectors)]]
    *narrow, cotangent = (_copied(a, (count,)) for a in arrays[len(vectors) :])
    names = [name for name in (*vectors, *numbers) if name not in without]
    slopes = {n: np.empty((count, size) if n in vectors else count) for n in names}
    value = np.empty(count)
    loop(cotangent, *wide, *narrow, value, *slopes.values())
    shapes = {n: (*lead, size) if n in vectors else lead for n in names}
    with np.errstate(all="ignore"):  # what float32 cannot hold
        return value.reshape(lead).astype(dtype, copy=False)[()], tuple(
            unbroadcast(s.reshape(shapes[n]), (vectors | numbers)[n], gradient_dtype) for n, s in slopes.items()
        )


def _copied(array: Any, shape: tuple[int, ...]) -> np.ndarray:
    # a copy: NumPy warns of broadcast arrays that a kernel could write to
    return np.array(array, dtype=np.float64, order="C").reshape(shape)


@inline
def product(x: float, y: float) -> tuple[float, float]:
    """``x y`` rounded, and what rounding took (Veltkamp's split, Dekker's product)."""
    high = x * y
    c, d = _SPLITTER * x, _SPLITTER * y
    x_high, y_high = c - (c - x), d - (d - y)
    x_rest, y_rest = x - x_high, y - y_high
    return high, ((x_high * y_high - high) + x_high * y_rest + x_rest * y_high) + x_rest * y_rest


@inline
def cross(x: float, x_low: float, y: float, y_low: float, z: float, w: float, w_low: float) -> float:
    """``(x + x_low)(y + y_low) - z (w + w_low)``, rounded about once however much cancels."""
    p, p_low = product(x, y)
    q, q_low = product(z, w)
    s, lost = two_sum(p, -q)
    return s + (lost + ((p_low - q_low) + (x * y_low + x_low * y) - z * w_low))


@inline
def plus(high: float, low: float, x: float) -> tuple[float, float]:
    """A running sum and what its rounding took so far, with one more term."""
    s, lost = two_sum(high, x)
    return s, low + lost


@inline
def settled(high: float, low: float) -> tuple[float, float]:
    """The same sum with the low part below an ulp of the high one."""
    s = high + low
    return s, low - (s - high)


@inline
def exponential(v: float) -> tuple[float, float]:
    """``exp(v)``; near 1 as two numbers, so that nothing is lost of a small v."""
    if abs(v) < 0.5:
        return settled(1.0, math.expm1(v))
    return math.exp(v), 0.0
