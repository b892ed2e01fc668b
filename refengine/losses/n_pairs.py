r"""N-pair loss: each anchor is told its own positive from those of the other labels by a softmax of products."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_shape, check_switch, promote
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import checked_batch
from refengine.losses._rows import REDUCTIONS, across, direction, label_entropy, one_hot, reduce, spread

__all__ = [
    "loss",
    "loss_pairs",
    "loss_pairs_value_and_vjp",
    "loss_pairs_vjp",
    "loss_value_and_vjp",
    "loss_vjp",
]


def loss(
    x: Real, labels: Labels, *, regularization: float = 0.0, normalize_x: bool = False, reduction: str = "mean"
) -> Array:
    r"""`loss_pairs` of the first two rows of every label that has two.

    .. math:: L_i = \log\Big[1 + \sum_{j \ne i} e^{x_i^T x_j^+ - x_i^T x_i^+}\Big]
                  + \frac\lambda4 \big(\|x_i\|^2 + \|x_i^+\|^2\big)

    x: (N, D), D >= 1, labels: (N,) integers. The first row of a label is its anchor :math:`x_i`, the second its
    positive :math:`x_i^+`, as in pytorch-metric-learning, which takes unit vectors; further rows take no part. The
    paper draws batches of two rows a label. Result: (N,), 0 for rows that are no anchor, for reduction "none", else ();
    "mean" is over the anchors, nan where there is none. Numbers, nan and errors as for `loss_pairs`.
    Source: Sohn 2016, section 3.2.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
    >>> value = loss(x, np.array([0, 1, 0, 1]), reduction="none")
    >>> bool(np.allclose(value, [np.log1p(np.exp(-2)), np.log1p(np.exp(-3)), 0, 0], rtol=1e-14))
    True
    """
    xp, dtype, x, y = _checked(x, labels, regularization, normalize_x, reduction)
    with np.errstate(all="ignore"):
        anchors, seconds, pair = _chosen(xp, y)
        losses, _ = _pairs(xp, *_rows(xp, x, anchors, seconds, pair), regularization, normalize_x)
        return xp.astype(_reduced(xp, losses, anchors, pair, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    regularization: float = 0.0,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x: those of `loss_pairs_vjp`, :math:`\bar x_i` and :math:`\bar x_i^+`, in the rows they came from.

    Zero for the rows that take no part.
    """
    constants: dict[str, Any] = {"regularization": regularization, "normalize_x": normalize_x, "reduction": reduction}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    regularization: float = 0.0,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same products."""
    xp, dtype, x, y = _checked(x, labels, regularization, normalize_x, reduction)
    with np.errstate(all="ignore"):
        anchors, seconds, pair = _chosen(xp, y)
        losses, pull = _pairs(xp, *_rows(xp, x, anchors, seconds, pair), regularization, normalize_x)
        rows = spread(xp, g, x.shape[0] if reduction == "none" else losses.shape[0], reduction)
        dx = xp.zeros(x.shape)
        if losses.shape[0]:
            to_both = pull(xp.take(rows, xp.nonzero(anchors)[0], axis=0) if reduction == "none" else rows)
            for mask, d in zip((anchors, seconds), to_both, strict=True):
                dx = xp.where(mask[:, None], xp.take(d, pair, axis=0), dx)
        value = xp.astype(_reduced(xp, losses, anchors, pair, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def loss_pairs(
    anchor: Real,
    positive: Real,
    *,
    regularization: float = 0.0,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of the products of anchors and positives, one pair for each label.

    .. math:: L_i = \log\Big[1 + \sum_{j \ne i} e^{a_i^T p_j - a_i^T p_i}\Big]
                  + \frac\lambda4 \big(\|a_i\|^2 + \|p_i\|^2\big)

    anchor, positive: (N, D), D >= 1; result (N,) for reduction "none", else (); float64 unless both are float32.
    ``regularization`` is :math:`\lambda`; the paper regularises squared lengths, as unbounded products can be made as
    far apart as one likes, and gives no number: the 1/4 is TensorFlow Addons'. ``normalize_x=True`` takes the products
    of unit vectors, of which the paper writes that they are too close to each other; lambda still weighs the lengths of
    the given rows. A nan or an infinity makes everything nan, and with ``normalize_x`` so does a row of zeros. No rows:
    the mean is nan, the sum 0. Wrong shapes or options are a ValueError, values of a wrong kind a TypeError.
    Source: Sohn 2016, section 3.2.

    >>> a, p = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 3.0]])
    >>> value = loss_pairs(a, p, reduction="none")
    >>> bool(np.allclose(value, np.log1p(np.exp([-2.0, -3.0])), rtol=1e-14))
    True
    """
    xp, dtype, a, p = _checked_pairs(anchor, positive, regularization, normalize_x, reduction)
    with np.errstate(all="ignore"):
        return xp.astype(reduce(xp, _pairs(xp, a, p, regularization, normalize_x)[0], reduction), dtype, copy=False)


