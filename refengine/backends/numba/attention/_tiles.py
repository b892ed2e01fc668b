"""Tiles of scores, and products of tiles: what every sweep over the keys shares."""

from __future__ import annotations

from math import cosh, factorial, inf, tanh
from typing import Any, NamedTuple

import numba
import numpy as np

TILE = 64
_SHIFT = 1.5 * 2.0**52
_LOG_2_HIGH, _LOG_2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 33 bits
_INVERSE_FACTORIALS = tuple(1 / factorial(n) for n in range(12, 1, -1))


class Scores(NamedTuple):
    """What the scores are made of. Arrays (B, H, ., .), where bias and masks may have axes of length 1."""

    q: Any
    k: Any
    bias: Any
    mask: Any
    first: Any  # (Q,): position restricts query i to the keys first[i] <= j < last[i]
    last: Any
    has_bias: bool
    has_mask: bool
    scale: Any
    softcap: Any  # 0: none
    rows: int  # queries in a block


class Values(NamedTuple):
    """What is averaged, and drop-out."""

    v: Any
    keep: Any
    has_keep: bool
    raised: Any  # 1 / keep_probability
    finite: bool  # no nan or inf in q, k, v, g: tiles may be multiplied as they are
    mean: bool  # empty rows average all values
    nan: bool  # empty rows are nan


class Sums(NamedTuple):
    """For every query its best key (-1: empty row), that key's score, and the rest; (B, H, Q)."""

    best: Any
    largest: Any
    rest: Any


@numba.njit(cache=True)
def row_of(array: Any, b: int, h: int, i: int) -> Any:
    """The row of an array whose axes of length 1 are broadcast."""
    return array[min(b, array.shape[0] - 1), min(h, array.shape[1] - 1), min(i, array.shape[2] - 1)]


@numba.njit(cache=True)
def matrix(buffer: Any, rows: int, columns: int) -> Any:
    return buffer[: rows * columns].reshape(rows, columns)


@numba.njit(cache=True)
def capped(x: Any, softcap: Any) -> tuple[Any, Any]:
    """The score after the cap, and the slope of the cap."""
    reach = cosh(x / softcap)
    return softcap * tanh(x / softcap), 1 / (reach * reach)


@numba.njit(cache=True)
def fill_scores(s: Any, slope: Any, t: Any, b: int, h: int, i0: int, j0: int) -> None:
    """Scores of a tile, -inf where a query does not attend; with a cap also its slopes."""
    rows, columns = s.shape
    if t.q.shape[3]:
        np.dot(t.q[b, h, i0 : i0 + rows], t.k[b, h // (t.q.shape[1] // t.k.shape[1]), j0 : j0 + columns].T, s)
    else:
        s[:] = 0
    for r in range(rows):
        start, stop = max(t.first[i0 + r] - j0, 0), min(t.last[i0 + r] - j0, columns)
        s[r, : min(start, columns)] = -inf
        s[r, max(start, stop, 0) :] = -inf
        for j in range(start, stop):
            s[r, j] *= t.scale
        if t.softcap > 0:
            for j in range(start, stop):
                s[r, j], slope[r, j] = capped(s[r, j], t.softcap)
        if t.has_bias:
            bias = row_of(t.bias, b, h, i0 + r)
            for j in range(start, stop):
                extra = bias[min(j0 + j, bias.size - 1)]
                s[r, j] = -inf if extra == -inf else s[r, j] + extra
        if t.has_mask:
            mask = row_of(t.mask, b, h, i0 + r)
            for j in range(start, stop):
                if not mask[min(j0 + j, mask.size - 1)]:
                    s[r, j] = -inf


@numba.njit(cache=True)
def fall(x: float) -> float:
    """``exp(x)`` for x <= 0 without branches, so that loops over it use vector instructions.

    With x = n log 2 + r and |r| <= log(2) / 2 the series of exp(r) is cut after r^13 / 13!; the rest is below 2^-57.
    Adding 1.5 * 2^52 leaves n in the last bits; 2^n is applied in two factors, which may end below 2^-1022.
    """
    x = -1400.0 if x < -1400 else x
    shifted = x * 1.4426950408889634 + _SHIFT
    n = shifted - _SHIFT
    r = (x - n * _LOG_2_HIGH) - n * _LOG_2_LOW
    series = 1 / 6227020800
    for inverse in _INVERSE_FACTORIALS:
        series = series * r + inverse
    half = n * 0.5 + _SHIFT
    return (1 + (r + r * r * series)) * _power_of_2(half) * _power_of_2((n - (half - _SHIFT)) + _SHIFT)


@numba.njit(cache=True)
def _power_of_2(shifted: float) -> float:
    return np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)


@numba.njit(cache=True, fastmath={"reassoc"})
def total(x: Any) -> Any:
    """The sum of a vector, in the order that the compiled loop fixes."""
    result = 0.0
    for j in range(x.size):
        result += x[j]
    return result


@numba.njit(cache=True)
def kept(x: Any, b: int, h: int, i: int, j: int) -> Any:
    """The factor that drop-out puts on a weight."""
    if not x.has_keep:
        return x.raised
    keep = row_of(x.keep, b, h, i)
    return x.raised if keep[min(j, keep.size - 1)] else 0 * x.raised


@numba.njit(cache=True)
def add_product(sums: Any, a: Any, b: Any, finite: bool, scratch: Any) -> None:
    """``sums += a @ b``; where b may hold nan and inf, entries of a that are 0 choose nothing."""
    if finite and a.size and b.size:
        product = matrix(scratch, *sums.shape)
        np.dot(a, b, product)
        sums += product
    else:
        for i in range(sums.shape[0]):
            for j in range(b.shape[0]):
                if a[i, j] != 0:
                    sums[i] += a[i, j] * b[j]


@numba.njit(cache=True)
def reach(t: Any, i0: int, rows: int, all_keys: bool) -> tuple[int, int]:
    """The keys that a block of queries can meet; the ranges move forward with the query."""
    keys = t.k.shape[2]
    return (0, keys) if all_keys else (max(t.first[i0], 0) // TILE * TILE, min(t.last[i0 + rows - 1], keys))
