r"""The unified loss of pair similarities, of which the triplet loss and the softmax heads are limits and cases."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    ANCHOR_REDUCTIONS,
    anchor_shares,
    as_rows,
    as_rows_vjp,
    checked_batch,
    cosines,
    cosines_vjp,
    kinds,
    pair_rows,
    reduced,
    valid_anchors,
    weighted,
)

__all__ = [
    "loss",
    "loss_similarities",
    "loss_similarities_value_and_vjp",
    "loss_similarities_vjp",
    "loss_value_and_vjp",
    "loss_vjp",
]


def loss_similarities(s_p: Real, s_n: Real, *, gamma: float = 80.0, margin: float = 0.0) -> Array:
    r"""Softplus of the two soft maxima over the negatives' and the positives' similarities.

    .. math:: L = \log\Big[1 + \sum_{i=1}^K \sum_{j=1}^L e^{\gamma (s_n^j - s_p^i + m)}\Big]
                = \operatorname{softplus}\Big(\log \sum_j e^{\gamma (s_n^j + m)} + \log \sum_i e^{-\gamma s_p^i}\Big)

    s_p: (..., K), s_n: (..., L) with the same leading axes; result (...); float64 unless both are float32. gamma > 0,
    m >= 0 have no default in the paper. 0 where K or L is 0. With K = 1 it is the softmax cross-entropy of CosFace at
    scale gamma; for large gamma, L / gamma is the hinge :math:`\max_{ij} [s_n^j - s_p^i + m]_+` over all i and j, less
    at most log(1 + K L) / gamma away. A row with a nan or an infinity is nan.
    Wrong shapes, gamma or margin out of range are a ValueError, values of a wrong kind a TypeError.
    Source: Sun et al. 2020, eq. 1.

    >>> round(float(loss_similarities(np.array([0.5]), np.array([0.5, 0.25]), gamma=4.0)), 15)
    0.861994804058251
    >>> round(float(np.log(1 + 1 + np.exp(-1))), 15)
    0.861994804058251
    """
    _check(gamma, margin)
    xp, dtype, s, split, shape = as_rows(s_p, s_n)
    with np.errstate(all="ignore"):
        losses, *_ = _rows(xp, s, split, ~split, gamma, margin)
        return xp.astype(xp.reshape(losses, shape), dtype, copy=False)


def loss_similarities_vjp(
    g: Array, s_p: Real, s_n: Real, *, gamma: float = 80.0, margin: float = 0.0
) -> tuple[Array, Array]:
    r"""Cotangents of s_p and s_n.

    With h what the softplus is taken of and sigma(h) its logistic function,

    .. math:: \frac{\partial L}{\partial s_p^i} = -\gamma \, \sigma(h)
              \frac{e^{-\gamma s_p^i}}{\sum_k e^{-\gamma s_p^k}}, \qquad
              \frac{\partial L}{\partial s_n^j} = \gamma \, \sigma(h) \frac{e^{\gamma s_n^j}}{\sum_l e^{\gamma s_n^l}}
    """
    return loss_similarities_value_and_vjp(g, s_p, s_n, gamma=gamma, margin=margin)[1]


def loss_similarities_value_and_vjp(
    g: Array, s_p: Real, s_n: Real, *, gamma: float = 80.0, margin: float = 0.0
) -> tuple[Array, tuple[Array, Array]]:
    """``loss_similarities`` and its vjp from the same exponentials."""
    _check(gamma, margin)
    xp, dtype, s, split, shape = as_rows(s_p, s_n)
    with np.errstate(all="ignore"):
        losses, slopes = _rows(xp, s, split, ~split, gamma, margin)
        return as_rows_vjp(xp, g, dtype, losses, slopes, np.shape(s_p)[-1], shape)


def loss(x: Real, labels: Labels, *, gamma: float = 80.0, margin: float = 0.0, reduction: str = "mean") -> Array:
    r"""`loss_similarities` of every row with the cosines to the others.

    .. math:: L_i = \log\Big[1 + \sum_{p \ne i: y_p = y_i} \; \sum_{n: y_n \ne y_i}
              e^{\gamma (c_{in} - c_{ip} + m)}\Big]

    x: (N, D), D >= 1, labels: (N,) integers; result (N,) for reduction "none", else (); float64 unless x is float32.
    A row without positives or without negatives has the loss 0: it counts for "mean", not for "valid_anchor" nor for
    "nonzero", which are 0 where no row is left. No rows: the mean is nan. A row of zeros, a nan or an infinity makes
    everything nan, as every row meets it. Errors as for `loss_similarities`.
    Source: Sun et al. 2020, eq. 1.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0
    >>> losses = loss(x, np.array([0, 0, 1]), gamma=1.0, reduction="none")
    >>> bool(np.allclose(losses, [np.log1p(np.exp(-1)), np.log1p(np.exp(-1)), 0]))
    True
    """
    xp, dtype, x, y = _checked(x, labels, gamma, margin, reduction)
    with np.errstate(all="ignore"):
        positive, negative = kinds(xp, y)
        losses, *_ = _rows(xp, cosines(xp, x)[0], positive, negative, gamma, margin)
        shares = anchor_shares(xp, losses, valid_anchors(xp, positive, negative), reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array, x: Real, labels: Labels, *, gamma: float = 80.0, margin: float = 0.0, reduction: str = "mean"
) -> tuple[Array]:
    r"""Cotangent of x.

    The slopes of `loss_similarities_vjp`, carried through the cosines of both rows of a pair: with
    :math:`G_{ij} = \partial L / \partial c_{ij}`,

    .. math:: \bar x_i = \frac{(I - \hat x_i \hat x_i^T) \sum_j (G_{ij} + G_{ji}) \hat x_j}{\|x_i\|}
    """
    return loss_value_and_vjp(g, x, labels, gamma=gamma, margin=margin, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, x: Real, labels: Labels, *, gamma: float = 80.0, margin: float = 0.0, reduction: str = "mean"
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same cosines."""
    xp, dtype, x, y = _checked(x, labels, gamma, margin, reduction)
    with np.errstate(all="ignore"):
        positive, negative = kinds(xp, y)
        c, to_x = cosines(xp, x)
        losses, slopes = _rows(xp, c, positive, negative, gamma, margin)
        shares = anchor_shares(xp, losses, valid_anchors(xp, positive, negative), reduction)
        rows = weighted(xp, g, shares, reduction)[:, None]
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(cosines_vjp(xp, rows * slopes, to_x), dtype, copy=False),)


def _rows(xp: Any, s: Array, positive: Array, negative: Array, gamma: float, margin: float) -> tuple[Any, Any]:
    """Losses (N,) of similarities (N, M) and their derivatives (N, M)."""
    losses, to_p, to_n = pair_rows(xp, -gamma * s, positive, gamma * (s + margin), negative)
    return losses, gamma * (to_n - to_p)


def _check(gamma: float, margin: float) -> None:
    if not 0 < check_number("gamma", gamma) < inf:
        raise ValueError(f"gamma must be positive and finite, got {gamma!r}")
    if not 0 <= check_number("margin", margin) < inf:
        raise ValueError(f"margin must be at least 0 and finite, got {margin!r}")


def _checked(x: Array, labels: Array, gamma: float, margin: float, reduction: str) -> tuple[Any, Any, Any, Any]:
    _check(gamma, margin)
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    return checked_batch(x, labels)
