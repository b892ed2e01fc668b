"""ArcFace: three matrix products, and one N x C buffer that holds cosines, then exponentials, then derivatives.

The target's angle is taken from the vectors, by Kahan's formula, and its gradients are added beside the products.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import as_float64, check_labels, check_option, check_shape, promote
from refengine.backends._kernel import kernel_of
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
from refengine.losses import arcface as reference
from refengine.losses._rows import REDUCTIONS, check_rows_and_classes, reduce
from refengine.losses.arcface import *
from refengine.losses.arcface import BOUNDARIES, _check_constants

_TAME = {"float32": 2.0**80, "float64": 2.0**800}  # squares of lengths between its inverse and it need no rescaling


@scalar
def _margin(angle, sine, c, margin, boundary):
    """The target's value, and minus its derivative to the angle; ``boundary`` counts through BOUNDARIES."""
    holds = c > 0 if boundary == 2 else boundary == 0 or c > -math.cos(margin)
    if holds and margin > 0:
        return math.cos(angle + margin), math.sin(angle + margin)
    if boundary == 3 and margin > 0 and not math.isnan(c):
        return -1.0, 0.0
    return c - margin * math.sin(margin) if boundary == 1 else c, sine


@scalar
def _slope(c, margin, boundary):
    """The derivative of `_margin` to the cosine c."""
    holds = c > 0 if boundary == 2 else boundary == 0 or c > -math.cos(margin)
    if holds and margin > 0:
        return math.cos(margin) + math.sin(margin) * (c / math.sqrt((1 - c) * (1 + c)))
    return 0.0 if boundary == 3 and margin > 0 else 1.0


@parallel
def _logits(c, y, g, scale, margin, boundary, exact, z, dc):
    for i in numba.prange(c.shape[0]):
        for j in range(c.shape[1]):
            slope = 1.0
            value = c[i, j]
            if not abs(value) <= 1:
                value = slope = np.nan
            elif j == y[i]:
                slope = _slope(value, margin, boundary) if exact else 1.0
                value = _margin(math.acos(value), 0.0, value, margin, boundary)[0]
            z[i, j] = scale * value
            dc[i, j] = scale * slope * g[i, j]


@scalar
def _angle(u, v):
    """The angle between unit vectors, 2 atan2(|u - v|, |u + v|), and its sine, |u - v| |u + v| / 2."""
    apart, along = 0.0, 0.0
    for k in range(u.shape[0]):
        apart += (np.float64(u[k]) - np.float64(v[k])) ** 2
        along += (np.float64(u[k]) + np.float64(v[k])) ** 2
    apart, along = math.sqrt(apart), math.sqrt(along)
    return 2 * math.atan2(apart, along), apart * along / 2


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
def _every_row(c, unit, weight, y, length, scale, margin, boundary, exact, g, losses, to_x, to_w):
    for i in numba.prange(c.shape[0]):
        own = np.empty_like(unit[i])
        unit_row(weight[y[i]], own)
        _clipped(c[i], length)
        angle, sine = _angle(unit[i], own)
        c[i, y[i]], fall = _margin(angle, sine, math.cos(angle), margin, boundary)
        losses[i] = entropy_row(c[i], y[i], scale)
        slope = g[i] * scale
        target = slope * c[i, y[i]] * (fall if exact else sine)
        for j in range(c.shape[1]):
            c[i, j] *= slope / length[j]
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


@kernel_of(reference.logits)
def logits(cosine, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact"):
    return _logits_and_vjp(None, cosine, labels, scale, margin, boundary, gradient)[0]


@kernel_of(reference.logits_vjp)
def logits_vjp(g, cosine, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact"):
    return _logits_and_vjp(as_float64(np, "g", g), cosine, labels, scale, margin, boundary, gradient)[1]


@kernel_of(reference.logits_value_and_vjp)
def logits_value_and_vjp(g, cosine, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact"):
    return _logits_and_vjp(as_float64(np, "g", g), cosine, labels, scale, margin, boundary, gradient)


def _logits_and_vjp(g, cosine, labels, scale, margin, boundary, gradient):
    _check_constants(scale, margin, boundary, gradient)
    _, dtype, c = promote(cosine=cosine)
    check_shape("cosine", c, ("N", "C"))
    y = contiguous(check_labels("labels", labels, *c.shape), np.int64)
    g = contiguous(np.zeros(c.shape) if g is None else g, np.float64)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    z, dc = np.empty(c.shape), np.empty(c.shape)
    constants = float(scale), float(margin), BOUNDARIES.index(boundary), gradient == "exact"
    _logits(contiguous(c, np.float64), y, g, *constants, z, dc)
    return z.astype(dtype, copy=False), (dc.astype(dtype, copy=False),)


@kernel_of(reference.loss)
def loss(x, weight, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact", reduction="mean"):
    return _loss(None, x, weight, labels, scale, margin, boundary, gradient, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, margin, boundary, gradient, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(
    g, x, weight, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact", reduction="mean"
):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, margin, boundary, gradient, reduction)


def _loss(g, x, weight, labels, scale, margin, boundary, gradient, reduction):
    _check_constants(scale, margin, boundary, gradient)
    dtype, x, weight, y = _checked(x, weight, labels, reduction)
    rows = rows_of(g, len(x), reduction)
    unit, *size = unit_vectors(x)
    weight, length, rescaled = _tamed(weight)
    losses, to_x, to_w = np.empty(len(x)), np.empty_like(x), np.empty_like(x)
    constants = dtype(scale), float(margin), BOUNDARIES.index(boundary), gradient == "exact"
    with np.errstate(all="ignore"):
        buffer = np.matmul(unit, weight.T)
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
