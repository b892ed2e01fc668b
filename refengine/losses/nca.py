r"""Neighbourhood components analysis: an anchor picks its neighbour by a softmax of minus squared distances."""

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
    kinds,
    log_sum_exp,
    reduced,
    softplus,
    weighted,
)
from refengine.losses._positives import excess_squares, squares_vjp, whole_batch
from refengine.losses._rows import across, direction

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

OBJECTIVES = ("log", "errors")


def loss(
    x: Real,
    labels: Labels,
    *,
    scale: float = 1.0,
    objective: str = "log",
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Minus the log-probability that the neighbour has the anchor's label.

    .. math:: p_i = \frac{\sum_{j \ne i: y_j = y_i} e^{-s \|x_i - x_j\|^2}}{\sum_{k \ne i} e^{-s \|x_i - x_k\|^2}},
              \qquad L_i = -\log p_i

    x: (N, D), D >= 1, labels: (N,) integers; result (N,) for reduction "none", else (); float64 unless x is float32.
    ``objective="errors"`` is :math:`1 - p_i`, whose sum is the expected number of errors, which the paper minimises
    first. The scale s > 0 is 1 in the paper, where x is a linear map of the data. ``normalize_x=True``, as in
    pytorch-metric-learning, takes unit vectors, where a row of zeros makes everything nan.
    An anchor without positives, whose p is 0, has the loss 0: it counts for "mean", not for "valid_anchor" nor
    "nonzero", which are 0 where none is left. No rows: the mean is nan. A nan or an infinity makes everything nan.
    Squares of differences must not overflow. Wrong shapes or options are a ValueError, values of a wrong kind a
    TypeError. Source: Goldberger et al. 2004, section 2.

    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> value = loss(x, np.array([0, 0, 1]), reduction="none")
    >>> bool(np.allclose(value, [np.log1p(np.exp(-3)), np.log(2), 0], rtol=1e-14))
    True
    """
    xp, dtype, x, y = _checked(x, labels, scale, objective, normalize_x, reduction)
    with np.errstate(all="ignore"):
        rows = direction(xp, x)[0] if normalize_x else x
        losses, _, shares = _anchors(xp, whole_batch(xp, rows), y, scale, objective, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    scale: float = 1.0,
    objective: str = "log",
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With h the log-sum-exp of the negatives' :math:`-s d_{ik}^2` above that of the positives, :math:`1 - p_i` is the
    logistic function :math:`\sigma(h)` and :math:`L_i` is softplus(h). With q and r the softmaxes over the negatives
    and over the positives alone, and :math:`\sigma'(h) = p_i (1 - p_i)` in place of :math:`\sigma` for the errors,

    .. math:: G_{ik} = \frac{\partial L_i}{\partial d_{ik}^2} = s \, \sigma(h) (r_{ik} - q_{ik}), \qquad
              \bar x_i = 2 \sum_k (G_{ik} + G_{ki}) (x_i - x_k)
    """
    constants: dict[str, Any] = {"scale": scale, "objective": objective, "normalize_x": normalize_x}
    return loss_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    scale: float = 1.0,
    objective: str = "log",
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, scale, objective, normalize_x, reduction)
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(xp, x)
        rows = whole_batch(xp, unit if normalize_x else x)
        losses, slopes, shares = _anchors(xp, rows, y, scale, objective, reduction)
        dx = squares_vjp(xp, weighted(xp, g, shares, reduction)[:, None] * slopes, rows)
        dx = across(xp, dx, unit) / norm / largest if normalize_x else dx
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _anchors(xp: Any, rows: Array, y: Array, scale: float, objective: str, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N,), their derivatives to the squared distances (N, N), and their shares."""
    positive, negative = kinds(xp, y)
    z = -scale * excess_squares(xp, rows)
    sum_p, of_p = log_sum_exp(xp, z, positive)
    sum_n, of_n = log_sum_exp(xp, z, negative)
    valid = xp.any(positive, axis=1)
    losses, slope = softplus(xp, xp.where(valid[:, None], sum_n - sum_p, -xp.inf))
    if objective == "errors":
        other = softplus(xp, xp.where(valid[:, None], sum_p - sum_n, xp.inf))[1]
        losses, slope = slope, slope * other
    losses = losses[:, 0]
    return losses, scale * slope * (of_p - of_n), anchor_shares(xp, losses, valid, reduction)


def _checked(
    x: Array, labels: Array, scale: float, objective: str, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("objective", objective, OBJECTIVES)
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    check_switch("normalize_x", normalize_x)
    if not 0 < check_number("scale", scale) < inf:
        raise ValueError(f"scale must be positive and finite, got {scale!r}")
    return checked_batch(x, labels)
