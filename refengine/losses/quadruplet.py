r"""Quadruplet loss: a positive pair is closer than a negative one of the same anchor, and than those of other rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_number, check_option, check_shape, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import checked_batch, distances, kinds
from refengine.losses._positives import nan_for_zeros, whole_batch

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

REDUCTIONS = ("mean", "sum", "nonzero")


def loss(
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    other_margin: float = 0.5,
    squared: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Hinges over all triplets, and over all pairs of a positive pair with a negative pair of other labels.

    .. math:: L = \sum_{i, j, k} \big[d(x_i, x_j)^2 - d(x_i, x_k)^2 + \alpha_1\big]_+
                + \sum_{i, j, k, l} \big[d(x_i, x_j)^2 - d(x_l, x_k)^2 + \alpha_2\big]_+

    with :math:`y_i = y_j`, i != j, and :math:`y_k, y_l` different from :math:`y_i` and from each other. x: (N, D),
    D >= 1, labels: (N,) integers; result (); float64 unless x is float32. "sum" is this; "mean" adds the means over the
    terms of the two sums, "nonzero" those over the terms that are not 0; a mean over no term is 0.
    :math:`\alpha_1` is ``margin``, :math:`\alpha_2` the weaker ``other_margin``: the paper computes them from the
    distances of the batch, in the proportion of the defaults. Its d is learnt; here it is the Euclidean distance, not
    squared with ``squared=False``, of unit vectors with ``normalize_x=True``: a row of zeros makes everything nan.
    A nan or an infinity makes everything nan. Differences are as exact as the distances are: the loss loses digits for
    rows far from the others. Memory is O(N^2), work O(P N^2) with P positive pairs. Wrong shapes or options are a
    ValueError, values of a wrong kind a TypeError. Source: Chen et al. 2017, section 3.

    >>> x = np.array([[0.0], [1.0], [3.0], [5.0]])
    >>> constants = {"margin": 4.0, "other_margin": 4.0, "reduction": "sum"}
    >>> float(loss(x, np.array([0, 0, 1, 2]), **constants))  # 1 - 4 + 4 once, and four times
    5.0
    """
    xp, dtype, x, y = _checked(x, labels, margin, other_margin, squared, normalize_x, reduction)
    with np.errstate(all="ignore"):
        d = _distances(xp, x, squared, normalize_x)[0]
        value, _ = _total(xp, d, y, margin, other_margin, reduction)
        return xp.astype(value, dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    other_margin: float = 0.5,
    squared: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    Each term whose hinge is positive adds its weight w to :math:`\partial L / \partial d_{ij}^2` and takes it from
    :math:`\partial L / \partial d_{ik}^2` or :math:`\partial L / \partial d_{lk}^2`; at the kink the slope is 0. Then

    .. math:: \bar x_i = 2 \sum_j (G_{ij} + G_{ji}) (x_i - x_j)

    for squares, and for distances as in `refengine.losses.contrastive`, whose derivative at 0 is 0.
    """
    constants: dict[str, Any] = {"margin": margin, "other_margin": other_margin, "squared": squared}
    return loss_value_and_vjp(g, x, labels, **constants, normalize_x=normalize_x, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    other_margin: float = 0.5,
    squared: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, margin, other_margin, squared, normalize_x, reduction)
    with np.errstate(all="ignore"):
        d, back = _distances(xp, x, squared, normalize_x)
        value, slopes = _total(xp, d, y, margin, other_margin, reduction)
        g = as_float64(xp, "g", g)
        check_shape("g", g, ())
        return xp.astype(value, dtype, copy=False), (xp.astype(back(g * slopes), dtype, copy=False),)


def _distances(xp: Any, x: Array, squared: bool, normalize_x: bool) -> tuple[Any, Any]:
    """Distances or their squares (N, N), and the map of their cotangent to that of x."""
    d, pull = distances(xp, x, normalize_x)
    if not squared:
        return d, pull
    return d * d, lambda g: pull(2 * d * g)


def _total(xp: Any, d: Array, y: Array, margin: float, other_margin: float, reduction: str) -> tuple[Any, Any]:
    """The loss, and its derivatives to the distances (N, N); one positive pair at a time."""
    positive, negative = kinds(xp, y)
    n = y.shape[0]
    pairs = [(i, j) for i in range(n) for j in range(n) if bool(positive[i, j])]
    sums = []
    for of_anchor in (True, False):
        total, count, slopes = xp.asarray(0.0), 0.0, xp.zeros((n, n))
        for i, j in pairs:
            if not of_anchor and j < i:
                continue  # the same terms again
            at_i = xp.arange(n)[:, None] == i
            mask = negative & at_i if of_anchor else negative & negative[i, :][:, None] & negative[i, :][None, :]
            h = d[i, j] - d + (margin if of_anchor else other_margin)
            active = mask & ~(h <= 0)
            weight = xp.astype(active, xp.float64)
            total = total + xp.sum(xp.where(active, h, 0.0))
            count += float(xp.sum(xp.astype(active if reduction == "nonzero" else mask, xp.float64)))
            here = at_i & (xp.arange(n)[None, :] == j)
            slopes = slopes - weight + xp.where(here, xp.sum(weight), 0.0)
        factor = (1.0 if of_anchor else 2.0) if reduction == "sum" else 1 / max(count, 1.0)
        sums.append((factor * total, factor * slopes))
    (first, to_first), (second, to_second) = sums
    return first + second, to_first + to_second


def _checked(
    x: Array,
    labels: Array,
    margin: float,
    other_margin: float,
    squared: bool,
    normalize_x: bool,
    reduction: str,
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, REDUCTIONS)
    check_number("margin", margin)
    check_number("other_margin", other_margin)
    check_switch("squared", squared)
    check_switch("normalize_x", normalize_x)
    xp, dtype, x, y = checked_batch(x, labels)
    return xp, dtype, whole_batch(xp, nan_for_zeros(xp, x) if normalize_x else x), y
