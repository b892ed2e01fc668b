"""Linear models in compiled code: column after column, so that the sums over the rows use vector instructions."""

from __future__ import annotations

import numba
import numpy as np

# sums may be taken in the order that vectorises: the same on every run and for any number of threads
summing = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})


def columns_of(features: np.ndarray) -> np.ndarray:
    """The features (N, D) as (D, N), contiguous and writeable."""
    return np.array(features.T, order="C")


@summing
def residuals(position, columns, outcomes, small):
    """The outcomes less their means, times ``small``."""
    result = outcomes.copy()
    for d in range(len(columns)):
        for n in range(result.size):
            result[n] -= columns[d, n] * position[d]
    for n in range(result.size):
        result[n] *= small
    return result


@summing
def combined(g, columns, small):
    """The combination of the columns with the coefficients g, times ``small``."""
    result = np.zeros(columns.shape[1])
    for d in range(len(columns)):
        for n in range(result.size):
            result[n] += columns[d, n] * g[d]
    for n in range(result.size):
        result[n] *= small
    return result


@summing
def inner(a, b):
    """The inner product."""
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return total
