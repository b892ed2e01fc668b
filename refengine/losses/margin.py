r"""Margin loss: distances of positives lie below a learnt boundary, those of negatives above, each by a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_labels, check_number, check_option, check_switch, promote
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import checked_batch, distances, kinds, weighted
from refengine.losses._positives import nan_for_zeros, whole_batch
from refengine.losses._rows import one_hot

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

REDUCTIONS = ("divisor", "none", "sum", "mean")
COUNTS = ("pairs", "triplets")


def loss(
    x: Real,
    beta: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    nu: float = 0.0,
    normalize_x: bool = True,
    counting: str = "pairs",
    reduction: str = "divisor",
) -> Array:
    r"""Hinges on the distances of all ordered pairs from the boundary beta of the first row.

    .. math:: L_{ij} = \big[\alpha + y_{ij} (d_{ij} - \beta_i)\big]_+ + \nu \beta_i, \qquad
              y_{ij} = 1 \text{ for positives}, -1 \text{ for negatives}

    x: (N, D), D >= 1, labels: (N,) integers; beta: () or, one for each class, (C,) with labels below C; d are Euclidean
    distances, of unit vectors unless ``normalize_x=False``; float64 unless x and beta are float32. alpha is ``margin``,
    :math:`\nu` the weight of the boundaries' own term, without which they would grow.
    "divisor" is the sum of the hinges over the number of those that are not 0, as in the authors' code, plus
    :math:`\nu` times the mean of :math:`\beta_i` over the pairs; "sum" and "mean" are over the N (N - 1) ordered pairs,
    "none" is the matrix (N, N) with zeros on its diagonal.
    ``counting="triplets"`` counts each pair as often as it occurs in the triplets of an anchor with one positive and
    one negative, as in pytorch-metric-learning: a positive once for each negative, and the other way round.
    No pairs: the mean is nan, the others 0. A nan or an infinity makes everything nan, and with ``normalize_x`` so does
    a row of zeros. Wrong shapes, labels or options are a ValueError, values of a wrong kind a TypeError.
    Source: Wu et al. 2017, section 4.2.

    >>> x = np.array([[0.0], [1.0], [1.5]])
    >>> loss(x, 1.25, np.array([0, 0, 1]), margin=0.5, normalize_x=False, reduction="none")[1].tolist()
    [0.25, 0.0, 1.25]
    """
    xp, dtype, x, beta, y = _checked(x, beta, labels, margin, nu, normalize_x, counting, reduction)
    with np.errstate(all="ignore"):
        losses, _, shares = _pairs(xp, distances(xp, x, normalize_x)[0], beta, y, margin, counting, reduction)
        return xp.astype(_reduced(xp, losses, shares, nu, beta, y, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    beta: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    nu: float = 0.0,
    normalize_x: bool = True,
    counting: str = "pairs",
    reduction: str = "divisor",
) -> tuple[Array, Array]:
    r"""Cotangents of x and beta.

    .. math:: \frac{\partial L_{ij}}{\partial d_{ij}} = y_{ij} [h_{ij} > 0], \qquad
              \frac{\partial L_{ij}}{\partial \beta_i} = \nu - y_{ij} [h_{ij} > 0]

    with h what the hinge is taken of; at the kink both hinges' slopes are 0. Distances as in
    `refengine.losses.contrastive`, with derivative 0 at distance 0. A class's beta gets the sum over its rows.
    """
    constants: dict[str, Any] = {"margin": margin, "nu": nu, "normalize_x": normalize_x, "counting": counting}
    return loss_value_and_vjp(g, x, beta, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    beta: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    nu: float = 0.0,
    normalize_x: bool = True,
    counting: str = "pairs",
    reduction: str = "divisor",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, beta, y = _checked(x, beta, labels, margin, nu, normalize_x, counting, reduction)
    with np.errstate(all="ignore"):
        d, pull = distances(xp, x, normalize_x)
        losses, slopes, shares = _pairs(xp, d, beta, y, margin, counting, reduction)
        of_hinges, of_boundaries = (weighted(xp, g, share, reduction) for share in shares)
        to_d = of_hinges * slopes
        rows = xp.sum(nu * of_boundaries - to_d, axis=1)
        to_beta = xp.sum(rows) if beta.ndim == 0 else _by_class(xp, rows, y, beta.shape[0])
        value = xp.astype(_reduced(xp, losses, shares, nu, beta, y, reduction), dtype, copy=False)
        dx = pull(to_d)
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(to_beta, dtype, copy=False))


def _by_class(xp: Any, rows: Array, y: Array, classes: int) -> Any:
    return xp.sum(xp.where(one_hot(xp, y, classes), rows[:, None], 0.0), axis=0)


def _of_rows(xp: Any, beta: Array, y: Array) -> Any:
    """The boundary of each row, (N, 1)."""
    return (xp.broadcast_to(beta, y.shape) if beta.ndim == 0 else xp.take(beta, y, axis=0))[:, None]


def _pairs(
    xp: Any, d: Array, beta: Array, y: Array, margin: float, counting: str, reduction: str
) -> tuple[Any, Any, tuple[Any, Any]]:
    """Hinges (N, N) and their derivatives to the distances; the shares of the hinges and of the rows' boundaries."""
    positive, negative = kinds(xp, y)
    away = d - _of_rows(xp, beta, y)
    h = margin + xp.where(positive, away, -away)
    pair = positive | negative
    losses = xp.where(pair & ~(h <= 0), h, 0.0)
    slopes = xp.where(pair & ~(h <= 0), xp.where(positive, 1.0, 0 * h - 1.0), 0.0)
    count = xp.astype(pair, xp.float64)
    if counting == "triplets" and reduction != "none":
        p, n = (xp.sum(xp.astype(mask, xp.float64), axis=1, keepdims=True) for mask in (positive, negative))
        count = xp.where(positive, n, xp.where(negative, p, 0.0))
    if reduction in ("none", "sum"):
        return losses, slopes, (count, count)
    every = count / xp.maximum(xp.sum(count), xp.asarray(1.0))
    if reduction == "mean":
        return losses, slopes, (every, every)
    active = xp.where(losses == 0, 0.0, count)
    return losses, slopes, (active / xp.maximum(xp.sum(active), xp.asarray(1.0)), every)


