"""Triplet loss: one pass over each triplet for the loss and its gradients, of rows or within a batch."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import as_float64, check_shape
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel, shared_out
from refengine.backends.numba.losses._distances import square_of_difference
from refengine.backends.numba.losses._rows import contiguous, rows_of, scalar
from refengine.losses import triplet as reference
from refengine.losses._rows import across, direction, reduce
from refengine.losses.triplet import *


@scalar
def _distance(u, v, direction):
    """|u - v|, and its gradient to u, which is 0 where they coincide."""
    largest, total = 0.0, 0.0
    for k in range(u.shape[0]):
        direction[k] = u[k] - v[k]
        largest = max(largest, abs(direction[k]))
    if math.isnan(direction[0]):  # the whole triplet is; max passes over nan
        return math.nan
    if largest == 0:
        return 0.0
    for k in range(u.shape[0]):
        total += (direction[k] / largest) ** 2
    for k in range(u.shape[0]):
        direction[k] = direction[k] / largest / math.sqrt(total)
    return largest * math.sqrt(total)


@scalar
def _unsquared(a, p, n, da, dp, dn):
    r"""d(a, p) - d(a, n) and its gradients.

    With unit vectors e and f from p and n to a, and Delta the difference, (n - p) . (e d_p + f d_n) is the difference
    of the squares, (d_p + d_n) Delta, and (d_p + d_n) (e - f) = 2 (n - p) - (e + f) Delta.
    """
    d_p, d_n = _distance(a, p, dp), _distance(a, n, dn)
    if d_p + d_n == 0:
        return 0.0
    difference = 0.0
    for k in range(a.shape[0]):
        difference += (n[k] - p[k]) * ((a[k] - p[k]) / (d_p + d_n) + (a[k] - n[k]) / (d_p + d_n))
    for k in range(a.shape[0]):
        da[k] = (2 * ((n[k] - p[k]) / (d_p + d_n))) - (dp[k] + dn[k]) * (difference / (d_p + d_n))
    _balance(da, dp, dn)
    for k in range(a.shape[0]):
        dp[k] = -dp[k]
    return difference


@scalar
def _balance(t, e, f):
    """Make t = e - f exactly orthogonal to e + f in the largest component of that, where e - f would cancel."""
    big, along, same = 0, 0.0, 0.0
    for k in range(t.shape[0]):
        big = k if abs(e[k] + f[k]) > abs(e[big] + f[big]) else big
        same += e[k] * f[k]
    for k in range(t.shape[0]):
        along += t[k] * (e[k] + f[k]) if k != big else 0.0
    if same > 0:
        t[big] = -along / (e[big] + f[big])


@scalar
def _squared(a, p, n, da, dp, dn):
    difference = 0.0
    for k in range(a.shape[0]):
        dp[k], dn[k], da[k] = 2 * (p[k] - a[k]), 2 * (a[k] - n[k]), 2 * (n[k] - p[k])
        difference += (n[k] - p[k]) * ((a[k] - p[k]) + (a[k] - n[k]))
    return difference


@scalar
def _hinge(h, soft):
    """The loss at h, and its slope."""
    if math.isnan(h):
        return h, h
    if not soft:
        return max(h, 0.0), 1.0 if h > 0 else 0.0
    if h > 0:
        return h + math.log1p(math.exp(-h)), 1 / (1 + math.exp(-h))
    return math.log1p(math.exp(h)), math.exp(h) / (1 + math.exp(h))


@shared_out
def _triplets(start, stop, a, p, n, g, margin, squared, soft, losses, da, dp, dn):
    for t in range(start, stop):
        if squared:
            difference = _squared(a[t], p[t], n[t], da[t], dp[t], dn[t])
        else:
            difference = _unsquared(a[t], p[t], n[t], da[t], dp[t], dn[t])
        losses[t], slope = _hinge(difference if soft else difference + margin, soft)
        for k in range(a.shape[1]):
            da[t, k] *= g[t] * slope
            dp[t, k] *= g[t] * slope
            dn[t, k] *= g[t] * slope


@kernel_of(reference.loss_triplets)
def loss_triplets(anchor, positive, negative, *, margin=0.2, squared=False, soft=False, reduction="mean"):
    return _loss(None, anchor, positive, negative, margin, squared, soft, reduction)[0]


@kernel_of(reference.loss_triplets_vjp)
def loss_triplets_vjp(g, anchor, positive, negative, *, margin=0.2, squared=False, soft=False, reduction="mean"):
    return _loss(as_float64(np, "g", g), anchor, positive, negative, margin, squared, soft, reduction)[1]


@kernel_of(reference.loss_triplets_value_and_vjp)
def loss_triplets_value_and_vjp(
    g, anchor, positive, negative, *, margin=0.2, squared=False, soft=False, reduction="mean"
):
    return _loss(as_float64(np, "g", g), anchor, positive, negative, margin, squared, soft, reduction)


def _loss(g, anchor, positive, negative, margin, squared, soft, reduction):
    _, dtype, *vectors = reference._checked(anchor, positive, negative, margin, squared, soft, reduction)
    a, p, n = (contiguous(v, np.float64) for v in vectors)
    losses, da, dp, dn = np.empty(len(a)), np.zeros(a.shape), np.zeros(a.shape), np.zeros(a.shape)
    rows = rows_of(g, len(a), reduction)
    _triplets(len(a), a, p, n, rows, float(margin), bool(squared), bool(soft), losses, da, dp, dn)
    with np.errstate(all="ignore"):
        value = np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
    return value, tuple(v.astype(dtype, copy=False) for v in (da, dp, dn))


@parallel
def _squares(x, squares):
    for i in numba.prange(x.shape[0]):
        for j in range(x.shape[0]):
            squares[i, j] = square_of_difference(x[i], x[j])


@scalar
def _many(a, p, d, squares, negative, margin, squared, row):
    """Sum of the hinges of all negatives beside one positive, how many are active, and how many were left out.

    Where positive and negative lie apart as seen from the anchor, at an angle whose cosine is below 3/4, the difference
    of their distances has the digits that it needs, and so has that of the directions; unless it is at the kink.
    """
    total, active, left = 0.0, 0, 0
    for j in range(d.shape[0]):
        size = d[p] + d[j] + abs(margin)
        h = d[p] - d[j] + margin
        product = d[p] * d[j] if not squared else math.sqrt(d[p] * d[j])
        aligned = squares[a, p] + squares[a, j] - squares[p, j] > 1.5 * product
        on, near = negative[j] and h > 1e-9 * size, negative[j] and abs(h) <= 1e-9 * size
        taken = on and not aligned
        total += h if taken else 0.0
        row[j] -= 1.0 if taken else 0.0
        active += 1 if taken else 0
        left += 1 if near or (on and aligned) else 0
    return total, active, left


@scalar
def _one(x, a, p, j, margin, squared, soft, da, dp, dn):
    """The loss of one triplet and its slope, from the vectors; ``da`` gets the anchor's gradient of the difference."""
    da[:], dp[:], dn[:] = 0.0, 0.0, 0.0
    if squared:
        difference = _squared(x[a], x[p], x[j], da, dp, dn)
    else:
        difference = _unsquared(x[a], x[p], x[j], da, dp, dn)
    return _hinge(difference if soft else difference + margin, soft)


