"""Circle loss on the shared buffers of cosines: those of a batch, and those with class vectors.

The buffer holds how far each cosine is from the nearer end, 1 - c or -(1 + c), from the vectors where that is small:
near an end c itself has not the digits. Of -0 the sign counts.
"""

from __future__ import annotations

import math

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.losses._pairs import Batch, clip_row, top_of
from refengine.backends.numba.losses._rows import (
    contiguous,
    exp_row,
    orthogonal_rows,
    place_of,
    rows_of,
    scalar,
    sum_of,
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
        total += (np.float64(u[k]) + sign * np.float64(v[k])) ** 2
    return total / 2


@scalar
def _ends(row, unit, others):
    """Replace cosines by 1 - c where c >= 0, else by -(1 + c): from the vectors where that is small."""
    one, half = row.dtype.type(1), row.dtype.type(0.5)
    clip_row(row)
    for j in range(row.shape[0]):
        row[j] = (one - row[j]) if row[j] >= 0 else -(one + row[j])
    for j in range(row.shape[0]):
        if abs(row[j]) < half:
            near = math.copysign(1.0, row[j])
            row[j] = near * _half_square(unit, others[j], -near)


@scalar
def _measure(end, positive, margin):
    """``u, free``: what the logit gamma (u + m) (u - m) is of, 1 - c or c, and whether it is not held at -m."""
    one = type(margin)(1)
    near = math.copysign(one, end) > 0
    u = (end if near else one + one + end) if positive else ((one if near else -one) - end)
    free = not u + margin <= 0
    return u if free else -margin, free


@scalar
def _below(end, top, positive, gamma, margin):
    """The logit at ``end`` less that at ``top``: gamma (u - v) (u + v)."""
    u, free = _measure(end, positive, margin)
    v, top_free = _measure(top, positive, margin)
    apart = u - v
    one = type(margin)(1)
    if free and top_free and math.copysign(one, end) == math.copysign(one, top):
        apart = end - top if positive else top - end
    return gamma * apart * (u + v)


@scalar
def _highest(row, positive, gamma, margin, powers, top, end):
    """The largest logit so far and where it is, from ``top, end`` on; nan where one is."""
    for j in range(row.shape[0]):
        u, _ = _measure(row[j], positive, margin)
        powers[j] = gamma * (u + margin) * (u - margin)
    here = top_of(powers)
    if here > top:
        return here, row[place_of(powers, here)]
    return (here, end) if here != here else (top, end)


@scalar
def _weighted_powers(row, positive, gamma, margin, full, powers, end):
    """Replace the ends by their exponentials below that at ``end``, times the weights; the sum of the exponentials."""
    for j in range(row.shape[0]):
        powers[j] = _below(row[j], end, positive, gamma, margin)
    exp_row(powers)
    for j in range(row.shape[0]):
        u, free = _measure(row[j], positive, margin)
        weight = u + (u if full else margin)
        row[j] = weight * powers[j] if free else weight * 0
    return sum_of(powers)


@scalar
def _parts(i, first, last, width, pairs, pooled):
    """Columns of negatives, of positives twice, and again of negatives: the row itself is none of them."""
    middle, after = (i, i + 1) if pairs else (last, last)
    left, begin = (0, middle) if pooled else (first, first)
    return (0, left), (begin, middle), (after, last), (last, width)


@shared_out
def _rows(begin, stop, c, unit, others, first, last, pairs, pooled, gamma, margin, full, ends, tops, sums):
    """Ends and logits of each row's largest two, of its positives and of its negatives, and sums of exponentials.

    The buffer takes the exponentials below the largest, times the weights. The positives of row i are the columns from
    ``first[i]`` to before ``last[i]``. Columns are the other rows of the batch, of which the pooled loss takes those
    that follow, or classes.
    """
    for i in range(begin, stop):
        row, powers, start = c[i], np.empty(c.shape[1], c.dtype), i + 1 if pooled else 0
        _ends(row[start:], unit[i], others[start:])
        parts = _parts(i, first[i], last[i], c.shape[1], pairs, pooled)
        for kind in range(2):
            top, end, total = c.dtype.type(-np.inf), c.dtype.type(0), 0.0
            both = (parts[1], parts[2]) if kind == 0 else (parts[0], parts[3])
            for a, b in both:
                top, end = _highest(row[a:b], kind == 0, gamma, margin, powers[a:b], top, end)
            for a, b in both:
                total += _weighted_powers(row[a:b], kind == 0, gamma, margin, full, powers[a:b], end)
            tops[i, kind], ends[i, kind], sums[i, kind] = top, end, total
        row[:start] = 0
        if pairs:
            row[i] = 0


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


@shared_out
def _scale_rows(begin, stop, c, y, of_p, of_n):
    for i in range(begin, stop):
        own = of_p[i] * c[i, y[i]]
        for j in range(c.shape[1]):
            c[i, j] *= of_n[i]
        c[i, y[i]] = own


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
    batch, gamma, margin, pooled = Batch(x, y, dtype), float(gamma), float(margin), scope == "batch"
    ends, tops, sums = (np.empty((len(x), 2)) for _ in range(3))
    with np.errstate(all="ignore"):
        constants = batch.real(gamma), batch.real(margin), weights == "full"
        columns = batch.unit, batch.first, batch.last, True, pooled
        _rows(len(x), batch.c, batch.unit, *columns, *constants, ends, tops, sums)
        ends, tops, sums = (batch.taken(v) for v in (ends, tops, sums))
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
        return value, batch.pulled(-of_p, of_n)


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
    y, rows = contiguous(y, np.int64), rows_of(g, len(x), reduction)
    (unit, *length), (unit_w, *length_w) = (unit_vectors(contiguous(v, np.float64)) for v in (x, weight))
    ends, tops, sums = (np.empty((len(x), 2)) for _ in range(3))
    with np.errstate(all="ignore"):
        c, constants = np.matmul(unit, unit_w.T), (float(gamma), float(margin), weights == "full")
        _rows(len(x), c, unit, unit_w, y, contiguous(y + 1, np.int64), False, False, *constants, ends, tops, sums)
        losses, sigma = softplus(np, np.sum(tops + np.log(sums), axis=1))
        if np.any(np.isnan(length_w[1])):
            losses[:] = np.nan  # one class that has no direction
        value = np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        of_p, of_n = (contiguous(part, np.float64) for part in gamma * rows * sigma / sums.T)
        _scale_rows(len(x), c, y, -of_p, of_n)
        dx, dw = np.matmul(c, unit_w), np.matmul(c.T, unit)
        orthogonal_rows(len(dx), dx, unit, *length)
        orthogonal_rows(len(dw), dw, unit_w, *length_w)
        return value, (dx.astype(dtype, copy=False), dw.astype(dtype, copy=False))
