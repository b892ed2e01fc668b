r"""Margin heads whose classes lie in shards, on several machines or in blocks of one array.

Of a shard a row needs to know three numbers: the largest logit of the other classes, the sum of their exponentials
relative to it, and the label's logit where the shard holds that class. They merge like sums. Then every shard can
compute its own gradients, and its part of the rows' gradients, alone::

    head = refengine.losses.arcface.head(scale=64.0, margin=0.5)
    parts = [sums(x, w, labels, head, start=first) for first, w in shards]     # on each machine
    merged = merge(parts)                                                      # all-reduce of maxima and sums
    value = loss(merged)
    dx, dw = gradients(1.0, x, w, labels, head, merged, start=first)           # on each machine; dx is summed over all
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce as fold
from math import inf
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_labels, check_option, check_shape, namespace, promote
from refengine.domains import Array, NonNegative, Real
from refengine.losses._heads import Head, Rows, beside, pull
from refengine.losses._pairs import softplus
from refengine.losses._rows import REDUCTIONS, check_rows_and_classes, reduce, spread

__all__ = [
    "Sums",
    "gradients",
    "gradients_in_blocks",
    "loss",
    "loss_in_blocks",
    "loss_value_and_vjp",
    "loss_vjp",
    "merge",
    "sums",
]


class Sums(NamedTuple):
    """What some classes contribute to the loss of each row, (N,) each, in float64.

    ``maximum``: the largest logit of those that are not the row's label, -inf where there is none; ``total``: the sum
    of their exponentials over that of the largest; ``target``: the label's logit, -inf where its class is elsewhere.
    """

    maximum: Real
    total: NonNegative
    target: Real


def sums(x: Array, weight: Array, labels: Array, head: Head, *, start: int = 0) -> Sums:
    r"""The contribution of a shard of the classes.

    .. math:: M_i = \max_{j \ne y_i} z_{ij}, \qquad T_i = \sum_{j \ne y_i} e^{z_{ij} - M_i}, \qquad z_{i y_i}

    x: (N, D), weight: (C, D) the class vectors with the indices ``start`` to ``start + C - 1``, labels: (N,) integers
    among all classes. head: the head and its constants, as `refengine.losses.arcface.head` gives it.
    Source: Deng et al. 2019 (ArcFace), section on parallel acceleration.

    >>> from refengine.losses import normface
    >>> x, w, labels = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([1])
    >>> [float(v[0]) for v in sums(x, w, labels, normface.head(scale=4.0))]
    [0.0, 1.0, 4.0]
    >>> [float(v[0]) for v in sums(x, w, labels, normface.head(scale=4.0), start=5)]
    [4.0, 1.0183156388887342, -inf]
    """
    xp, _, x, weight, y = _checked(x, weight, labels, start)
    with np.errstate(all="ignore"):
        z, rows = _logits(xp, x, weight, y, head)
        others = xp.where(rows.hot, -inf, z)
        maximum = xp.max(others, axis=1)
        total = xp.sum(xp.exp(others - xp.where(maximum == -inf, 0.0, maximum)[:, None]), axis=1)
        return Sums(maximum, total, xp.max(xp.where(rows.hot, z, -inf), axis=1))


def merge(parts: Sequence[Sums]) -> Sums:
    r"""The contribution of all shards together, in any order and any grouping.

    .. math:: M = \max_s M_s, \qquad T = \sum_s T_s e^{M_s - M}

    >>> [float(v[0]) for v in merge([Sums(*(np.array([v]) for v in part)) for part in ((0, 1, -np.inf), (0, 2, 4))])]
    [0.0, 3.0, 4.0]
    """
    xp = namespace(*(part.maximum for part in parts))
    with np.errstate(all="ignore"):
        maxima, totals, targets = (xp.stack(list(field)) for field in zip(*parts, strict=True))
        maximum = xp.max(maxima, axis=0)
        held = xp.where(maximum == -inf, 0.0, maximum)
        return Sums(maximum, xp.sum(totals * xp.exp(maxima - held), axis=0), xp.max(targets, axis=0))


def loss(merged: Sums, *, reduction: str = "mean") -> Array:
    r"""The softmax cross-entropy of the merged sums.

    .. math:: L_i = \log \left( 1 + T_i \, e^{M_i - z_{i y_i}} \right)

    merged: maximum, total, target, (N,) each, of all classes; result: (N,) for reduction "none", else (); float64
    unless all are float32. No other class, M = -inf and T = 0: exactly 0. A label that no shard holds, a target of
    -inf: inf. A negative total: nan. No rows: the mean is nan, the sum 0. Wrong shapes or reductions are a ValueError,
    values of a wrong kind a TypeError. Source: Goodfellow et al. 2016, eq. 6.30.

    >>> merged = Sums(np.array([2.0]), np.array([3.0]), np.array([2.0]))
    >>> round(float(loss(merged)), 12), round(float(np.log(4)), 12)
    (1.38629436112, 1.38629436112)
    """
    xp, dtype, *fields = _checked_sums(merged, reduction)
    with np.errstate(all="ignore"):
        losses, *_ = _of_sums(xp, *fields)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_vjp(g: Array, merged: Sums, *, reduction: str = "mean") -> tuple[Sums]:
    r"""Cotangent of the merged sums.

    .. math:: \frac{\partial L}{\partial M} = -\frac{\partial L}{\partial z_y} = \frac{T}{T + e^{z_y - M}}, \qquad
              \frac{\partial L}{\partial T} = \frac{1}{T + e^{z_y - M}}
    """
    return loss_value_and_vjp(g, merged, reduction=reduction)[1]


def loss_value_and_vjp(g: Array, merged: Sums, *, reduction: str = "mean") -> tuple[Array, tuple[Sums]]:
    """``loss`` and its vjp."""
    xp, dtype, *fields = _checked_sums(merged, reduction)
    of_rows = spread(xp, g, fields[0].shape[0], reduction)
    with np.errstate(all="ignore"):
        losses, share, of_total = _of_sums(xp, *fields)
        parts = (of_rows * slope for slope in (share, of_total, -share))
        found = Sums(*(xp.astype(part, dtype, copy=False) for part in parts))
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False), (found,)


def gradients(
    g: Array,
    x: Array,
    weight: Array,
    labels: Array,
    head: Head,
    merged: Sums,
    *,
    start: int = 0,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""A shard's part of the cotangent of x, to be summed over the shards, and the cotangent of its class vectors.

    With the merged sums every probability is known, :math:`p_{ij} = e^{z_{ij} - M_i} / (T_i + e^{z_{i y_i} - M_i})`,
    and from there on it is the unsharded head's gradient. In the dtype of x and weight.
    """
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight, y = _checked(x, weight, labels, start)
    of_rows = spread(xp, g, x.shape[0], reduction)
    with np.errstate(all="ignore"):
        dx, dw = _gradients(xp, of_rows, x, weight, y, head, merged)
        return xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False)