@scalar
def _anchor(a, x, labels, margin, squared, soft, tame, squares, weights, uniform, losses, own, row, fast):
    """All triplets of one anchor: losses in order, the weights of its distances, its own gradient to ``own``.

    Triplets that need the vectors give their weights to ``row``, the rest, where the distances are enough and the
    weights give the anchor's gradient too, to ``fast``. Returns the sum of the losses, and how many are not 0.
    ``weights`` holds one for each triplet, unless ``uniform``.
    """
    n, width = x.shape
    da, dp, dn = np.empty(width), np.empty(width), np.empty(width)
    total, active, t = 0.0, 0, 0
    d, negative = np.empty(n), labels != labels[a]
    for j in range(n):
        if tame:
            d[j] = squares[a, j] if squared else math.sqrt(squares[a, j])
        else:
            d[j] = _distance(x[a], x[j], da)
            d[j] = d[j] * d[j] if squared else d[j]
    for p in range(n):
        if p == a or negative[p]:
            continue
        if tame:
            part, count, left = _many(a, p, d, squares, negative, margin, squared, fast)
            total += part
            active += count
            fast[p] += count
            if left == 0:
                continue
        for j in range(n):
            if not negative[j]:
                continue
            h, size = d[p] - d[j] + margin, d[p] + d[j] + abs(margin)
            below = not soft and h < -1e-9 * size
            if tame and h > 1e-9 * size:
                product = d[p] * d[j] if not squared else math.sqrt(d[p] * d[j])
                below = not squares[a, p] + squares[a, j] - squares[p, j] > 1.5 * product
            if below:  # far below the hinge, or done
                if not uniform:
                    losses[t] = 0.0
                t += 1
                continue
            loss, slope = _one(x, a, p, j, margin, squared, soft, da, dp, dn)
            total += loss
            active += 0 if loss <= 0 else 1
            if not uniform:
                losses[t], slope = loss, slope * weights[t]
            t += 1
            if slope != 0:
                row[p] += slope
                row[j] -= slope
                for k in range(width):
                    own[k] += slope * da[k]
    return total, active


