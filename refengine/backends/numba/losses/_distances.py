"""Losses on the distances of all pairs: one pass over every row's differences from the others, and no N x N buffer.

A loss is a function of the distance and of whether the labels agree; KIND says which, and up to four constants follow.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import check_shape
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._rows import contiguous, orthogonal_rows, scalar, summing, unit_vectors

CONTRASTIVE, MARGINAL = range(2)
_SAFE = 2.0**-900, 2.0**900  # squares of distances between these have lost nothing to underflow or overflow


@summing
def _square(u, v, divisor):
    total = 0.0
    for k in range(u.shape[0]):
        total += ((u[k] - v[k]) / divisor) ** 2
    return total


@summing
def square_of_difference(u, v):
    total = 0.0
    for k in range(u.shape[0]):
        total += (u[k] - v[k]) ** 2
    return total


@scalar
def _scaled_distance(u, v):
    """``largest, norm``: the largest difference, and the distance in units of it."""
    largest = 0.0
    for k in range(u.shape[0]):
        largest = max(largest, abs(u[k] - v[k]))
    return largest, math.sqrt(_square(u, v, largest)) if largest > 0 else 0.0


@scalar
def _pair(kind, d, square, positive, p, q, r, s):
    """The loss, and its derivative to the distance."""
    if kind == CONTRASTIVE:  # margin, positive_margin, squared, factor
        h = d - q if positive else p - d
        slope = 2 * h if r else 1.0
        loss = h * h if r else h
        slope, loss = s * (slope if positive else -slope), s * loss
    else:  # threshold, margin
        h = q - (p - square if positive else square - p)
        slope, loss = 2 * d if positive else -2 * d, h
    return (loss, slope) if h > 0 else (0.0 * h, 0.0 * h)


@parallel
def _every_pair(x, sphere, y, kind, p, q, r, s, g, weights, matrix, sums, counts, to_p, to_n):
    """Sums of the losses and how many are not 0, and cotangents, of each row's positives and of its negatives apart.

    With ``weights`` the pairs have one each, and their losses go to ``matrix``.
    """
    for i in numba.prange(x.shape[0]):
        sums[i, 0] = sums[i, 1] = counts[i, 0] = counts[i, 1] = 0.0
        for j in range(x.shape[0]):
            if j == i:
                continue
            square, scaled, largest = square_of_difference(x[i], x[j]), False, 1.0
            if square == square and not _SAFE[0] < square < _SAFE[1]:
                largest, norm = _scaled_distance(x[i], x[j])
                d, scaled = largest * norm, True
                square = d * d
            else:
                d = norm = math.sqrt(square)
            positive = y[i] == y[j]
            loss, slope = _pair(kind, d, square, positive, p, q, r, s)
            of = 0 if positive else 1
            sums[i, of] += loss
            counts[i, of] += 0 if loss <= 0 else 1
            if weights:
                matrix[i, j] = loss
                slope *= g[i, j] + g[j, i]
            if slope == 0 or norm == 0:
                continue
            row = to_p[i] if positive else to_n[i]
            if scaled:
                for k in range(x.shape[1]):
                    row[k] += slope * ((x[i, k] - x[j, k]) / largest / norm)
            else:
                # on the sphere far rows have -x_j for x_j: it differs by a multiple of x_i, which is taken out later
                slope, sign = (-slope / d, 1.0) if sphere and square > 2 else (slope / d, -1.0)
                for k in range(x.shape[1]):
                    row[k] += slope * (x[i, k] + sign * x[j, k])


def loss_and_vjp(g, dtype, x, y, kind, constants, normalize, reduction):
    """The loss, and the cotangent of x unless g is None."""
    n, by_pair = len(x), reduction == "none"
    if g is not None:
        check_shape("g", g, ("N", "N") if by_pair else (), N=n)
    matrix = np.zeros((n, n) if by_pair else (0, 0))
    weights = matrix if g is None or not by_pair else g
    sums, counts, parts = np.empty((n, 2)), np.empty((n, 2)), np.zeros((2, *x.shape))
    p, q, r, s = (*map(float, constants), 0.0, 0.0)[:4]
    with np.errstate(all="ignore"):
        unit, *length = unit_vectors(contiguous(x, np.float64)) if normalize else (x,)
        places, weights = contiguous(unit, np.float64), contiguous(weights, np.float64)
        labels = contiguous(y, np.int64)
        _every_pair(places, normalize, labels, kind, p, q, r, s, weights, by_pair, matrix, sums, counts, *parts)
        shares = _shares(np.sum(counts, axis=0), n, reduction)
        value = matrix if by_pair else np.sum(shares * np.sum(sums, axis=0))
        value = np.nan if reduction == "mean" and n < 2 else value
        value = np.asarray(value).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        dx = parts[0] + parts[1] if by_pair else 2 * g * (shares[0] * parts[0] + shares[1] * parts[1])
        if normalize and n > 1:
            orthogonal_rows(len(dx), dx, unit, *length)
        return value, (dx.astype(dtype, copy=False),)


def _shares(counts, n, reduction):
    """The weight of every positive pair and that of every negative pair, each of which stands in the sums twice."""
    if reduction == "mean":
        return np.full(2, 1 / max(n * (n - 1), 1))
    return 1 / np.maximum(counts, 1.0) if reduction == "nonzero" else np.full(2, 0.5)