def loss_in_blocks(
    x: Array, weight: Array, labels: Array, head: Head, *, block: int = 4096, reduction: str = "mean"
) -> Array:
    """The loss of a head with all its classes, ``block`` of them at once: N x block numbers of memory, not N x C.

    >>> from refengine.losses import arcface
    >>> x, w, labels = np.eye(3)[:2] + 0.25, np.eye(3), np.array([0, 2])
    >>> blocked = loss_in_blocks(x, w, labels, arcface.head(), block=2)
    >>> bool(np.isclose(blocked, arcface.loss(x, w, labels), rtol=1e-14))
    True
    """
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight, _ = _checked_whole(x, weight, labels)
    return xp.astype(loss(_merged(x, weight, labels, head, block), reduction=reduction), dtype, copy=False)


def gradients_in_blocks(
    g: Array,
    x: Array,
    weight: Array,
    labels: Array,
    head: Head,
    *,
    block: int = 4096,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """The loss in blocks, with the cotangents of x and weight: beside them N x (block + D) numbers of memory."""
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight, _ = _checked_whole(x, weight, labels)
    of_rows = spread(xp, g, x.shape[0], reduction)
    merged = _merged(x, weight, labels, head, block)
    value = xp.astype(loss(merged, reduction=reduction), dtype, copy=False)
    dx, dw = xp.zeros(x.shape, dtype=xp.float64), xp.zeros(weight.shape, dtype=dtype)
    with np.errstate(all="ignore"):
        for start, part in _blocks(weight, block):
            *_, rows, classes, y = _checked(x, part, labels, start)
            of_x, of_part = _gradients(xp, of_rows, rows, classes, y, head, merged)
            dx = dx + of_x
            dw[start : start + part.shape[0], :] = xp.astype(of_part, dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False), dw)