@parallel
def _batch(
    x, labels, margin, squared, soft, tame, squares, starts, weights, uniform, losses, sums, active, pairs, fast, dx
):
    for a in numba.prange(x.shape[0]):
        own = slice(starts[a], starts[a + 1])
        sums[a], active[a] = _anchor(
            a,
            x,
            labels,
            margin,
            squared,
            soft,
            tame,
            squares,
            weights[own],
            uniform,
            losses[own],
            dx[a],
            pairs[a],
            fast[a],
        )
    for j in numba.prange(x.shape[0]):
        direction = np.empty(x.shape[1])
        for a in range(x.shape[0]):
            weight = pairs[a, j] + (fast[a, j] + fast[j, a] if tame else 0.0)
            if weight == 0:
                continue
            if tame:
                if not squared:
                    weight = weight / math.sqrt(squares[j, a]) if squares[j, a] > 0 else 0.0
                for k in range(x.shape[1]):
                    dx[j, k] += (2 * weight if squared else weight) * (x[j, k] - x[a, k])
                continue
            d = _distance(x[j], x[a], direction)
            for k in range(x.shape[1]):
                dx[j, k] += weight * (2 * (x[j, k] - x[a, k]) if squared else (direction[k] if d != 0 else 0.0))


@kernel_of(reference.loss)
def loss(x, labels, *, margin=0.2, squared=False, soft=False, normalize_x=False, reduction="mean"):
    return _of_batch(None, x, labels, margin, squared, soft, normalize_x, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, margin=0.2, squared=False, soft=False, normalize_x=False, reduction="mean"):
    return _of_batch(as_float64(np, "g", g), x, labels, margin, squared, soft, normalize_x, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, margin=0.2, squared=False, soft=False, normalize_x=False, reduction="mean"):
    return _of_batch(as_float64(np, "g", g), x, labels, margin, squared, soft, normalize_x, reduction)


def _of_batch(g, x, labels, margin, squared, soft, normalize_x, reduction):
    """O(N^2) memory: the gradient to a positive or a negative is a multiple of its direction from the anchor."""
    _, dtype, x, y = reference._checked_batch(x, labels, margin, squared, soft, normalize_x, reduction)
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(np, x) if normalize_x else (x, 1.0, 1.0)
    n, uniform = len(x), reduction != "none"
    same = np.sum(y[:, None] == y, axis=1)
    counts = (same - 1) * (n - same)
    triplets = int(np.sum(counts))
    if g is not None:
        check_shape("g", g, () if uniform else ("N",), N=triplets)
    # one weight and one loss for each triplet only where they are asked for
    starts = np.zeros(n + 1, dtype=np.int64) if uniform else np.concatenate([[0], np.cumsum(counts)])
    weights = np.zeros(0) if uniform else np.ones(triplets) if g is None else np.array(g)
    losses, sums, active = np.empty(0 if uniform else triplets), np.zeros(n), np.zeros(n, dtype=np.int64)
    pairs, dx = np.zeros((n, n)), np.zeros(x.shape)
    rows = contiguous(unit, np.float64)
    # whether distances alone will do for most triplets: hinges on distances whose squares are numbers
    tame = uniform and not soft and bool(np.all((np.abs(rows) < 2.0**400) & ((rows == 0) | (np.abs(rows) > 2.0**-400))))
    squares, fast = np.empty((n, n) if tame else (0, 0)), np.zeros((n, n))
    if tame:
        _squares(rows, squares)
    constants = float(margin), bool(squared), bool(soft), tame, squares
    totals = losses, sums, active, pairs, fast
    _batch(rows, contiguous(y, np.int64), *constants, starts, weights, uniform, *totals, dx)
    with np.errstate(all="ignore"):
        divisor = {"mean": triplets, "nonzero": max(int(np.sum(active)), 1)}.get(reduction, 1)
        value = losses if not uniform else np.sum(sums) / np.float64(divisor)
        if uniform:
            dx = dx * ((1.0 if g is None else g) / max(divisor, 1))
        if normalize_x:
            dx = across(np, dx, unit) / norm / largest
        return np.asarray(value).astype(dtype, copy=False)[()], (dx.astype(dtype, copy=False),)
