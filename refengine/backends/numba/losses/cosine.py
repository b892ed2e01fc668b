"""Cosine similarity: directions row by row, one matrix product, one more for each gradient."""

from __future__ import annotations

import numba
import numpy as np

from refengine._arrays import as_float64, check_shape, promote
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._rows import contiguous, orthogonal_rows, unit_vectors
from refengine.losses import cosine as reference
from refengine.losses._rows import check_rows_and_classes
from refengine.losses.cosine import *


@parallel
def _clip(c):
    for i in numba.prange(c.shape[0]):
        for j in range(c.shape[1]):
            c[i, j] = min(max(c[i, j], -1.0), 1.0) if c[i, j] == c[i, j] else np.nan


@kernel_of(reference.similarity)
def similarity(x, weight):
    x, weight = _checked(x, weight)
    return _similarity(unit_vectors(x)[0], unit_vectors(weight)[0])


@kernel_of(reference.similarity_vjp)
def similarity_vjp(g, x, weight):
    return similarity_value_and_vjp(g, x, weight)[1]


@kernel_of(reference.similarity_value_and_vjp)
def similarity_value_and_vjp(g, x, weight):
    x, weight = _checked(x, weight)
    g = contiguous(as_float64(np, "g", g), x.dtype)
    check_shape("g", g, ("N", "C"), N=len(x), C=len(weight))
    (unit, *size), (unit_weight, *size_weight) = unit_vectors(x), unit_vectors(weight)
    with np.errstate(all="ignore"):
        dx, dw = np.matmul(g, unit_weight), np.matmul(g.T, unit)
    orthogonal_rows(len(dx), dx, unit, *size)
    orthogonal_rows(len(dw), dw, unit_weight, *size_weight)
    return _similarity(unit, unit_weight), (dx, dw)


def _similarity(unit, unit_weight):
    with np.errstate(all="ignore"):
        c = np.matmul(unit, unit_weight.T)
    _clip(c)
    return c


def _checked(x, weight):
    _, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    return contiguous(x, dtype), contiguous(weight, dtype)
