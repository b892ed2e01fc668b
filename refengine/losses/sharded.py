r"""Heads whose classes lie in shards, on several machines or in blocks of one array.

Of a shard a row needs to know three numbers: the largest logit of the other classes, the sum of their exponentials
relative to it, and the label's logit where the shard holds that class. They merge like sums. Then every shard can
compute its own gradients, and its part of the rows' gradients, alone::

    head = refengine.losses.arcface.head(scale=64.0, margin=0.5)
    parts = [sums(x, w, labels, head, start=first) for first, w in shards]     # on each machine
    merged = merge(parts)                                                      # all-reduce of maxima and sums
    value = loss(merged)
    dx, dw = gradients(1.0, x, w, labels, head, merged, start=first)           # on each machine; dx is summed over all

That is so for any cut, into empty shards too. These heads have a function ``head``:

- arcface, combined_margin, cosface, normface, sphereface, w_norm_softmax, and adacos with its fixed scale: as above,
  with numba kernels; all others have the shared text. l_softmax, whose margin 1 leaves the inner products;
- elasticface, adaface and magface, whose margins belong to the rows. MagFace's regulariser is no sum over classes:
  `loss_of_head` instead of `loss` adds it, and is right for every head;
- sub_center_arcface, with weight (C, K, D): the sub-centers of a class lie in one shard;
- mv_softmax and curricularface: the other classes' logits depend on the label's angle, of which a first pass tells all
  shards. ``angles = np.max([label_angles(x, w, labels, start=first) ...], axis=0)``, an all-reduce of maxima, is the
  argument ``label_angles`` of `sums` and `gradients`; the functions in blocks do so by themselves;
- proxy_nca, whose denominator leaves the label out: `loss_of_head` again; circle, for ``loss_class``.

Where the unsharded loss has cotangents beside those of x and weight, elasticface's margins and curricularface's t,
`gradients` gives a shard's part of them as well. Not here: `refengine.losses.sphereface2`,
`refengine.losses.p2s_grad` and `refengine.losses.proxy_anchor`, plain sums over classes but for the numbers of rows and
classes that they divide by, so that shards need nothing of each other; `refengine.losses.soft_triple`, whose centers
lie in one class like sub-centers; the cotangent of a learnt scale.
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
from refengine.losses._rows import REDUCTIONS, check_rows_and_classes, direction, reduce, spread, tangent

__all__ = [
    "Sums",
    "gradients",
    "gradients_in_blocks",
    "label_angles",
    "loss",
    "loss_in_blocks",
    "loss_of_head",
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


def label_angles(x: Array, weight: Array, labels: Array, *, start: int = 0) -> Array:
    """Cosine and sine of the angle between each row and its label's class, (N, 2) float64; -inf if that is elsewhere.

    Those of all shards merge by their maximum.

    >>> x, w, labels = np.array([[0.0, 2.0]]), np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([1])
    >>> label_angles(x, w, labels).tolist(), label_angles(x, w, labels, start=1).round(12).tolist()
    ([[0.0, 1.0]], [[0.8, 0.6]])
    """
    xp, _, x, weight, y = _checked(x, weight, labels, start, False)
    classes = weight.shape[0]
    if classes == 0:
        return xp.full((x.shape[0], 2), -inf, dtype=xp.float64)
    with np.errstate(all="ignore"):
        unit, own = direction(xp, x)[0], direction(xp, xp.take(weight, xp.clip(y, 0, classes - 1), axis=0))[0]
        angles = xp.stack([xp.clip(xp.sum(unit * own, axis=1), -1.0, 1.0), tangent(xp, unit, own)[0]], axis=1)
        return xp.where(((y >= 0) & (y < classes))[:, None], angles, -inf)


def sums(
    x: Array, weight: Array, labels: Array, head: Head, *, start: int = 0, label_angles: Array | None = None
) -> Sums:
    r"""The contribution of a shard of the classes.

    .. math:: M_i = \max_{j \ne y_i} z_{ij}, \qquad T_i = \sum_{j \ne y_i} e^{z_{ij} - M_i}, \qquad z_{i y_i}

    x: (N, D), weight: (C, D) the class vectors with the indices ``start`` to ``start + C - 1``, labels: (N,) integers
    among all classes. head: the head and its constants, as `refengine.losses.arcface.head` gives it. label_angles: the
    function's results, merged, for a head that asks for them. No class at all: -inf, 0, -inf.
    Source: Deng et al. 2019 (ArcFace), section on parallel acceleration.

    >>> from refengine.losses import normface
    >>> x, w, labels = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([1])
    >>> [float(v[0]) for v in sums(x, w, labels, normface.head(scale=4.0))]
    [0.0, 1.0, 4.0]
    >>> [float(v[0]) for v in sums(x, w, labels, normface.head(scale=4.0), start=5)]
    [4.0, 1.0183156388887342, -inf]
    """
    xp, _, x, weight, y = _checked(x, weight, labels, start, _of_kind(head).sub_centers)
    if weight.shape[0] == 0:
        nothing = xp.zeros(x.shape[0], dtype=xp.float64)
        return Sums(nothing - inf, nothing, nothing - inf)
    with np.errstate(all="ignore"):
        z, rows, _ = _logits(xp, x, weight, y, head, label_angles)
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


def loss_of_head(merged: Sums, x: Array, head: Head, *, reduction: str = "mean") -> Array:
    r"""The loss of any head, from the merged sums: `loss`, but for Proxy-NCA and MagFace.

    .. math:: \log T_i + M_i - z_{i y_i}, \qquad
              \log \left( 1 + T_i \, e^{M_i - z_{i y_i}} \right) + \lambda_g \, g(\|x_i\|)

    merged: maximum, total, target, (N,) each, of all classes; x: (N, D). Dtypes, reductions and errors as for `loss`.

    >>> from refengine.losses import proxy_nca
    >>> x, w, labels = np.array([[3.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([0])
    >>> head = proxy_nca.head()
    >>> round(float(loss_of_head(sums(x, w, labels, head), x, head)), 12)
    -1.30685281944
    """
    xp, dtype, maximum, total, target = _checked_sums(merged, reduction)
    _, _, x = promote(x=x)
    check_shape("x", x, ("N", "D"), N=maximum.shape[0])
    with np.errstate(all="ignore"):
        losses, *_ = _of_sums(xp, maximum, total, target, _of_kind(head).with_label)
        if head.penalty is not None:
            losses = losses + head.penalty(xp, xp.astype(x, xp.float64, copy=False))[0]
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def gradients(
    g: Array,
    x: Array,
    weight: Array,
    labels: Array,
    head: Head,
    merged: Sums,
    *,
    start: int = 0,
    label_angles: Array | None = None,
    reduction: str = "mean",
) -> tuple[Array, ...]:
    r"""A shard's part of the cotangent of x, to be summed over the shards, and the cotangent of its class vectors.

    With the merged sums every probability is known, :math:`p_{ij} = e^{z_{ij} - M_i} / (T_i + e^{z_{i y_i} - M_i})`,
    and from there on it is the unsharded head's gradient. Where that has cotangents of other arguments, the shard's
    parts of them follow, to be summed over the shards like that of x. In the dtype of x and weight.
    """
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight, y = _checked(x, weight, labels, start, _of_kind(head).sub_centers)
    of_rows = spread(xp, g, x.shape[0], reduction)
    with np.errstate(all="ignore"):
        found = _gradients(xp, of_rows, x, weight, y, head, merged, label_angles)
        return tuple(xp.astype(part, dtype, copy=False) for part in found)


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
    xp, dtype, x, weight, _ = _checked_whole(x, weight, labels, _of_kind(head).sub_centers)
    angles = _all_angles(xp, x, weight, labels, head, block)
    merged = _merged(x, weight, labels, head, block, angles)
    return xp.astype(loss_of_head(merged, x, head, reduction=reduction), dtype, copy=False)


def gradients_in_blocks(
    g: Array,
    x: Array,
    weight: Array,
    labels: Array,
    head: Head,
    *,
    block: int = 4096,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, ...]]:
    """The loss in blocks, with the cotangents of x and weight: beside them N x (block + D) numbers of memory.

    Cotangents of other arguments of the unsharded head follow these two.
    """
    check_option("reduction", reduction, REDUCTIONS)
    sub_centers = _of_kind(head).sub_centers
    xp, dtype, x, weight, _ = _checked_whole(x, weight, labels, sub_centers)
    of_rows = spread(xp, g, x.shape[0], reduction)
    angles = _all_angles(xp, x, weight, labels, head, block)
    merged = _merged(x, weight, labels, head, block, angles)
    value = xp.astype(loss_of_head(merged, x, head, reduction=reduction), dtype, copy=False)
    dx, dw = xp.zeros(x.shape, dtype=xp.float64), xp.zeros(weight.shape, dtype=dtype)
    added: list[Any] = []
    with np.errstate(all="ignore"):
        for start, part in _blocks(weight, block):
            *_, rows, classes, y = _checked(x, part, labels, start, sub_centers)
            of_x, of_part, *more = _gradients(xp, of_rows, rows, classes, y, head, merged, angles)
            dx = dx + of_x
            dw[start : start + part.shape[0], ...] = xp.astype(of_part, dtype, copy=False)
            added = [one + other for one, other in zip(added, more, strict=True)] if added else more
        return value, (xp.astype(dx, dtype, copy=False), dw, *(xp.astype(v, dtype, copy=False) for v in added))


def _all_angles(xp: Any, x: Array, weight: Array, labels: Array, head: Head, block: int) -> Any:
    """The labels' angles, of all blocks, for a head that asks for them."""
    if not head.by_label:
        return None
    parts = (label_angles(x, part, labels, start=start) for start, part in _blocks(weight, block))
    return fold(lambda one, other: xp.max(xp.stack([one, other]), axis=0), parts)


def _merged(x: Array, weight: Array, labels: Array, head: Head, block: int, angles: Any) -> Sums:
    parts = (sums(x, part, labels, head, start=start, label_angles=angles) for start, part in _blocks(weight, block))
    return fold(lambda one, other: merge([one, other]), parts)


def _blocks(weight: Array, block: int) -> Iterator[tuple[int, Array]]:
    """The classes, ``block`` at once, each with the index of its first."""
    _check_block(block)
    classes = weight.shape[0]
    return ((start, weight[start : min(start + block, classes), ...]) for start in range(0, classes, block))


def _check_block(block: int) -> None:
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise ValueError(f"block must be an integer of at least 1, got {block!r}")


def _of_kind(head: Any) -> Head:
    if not isinstance(head, Head):
        raise TypeError(f"head must be a Head, as a head's module gives it, got {type(head).__name__}")
    return head


def _logits(
    xp: Any, x: Array, weight: Array, y: Array, head: Head, label_angles: Array | None
) -> tuple[Any, Rows, Head]:
    """The logits, the rows beside the class vectors, and the head for these rows."""
    angles: Any = None
    if head.by_label:
        if label_angles is None:
            raise ValueError(f"label_angles must be given, those of all shards, for the head {head.name}")
        _, _, found = promote(label_angles=label_angles)
        check_shape("label_angles", found, ("N", "M"), N=x.shape[0], M=2)
        angles = found[:, 0], found[:, 1]
    if head.bind is not None:
        head, weight, y = head.bind(xp, x, weight, y)
    rows = beside(xp, x, weight, y, head.scale, head.target, head.weight_length, head.others, angles)
    return rows.amplitude * rows.z, rows, head


def _gradients(
    xp: Any,
    of_rows: Array,
    x: Array,
    weight: Array,
    y: Array,
    head: Head,
    merged: Sums,
    label_angles: Array | None,
) -> tuple[Any, ...]:
    """A shard's parts of the cotangents, of x, of its class vectors, and of what the head adds."""
    if weight.shape[0] == 0:
        of_classes, of_label = xp.zeros((x.shape[0], 0)), xp.zeros((x.shape[0], 1))
        none = head.slopes_of(xp, of_classes, of_classes != 0, of_classes, of_label, of_label)
        return xp.zeros(x.shape), xp.zeros(weight.shape), *none
    z, rows, bound = _logits(xp, x, weight, y, head, label_angles)
    _, share, of_total = _of_sums(xp, *merged, with_label=head.with_label)
    highest = xp.where(merged.maximum == -inf, 0.0, merged.maximum)
    slopes = xp.where(rows.hot, -share[:, None], of_total[:, None] * xp.exp(z - highest[:, None]))
    slopes = of_rows[:, None] * slopes
    dx, dw, own_slopes = pull(xp, slopes, rows)
    held = xp.any(rows.hot, axis=1)
    if bound.turn is not None:
        along = own_slopes[:, 0] * bound.turn(xp, rows.cosine, rows.sine)
        dx = dx + xp.where(held, along, 0.0)[:, None] * rows.to_x[0]
    if bound.penalty is not None:
        dx = dx + xp.where(held, of_rows * bound.penalty(xp, x)[1], 0.0)[:, None] * rows.to_x[0]
    added = bound.slopes_of(xp, slopes * (1.0 if head.scale is None else head.scale), rows.hot, *rows.angles)
    return dx, xp.reshape(dw, weight.shape), *added


def _of_sums(xp: Any, maximum: Array, total: Array, target: Array, with_label: bool = True) -> tuple[Any, Any, Any]:
    """The losses, their derivatives to the maximum, and to the total."""
    total = xp.where(total >= 0, total, xp.nan)
    if not with_label:
        unknown = xp.where(xp.isnan(total + target), xp.nan, xp.zeros_like(total))
        return xp.log(total) + (maximum - target), 1 + unknown, 1 / total + unknown
    losses, share = softplus(xp, xp.log(total) + (maximum - target))
    return losses, share, 1 / (total + xp.exp(target - maximum))


def _checked(x: Array, weight: Array, labels: Array, start: int, sub_centers: bool) -> tuple[Any, Any, Any, Any, Any]:
    """The arrays in float64, and the labels counted from the shard's first class."""
    xp, dtype, x, weight, y = _checked_shard(x, weight, labels, start, sub_centers)
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y


def _checked_shard(
    x: Array, weight: Array, labels: Array, start: int, sub_centers: bool = False
) -> tuple[Any, Any, Any, Any, Any]:
    """`_checked` in the arrays' own dtype."""
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise ValueError(f"start must be an integer of at least 0, got {start!r}")
    xp, dtype, x, weight = _checked_vectors(x, weight, sub_centers)
    return xp, dtype, x, weight, check_labels("labels", labels, x.shape[0]) - start


def _checked_whole(x: Array, weight: Array, labels: Array, sub_centers: bool = False) -> tuple[Any, Any, Any, Any, Any]:
    """The arrays in their own dtype, of which the blocks are taken."""
    xp, dtype, x, weight = _checked_vectors(x, weight, sub_centers)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have C >= 1 on its first axis, got shape {tuple(weight.shape)}")
    return xp, dtype, x, weight, check_labels("labels", labels, x.shape[0], weight.shape[0])


def _checked_vectors(x: Array, weight: Array, sub_centers: bool) -> tuple[Any, Any, Any, Any]:
    xp, dtype, x, weight = promote(x=x, weight=weight)
    if not sub_centers:
        check_rows_and_classes(x, weight)
        return xp, dtype, x, weight
    check_shape("x", x, ("N", "D"))
    check_shape("weight", weight, ("C", "K", "D"), D=x.shape[1])
    if 0 in weight.shape[1:]:
        raise ValueError(f"weight must have shape (C, K, D) with K >= 1 and D >= 1, got {tuple(weight.shape)}")
    return xp, dtype, x, weight


def _checked_sums(merged: Sums, reduction: str) -> tuple[Any, ...]:
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, *fields = promote(**dict(zip(Sums._fields, merged, strict=True)))
    for name, field in zip(Sums._fields, fields, strict=True):
        check_shape(name, field, ("N",), N=fields[0].shape[0] if fields[0].ndim else 0)
    return xp, dtype, *(as_float64(xp, name, v) for name, v in zip(Sums._fields, fields, strict=True))
