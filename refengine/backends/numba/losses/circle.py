"""Circle loss on the shared buffers of cosines: those of a batch, and those with class vectors.

The buffer holds how far each cosine is from the nearer end, 1 - c or -(1 + c), from the vectors where that is small:
near an end c itself has not the digits. Of -0 the sign counts.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._pairs import cosines, pulled
from refengine.backends.numba.losses._rows import (
    contiguous,
    exp_row,
    orthogonal_rows,
    rows_of,
    scalar,
    summing,
    unit_vectors,
)
from refengine.losses import circle as reference
from refengine.losses._pairs import anchor_shares, reduced, softplus, weighted
from refengine.losses._rows import reduce
from refengine.losses.circle import *


@summing
def _half_square(u, v, sign):
    total = 0.0
    for k in range(u.shape[0]):
        total += (u[k] + sign * v[k]) ** 2
    return total / 2


@scalar
def _end(c, u, v):
    """1 - c where c >= 0, else -(1 + c)."""
    if c > 0.5:
        return _half_square(u, v, -1.0)
    if c < -0.5:
        return -_half_square(u, v, 1.0)
    return 1 - c if c >= 0 else -1 - c


@scalar
def _measure(end, positive, margin):
    """``u, free``: what the logit gamma (u + m) (u - m) is of, 1 - c or c, and whether it is not held at -m."""
    near = math.copysign(1.0, end) > 0
    u = (end if near else 2 + end) if positive else ((1 if near else -1) - end)
    free = not u + margin <= 0
    return u if free else -margin, free


@scalar
def _below(end, top, positive, gamma, margin):
    """The logit at ``end`` less that at ``top``: gamma (u - v) (u + v)."""
    u, free = _measure(end, positive, margin)
    v, top_free = _measure(top, positive, margin)
    apart = u - v
    if free and top_free and math.copysign(1.0, end) == math.copysign(1.0, top):
        apart = end - top if positive else top - end
    return gamma * apart * (u + v)


@parallel
def _rows(c, unit, others, y, columns, pairs, pooled, gamma, margin, full, ends, tops, sums):
    """Ends and logits of each row's largest two, of its positives and of its negatives, and sums of exponentials.

    The buffer takes the exponentials below the largest, times the weights. Columns are the other rows of the batch, of
    which the pooled loss takes those that follow, or classes.
    """
    for i in numba.prange(c.shape[0]):
        for kind in range(2):
            tops[i, kind], sums[i, kind], ends[i, kind] = -np.inf, 0.0, 0.0
        start = i + 1 if pooled else 0
        for j in range(start, c.shape[1]):
            positive = columns[j] == y[i]
            if pairs and j == i:
                continue
            c[i, j] = _end(c[i, j], unit[i], others[j])
            u, _ = _measure(c[i, j], positive, margin)
            z, kind = gamma * (u + margin) * (u - margin), 0 if positive else 1
            if z > tops[i, kind] or z != z:
                tops[i, kind], ends[i, kind] = z, c[i, j]
        powers = np.full(c.shape[1], -np.inf)
        for j in range(c.shape[1]):
            if j < start or (pairs and j == i):
                c[i, j] = 0.0
                continue
            positive = columns[j] == y[i]
            kind = 0 if positive else 1
            u, free = _measure(c[i, j], positive, margin)
            powers[j] = _below(c[i, j], ends[i, kind], positive, gamma, margin)
            c[i, j] = (2 * u if full else u + margin) if free else 0.0
        exp_row(powers)
        for j in range(start, c.shape[1]):
            c[i, j] *= powers[j]
            sums[i, 0 if columns[j] == y[i] else 1] += powers[j]


@scalar
def _pool(ends, tops, sums, kind, gamma, margin, shares):
    """The logarithm of the sum of all rows, and what each row's exponentials are of it."""
    best, total = -1, 0.0
    for i in range(len(tops)):
        if sums[i, kind] != 0 and (best < 0 or tops[i, kind] > tops[best, kind] or tops[i, kind] != tops[i, kind]):
            best = i
    for i in range(len(tops)):
        shares[i] = 0.0
        if sums[i, kind] != 0:
            shares[i] = math.exp(_below(ends[i, kind], ends[best, kind], kind == 0, gamma, margin))
            total += shares[i] * sums[i, kind]
    for i in range(len(tops)):
        shares[i] /= total if best >= 0 else 1.0
    return tops[best, kind] + math.log(total) if best >= 0 else -np.inf


