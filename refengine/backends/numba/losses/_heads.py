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
    exponential_row,
    largest_of,
    make_orthogonal,
    rows_of,
    scalar,
    square_lengths,
    unit_row,
    unit_vectors,
)
from refengine.losses._rows import REDUCTIONS, check_rows_and_classes, reduce

ARCFACE, COSFACE, COMBINED, SPHEREFACE = range(4)
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
def _psi(angle, supplement, sine, c, m, annealing, plain):
    """SphereFace's target, and minus its derivative to the angle."""
    value, fall = _turned(angle, supplement, m, 0.0)
    fall *= m
    if not plain:
        k = min(math.floor(m * angle / math.pi), math.ceil(m) - 1.0)
        value, fall = (value if k % 2 == 0 else -value) - 2 * k, abs(fall)
    return (annealing * c + value) / (1 + annealing), (annealing * sine + fall) / (1 + annealing)


@scalar
def is_linear(kind, p, q):
    """Whether the target is the cosine less a constant."""
    return kind == COSFACE or (kind == COMBINED and p == 1 and q == 0) or (kind == SPHEREFACE and p == 1)


@scalar
def _target(kind, angle, supplement, sine, c, p, q, r):
    """The target's value, and minus its derivative to the angle."""
    if kind == ARCFACE:
        return _arc(angle, sine, c, p, q)
    if is_linear(kind, p, q):
        return c - (p if kind == COSFACE else r if kind == COMBINED else 0.0), sine
    if kind == SPHEREFACE:
        return _psi(angle, supplement, sine, c, p, q, r)
    value, fall = _turned(angle, supplement, p, q)
    return value - r, p * fall


@scalar
def _slope(kind, c, p, q, r):
    """The derivative of `_target` to the cosine c."""
    if kind == ARCFACE:
        return _arc_slope(c, p, q)
    if is_linear(kind, p, q):
        return 1.0
    angle, supplement, sine = math.acos(c), math.acos(-c), math.sqrt((1 - c) * (1 + c))
    if kind == SPHEREFACE:
        if sine > 0:
            return _psi(angle, supplement, sine, c, p, q, r)[1] / sine
        if c > 0 or p == math.floor(p):  # even around the end
            return (q + p * p * (-1 if c < 0 and r and p % 2 == 0 else 1)) / (1 + q)
        return math.inf * (1 if not r else math.sin(p * math.pi))
    _, fall = _turned(angle, supplement, p, q)
    if fall == 0 and abs(c) == 1:  # even around the end
        return p * p if c > 0 or p % 2 == 1 else -p * p
    return p * fall / sine


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
def at_label(unit, own, kind, p, q, r, exact):
    """The target's value, minus its derivative to the angle, and cosine and sine of the angle."""
    angle, supplement, sine = _angle(unit, own)
    cosine = math.cos(angle) if angle < supplement else -math.cos(supplement)
    value, fall = _target(kind, angle, supplement, sine, cosine, p, q, r)
    return value, fall if exact else sine, cosine, sine


@scalar
def label_parts(unit, own, angle, along_x, along_w, linear, free, sized, to_x, to_w):
    """Write what the label gives to the row and to its class vector beside the products; ``angle`` is from `at_label`.

    Returns its slope within the products, 0 where its term stands apart from them, and the part of the value that does.
    """
    value, fall, cosine, sine = angle
    steep, radial, turned, rest = 0.0, value, fall, value
    if abs(cosine) < 0.8 and abs(fall) < 4 * sine:
        # the label is one among the others: together they may cancel
        steep = 1.0 if linear else fall / sine  # of the target in the cosine
        radial, turned, rest = value - steep * cosine, 0.0, 0.0
    _tangent(unit, own, to_x)
    _tangent(own, unit, to_w)
    whole = linear and turned != 0 and free  # the two parts are those of the other vector itself
    for k in range(unit.shape[0]):
        if whole:
            to_x[k] = along_x * (own[k] + (value - cosine) * unit[k])
        else:
            to_x[k] = along_x * (turned * to_x[k] + (radial * unit[k] if free else 0.0))
        if whole and sized:
            to_w[k] = along_w * (unit[k] + (value - cosine) * own[k])
        else:
            to_w[k] = along_w * (turned * to_w[k] + (radial * own[k] if sized else 0.0))
    return steep, rest


@scalar
def scaled(row, factor):
    """Cosines from products with class vectors."""
    for j in range(row.shape[0]):
        c = row[j] * factor[j]
        row[j] = 1 if c > 1 else (-1 if c < -1 else c)  # min and max would pass over nan


@scalar
def multiplied(row, factor, slope):
    each = np.empty_like(factor[:1])
    each[0] = slope  # in the precision of the row
    for j in range(row.shape[0]):
        row[j] *= each[0] * factor[j]