def loss_pairs_vjp(
    g: Array,
    anchor: Real,
    positive: Real,
    *,
    regularization: float = 0.0,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of anchor and positive.

    With q the softmax of a row of products and :math:`G_{ij} = g_i (q_{ij} - [i = j])`,

    .. math:: \bar a_i = \sum_j G_{ij} p_j + \frac\lambda2 g_i a_i, \qquad
              \bar p_j = \sum_i G_{ij} a_i + \frac\lambda2 g_j p_j

    For unit vectors the first terms are projected onto the tangents and divided by the lengths.
    """
    constants: dict[str, Any] = {"regularization": regularization, "normalize_x": normalize_x, "reduction": reduction}
    return loss_pairs_value_and_vjp(g, anchor, positive, **constants)[1]


def loss_pairs_value_and_vjp(
    g: Array,
    anchor: Real,
    positive: Real,
    *,
    regularization: float = 0.0,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss_pairs`` and its vjp from the same products."""
    xp, dtype, a, p = _checked_pairs(anchor, positive, regularization, normalize_x, reduction)
    rows = spread(xp, g, a.shape[0], reduction)
    with np.errstate(all="ignore"):
        losses, pull = _pairs(xp, a, p, regularization, normalize_x)
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        to_a, to_p = pull(rows)
        return value, (xp.astype(to_a, dtype, copy=False), xp.astype(to_p, dtype, copy=False))


def _pairs(xp: Any, a: Array, p: Array, regularization: float, normalize_x: bool) -> tuple[Any, Any]:
    """Losses (N,), and the map of their cotangents to those of a and of p."""
    if a.shape[0] == 0:
        return xp.zeros(0), lambda rows: (a, p)
    to_a, to_p = direction(xp, a), direction(xp, p)
    left, right = (to_a[0], to_p[0]) if normalize_x else (a, p)
    finite = xp.all(xp.isfinite(left)) & xp.all(xp.isfinite(right))
    left, right = xp.where(finite, left, xp.nan), xp.where(finite, right, xp.nan)
    hot = one_hot(xp, xp.arange(a.shape[0]), a.shape[0])
    losses, slopes = label_entropy(xp, left @ right.T, hot)
    if regularization:
        losses = losses + regularization * (xp.sum(a * a, axis=1) + xp.sum(p * p, axis=1)) / 4

    def pull(rows: Array) -> tuple[Any, Any]:
        weights = rows[:, None] * slopes
        found = []
        for own, d, (unit, largest, norm) in ((a, weights @ right, to_a), (p, weights.T @ left, to_p)):
            d = across(xp, d, unit) / norm / largest if normalize_x else d
            found.append(d + regularization / 2 * rows[:, None] * own if regularization else d)
        return found[0], found[1]

    return losses, pull


def _chosen(xp: Any, y: Array) -> tuple[Any, Any, Any]:
    """Booleans (N,) of the first and the second rows of the labels that have two; each row's place among the pairs."""
    n = y.shape[0]
    same = y[:, None] == y[None, :]
    before = xp.sum(xp.astype(same & (xp.arange(n)[None, :] < xp.arange(n)[:, None]), xp.int64), axis=1)
    anchors = (before == 0) & (xp.sum(xp.astype(same, xp.int64), axis=1) > 1)
    order = xp.cumulative_sum(xp.astype(anchors, xp.int64)) - 1
    pair = xp.sum(xp.where(same & anchors[None, :], order[None, :], 0), axis=1)
    return anchors, before == 1, pair


def _rows(xp: Any, x: Array, anchors: Array, seconds: Array, pair: Array) -> tuple[Any, Any]:
    """The anchors and, in their order, the positives."""
    at = xp.nonzero(seconds)[0]
    at = xp.take(at, xp.argsort(xp.take(pair, at, axis=0)), axis=0)
    return xp.take(x, xp.nonzero(anchors)[0], axis=0), xp.take(x, at, axis=0)


def _reduced(xp: Any, losses: Array, anchors: Array, pair: Array, reduction: str) -> Any:
    if reduction != "none" or losses.shape[0] == 0:
        return reduce(xp, losses, reduction) if reduction != "none" else xp.zeros(anchors.shape[0])
    return xp.where(anchors, xp.take(losses, pair, axis=0), 0.0)


def _checked(
    x: Array, labels: Array, regularization: float, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    _check(regularization, normalize_x, reduction)
    return checked_batch(x, labels)


def _checked_pairs(
    anchor: Array, positive: Array, regularization: float, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    _check(regularization, normalize_x, reduction)
    xp, dtype, a, p = promote(anchor=anchor, positive=positive)
    check_shape("anchor", a, ("N", "D"))
    check_shape("positive", p, ("N", "D"), N=a.shape[0], D=a.shape[1])
    if a.shape[1] == 0:
        raise ValueError(f"anchor must have shape (N, D) with D >= 1, got {tuple(a.shape)}")
    return xp, dtype, xp.astype(a, xp.float64, copy=False), xp.astype(p, xp.float64, copy=False)


def _check(regularization: float, normalize_x: bool, reduction: str) -> None:
    check_option("reduction", reduction, REDUCTIONS)
    check_number("regularization", regularization)
    check_switch("normalize_x", normalize_x)
