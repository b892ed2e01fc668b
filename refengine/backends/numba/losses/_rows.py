"""Pointwise kernels on one row, and the loops over rows that the losses share."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from refengine.backends.numba._exponential import fall
from refengine.backends.numba._parallel import parallel, sealed, shared_out
from refengine.losses._rows import spread

# sums may be taken in the order that vectorises: the same on every run and for any number of threads
scalar = numba.njit(cache=True, nogil=True, error_model="numpy")
summing = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})


@summing
def largest_of(row):
    largest = abs(row[0])
    for k in range(1, row.shape[0]):
        largest = max(largest, abs(row[k]))
    return largest


@summing
def sum_of_squares(row, divisor):
    total = 0.0
    for k in range(row.shape[0]):
        part = np.float64(row[k] / divisor)
        total += part * part
    return total


@summing
def dot(row, other):
    total = 0.0
    for k in range(row.shape[0]):
        total += np.float64(row[k]) * np.float64(other[k])
    return total


@scalar
def unit_row(row, unit):
    """Write the direction of a row; returns its largest entry and the length in units of that."""
    largest = largest_of(row)
    norm = math.sqrt(sum_of_squares(row, largest))
    for k in range(row.shape[0]):
        unit[k] = row[k] / largest / norm
    return largest, norm


@summing
def _projection(row, unit, length):
    """The component of a row along ``unit / length``, and the sum of the fourth powers of that unit vector."""
    along, fourth, inverse = 0.0, 0.0, 1 / np.float64(length)
    for k in range(row.shape[0]):
        part = np.float64(unit[k]) * inverse
        along += np.float64(row[k]) * part
        fourth += (part * part) * (part * part)
    return along, fourth


@scalar
def make_orthogonal(row, unit, length):
    """Take the part along the unit vector ``unit / length`` out of a row, in place.

    Where one component has more than half of the square, row - unit (unit . row) cancels in it: there it follows from
    being orthogonal.
    """
    along, fourth = _projection(row, unit, length)
    for k in range(row.shape[0]):
        row[k] -= along / length * unit[k]
    if not fourth < 0.25:
        big = 0
        for k in range(row.shape[0]):
            big = k if abs(unit[k]) > abs(unit[big]) else big
        row[big] = 0
        row[big] = -dot(row, unit) / unit[big]


@scalar
def exp_row(row):
    """Replace a row by its exponentials; no entry exceeds 0."""
    for j in range(row.shape[0]):
        row[j] = fall(row[j])


@summing
def sum_of(row):
    total = 0.0
    for j in range(row.shape[0]):
        total += row[j]
    return total


@summing
def exponentials(row, top, scale):
    """Replace a row by exp(scale (row - top)), none of which exceeds 1; returns the sum."""
    total, kind = 0.0, row.dtype.type
    for j in range(row.shape[0]):
        row[j] = fall(kind(scale) * (row[j] - kind(top)))
    for j in range(row.shape[0]):
        total += np.float64(row[j])
    return total


@summing
def count_nan(row):
    count = 0
    for j in range(row.shape[0]):
        count += 1 if row[j] != row[j] else 0
    return count


@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def largest_number(row):
    """The largest entry of a row without nan."""
    top = row[0]
    for j in range(1, row.shape[0]):
        top = row[j] if row[j] > top else top
    return top


@scalar
def place_of(row, value):
    """The first place of a value, the length of the row where there is none: 64 entries at a time."""
    for start in range(0, row.shape[0], 64):
        block, found = row[start : start + 64], 0
        for j in range(block.shape[0]):
            found += 1 if block[j] == value else 0
        if found:
            j = 0
            while block[j] != value:
                j += 1
            return start + j
    return row.shape[0]


@scalar
def exponential_row(row, y, scale):
    """-log softmax(scale * row)[y], and the sum of exp(scale * row) relative to the largest.

    The row is replaced by its derivatives to scale * row, all but the label's times that sum. The label stands apart:
    with S the sum of the others' exponentials relative to the largest logit, and e the label's own, the loss is
    log1p(S) where the label is largest, and a gap plus log(S + e), above log 2, where it is not.
    """
    target = row[y]
    top = largest_number(row) if count_nan(row) == 0 else row[0] + np.inf
    if not abs(top) < np.inf:
        row[:] = np.nan
        return np.nan, np.nan
    row[y] = -np.inf if scale != 0 else top
    others = exponentials(row, top, scale) - (0 if scale != 0 else 1)
    own = math.exp(np.float64(scale) * (np.float64(target) - np.float64(top)))
    leads = target == top
    total = others + own
    row[y] = -others / total if leads else own / total - 1
    if leads:
        return math.log1p(others), total
    return np.float64(scale) * (np.float64(top) - np.float64(target)) + math.log(total), total


@scalar
def entropy_row(row, y, scale):
    """-log softmax(scale * row)[y]; the row is replaced by its derivatives to scale * row."""
    loss, total = exponential_row(row, y, scale)
    own = row[y]
    for j in range(row.shape[0]):
        row[j] /= total
    row[y] = own
    return loss


@shared_out
def units(start, stop, rows, unit, largest, norm):
    for i in range(start, stop):
        largest[i], norm[i] = unit_row(rows[i], unit[i])


@parallel
def square_lengths(rows, squares):
    for i in numba.prange(rows.shape[0]):
        squares[i] = sum_of_squares(rows[i], 1.0)


@shared_out
def orthogonal_rows(start, stop, rows, unit, largest, norm):
    """Derivatives to the directions become derivatives to the vectors, in place."""
    for i in range(start, stop):
        make_orthogonal(rows[i], unit[i], 1.0)
        for k in range(rows.shape[1]):
            rows[i, k] = rows[i, k] / norm[i] / largest[i]


def unit_vectors(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions of the rows; their largest entries and their lengths in units of those."""
    unit, largest, norm = np.empty_like(rows), np.empty(len(rows), rows.dtype), np.empty(len(rows), rows.dtype)
    units(len(rows), rows, unit, largest, norm)
    return unit, largest, norm


def contiguous(array: Any, dtype: Any) -> np.ndarray:
    """The array in row-major order, without a copy where it is so already, and read-only."""
    return sealed(np.asarray(array, dtype=dtype))


def rows_of(g: Any, count: int, reduction: str) -> np.ndarray:
    """The cotangent of every row's loss; 0 where none is asked for."""
    return contiguous(np.zeros(count) if g is None else spread(np, g, count, reduction), np.float64)
