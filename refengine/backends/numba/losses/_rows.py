"""Pointwise kernels on one row, and the loops over rows that the losses share."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from refengine.backends.numba._parallel import parallel

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


@scalar
def make_orthogonal(row, unit, length):
    """Take the part along the unit vector ``unit / length`` out of a row, in place.

    The component where ``unit`` is largest is the one that makes the row orthogonal: it is not a small difference.
    """
    along = dot(row, unit) / length / length
    for k in range(row.shape[0]):
        row[k] -= along * unit[k]
    big = 0
    for k in range(row.shape[0]):
        big = k if abs(unit[k]) > abs(unit[big]) else big
    row[big] = 0
    row[big] = -dot(row, unit) / unit[big]


@summing
def exponentials(row, top, scale):
    """Replace a row by exp(scale (row - top)); returns the sum."""
    total = 0.0
    for j in range(row.shape[0]):
        row[j] = math.exp(scale * (row[j] - top))
        total += np.float64(row[j])
    return total


@scalar
def entropy_row(row, y, scale):
    """-log softmax(scale * row)[y]; the row is replaced by its derivatives to scale * row.

    The label stands apart: with S the sum of the others' exponentials relative to the largest logit, and e the label's
    own, the loss is log1p(S) where the label is largest, and a gap plus log(S + e), above log 2, where it is not.
    """
    target = row[y]
    row[y] = -np.inf
    top, undefined = target, math.isnan(target)
    for j in range(row.shape[0]):
        top = max(top, row[j])
        undefined |= math.isnan(row[j])
    if undefined or math.isinf(top):
        row[:] = np.nan
        return np.nan
    others = exponentials(row, top, scale)
    own = math.exp(np.float64(scale) * (np.float64(target) - np.float64(top)))
    leads = target == top
    total = others + own
    for j in range(row.shape[0]):
        row[j] /= total
    row[y] = -others / total if leads else own / total - 1
    if leads:
        return math.log1p(others)
    return np.float64(scale) * (np.float64(top) - np.float64(target)) + math.log(total)


@parallel
def units(rows, unit, largest, norm):
    for i in numba.prange(rows.shape[0]):
        largest[i], norm[i] = unit_row(rows[i], unit[i])


@parallel
def lengths(rows, largest, norm):
    for i in numba.prange(rows.shape[0]):
        largest[i] = largest_of(rows[i])
        norm[i] = math.sqrt(sum_of_squares(rows[i], largest[i]))


@parallel
def orthogonal_rows(rows, unit, largest, norm):
    """Derivatives to the directions become derivatives to the vectors, in place."""
    for i in numba.prange(rows.shape[0]):
        make_orthogonal(rows[i], unit[i], 1.0)
        for k in range(rows.shape[1]):
            rows[i, k] = rows[i, k] / norm[i] / largest[i]


def unit_vectors(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions of the rows; their largest entries and their lengths in units of those."""
    unit, largest, norm = np.empty_like(rows), np.empty(len(rows), rows.dtype), np.empty(len(rows), rows.dtype)
    units(rows, unit, largest, norm)
    return unit, largest, norm


def contiguous(array: Any, dtype: Any) -> np.ndarray:
    """The array in row-major order; the array itself where it is so already."""
    return np.ascontiguousarray(array, dtype=dtype)
