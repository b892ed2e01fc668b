"""Center loss: one pass over the rows, and one over the classes, each of which adds up its own rows."""

from __future__ import annotations

import numba
import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._distances import square_of_difference
from refengine.backends.numba.losses._rows import contiguous, rows_of
from refengine.losses import center as reference
from refengine.losses._rows import reduce
from refengine.losses.center import *


@parallel
def _rows(x, centers, y, g, factor, losses, dx):
    for i in numba.prange(x.shape[0]):
        square = square_of_difference(x[i], centers[y[i]])
        losses[i] = factor * square
        for k in range(x.shape[1]):
            dx[i, k] = 2 * factor * g[i] * (x[i, k] - centers[y[i], k]) if square == square else np.nan


@parallel
def _classes(dx, order, starts, dcenters):
    for j in numba.prange(dcenters.shape[0]):
        for t in range(starts[j], starts[j + 1]):
            for k in range(dx.shape[1]):
                dcenters[j, k] -= dx[order[t], k]


@kernel_of(reference.loss)
def loss(x, centers, labels, *, half_factor=True, reduction="sum"):
    return _loss(None, x, centers, labels, half_factor, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, centers, labels, *, half_factor=True, reduction="sum"):
    return _loss(as_float64(np, "g", g), x, centers, labels, half_factor, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, centers, labels, *, half_factor=True, reduction="sum"):
    return _loss(as_float64(np, "g", g), x, centers, labels, half_factor, reduction)


def _loss(g, x, centers, labels, half_factor, reduction):
    _, dtype, x, centers, y = reference._checked(x, centers, labels)
    reference._check_loss(half_factor, reduction)
    rows, losses, dx, dcenters = (
        rows_of(g, len(x), reduction),
        np.empty(len(x)),
        np.empty(x.shape),
        np.zeros(centers.shape),
    )
    order = np.argsort(y, kind="stable")
    starts = np.searchsorted(np.asarray(y)[order], np.arange(len(centers) + 1))
    x, centers, y = contiguous(x, np.float64), contiguous(centers, np.float64), contiguous(y, np.int64)
    _rows(x, centers, y, rows, 0.5 if half_factor else 1.0, losses, dx)
    _classes(dx, order, starts, dcenters)
    with np.errstate(all="ignore"):
        value = np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
        return value, (dx.astype(dtype, copy=False), dcenters.astype(dtype, copy=False))
