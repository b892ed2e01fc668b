"""Heads on normalised vectors: three matrix products, and one N x C buffer that holds cosines, then exponentials, then
derivatives.

The label's angle is taken from the vectors, by Kahan's formula, and its gradients are added beside the products. A
target is a number, KIND, and up to three constants.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import as_float64, check_labels, check_option, check_shape, promote
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.losses._rows import (
    contiguous,
    dot,
    entropy_row,
    largest_of,
    make_orthogonal,
    rows_of,
    scalar,
    square_lengths,
    unit_row,
    unit_vectors,
)
from refengine.losses._rows import REDUCTIONS, check_rows_and_classes, reduce

ARCFACE, COSFACE, COMBINED = range(3)
_TAME = {"float32": 2.0**80, "float64": 2.0**800}  # squares of lengths between its inverse and it need no rescaling


@scalar
def _arc(angle, sine, c, margin, boundary):
    """The target's value, and minus its derivative to the angle; ``boundary`` counts through BOUNDARIES."""
    holds = c > 0 if boundary == 2 else boundary == 0 or c > -math.cos(margin)
    if holds and margin > 0:
        return math.cos(angle + margin), math.sin(angle + margin)
    if boundary == 3 and margin > 0 and not math.isnan(c):
        return -1.0, 0.0
    return c - margin * math.sin(margin) if boundary == 1 else c, sine


@scalar
def _arc_slope(c, margin, boundary):
    """The derivative of `_arc` to the cosine c."""
    holds = c > 0 if boundary == 2 else boundary == 0 or c > -math.cos(margin)
    if holds and margin > 0:
        return math.cos(margin) + math.sin(margin) * (c / math.sqrt((1 - c) * (1 + c)))
    return 0.0 if boundary == 3 and margin > 0 else 1.0


@scalar
def _turned(angle, supplement, m1, m2):
    """Cosine and sine of m1 angle + m2; for a whole m1 from the supplement pi - angle, where that is smaller."""
    if m1 != math.floor(m1) or angle < supplement:
        return math.cos(m1 * angle + m2), math.sin(m1 * angle + m2)
    sign = 1.0 if m1 % 2 == 0 else -1.0
    return sign * math.cos(m1 * supplement - m2), -sign * math.sin(m1 * supplement - m2)


@scalar
def _target(kind, angle, supplement, sine, c, p, q, r):
    """The target's value, and minus its derivative to the angle."""
    if kind == ARCFACE:
        return _arc(angle, sine, c, p, q)
    if kind == COSFACE or (p == 1 and q == 0):
        return c - (p if kind == COSFACE else r), sine
    value, fall = _turned(angle, supplement, p, q)
    return value - r, p * fall


@scalar
def _slope(kind, c, p, q, r):
    """The derivative of `_target` to the cosine c."""
    if kind == ARCFACE:
        return _arc_slope(c, p, q)
    if kind == COSFACE or (p == 1 and q == 0):
        return 1.0
    _, fall = _turned(math.acos(c), math.acos(-c), p, q)
    if fall == 0 and abs(c) == 1:  # even around the end
        return p * p if c > 0 or p % 2 == 1 else -p * p
    return p * fall / math.sqrt((1 - c) * (1 + c))


@parallel
def _logits(c, y, g, scale, kind, p, q, r, exact, z, dc):
    for i in numba.prange(c.shape[0]):
        for j in range(c.shape[1]):
            slope = 1.0
            value = c[i, j]
            if not abs(value) <= 1:
                value = slope = np.nan
            elif j == y[i]:
                slope = _slope(kind, value, p, q, r) if exact else 1.0
                value = _target(kind, math.acos(value), math.acos(-value), 0.0, value, p, q, r)[0]
            z[i, j] = scale * value
            dc[i, j] = scale * slope * g[i, j]


@scalar
def _angle(u, v):
    """The angle between unit vectors, 2 atan2(|u - v|, |u + v|), its supplement, and its sine, |u - v| |u + v| / 2."""
    apart, along = 0.0, 0.0
    for k in range(u.shape[0]):
        apart += (np.float64(u[k]) - np.float64(v[k])) ** 2
        along += (np.float64(u[k]) + np.float64(v[k])) ** 2
    apart, along = math.sqrt(apart), math.sqrt(along)
    return 2 * math.atan2(apart, along), 2 * math.atan2(along, apart), apart * along / 2


@scalar
def _tangent(u, v, e):
    """Write the unit tangent at u towards v: v - u or v + u, the shorter one, made orthogonal to u.

    It is 0 where u and v are parallel, and nan where one of them is.
    """
    sign = -1.0 if dot(u, v) > 0 else 1.0
    for k in range(u.shape[0]):
        e[k] = v[k] + sign * u[k]
    if largest_of(e) > 0:
        make_orthogonal(e, u, 1.0)
    if largest_of(e) > 0:
        unit_row(e, e)


