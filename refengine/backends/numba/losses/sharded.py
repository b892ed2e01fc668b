"""Heads in blocks of classes: the kernels of the heads, with sums that run over the blocks.

One N x block buffer holds the cosines of a block, then their exponentials; the gradients take the products a second
time, when the sums of all blocks are known. What belongs to the labels is found once, from their own class vectors, in
float64; so is what merges. A head without a kernel, or one with its own target, has the shared text, and so has a shard
without classes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine._arrays import check_option, check_shape
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel, shared_out
from refengine.backends.numba.losses._heads import (
    ARCFACE,
    COMBINED,
    COSFACE,
    SPHEREFACE,
    add_targets,
    at_label,
    finish_rows,
    is_linear,
    label_parts,
    multiplied,
    scaled,
    tamed,
)
from refengine.backends.numba.losses._rows import (
    contiguous,
    count_nan,
    exponentials,
    largest_number,
    make_orthogonal,
    rows_of,
    sum_of_squares,
    unit_row,
    unit_vectors,
)
from refengine.losses import sharded as reference
from refengine.losses._heads import Head
from refengine.losses._rows import REDUCTIONS
from refengine.losses.arcface import BOUNDARIES
from refengine.losses.sharded import *
from refengine.losses.sharded import Sums, _check_block, _checked_shard, _checked_sums, _checked_whole, _of_sums

BLOCK = 4096
KERNELS: dict[str, Any] = {  # constants of a head: the kind of its target, whose gradient is exact, three numbers
    "arcface": lambda margin, boundary, gradient: (ARCFACE, gradient, margin, BOUNDARIES.index(boundary), 0.0),
    "cosface": lambda margin: (COSFACE, "exact", margin, 0.0, 0.0),
    "combined_margin": lambda m1, m2, m3, gradient: (COMBINED, gradient, m1, m2, m3),
    "normface": lambda: (COSFACE, "exact", 0.0, 0.0, 0.0),
    "w_norm_softmax": lambda: (COSFACE, "exact", 0.0, 0.0, 0.0),
    "sphereface": lambda margin, annealing, psi, gradient: (SPHEREFACE, gradient, margin, annealing, psi == "cosine"),
}


class _Batch(NamedTuple):
    """Rows, their directions and amplitudes, and beside each its label's class: ``angles`` is from `at_label`."""

    x: Any
    unit: Any
    largest: Any
    norm: Any
    amplitude: Any
    free: bool
    y: Any
    held: Any
    own: Any
    own_length: Any
    angles: Any
    linear: bool


@parallel
def _find_labels(unit, largest, amplitude, free, kind, p, q, r, exact, own, own_length, angles):
    """The vectors of the labels' classes become directions; a row of zeros takes its class's for its own."""
    for i in numba.prange(unit.shape[0]):
        own_length[i, 0], own_length[i, 1] = unit_row(own[i], own[i])
        if free and largest[i] == 0:
            unit[i] = own[i]
            amplitude[i] = 0
        angles[i, 0], angles[i, 1], angles[i, 2], angles[i, 3] = at_label(unit[i], own[i], kind, p, q, r, exact)


@shared_out
def _add_sums(first, last, c, factor, y, amplitude, top, total):
    """The largest cosine of the other classes so far, and the sum of the exponentials beside it, go on over a block."""
    for i in range(first, last):
        held = 0 <= y[i] < c.shape[1]
        if held and c.shape[1] == 1:
            continue
        scaled(c[i], factor)
        if held:
            c[i, y[i]] = -np.inf
        if count_nan(c[i]) > 0 or top[i] != top[i]:
            top[i] = total[i] = np.nan
        elif amplitude[i] == 0:
            top[i] = 0
            total[i] += c.shape[1] - (1 if held else 0)
        else:
            before, top[i] = top[i], max(top[i], np.float64(largest_number(c[i])))
            total[i] *= math.exp(amplitude[i] * (before - top[i]))
            total[i] += exponentials(c[i], top[i], amplitude[i])


