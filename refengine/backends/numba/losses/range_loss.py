"""Range loss: the k largest distances of every class from one pass over its pairs, and one pass over the means."""

from __future__ import annotations

import numba
import numpy as np

from refengine._arrays import as_float64, check_shape
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._distances import square_of_difference
from refengine.backends.numba.losses._rows import contiguous, scalar
from refengine.losses import range_loss as reference
from refengine.losses.range_loss import *


@scalar
def _largest(x, rows, count, squares, first, second):
    """The ``count`` largest squared distances between these rows, falling; of equal ones the first pairs."""
    held = 0
    for a in range(len(rows)):
        for b in range(a + 1, len(rows)):
            square = square_of_difference(x[rows[a]], x[rows[b]])
            if held == count and square <= squares[count - 1]:
                continue
            place = held if held < count else count - 1
            while place > 0 and squares[place - 1] < square:
                squares[place], first[place], second[place] = squares[place - 1], first[place - 1], second[place - 1]
                place -= 1
            squares[place], first[place], second[place] = square, rows[a], rows[b]
            held = min(held + 1, count)


@parallel
def _classes(x, order, starts, k, weight, means, values, dx):
    """Each class by itself: its harmonic mean, the gradient of that, and the mean of its rows."""
    for c in numba.prange(len(values)):
        rows = order[starts[c] : starts[c + 1]]
        values[c] = 0.0
        for row in rows:
            for m in range(x.shape[1]):
                means[c, m] += x[row, m] / len(rows)
        count = min(k, len(rows) * (len(rows) - 1) // 2)
        if count == 0:
            continue
        squares, first, second = np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64)
        _largest(x, rows, count, squares, first, second)
        least, total = squares[count - 1], 0.0
        for t in range(count):
            total += 1.0 if squares[t] == least else least / squares[t]
        values[c] = count * least / total
        for t in range(count):
            ratio = 1.0 if squares[t] == least else least / squares[t]
            slope = 2 * weight * count * (ratio / total) ** 2
            for m in range(x.shape[1]):
                part = slope * (x[first[t], m] - x[second[t], m])
                dx[first[t], m] += part
                dx[second[t], m] -= part


@parallel
def _nearest(means, squares, places):
    """For every class mean the nearest of those that follow it."""
    for c in numba.prange(len(squares)):
        squares[c], places[c] = np.inf, -1
        for d in range(c + 1, len(squares)):
            square = square_of_difference(means[c], means[d])
            if square < squares[c] or places[c] < 0:
                squares[c], places[c] = square, d


@kernel_of(reference.loss)
def loss(x, labels, *, k=2, margin=2e4, intra_weight=5e-5, inter_weight=1e-4):
    return _loss(x, labels, k, margin, intra_weight, inter_weight)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, k=2, margin=2e4, intra_weight=5e-5, inter_weight=1e-4):
    return loss_value_and_vjp(g, x, labels, k=k, margin=margin, intra_weight=intra_weight, inter_weight=inter_weight)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, k=2, margin=2e4, intra_weight=5e-5, inter_weight=1e-4):
    g = as_float64(np, "g", g)
    check_shape("g", g, ())
    value, dx = _loss(x, labels, k, margin, intra_weight, inter_weight)
    with np.errstate(all="ignore"):
        return value, ((g * dx).astype(value.dtype, copy=False),)


def _loss(x, labels, k, margin, intra_weight, inter_weight):
    _, dtype, x, y = reference._checked(x, labels, k, margin, intra_weight, inter_weight)
    if np.any(np.isnan(x)):
        return np.asarray(np.nan, dtype)[()], np.full(x.shape, np.nan)
    classes, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    starts, order = np.concatenate([[0], np.cumsum(counts)]), np.argsort(place, kind="stable")
    x, dx = contiguous(x, np.float64), np.zeros(x.shape)
    means, values = np.zeros((len(classes), x.shape[1])), np.empty(len(classes))
    squares, nearest = np.empty(len(classes)), np.empty(len(classes), np.int64)
    _classes(x, order, starts, int(min(k, len(x) ** 2)), float(intra_weight), means, values, dx)
    with np.errstate(all="ignore"):
        value = intra_weight * np.sum(values)
        if len(classes) > 1:
            _nearest(means, squares, nearest)
            first = int(np.argmin(squares[:-1]))
            second = nearest[first]
            h = margin - squares[first]
            value += inter_weight * max(h, 0.0)
            apart = -2 * inter_weight * (means[first] - means[second])
            for c, sign in ((first, 1.0), (second, -1.0)):
                if h > 0:
                    dx[place == c] += sign * apart / counts[c]
        return np.asarray(value).astype(dtype, copy=False)[()], dx
