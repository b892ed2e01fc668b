r"""FastAP: average precision of every row's neighbours, by histograms of their distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_option
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    ANCHOR_REDUCTIONS,
    anchor_shares,
    checked_batch,
    cosines_vjp,
    kinds,
    reduced,
    weighted,
)
from refengine.losses._ranks import Cosines, all_cosines, check_bins, nodes, triangular, undefined

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(x: Real, labels: Labels, *, bins: int = 10, reduction: str = "mean") -> Array:
    r"""1 less the average precision of each row as a query, from soft histograms of squared distances.

    .. math:: L_i = 1 - \frac{1}{|P_i|} \sum_{r=0}^{R} \frac{h^+_r H^+_r}{H_r}, \qquad
              h^+_r = \sum_{j \in P_i} \max\Big(0,\; 1 - \frac{|d_{ij}^2 - r \Delta|}{\Delta}\Big), \qquad
              \Delta = \frac4R

    x: (N, D), D >= 1, labels: (N,) integers. d are distances between unit vectors, whose squares go from 0 to 4,
    :math:`P_i` the other rows of i's label, H the cumulative sums of h over the nodes, with and without plus for the
    positives and for all other rows; a term without positives is 0. R is ``bins``. Result: (N,) for reduction "none",
    else (); float64 unless x is float32. An anchor without positives has the loss 0: it counts for "mean", not for
    "valid_anchor" (pytorch-metric-learning) nor "nonzero", which are 0 where none is left. No rows: the mean is nan.
    A row of zeros, a nan or an infinity makes everything nan. Memory O(N^2 D).
    Wrong shapes, labels, bins or reductions are a ValueError, values of a wrong kind a TypeError.
    Source: Cakir et al. 2019, section 3.2.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # from row 0 to the others: 0, 2, 2
    >>> loss(x, np.array([0, 0, 1, 2]), bins=2, reduction="none").tolist()
    [0.0, 0.0, 0.0, 0.0]
    >>> float(loss(x, np.array([0, 1, 0, 2]), bins=2, reduction="none")[0])  # behind row 1, beside row 3
    0.6666666666666666
    """
    xp, dtype, x, y = _checked(x, labels, bins, reduction)
    with np.errstate(all="ignore"):
        losses, shares, _ = _anchors(xp, all_cosines(xp, x), y, bins, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(g: Array, x: Real, labels: Labels, *, bins: int = 10, reduction: str = "mean") -> tuple[Array]:
    r"""Cotangent of x.

    With :math:`H^- = H - H^+`, the loss is :math:`\frac{1}{|P|} \sum_r h^+_r H^-_r / H_r`. A row in the interval from
    node r to r + 1 moves weight from the one to the next as it goes away, at the rate :math:`1 / \Delta` in
    :math:`d^2 = 2 - 2 c`. Of the cumulative sums only the one at r changes:

    .. math:: -\frac{2 |P|}{R} \frac{\partial L}{\partial c_{ij}} = \frac{H^-_{r+1}}{H_{r+1}} - \frac{H^-_r}{H_r}
              + \frac{h^+_r H^-_r}{H_r^2} \; \text{ for a positive}, \qquad
              -\frac{h^+_r H^+_r}{H_r^2} \; \text{ for a negative}

    where the first difference is :math:`(h^-_{r+1} H^+_r - h^+_{r+1} H^-_r) / (H_r H_{r+1})`. Carried through the
    cosines of both rows of a pair as in `refengine.losses.info_nce`. The loss has kinks where a squared distance lies
    at a node: there the derivative is the one for a growing distance. Automatic differentiation of the triangles gives
    0 there.
    """
    return loss_value_and_vjp(g, x, labels, bins=bins, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, x: Real, labels: Labels, *, bins: int = 10, reduction: str = "mean"
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same histograms."""
    xp, dtype, x, y = _checked(x, labels, bins, reduction)
    with np.errstate(all="ignore"):
        found = all_cosines(xp, x)
        losses, shares, slopes = _anchors(xp, found, y, bins, reduction)
        dx = cosines_vjp(xp, weighted(xp, g, shares, reduction)[:, None] * slopes, found.directions)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _anchors(xp: Any, found: Cosines, y: Array, bins: int, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N,), their shares, and their derivatives to the cosines (N, N)."""
    positive, negative = kinds(xp, y)
    place = triangular(xp, found, bins, falling=True)
    at_nodes = [
        [xp.sum(xp.where(group, weights, 0.0), axis=1) for group in (positive, negative)]
        for weights in nodes(xp, place, bins)
    ]
    h_p, h_n = (xp.stack(list(h), axis=1) for h in zip(*at_nodes, strict=True))
    sum_p, sum_n = xp.cumulative_sum(h_p, axis=1), xp.cumulative_sum(h_n, axis=1)
    some = sum_p + sum_n != 0
    total = xp.where(some, sum_p + sum_n, 1.0)
    counts = xp.sum(xp.astype(positive, xp.float64), axis=1)
    valid, each = counts > 0, 1 / xp.maximum(counts, xp.asarray(1.0))
    losses = each * xp.sum(h_p * sum_n / total, axis=1) + undefined(xp, found)
    # the derivatives at the node below, times -2 / bins
    step = (h_n[:, 1:] * sum_p[:, :-1] - h_p[:, 1:] * sum_n[:, :-1]) / total[:, :-1] / total[:, 1:]
    for_p = step + (h_p * sum_n / total / total)[:, :-1]
    for_n = -(h_p * sum_p / total / total)[:, :-1]
    slopes = xp.zeros(found.c.shape)
    for r in range(bins):
        here = xp.where(positive, for_p[:, r : r + 1], xp.where(negative, for_n[:, r : r + 1], 0.0))
        slopes = xp.where(place.low == r, here, slopes)
    return losses, anchor_shares(xp, losses, valid, reduction), -bins / 2 * each[:, None] * slopes


def _checked(x: Array, labels: Array, bins: int, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    check_bins(bins)
    return checked_batch(x, labels)