def _reduced(
    xp: Any, losses: Array, shares: tuple[Array, Array], nu: float, beta: Array, y: Array, reduction: str
) -> Any:
    of_hinges, of_boundaries = shares
    total = of_hinges * losses + nu * of_boundaries * _of_rows(xp, beta, y)
    if reduction == "none":
        return total
    return xp.where(xp.any(of_hinges > 0), xp.sum(total), xp.nan) if reduction == "mean" else xp.sum(total)


def _checked(
    x: Array,
    beta: Array,
    labels: Array,
    margin: float,
    nu: float,
    normalize_x: bool,
    counting: str,
    reduction: str,
) -> tuple[Any, Any, Any, Any, Any]:
    check_option("reduction", reduction, REDUCTIONS)
    check_option("counting", counting, COUNTS)
    check_number("margin", margin)
    check_number("nu", nu)
    check_switch("normalize_x", normalize_x)
    xp, dtype, x, beta = promote(x=x, beta=beta)
    xp, _, x, y = checked_batch(x, labels)
    if beta.ndim > 1:
        raise ValueError(f"beta must have shape () or (C,), got {tuple(beta.shape)}")
    if beta.ndim == 1:
        check_labels("labels", labels, x.shape[0], beta.shape[0])
    beta = xp.astype(beta, xp.float64, copy=False)
    x = xp.where(xp.all(xp.isfinite(beta)), nan_for_zeros(xp, x) if normalize_x else x, xp.nan)
    return xp, dtype, whole_batch(xp, x), beta, y
