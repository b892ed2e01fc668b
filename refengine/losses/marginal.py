r"""Marginal loss: every pair of unit vectors lies on its side of a threshold, by a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    PAIR_REDUCTIONS,
    checked_batch,
    distances,
    kinds,
    pair_shares,
    reduced,
    weighted,
)

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(
    x: Real,
    labels: Labels,
    *,
    threshold: float = 1.2,
    margin: float = 0.3,
    normalize_x: bool = True,
    reduction: str = "mean",
) -> Array:
    r"""Hinges on the squared distances of all pairs of unit vectors.

    .. math:: L = \frac{1}{N^2 - N} \sum_{i \ne j} \Big[\xi - y_{ij} \big(\theta - \|\hat x_i - \hat x_j\|^2\big)\Big]_+
              , \qquad y_{ij} = \pm 1

    with :math:`y_{ij} = 1` for two rows of one label. x: (N, D), D >= 1, labels: (N,) integers; float64 unless x is
    float32. "mean" is this; "sum" counts each pair i < j once, "none" is the symmetric matrix (N, N) with zeros on its
    diagonal, "nonzero" the mean over the losses that are not 0, of positive and of negative pairs, added. The threshold
    theta = 1.2 and the margin xi = 0.3 are quoted from the paper at second hand: it adds this loss to a softmax
    loss. ``normalize_x=False`` takes the rows as they are. A row of zeros has no direction: its pairs are nan, as are
    those with a nan or an infinity. No pairs: the mean is nan, the others 0.
    Wrong shapes, labels or reductions are a ValueError, values of a wrong kind a TypeError.
    Source: Deng et al. 2017, section 3.

    >>> x = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])  # squared distances 2 and 0
    >>> loss(x, np.array([0, 0, 1]), reduction="none").round(15)[0].tolist()
    [0.0, 1.1, 1.5]
    """
    xp, dtype, x, y = _checked(x, labels, threshold, margin, normalize_x, reduction)
    with np.errstate(all="ignore"):
        groups = kinds(xp, y)
        losses, _ = _pairs(xp, distances(xp, x, normalize_x)[0], groups, threshold, margin)
        shares = pair_shares(xp, losses, groups, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    threshold: float = 1.2,
    margin: float = 0.3,
    normalize_x: bool = True,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    Where a pair's hinge is positive, its derivative to :math:`d^2` is :math:`y_{ij}`; at the kink and below it is 0. On
    the sphere :math:`d^2 = 2 - 2 \cos\theta_{ij}`, so that with e the unit tangent at :math:`\hat x_i` towards
    :math:`\hat x_j`

    .. math:: \frac{\partial d^2}{\partial x_i} = -\frac{2 \sin\theta_{ij}}{\|x_i\|} \, e

    which is smooth at 0 and pi, where it is 0.
    """
    constants: dict[str, Any] = {"threshold": threshold, "margin": margin, "normalize_x": normalize_x}
    return loss_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    threshold: float = 1.2,
    margin: float = 0.3,
    normalize_x: bool = True,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, threshold, margin, normalize_x, reduction)
    with np.errstate(all="ignore"):
        groups = kinds(xp, y)
        d, pull = distances(xp, x, normalize_x)
        losses, slopes = _pairs(xp, d, groups, threshold, margin)
        shares = pair_shares(xp, losses, groups, reduction)
        dx = pull(weighted(xp, g, shares, reduction) * slopes)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _pairs(xp: Any, d: Array, groups: tuple[Any, Any], threshold: float, margin: float) -> tuple[Any, Any]:
    """The losses of all pairs and their derivatives to the distances; 0 on the diagonal."""
    positive, negative = groups
    h = margin - xp.where(positive, threshold - d * d, d * d - threshold)
    slope = xp.where(h > 0, xp.where(positive, 2 * d, -2 * d), 0.0 * h)
    pair = positive | negative
    return xp.where(pair, xp.where(h > 0, h, 0.0 * h), 0.0), xp.where(pair, slope, 0.0)


def _checked(
    x: Array, labels: Array, threshold: float, margin: float, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, PAIR_REDUCTIONS)
    check_number("threshold", threshold)
    check_number("margin", margin)
    check_switch("normalize_x", normalize_x)
    return checked_batch(x, labels)
