r"""Lifted structure: each positive pair, or each anchor, against a soft minimum of its negatives' distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    ANCHOR_REDUCTIONS,
    anchor_shares,
    checked_batch,
    distances,
    kinds,
    log_sum_exp,
    reduced,
    softplus,
    valid_anchors,
    weighted,
)
from refengine.losses._positives import (
    POSITIVE_REDUCTIONS,
    nan_for_zeros,
    positive_shares,
    reduce_positives,
    whole_batch,
)

__all__ = [
    "loss",
    "loss_generalized",
    "loss_generalized_value_and_vjp",
    "loss_generalized_vjp",
    "loss_value_and_vjp",
    "loss_vjp",
]


def loss(
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    half_factor: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Squared hinge of every positive pair against all negatives of both its rows.

    .. math:: J_{ij} = d_{ij} + \log\Big(\sum_{k: y_k \ne y_i} e^{m - d_{ik}}
              + \sum_{l: y_l \ne y_j} e^{m - d_{jl}}\Big),
              \qquad L = \frac{1}{2 |P|} \sum_{(i, j) \in P} \max(0, J_{ij})^2

    x: (N, D), D >= 1, labels: (N,) integers; d are Euclidean distances, P are the pairs of one label; float64 unless x
    is float32. "sum" counts each pair i < j once, "none" is the symmetric matrix (N, N) with zeros outside of P,
    "nonzero" is the mean over the losses that are not 0, and 0 where there is none. ``half_factor=False`` leaves out
    the 1/2; ``normalize_x=True``, as in pytorch-metric-learning, measures between unit vectors, where a row of zeros
    makes everything nan. Without negatives a pair has the loss 0. No positive pair: the mean is nan, the others 0.
    A nan or an infinity makes everything nan, as every row meets it. J is as exact as the distances are, not as their
    difference: it loses digits for rows that are far from the others, in units of m and of the other rows.
    Wrong shapes, labels or reductions are a ValueError, values of a wrong kind a TypeError.
    Source: Song et al. 2016, section 4.

    >>> x = np.array([[0.0], [2.0], [2.0]])
    >>> j = 2 + np.log(np.exp(1 - 2) + np.exp(1 - 0))
    >>> bool(np.isclose(loss(x, np.array([0, 0, 1])), j**2 / 2, rtol=1e-14))
    True
    """
    xp, dtype, x, y = _checked(x, labels, margin, half_factor, normalize_x, reduction)
    with np.errstate(all="ignore"):
        losses, shares, _ = _pairs(xp, distances(xp, x, normalize_x)[0], y, margin, half_factor, reduction)
        return xp.astype(reduce_positives(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    half_factor: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With :math:`q_{ik}` the softmax of a row's :math:`m - d_{ik}` over its negatives, :math:`s_{ij}` the logistic
    function of the difference of the two rows' log-sum-exps, :math:`s_{ij} + s_{ji} = 1`, and
    :math:`w_{ij} = [J_{ij}]_+` times the pair's weight,

    .. math:: \frac{\partial L}{\partial d_{ij}} = w_{ij}, \qquad
              \frac{\partial L}{\partial d_{ik}} = -q_{ik} \sum_j (w_{ij} + w_{ji}) s_{ij}

    for positives j and negatives k, carried through the distances as in `refengine.losses.contrastive`, whose
    derivative at 0 is 0.
    """
    constants: dict[str, Any] = {"margin": margin, "half_factor": half_factor, "normalize_x": normalize_x}
    return loss_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    half_factor: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, margin, half_factor, normalize_x, reduction)
    with np.errstate(all="ignore"):
        d, to_x = distances(xp, x, normalize_x)
        losses, shares, to_d = _pairs(xp, d, y, margin, half_factor, reduction)
        dx = to_x(to_d(weighted(xp, g, shares, reduction)))
        value = xp.astype(reduce_positives(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def loss_generalized(
    x: Real, labels: Labels, *, margin: float = 1.0, normalize_x: bool = False, reduction: str = "mean"
) -> Array:
    r"""Hinge of every anchor, a soft maximum of its positives' distances against a soft minimum of its negatives'.

    .. math:: L_i = \Big[\log \sum_{p \ne i: y_p = y_i} e^{d_{ip}} + \log \sum_{n: y_n \ne y_i} e^{m - d_{in}}\Big]_+

    x: (N, D), D >= 1, labels: (N,) integers; result (N,) for reduction "none", else (); float64 unless x is float32.
    An anchor without positives or without negatives has the loss 0; in pytorch-metric-learning the log of an empty sum
    is 0 there. "valid_anchor" is the mean over the anchors that have both, "nonzero" that over the losses that are not
    0; both are 0 where no row is left. No rows: the mean is nan. Distances and the rest as in `loss`.
    Source: Hermans et al. 2017, section 2 (batch lifted).

    >>> x = np.array([[0.0], [2.0], [2.0]])
    >>> loss_generalized(x, np.array([0, 0, 1]), reduction="none").tolist()
    [1.0, 3.0, 0.0]
    """
    xp, dtype, x, y = _checked_anchors(x, labels, margin, normalize_x, reduction)
    with np.errstate(all="ignore"):
        losses, _, shares = _anchors(xp, distances(xp, x, normalize_x)[0], y, margin, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_generalized_vjp(
    g: Array, x: Real, labels: Labels, *, margin: float = 1.0, normalize_x: bool = False, reduction: str = "mean"
) -> tuple[Array]:
    r"""Cotangent of x.

    Where the hinge is positive, and 0 at the kink,

    .. math:: \frac{\partial L_i}{\partial d_{ip}} = \frac{e^{d_{ip}}}{\sum_q e^{d_{iq}}}, \qquad
              \frac{\partial L_i}{\partial d_{in}} = -\frac{e^{-d_{in}}}{\sum_m e^{-d_{im}}}
    """
    constants: dict[str, Any] = {"margin": margin, "normalize_x": normalize_x, "reduction": reduction}
    return loss_generalized_value_and_vjp(g, x, labels, **constants)[1]


def loss_generalized_value_and_vjp(
    g: Array, x: Real, labels: Labels, *, margin: float = 1.0, normalize_x: bool = False, reduction: str = "mean"
) -> tuple[Array, tuple[Array]]:
    """``loss_generalized`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked_anchors(x, labels, margin, normalize_x, reduction)
    with np.errstate(all="ignore"):
        d, pull = distances(xp, x, normalize_x)
        losses, slopes, shares = _anchors(xp, d, y, margin, reduction)
        dx = pull(weighted(xp, g, shares, reduction)[:, None] * slopes)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _pairs(xp: Any, d: Array, y: Array, margin: float, half_factor: bool, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N, N) and their shares; the map of their cotangents to the distances."""
    positive, negative = kinds(xp, y)
    factor = 0.5 if half_factor else 1.0
    ours, softmax = log_sum_exp(xp, margin - d, negative)
    theirs = xp.reshape(ours, (1, y.shape[0]))
    more, share = softplus(xp, xp.where(ours == -xp.inf, -xp.inf, ours - theirs))
    j = xp.where(positive, theirs + more + d, 0.0)
    held = xp.where(j <= 0, 0.0, j)
    losses = factor * held * held

    def pull(weights: Array) -> Any:
        w = 2 * factor * weights * held
        return w - xp.sum((w + w.T) * share, axis=1, keepdims=True) * softmax

    return losses, positive_shares(xp, losses, positive, reduction), pull


def _anchors(xp: Any, d: Array, y: Array, margin: float, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N,), their derivatives to the distances (N, N), and their shares."""
    positive, negative = kinds(xp, y)
    sum_p, of_p = log_sum_exp(xp, d, positive)
    sum_n, of_n = log_sum_exp(xp, margin - d, negative)
    h = sum_p + sum_n
    losses = xp.where(h <= 0, 0.0, h)[:, 0]
    slopes = xp.where(h <= 0, 0.0, of_p - of_n)
    return losses, slopes, anchor_shares(xp, losses, valid_anchors(xp, positive, negative), reduction)


def _checked(
    x: Array, labels: Array, margin: float, half_factor: bool, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, POSITIVE_REDUCTIONS)
    check_switch("half_factor", half_factor)
    return _checked_rows(x, labels, margin, normalize_x)


def _checked_anchors(
    x: Array, labels: Array, margin: float, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    return _checked_rows(x, labels, margin, normalize_x)


def _checked_rows(x: Array, labels: Array, margin: float, normalize_x: bool) -> tuple[Any, Any, Any, Any]:
    check_number("margin", margin)
    check_switch("normalize_x", normalize_x)
    xp, dtype, x, y = checked_batch(x, labels)
    if normalize_x:
        x = nan_for_zeros(xp, x)
    return xp, dtype, whole_batch(xp, x), y
