"""Arithmetic with twice the digits, as pairs ``(high, low)`` whose sum is meant: what survives a cancellation."""

from __future__ import annotations

from typing import Any, TypeAlias

from refengine.domains import Array
from refengine.special._saddle_point import _upper, sum_error

Pair: TypeAlias = tuple[Any, Any]


def single(x: Array) -> Pair:
    """A number as a pair."""
    return x, 0.0 * x


def add(x: Pair, y: Pair) -> Pair:
    """The sum of two pairs, itself a pair."""
    high = x[0] + y[0]
    return settled(high, sum_error(x[0], y[0]) + (x[1] + y[1]))


def settled(high: Array, low: Array) -> Pair:
    """The same sum with a low part below an ulp of the high one (abs(low) <= abs(high))."""
    s = high + low
    return s, low - (s - high)


def product(x: Array, y: Array) -> Pair:
    """``x * y`` exactly (Dekker's product, Veltkamp's split)."""
    high = x * y
    x1, y1 = _upper(x), _upper(y)
    x2, y2 = x - x1, y - y1
    return high, ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2


def scaled(x: Pair, y: Array) -> Pair:
    """The product of a pair and a number."""
    high, low = product(x[0], y)
    return settled(high, low + x[1] * y)


def square(x: Pair) -> Pair:
    """The square of a pair."""
    high, low = product(x[0], x[0])
    return settled(high, low + 2 * x[0] * x[1])


def quotient(x: Pair, y: Pair) -> Pair:
    """The quotient of two pairs: what the rounded one leaves is divided again."""
    q = x[0] / y[0]
    p, low = product(q, y[0])
    return settled(q, (((x[0] - p) - low) + x[1] - q * y[1]) / y[0])


def cross(x: Pair, y: Pair, z: Pair, w: Pair) -> Array:
    """``x y - z w``, rounded about once however much of it cancels."""
    (p, p_low), (q, q_low) = product(x[0], y[0]), product(z[0], w[0])
    rest = (p_low - q_low) + (x[0] * y[1] + x[1] * y[0]) - (z[0] * w[1] + z[1] * w[0])
    return (p - q) + (sum_error(p, -q) + rest)


def total(xp: Any, x: Pair) -> Pair:
    """(..., 1): the sum over the last axis, as a pair; neighbours are added until one number is left."""
    high, low = x
    while high.shape[-1] > 1:
        n = high.shape[-1] // 2
        a, b, odd = high[..., :n], high[..., n : 2 * n], high[..., 2 * n :]
        lows = low[..., :n] + low[..., n : 2 * n] + sum_error(a, b)
        high, low = xp.concat([a + b, odd], axis=-1), xp.concat([lows, low[..., 2 * n :]], axis=-1)
    return settled(high, low)
