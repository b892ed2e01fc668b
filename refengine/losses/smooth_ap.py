r"""Smooth-AP: average precision of every row's neighbours, with ranks made of logistic functions."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
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
from refengine.losses._ranks import Cosines, all_cosines, undefined

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(
    x: Real, labels: Labels, *, temperature: float = 0.01, include_self: bool = False, reduction: str = "mean"
) -> Array:
    r"""1 less the average precision of each row as a query, with smooth ranks.

    .. math:: L_k = 1 - \frac{1}{|P_k|} \sum_{i \in P_k}
              \frac{1 + \sum_{j \in P_k, j \ne i} \sigma(D_{ij})}{1 + \sum_{j \in P_k, j \ne i} \sigma(D_{ij})
              + \sum_{j \in N_k} \sigma(D_{ij})}, \qquad D_{ij} = \frac{c_{kj} - c_{ki}}{T}

    x: (N, D), D >= 1, labels: (N,) integers. :math:`P_k` are the other rows of k's label, :math:`N_k` those of other
    labels, c are cosines, sigma is the logistic function. Result: (N,) for reduction "none", else (); float64 unless x
    is float32. ``include_self=True`` counts the query, of cosine 1, among its own positives, as the paper's code does,
    which asks for labels in blocks of one size; pytorch-metric-learning 2.9 does not look at the labels beyond their
    number and takes the number of classes for the size of each. An anchor without positives has the loss 0: it counts
    for "mean", not for "valid_anchor" nor "nonzero", which are 0 where none is left.
    T > 0. No rows: the mean is nan. A row of zeros, a nan or an infinity makes everything nan. Memory O(N^2 D).
    Wrong shapes, options or T are a ValueError, values of a wrong kind a TypeError.
    Source: Brown et al. 2020, section 3.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])  # from row 0: 0, 0 and -1
    >>> losses = loss(x, np.array([0, 0, 1, 1]), reduction="none")
    >>> bool(np.isclose(losses[0], 1 - 1 / 1.5)), float(loss(x[:2], np.array([0, 0])))
    (True, 0.0)
    """
    xp, dtype, x, y = _checked(x, labels, temperature, include_self, reduction)
    with np.errstate(all="ignore"):
        losses, shares, _ = _anchors(xp, all_cosines(xp, x), y, temperature, include_self, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    temperature: float = 0.01,
    include_self: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With the ranks among positives :math:`A_i = 1 + \sum_{P, j \ne i} \sigma(D_{ij})` and
    :math:`B_i = \sum_N \sigma(D_{ij})` the loss is :math:`\frac{1}{|P|} \sum_i B_i / (A_i + B_i)`, and

    .. math:: W_{ij} = \frac{\sigma'(D_{ij})}{T \, |P|} \cdot \frac{A_i}{(A_i + B_i)^2} \; (j \in N), \qquad
              W_{ij} = -\frac{\sigma'(D_{ij})}{T \, |P|} \cdot \frac{B_i}{(A_i + B_i)^2} \; (j \in P, j \ne i), \qquad
              \frac{\partial L_k}{\partial c_{kj}} = \sum_i W_{ij} - [j \in P] \sum_l W_{jl}

    carried through the cosines of both rows of a pair as in `refengine.losses.info_nce`; that of the query with itself
    is constant.
    """
    constants: dict[str, Any] = {"temperature": temperature, "include_self": include_self, "reduction": reduction}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    temperature: float = 0.01,
    include_self: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same ranks."""
    xp, dtype, x, y = _checked(x, labels, temperature, include_self, reduction)
    with np.errstate(all="ignore"):
        found = all_cosines(xp, x)
        losses, shares, slopes = _anchors(xp, found, y, temperature, include_self, reduction)
        dx = cosines_vjp(xp, weighted(xp, g, shares, reduction)[:, None] * slopes, found.directions)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _anchors(
    xp: Any, found: Cosines, y: Array, temperature: float, include_self: bool, reduction: str
) -> tuple[Any, Any, Any]:
    """Losses (N,), their shares, and their derivatives to the cosines (N, N)."""
    positive, negative = kinds(xp, y)
    itself = xp.eye(y.shape[0], dtype=xp.float64) > 0
    positive = positive | itself if include_self else positive
    rows = [_query(xp, found, k, positive[k, :], negative[k, :], temperature) for k in range(y.shape[0])]
    losses = xp.stack([row[0] for row in rows]) if rows else xp.zeros(0)
    slopes = xp.stack([row[1] for row in rows]) if rows else xp.zeros((0, 0))
    losses = losses + undefined(xp, found)
    return losses, anchor_shares(xp, losses, xp.any(positive, axis=1), reduction), xp.where(itself, 0.0, slopes)


def _query(xp: Any, found: Cosines, k: int, positive: Array, negative: Array, temperature: float) -> tuple[Any, Any]:
    """The loss of query k and its derivatives to the cosines (N,), by the ranks of its positives (K, N)."""
    c, below, above = found.c[k, :], found.below[k, :], found.above[k, :]
    p = xp.nonzero(positive)[0]
    if p.shape[0] == 0:
        return xp.asarray(0.0), xp.zeros(c.shape)
    own = xp.arange(c.shape[0])[None, :] == p[:, None]
    # the difference of two cosines, from their distances to the nearer end
    c_i, below_i, above_i = (xp.take(part, p)[:, None] for part in (c, below, above))
    h = xp.where(c + c_i > 0, below_i - below, above - above_i) / temperature
    small = xp.exp(-xp.abs(h))
    sigma = xp.where(h > 0, 1.0, small) / (1 + small)
    slope = small / (1 + small) / (1 + small) / temperature
    among = positive[None, :] & ~own
    a = 1 + xp.sum(xp.where(among, sigma, 0.0), axis=1, keepdims=True)
    b = xp.sum(xp.where(negative[None, :], sigma, 0.0), axis=1, keepdims=True)
    both = a + b
    w = xp.where(negative[None, :], slope * (a / both), xp.where(among, -slope * (b / both), 0.0)) / both
    to_own = xp.where(own, xp.sum(w, axis=1, keepdims=True), 0.0)
    return xp.sum(b / both) / p.shape[0], xp.sum(w - to_own, axis=0) / p.shape[0]


def _checked(
    x: Array, labels: Array, temperature: float, include_self: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_switch("include_self", include_self)
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    if not 0 < check_number("temperature", temperature) < inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature!r}")
    return checked_batch(x, labels)
