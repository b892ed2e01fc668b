r"""Contrastive loss: positives are pulled together, negatives pushed beyond a margin."""

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
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = True,
    half_factor: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Squared hinges on the distances of all pairs of a batch.

    .. math:: L_{ij} = \tfrac12 [y_i = y_j] \, [d_{ij} - m_p]_+^2 + \tfrac12 [y_i \ne y_j] \, [m - d_{ij}]_+^2,
              \qquad d_{ij} = \|x_i - x_j\|

    x: (N, D), D >= 1, labels: (N,) integers; float64 unless x is float32. Each pair i < j counts once: "sum" and "mean"
    are over N (N - 1) / 2 pairs, "none" is the symmetric matrix (N, N) with zeros on its diagonal, "nonzero" the mean
    of the positive pairs' losses that are not 0 plus that of the negative pairs, each 0 where there is none.
    ``positive_margin`` :math:`m_p` is 0 in the paper. ``squared=False`` takes the hinges themselves,
    ``half_factor=False`` leaves out the 1/2, ``normalize_x=True`` measures between unit vectors, where a row of zeros
    is nan. pytorch-metric-learning is squared=False, half_factor=False, normalize_x=True, reduction="nonzero".
    A pair with a nan or an infinity is nan. No pairs: the mean is nan, the others 0.
    Wrong shapes, labels or reductions are a ValueError, values of a wrong kind a TypeError.
    Source: Hadsell et al. 2006, eq. 4.

    >>> x = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.5]])
    >>> loss(x, np.array([0, 0, 1]), reduction="none")[0].tolist()
    [0.0, 12.5, 0.125]
    """
    xp, dtype, x, y = _checked(x, labels, margin, positive_margin, squared, half_factor, normalize_x, reduction)
    with np.errstate(all="ignore"):
        groups = kinds(xp, y)
        losses, _ = _pairs(xp, distances(xp, x, normalize_x)[0], groups, margin, positive_margin, squared, half_factor)
        return xp.astype(reduced(xp, losses, pair_shares(xp, losses, groups, reduction), reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = True,
    half_factor: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    .. math:: \frac{\partial L_{ij}}{\partial x_i} = [y_i = y_j] [d - m_p]_+ \, u - [y_i \ne y_j] [m - d]_+ \, u,
              \qquad u = \frac{\partial d_{ij}}{\partial x_i} = \frac{x_i - x_j}{d}

    Without the square the hinges are replaced by 1 where they are positive, 0 at the kink. At d = 0 the distance has a
    kink in all directions, whose one-sided derivatives have mean 0: a pair of duplicates gives 0, though two negatives
    in one place ought to part. Between unit vectors at the angle theta, :math:`d = 2 \sin(\theta/2)` and u is
    :math:`-\cos(\theta/2) \, e / \|x_i\|`, with e the unit tangent at the one towards the other.
    """
    constants: dict[str, Any] = {"margin": margin, "positive_margin": positive_margin, "squared": squared}
    constants |= {"half_factor": half_factor, "normalize_x": normalize_x, "reduction": reduction}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = True,
    half_factor: bool = True,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, margin, positive_margin, squared, half_factor, normalize_x, reduction)
    with np.errstate(all="ignore"):
        groups = kinds(xp, y)
        d, pull = distances(xp, x, normalize_x)
        losses, slopes = _pairs(xp, d, groups, margin, positive_margin, squared, half_factor)
        shares = pair_shares(xp, losses, groups, reduction)
        dx = pull(weighted(xp, g, shares, reduction) * slopes)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _pairs(
    xp: Any, d: Array, groups: tuple[Any, Any], margin: float, positive_margin: float, squared: bool, half_factor: bool
) -> tuple[Any, Any]:
    """The losses of all pairs and their derivatives to the distances; 0 on the diagonal."""
    positive, negative = groups
    h = xp.where(positive, d - positive_margin, margin - d)
    held = xp.where(h > 0, h, 0.0 * h)
    factor = 0.5 if half_factor else 1.0
    slope = 2 * held if squared else xp.where(h > 0, 1.0, held)
    pair = positive | negative
    return (
        xp.where(pair, factor * (held * held if squared else held), 0.0),
        xp.where(pair, factor * xp.where(positive, slope, -slope), 0.0),
    )


def _checked(
    x: Array,
    labels: Array,
    margin: float,
    positive_margin: float,
    squared: bool,
    half_factor: bool,
    normalize_x: bool,
    reduction: str,
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, PAIR_REDUCTIONS)
    check_number("margin", margin)
    check_number("positive_margin", positive_margin)
    check_switch("squared", squared)
    check_switch("half_factor", half_factor)
    check_switch("normalize_x", normalize_x)
    return checked_batch(x, labels)
