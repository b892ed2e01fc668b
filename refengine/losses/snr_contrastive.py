r"""Contrastive loss of signal-to-noise ratios: how much of an anchor's variance its difference from a row has."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import PAIR_REDUCTIONS, checked_batch, kinds, pair_shares, reduced, weighted
from refengine.losses._positives import whole_batch
from refengine.losses._rows import across, direction

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = False,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Hinges on the inverse signal-to-noise ratios of all ordered pairs.

    .. math:: d_{ij} = \frac{\operatorname{var}(x_i - x_j)}{\operatorname{var}(x_i)}, \qquad
              L_{ij} = [y_i = y_j] \, [d_{ij} - m_p]_+ + [y_i \ne y_j] \, [m - d_{ij}]_+

    x: (N, D), D >= 2, labels: (N,) integers; float64 unless x is float32. The variance is over the D components of a
    row, about their mean; whether it is divided by D or D - 1 cancels in the ratio, so that there is no such option.
    d is not symmetric: each ordered pair i != j counts, "mean" is over all N (N - 1), "sum" is their sum, "none" the
    matrix (N, N) with zeros on its diagonal, "nonzero" the mean of the positive pairs' losses that are not 0 plus that
    of the negative pairs, each 0 where there is none, as in pytorch-metric-learning, which has ``normalize_x=True``.
    ``squared=True`` takes the squares of the hinges. The paper adds a penalty on the mean of every row, which is no
    part of this. A row whose components are equal has no variance: it makes everything nan, and so does a nan or an
    infinity, and with ``normalize_x`` a row of zeros. No pairs: the mean is nan, the others 0.
    Wrong shapes, labels or reductions are a ValueError, values of a wrong kind a TypeError.
    Source: Yuan et al. 2019, section 3.

    >>> x = np.array([[2.0, -2.0], [1.0, -1.0], [2.5, -1.5]])  # variances 4, 1, 4 of the rows
    >>> loss(x, np.array([0, 0, 1]), reduction="none").tolist()
    [[0.0, 0.25, 1.0], [1.0, 0.0, 0.0], [1.0, 0.75, 0.0]]
    """
    xp, dtype, x, y = _checked(x, labels, margin, positive_margin, squared, normalize_x, reduction)
    with np.errstate(all="ignore"):
        d, _ = _ratios(xp, direction(xp, x)[0] if normalize_x else x)
        losses, _, shares = _pairs(xp, d, y, margin, positive_margin, squared, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = False,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With v the rows less their means and :math:`u = v_i - v_j`, d is :math:`|u|^2 / |v_i|^2` and

    .. math:: \frac{\partial d_{ij}}{\partial x_i} = \frac{2 (u - d_{ij} v_i)}{|v_i|^2}, \qquad
              \frac{\partial d_{ij}}{\partial x_j} = -\frac{2 u}{|v_i|^2}

    both of which sum to 0 over the components already. Where d is above 1/2 the first is computed as
    :math:`2 ((1 - d) v_i - v_j) / |v_i|^2` with :math:`(1 - d) |v_i|^2 = v_j \cdot (v_i + u)`. Hinges have slope 0 at
    the kink. For unit vectors the result is projected onto the tangents and divided by the lengths.
    """
    constants: dict[str, Any] = {"margin": margin, "positive_margin": positive_margin, "squared": squared}
    return loss_value_and_vjp(g, x, labels, **constants, normalize_x=normalize_x, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = False,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same variances."""
    xp, dtype, x, y = _checked(x, labels, margin, positive_margin, squared, normalize_x, reduction)
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(xp, x)
        d, pull = _ratios(xp, unit if normalize_x else x)
        losses, slopes, shares = _pairs(xp, d, y, margin, positive_margin, squared, reduction)
        dx = pull(weighted(xp, g, shares, reduction) * slopes)
        dx = across(xp, dx, unit) / norm / largest if normalize_x else dx
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _ratios(xp: Any, rows: Array) -> tuple[Any, Any]:
    """The ratios (N, N), one row at a time, and the map of their cotangents to that of the rows.

    A power of two is divided out, so that no square overflows.
    """
    n = rows.shape[0]
    if n == 0:
        return xp.zeros((0, 0)), lambda g: rows
    largest = xp.max(xp.abs(rows))
    size = xp.where(largest > 0, 2.0 ** xp.floor(xp.log2(largest)), 1.0)
    x = rows / size
    v = _centred(xp, x)
    squares = xp.sum(v * v, axis=1)
    # the variance of equal components is 0 to the bit
    flat = xp.any(xp.max(x, axis=1) == xp.min(x, axis=1))
    squares = xp.where(flat, xp.nan, squares)

    def of_row(i: int) -> tuple[Any, Any]:
        u = _centred(xp, x[i, :] - x)
        return xp.where(xp.arange(n) == i, 0.0, xp.sum(u * u, axis=1) / squares[i]), u

    d = xp.stack([of_row(i)[0] for i in range(n)])

    def pull(g: Array) -> Any:
        dx, own = xp.zeros(rows.shape), []
        for i in range(n):
            d_i, u = of_row(i)
            less = xp.sum(v * (v[i, :] + u), axis=1) / squares[i]
            to_i = xp.where((d_i < 0.5)[:, None], u - d_i[:, None] * v[i, :], less[:, None] * v[i, :] - v)
            w = (2 * g[i, :] / squares[i])[:, None]
            own.append(xp.sum(w * to_i, axis=0))
            dx = dx - w * u
        return (dx + xp.stack(own)) / size

    return d, pull


def _centred(xp: Any, rows: Array) -> Any:
    return rows - xp.mean(rows, axis=1, keepdims=True)


def _pairs(
    xp: Any, d: Array, y: Array, margin: float, positive_margin: float, squared: bool, reduction: str
) -> tuple[Any, Any, Any]:
    """Losses (N, N), their derivatives to the ratios, and their shares."""
    positive, negative = groups = kinds(xp, y)
    h = xp.where(positive, d - positive_margin, margin - d)
    held = xp.where((positive | negative) & ~(h <= 0), h, 0.0)
    slope = 2 * held if squared else xp.where(held == 0, 0.0, 1.0 + 0 * held)
    losses = held * held if squared else held
    shares = pair_shares(xp, losses, groups, reduction) * (2.0 if reduction == "sum" else 1.0)
    return losses, xp.where(positive, slope, -slope), shares


def _checked(
    x: Array,
    labels: Array,
    margin: float,
    positive_margin: float,
    squared: bool,
    normalize_x: bool,
    reduction: str,
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, PAIR_REDUCTIONS)
    check_number("margin", margin)
    check_number("positive_margin", positive_margin)
    check_switch("squared", squared)
    check_switch("normalize_x", normalize_x)
    xp, dtype, x, y = checked_batch(x, labels)
    return xp, dtype, whole_batch(xp, x), y