@scalar
def _clipped(row, length):
    for j in range(row.shape[0]):
        c = row[j] / length[j]
        row[j] = 1 if c > 1 else (-1 if c < -1 else c)  # min and max would pass over nan


@parallel
def _every_row(c, unit, weight, y, length, scale, kind, p, q, r, exact, g, losses, to_x, to_w):
    linear = kind == COSFACE or (kind == COMBINED and p == 1 and q == 0) or not exact
    for i in numba.prange(c.shape[0]):
        own = np.empty_like(unit[i])
        unit_row(weight[y[i]], own)
        _clipped(c[i], length)
        angle, supplement, sine = _angle(unit[i], own)
        cosine = math.cos(angle) if angle < supplement else -math.cos(supplement)
        c[i, y[i]], fall = _target(kind, angle, supplement, sine, cosine, p, q, r)
        losses[i] = entropy_row(c[i], y[i], scale)
        slope = g[i] * scale
        target = slope * c[i, y[i]] * (fall if exact else sine)
        for j in range(c.shape[1]):
            c[i, j] *= slope / length[j]
        if linear and abs(cosine) < 0.8:  # the label is one among the others: together they may cancel
            target = 0.0 * target
        else:
            c[i, y[i]] = 0
        _tangent(unit[i], own, to_x[i])
        _tangent(own, unit[i], to_w[i])
        for k in range(unit.shape[1]):
            to_x[i, k] *= target
            to_w[i, k] *= target / length[y[i]]


@parallel
def _finish_rows(dx, unit, to_x, largest, norm):
    for i in numba.prange(dx.shape[0]):
        make_orthogonal(dx[i], unit[i], 1.0)
        for k in range(dx.shape[1]):
            dx[i, k] = (dx[i, k] + to_x[i, k]) / norm[i] / largest[i]


@parallel
def _finish_classes(dw, weight, length):
    for j in numba.prange(dw.shape[0]):
        make_orthogonal(dw[j], weight[j], length[j])


@scalar
def _add_targets(dw, to_w, y):
    for i in range(to_w.shape[0]):  # one after the other: rows of one class add up in the same order on every run
        for k in range(dw.shape[1]):
            dw[y[i], k] += to_w[i, k]


def logits_and_vjp(g, cosine, labels, scale, kind, constants, gradient):
    """Values, and the cotangent of the cosines; g may be None."""
    _, dtype, c = promote(cosine=cosine)
    check_shape("cosine", c, ("N", "C"))
    y = contiguous(check_labels("labels", labels, *c.shape), np.int64)
    g = contiguous(np.zeros(c.shape) if g is None else as_float64(np, "g", g), np.float64)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    z, dc = np.empty(c.shape), np.empty(c.shape)
    p, q, r = (*map(float, constants), 0.0, 0.0)[:3]
    _logits(contiguous(c, np.float64), y, g, float(scale), kind, p, q, r, gradient == "exact", z, dc)
    return z.astype(dtype, copy=False), (dc.astype(dtype, copy=False),)


def loss_and_vjp(g, x, weight, labels, scale, kind, constants, gradient, reduction):
    """The loss, and the cotangents of x and weight unless g is None."""
    dtype, x, weight, y = _checked(x, weight, labels, reduction)
    rows = rows_of(g, len(x), reduction)
    unit, *size = unit_vectors(x)
    weight, length, rescaled = _tamed(weight)
    losses, to_x, to_w = np.empty(len(x)), np.empty_like(x), np.empty_like(x)
    p, q, r = (*map(float, constants), 0.0, 0.0)[:3]
    with np.errstate(all="ignore"):
        buffer = np.matmul(unit, weight.T)
        constants = dtype(scale), kind, p, q, r, gradient == "exact"
        _every_row(buffer, unit, weight, y, length, *constants, rows, losses, to_x, to_w)
        value = np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        dx, dw = np.matmul(buffer, weight), np.matmul(buffer.T, unit)
        _finish_rows(dx, unit, to_x, *size)
        _finish_classes(dw, weight, length)
        _add_targets(dw, to_w, y)
        return value, (dx, dw / rescaled[:, None] if rescaled is not None else dw)


def _tamed(weight):
    """``weight, lengths, divisor``: the class vectors as they are, or divided by their largest entries."""
    squares = np.empty(len(weight))
    square_lengths(weight, squares)
    bound = _TAME[weight.dtype.name]
    if np.all((squares > 1 / bound) & (squares < bound)):
        return weight, np.sqrt(squares).astype(weight.dtype), None
    with np.errstate(all="ignore"):
        _, largest, norm = unit_vectors(weight)
        return contiguous(weight / largest[:, None], weight.dtype), norm, largest


def _checked(x, weight, labels, reduction):
    check_option("reduction", reduction, REDUCTIONS)
    _, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (C, D) with C >= 1, got {tuple(weight.shape)}")
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    return dtype, contiguous(x, dtype), contiguous(weight, dtype), contiguous(y, np.int64)