@shared_out
def _to_slopes(first, last, c, factor, y, amplitude, top, slopes, at_labels):
    """A block's cosines become the derivatives to the products of directions and class vectors."""
    for i in range(first, last):
        held = 0 <= y[i] < c.shape[1]
        scaled(c[i], factor)
        if held:
            c[i, y[i]] = min(top[i], 1.0)
        exponentials(c[i], top[i], amplitude[i])
        multiplied(c[i], factor, slopes[i])
        if held:
            c[i, y[i]] = at_labels[i] * factor[y[i]]


@shared_out
def _finish_classes(first, last, dw, weight, length):
    for j in range(first, last):
        make_orthogonal(dw[j], weight[j], length[j])


@shared_out
def _squares(first, last, rows, squares):
    for j in range(first, last):
        squares[j] = sum_of_squares(rows[j], 1.0)


@parallel
def _label_gradients(unit, own, own_length, angles, held, of_label, amplitude, linear, free, at_labels, to_x, to_w):
    for i in numba.prange(unit.shape[0]):
        if held[i]:
            angle = angles[i, 0], angles[i, 1], angles[i, 2], angles[i, 3]
            along_w = of_label[i] * (amplitude[i] if free else 1.0) / own_length[i, 1] / own_length[i, 0]
            steep, _ = label_parts(unit[i], own[i], angle, of_label[i], along_w, linear, free, False, to_x[i], to_w[i])
            at_labels[i] = steep * of_label[i]
        else:
            at_labels[i] = 0
            to_x[i, :] = 0
            to_w[i, :] = 0


@kernel_of(reference.sums)
def sums(x, weight, labels, head, *, start=0, label_angles=None):
    if not _known(head) or np.shape(weight)[:1] == (0,):
        return reference.sums(x, weight, labels, head, start=start, label_angles=label_angles)
    _, dtype, x, weight, y = _checked_shard(x, weight, labels, start)
    with np.errstate(all="ignore"):
        return _sums(_batch(x, weight, y, head, dtype), weight, BLOCK)


@kernel_of(reference.gradients)
def gradients(g, x, weight, labels, head, merged, *, start=0, label_angles=None, reduction="mean"):
    if not _known(head) or np.shape(weight)[:1] == (0,):
        options = {"start": start, "label_angles": label_angles, "reduction": reduction}
        return reference.gradients(g, x, weight, labels, head, merged, **options)
    _, dtype, x, weight, y = _checked_shard(x, weight, labels, start)
    _, _, *fields = _checked_sums(merged, reduction)
    check_shape("maximum", fields[0], ("N",), N=len(x))
    rows = rows_of(g, len(x), reduction)
    with np.errstate(all="ignore"):
        return _gradients(rows, _batch(x, weight, y, head, dtype), weight, Sums(*fields), BLOCK)


@kernel_of(reference.loss_in_blocks)
def loss_in_blocks(x, weight, labels, head, *, block=4096, reduction="mean"):
    if not _known(head):
        return reference.loss_in_blocks(x, weight, labels, head, block=block, reduction=reduction)
    dtype, weight, batch = _whole(x, weight, labels, head, block, reduction)
    with np.errstate(all="ignore"):
        return _value(_sums(batch, weight, block), reduction, dtype)


@kernel_of(reference.gradients_in_blocks)
def gradients_in_blocks(g, x, weight, labels, head, *, block=4096, reduction="mean"):
    if not _known(head):
        return reference.gradients_in_blocks(g, x, weight, labels, head, block=block, reduction=reduction)
    dtype, weight, batch = _whole(x, weight, labels, head, block, reduction)
    rows = rows_of(g, len(batch.x), reduction)
    with np.errstate(all="ignore"):
        merged = _sums(batch, weight, block)
        return _value(merged, reduction, dtype), _gradients(rows, batch, weight, merged, block)


def _known(head):
    return isinstance(head, Head) and head.name in KERNELS and not head.weight_length