@parallel
def _scale_rows(c, y, columns, of_p, of_n):
    for i in numba.prange(c.shape[0]):
        for j in range(c.shape[1]):
            c[i, j] *= of_p[i] if columns[j] == y[i] else of_n[i]


@kernel_of(reference.loss)
def loss(x, labels, *, gamma=80.0, margin=0.25, weights="detached", scope="anchor", reduction="mean"):
    return _loss(None, x, labels, gamma, margin, weights, scope, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, gamma=80.0, margin=0.25, weights="detached", scope="anchor", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, gamma, margin, weights, scope, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, gamma=80.0, margin=0.25, weights="detached", scope="anchor", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, gamma, margin, weights, scope, reduction)


def _loss(g, x, labels, gamma, margin, weights, scope, reduction):
    _, dtype, x, y = reference._checked(x, labels, gamma, margin, weights, scope, reduction)
    y, gamma, margin, pooled = contiguous(y, np.int64), float(gamma), float(margin), scope == "batch"
    ends, tops, sums = (np.empty((len(x), 2)) for _ in range(3))
    with np.errstate(all="ignore"):
        c, to_x = cosines(x)
        _rows(c, to_x[0], to_x[0], y, y, True, pooled, gamma, margin, weights == "full", ends, tops, sums)
        if pooled:
            shares = np.empty((2, len(x)))
            logs = np.array([[_pool(ends, tops, sums, k, gamma, margin, shares[k]) for k in range(2)]])
        else:
            logs, shares = tops + np.log(sums), 1 / sums.T
        losses, sigma = softplus(np, logs[:, 0] + logs[:, 1])
        kept = anchor_shares(np, losses, np.all(logs != -np.inf, axis=1), reduction)
        value = np.asarray(reduced(np, losses, kept, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        of_p, of_n = gamma * weighted(np, g, kept, reduction) * sigma * shares
        return value, pulled(c, y, -of_p, of_n, to_x, dtype)


@kernel_of(reference.loss_class)
def loss_class(x, weight, labels, *, gamma=256.0, margin=0.25, weights="detached", reduction="mean"):
    return _of_classes(None, x, weight, labels, gamma, margin, weights, reduction)[0]


@kernel_of(reference.loss_class_vjp)
def loss_class_vjp(g, x, weight, labels, *, gamma=256.0, margin=0.25, weights="detached", reduction="mean"):
    return _of_classes(as_float64(np, "g", g), x, weight, labels, gamma, margin, weights, reduction)[1]


@kernel_of(reference.loss_class_value_and_vjp)
def loss_class_value_and_vjp(g, x, weight, labels, *, gamma=256.0, margin=0.25, weights="detached", reduction="mean"):
    return _of_classes(as_float64(np, "g", g), x, weight, labels, gamma, margin, weights, reduction)


def _of_classes(g, x, weight, labels, gamma, margin, weights, reduction):
    _, dtype, x, weight, y = reference._checked_class(x, weight, labels, gamma, margin, weights, reduction)
    y, columns, rows = (
        contiguous(y, np.int64),
        contiguous(np.arange(len(weight)), np.int64),
        rows_of(g, len(x), reduction),
    )
    (unit, *length), (unit_w, *length_w) = (unit_vectors(contiguous(v, np.float64)) for v in (x, weight))
    ends, tops, sums = (np.empty((len(x), 2)) for _ in range(3))
    with np.errstate(all="ignore"):
        c, constants = np.matmul(unit, unit_w.T), (float(gamma), float(margin), weights == "full")
        _rows(c, unit, unit_w, y, columns, False, False, *constants, ends, tops, sums)
        losses, sigma = softplus(np, np.sum(tops + np.log(sums), axis=1))
        if np.any(np.isnan(length_w[1])):
            losses[:] = np.nan  # one class that has no direction
        value = np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        of_p, of_n = (contiguous(part, np.float64) for part in gamma * rows * sigma / sums.T)
        _scale_rows(c, y, columns, -of_p, of_n)
        dx, dw = np.matmul(c, unit_w), np.matmul(c.T, unit)
        orthogonal_rows(dx, unit, *length)
        orthogonal_rows(dw, unit_w, *length_w)
        return value, (dx.astype(dtype, copy=False), dw.astype(dtype, copy=False))
