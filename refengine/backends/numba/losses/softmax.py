"""Softmax cross-entropy: one pass over each row for the loss and its derivatives."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._rows import contiguous, entropy_row, rows_of, scalar
from refengine.losses import softmax as reference
from refengine.losses._rows import reduce
from refengine.losses.softmax import *


@parallel
def _labelled(z, y, g, losses):
    for i in numba.prange(z.shape[0]):
        losses[i] = entropy_row(z[i], y[i], 1.0)
        for j in range(z.shape[1]):
            z[i, j] *= g[i]


@scalar
def _target_row(z, t, g, dt):
    """sum_j t_j (log-sum-exp - z_j); z is replaced by g times the derivatives to z, dt by those to t."""
    top, mass, defined = 0, 0.0, True
    for j in range(z.shape[0]):
        top = j if z[j] > z[top] else top
        mass += t[j]
        defined &= t[j] >= 0 and z[j] < np.inf
    largest, rest, loss = z[top], 0.0, 0.0
    if not defined or largest == -np.inf:
        z[:] = np.nan
        dt[:] = np.nan
        return np.nan
    for j in range(z.shape[0]):
        dt[j] = largest - z[j]
        z[j] = math.exp(-dt[j])
        rest += z[j] if j != top else 0.0
    log_sum, total = math.log1p(rest), 1 + rest
    for j in range(z.shape[0]):
        dt[j] += log_sum
        loss += t[j] * dt[j] if t[j] > 0 else 0.0
        z[j] = g * (z[j] / total * mass - t[j])
        dt[j] *= g
    elsewhere = 0.0
    for j in range(z.shape[0]):
        elsewhere += t[j] if j != top else 0.0
    z[top] = g * ((elsewhere - t[top] * rest) / total)  # 1 - p = rest / total
    return loss


@parallel
def _targeted(z, t, g, dt, losses):
    for i in numba.prange(z.shape[0]):
        losses[i] = _target_row(z[i], t[i], g[i], dt[i])


@kernel_of(reference.loss)
def loss(logits, labels, *, reduction="mean"):
    return _loss(None, logits, labels, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, logits, labels, *, reduction="mean"):
    return _loss(as_float64(np, "g", g), logits, labels, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, logits, labels, *, reduction="mean"):
    return _loss(as_float64(np, "g", g), logits, labels, reduction)


def _loss(g, logits, labels, reduction):
    _, dtype, z, y = reference._checked_labels(logits, labels, reduction)
    z, losses = np.array(z, dtype=np.float64, order="C"), np.empty(len(z))
    rows = rows_of(g, len(z), reduction)
    _labelled(z, contiguous(y, np.int64), rows, losses)
    return _rounded(losses, reduction, dtype), (z.astype(dtype, copy=False),)


@kernel_of(reference.cross_entropy)
def cross_entropy(logits, target_probabilities, *, reduction="mean"):
    return _cross_entropy(None, logits, target_probabilities, reduction)[0]


@kernel_of(reference.cross_entropy_vjp)
def cross_entropy_vjp(g, logits, target_probabilities, *, reduction="mean"):
    return _cross_entropy(as_float64(np, "g", g), logits, target_probabilities, reduction)[1]


@kernel_of(reference.cross_entropy_value_and_vjp)
def cross_entropy_value_and_vjp(g, logits, target_probabilities, *, reduction="mean"):
    return _cross_entropy(as_float64(np, "g", g), logits, target_probabilities, reduction)


def _cross_entropy(g, logits, target_probabilities, reduction):
    _, dtype, z, t = reference._checked_targets(logits, target_probabilities, reduction)
    z, dt, losses = np.array(z, dtype=np.float64, order="C"), np.empty(z.shape), np.empty(len(z))
    rows = rows_of(g, len(z), reduction)
    _targeted(z, contiguous(t, np.float64), rows, dt, losses)
    return _rounded(losses, reduction, dtype), (z.astype(dtype, copy=False), dt.astype(dtype, copy=False))


def _rounded(losses, reduction, dtype):
    with np.errstate(all="ignore"):
        return np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