def _merged(x: Array, weight: Array, labels: Array, head: Head, block: int) -> Sums:
    parts = (sums(x, part, labels, head, start=start) for start, part in _blocks(weight, block))
    return fold(lambda one, other: merge([one, other]), parts)


def _blocks(weight: Array, block: int) -> Iterator[tuple[int, Array]]:
    """The classes, ``block`` at once, each with the index of its first."""
    _check_block(block)
    classes = weight.shape[0]
    return ((start, weight[start : min(start + block, classes), :]) for start in range(0, classes, block))


def _check_block(block: int) -> None:
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise ValueError(f"block must be an integer of at least 1, got {block!r}")


def _logits(xp: Any, x: Array, weight: Array, y: Array, head: Head) -> tuple[Any, Rows]:
    if not isinstance(head, Head):
        raise TypeError(f"head must be a Head, as a head's module gives it, got {type(head).__name__}")
    rows = beside(xp, x, weight, y, head.scale, head.target, head.weight_length)
    return rows.amplitude * rows.z, rows


def _gradients(xp: Any, of_rows: Array, x: Array, weight: Array, y: Array, head: Head, merged: Sums) -> tuple[Any, Any]:
    z, rows = _logits(xp, x, weight, y, head)
    _, share, of_total = _of_sums(xp, *merged)
    powers = xp.exp(z - merged.maximum[:, None])
    slopes = xp.where(rows.hot, -share[:, None], of_total[:, None] * powers)
    dx, dw, _ = pull(xp, of_rows[:, None] * slopes, rows)
    return dx, dw


def _of_sums(xp: Any, maximum: Array, total: Array, target: Array) -> tuple[Any, Any, Any]:
    """The losses, their derivatives to the maximum, and to the total."""
    total = xp.where(total >= 0, total, xp.nan)
    losses, share = softplus(xp, xp.log(total) + (maximum - target))
    return losses, share, 1 / (total + xp.exp(target - maximum))


def _checked(x: Array, weight: Array, labels: Array, start: int) -> tuple[Any, Any, Any, Any, Any]:
    """The arrays in float64, and the labels counted from the shard's first class."""
    xp, dtype, x, weight, y = _checked_shard(x, weight, labels, start)
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y


def _checked_shard(x: Array, weight: Array, labels: Array, start: int) -> tuple[Any, Any, Any, Any, Any]:
    """`_checked` in the arrays' own dtype."""
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise ValueError(f"start must be an integer of at least 0, got {start!r}")
    xp, dtype, x, weight = _checked_vectors(x, weight)
    return xp, dtype, x, weight, check_labels("labels", labels, x.shape[0]) - start


def _checked_whole(x: Array, weight: Array, labels: Array) -> tuple[Any, Any, Any, Any, Any]:
    """The arrays in their own dtype, of which the blocks are taken."""
    xp, dtype, x, weight = _checked_vectors(x, weight)
    return xp, dtype, x, weight, check_labels("labels", labels, x.shape[0], weight.shape[0])


def _checked_vectors(x: Array, weight: Array) -> tuple[Any, Any, Any, Any]:
    xp, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (C, D) with C >= 1, got {tuple(weight.shape)}")
    return xp, dtype, x, weight


def _checked_sums(merged: Sums, reduction: str) -> tuple[Any, ...]:
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, *fields = promote(**dict(zip(Sums._fields, merged, strict=True)))
    for name, field in zip(Sums._fields, fields, strict=True):
        check_shape(name, field, ("N",), N=fields[0].shape[0] if fields[0].ndim else 0)
    return xp, dtype, *(as_float64(xp, name, v) for name, v in zip(Sums._fields, fields, strict=True))