@parallel
def _every_row(
    c, unit, weight, y, factor, size, amplitude, free, sized, kind, p, q, r, exact, g, losses, apart, to_x, to_w
):
    """Losses; the buffer becomes their derivatives to the products of directions and class vectors.

    ``apart`` gets, of a label that is not among these but in to_x and to_w, what it gives to the row's logits.
    """
    linear = is_linear(kind, p, q) or not exact
    for i in numba.prange(c.shape[0]):
        label = y[i]
        own = np.empty_like(unit[i])
        unit_row(weight[label], own)
        if sized and size[label] == 0:  # it takes the direction that it meets
            own[:] = unit[i]
        if sized:
            for j in range(c.shape[1]):
                c[i, j] *= factor[j]
        else:
            scaled(c[i], factor)
        angle = at_label(unit[i], own, kind, p, q, r, exact)
        c[i, label] = angle[0] * size[label] if sized else angle[0]
        losses[i], total = exponential_row(c[i], label, amplitude[i])
        slope = g[i] if free else g[i] * amplitude[i]
        of_label = slope * c[i, label]
        multiplied(c[i], factor, slope / total)
        along_x, along_w = of_label * (size[label] if sized else 1.0), of_label * (amplitude[i] if free else 1.0)
        along_w = along_w if sized else along_w * factor[label]
        steep, rest = label_parts(unit[i], own, angle, along_x, along_w, linear, free, sized, to_x[i], to_w[i])
        c[i, label] = steep * of_label * factor[label]
        apart[i] = of_label * rest


@parallel
def _towards_classes(unit, x, weight, y, amplitude, sized):
    """A row of zeros takes its class's direction for its own; beside a class of zeros, any."""
    for i in numba.prange(unit.shape[0]):
        if largest_of(x[i]) == 0:
            unit_row(weight[y[i]], unit[i])
            if sized and unit[i, 0] != unit[i, 0] and largest_of(weight[y[i]]) == 0:
                unit[i, :] = 0
                unit[i, 0] = 1
            amplitude[i] = 0


@parallel
def finish_rows(dx, unit, to_x, largest, norm):
    for i in numba.prange(dx.shape[0]):
        make_orthogonal(dx[i], unit[i], 1.0)
        for k in range(dx.shape[1]):
            dx[i, k] = (dx[i, k] + to_x[i, k]) / norm[i] / largest[i]


@parallel
def finish_classes(dw, weight, length):
    for j in numba.prange(dw.shape[0]):
        make_orthogonal(dw[j], weight[j], length[j])


@scalar
def add_targets(dw, to_w, y):
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


def loss_and_vjp(
    g, x, weight, labels, scale, kind, constants, gradient, reduction, *, weight_length=False, to_scale=False
):
    """The loss, and the cotangents of x and weight unless g is None; without a scale, the rows' lengths are theirs.

    With ``weight_length`` the logits have the class vectors' lengths too; ``to_scale`` asks for the scale's cotangent.
    """
    dtype, x, weight, y = _checked(x, weight, labels, reduction)
    rows, free = rows_of(g, len(x), reduction), scale is None
    unit, largest, norm = unit_vectors(x)
    weight, length, rescaled = tamed(weight, weight_length)
    losses, apart, to_x, to_w = np.empty(len(x)), np.empty(len(x)), np.empty_like(x), np.empty_like(x)
    p, q, r = (*map(float, constants), 0.0, 0.0)[:3]
    with np.errstate(all="ignore"):
        amplitude = np.asarray(largest * norm, dtype) if free else np.full(len(x), scale, dtype)
        if free:
            _towards_classes(unit, x, weight, y, amplitude, weight_length)
        buffer = np.matmul(unit, weight.T)
        size = length if rescaled is None else length * rescaled
        factor = (np.ones_like(length) if rescaled is None else rescaled) if weight_length else 1 / length
        constants = free, weight_length, kind, p, q, r, gradient == "exact"
        _every_row(buffer, unit, weight, y, factor, size, amplitude, *constants, rows, losses, apart, to_x, to_w)
        value = np.asarray(reduce(np, losses, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        dx, dw = np.matmul(buffer, weight), np.matmul(buffer.T, x if free else unit)
        slope = (np.sum(np.einsum("ij,ij->i", dx, unit, dtype=np.float64) + apart) / scale,) if to_scale else ()
        if free:
            dx += to_x
        else:
            finish_rows(dx, unit, to_x, largest, norm)
        if not weight_length:
            finish_classes(dw, weight, length)
            add_targets(dw, to_w, y)
        if rescaled is not None:
            dw = dw / rescaled[:, None]
        if weight_length:
            add_targets(dw, to_w, y)
        return value, (dx, dw, *(np.asarray(s).astype(dtype, copy=False)[()] for s in slope))


def tamed(weight, zeros=False, measure=square_lengths):
    """``weight, lengths, divisor``: the class vectors as they are, or divided by their largest entries.

    A class of zeros is left without a direction, or with ``zeros`` as it is. ``measure`` writes the squares of lengths.
    """
    squares = np.empty(len(weight))
    measure(weight, squares)
    bound = _TAME[weight.dtype.name]
    if np.all((squares > 1 / bound) & (squares < bound)):
        return weight, np.sqrt(squares).astype(weight.dtype), None
    with np.errstate(all="ignore"):
        _, largest, norm = unit_vectors(weight)
        if zeros:
            largest, norm = np.where(largest == 0, 1, largest), np.where(largest == 0, 0, norm)
        return contiguous(weight / largest[:, None], weight.dtype), norm, largest


def _checked(x, weight, labels, reduction):
    check_option("reduction", reduction, REDUCTIONS)
    _, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (C, D) with C >= 1, got {tuple(weight.shape)}")
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    return dtype, contiguous(x, dtype), contiguous(weight, dtype), contiguous(y, np.int64)