def _whole(x, weight, labels, head, block, reduction):
    check_option("reduction", reduction, REDUCTIONS)
    _check_block(block)
    _, dtype, x, weight, y = _checked_whole(x, weight, labels)
    with np.errstate(all="ignore"):
        return dtype, weight, _batch(x, weight, y, head, dtype)


def _value(merged, reduction, dtype):
    return np.asarray(reference.loss(merged, reduction=reduction)).astype(dtype, copy=False)[()]


def _batch(x, weight, y, head, dtype):
    x, y, free, count = contiguous(x, dtype), contiguous(y, np.int64), head.scale is None, len(x)
    kind, gradient, *constants = KERNELS[head.name](*head.constants)
    p, q, r = map(float, constants)
    unit, largest, norm = unit_vectors(x)
    amplitude = np.multiply(largest, norm, dtype=np.float64) if free else np.full(count, float(head.scale))
    own = np.take(np.asarray(weight), np.clip(y, 0, len(weight) - 1), axis=0).astype(dtype, copy=False)
    own_length, angles, exact = np.empty((count, 2)), np.empty((count, 4)), gradient == "exact"
    _find_labels(unit, largest, amplitude, free, kind, p, q, r, exact, own, own_length, angles)
    held, linear = (y >= 0) & (y < len(weight)), bool(is_linear(kind, p, q)) or not exact
    return _Batch(x, unit, largest, norm, amplitude, free, y, held, own, own_length, angles, linear)


def _measure(rows, squares):
    _squares(len(rows), rows, squares)


def _products(batch, weight, block):
    """For each block of classes: its first, its class vectors as `tamed` gives them, and the products with all rows."""
    rows, dtype = len(batch.unit), batch.unit.dtype
    buffer = np.empty(rows * min(block, len(weight)), dtype)
    for start in range(0, len(weight), block):
        part, length, divisor = tamed(contiguous(weight[start : start + block], dtype), measure=_measure)
        c = buffer[: rows * len(part)].reshape(rows, len(part))
        np.matmul(batch.unit, part.T, out=c)
        yield start, part, length, divisor, c


def _sums(batch, weight, block):
    top, total = np.full(len(batch.unit), -np.inf), np.zeros(len(batch.unit))
    for start, _, length, _, c in _products(batch, weight, block):
        _add_sums(len(c), c, 1 / length, batch.y - start, batch.amplitude, top, total)
    maximum = np.where(top == -np.inf, top, batch.amplitude * top)
    return Sums(maximum, total, np.where(batch.held, batch.amplitude * batch.angles[:, 0], -np.inf))


def _gradients(rows, batch, weight, merged, block):
    free, amplitude, unit = batch.free, batch.amplitude, batch.unit
    _, share, of_total = _of_sums(np, *merged)
    top = np.where(amplitude == 0, 0.0, merged.maximum / amplitude)
    top = np.where(merged.maximum == -np.inf, 1.0, top)  # there are no others
    slopes = rows if free else rows * amplitude
    at_labels, to_x, to_w = np.empty(len(unit)), np.empty_like(unit), np.empty_like(unit)
    _label_gradients(
        unit,
        batch.own,
        batch.own_length,
        batch.angles,
        batch.held,
        -slopes * share,
        amplitude,
        batch.linear,
        free,
        at_labels,
        to_x,
        to_w,
    )
    dx, dw, product = np.zeros(unit.shape), np.empty(weight.shape, unit.dtype), np.empty_like(unit)
    for start, part, length, divisor, c in _products(batch, weight, block):
        _to_slopes(len(c), c, 1 / length, batch.y - start, amplitude, top, slopes * of_total, at_labels)
        dx += np.matmul(c, part, out=product)
        of_part = dw[start : start + len(part)]
        np.matmul(c.T, batch.x if free else unit, out=of_part)
        _finish_classes(len(part), of_part, part, length)
        if divisor is not None:
            of_part /= divisor[:, None]
    add_targets(dw, to_w[batch.held], batch.y[batch.held])
    if free:
        dx += to_x
    else:
        finish_rows(dx, unit, to_x, batch.largest, batch.norm)
    return dx.astype(unit.dtype, copy=False), dw
