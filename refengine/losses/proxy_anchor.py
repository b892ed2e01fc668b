r"""Proxy-Anchor: every proxy pulls the rows of its class and pushes all others, by soft maxima over the batch."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import check_range, check_scale
from refengine.losses._pairs import log_sum_exp, softplus
from refengine.losses._rows import across, direction, one_hot

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(x: Real, weight: Real, labels: Labels, *, scale: float = 32.0, margin: float = 0.1) -> Array:
    r"""Mean softplus over the proxies that have rows, plus the mean over all proxies of that of the other rows.

    .. math:: L = \frac{1}{|P^+|} \sum_{j \in P^+} \log \Big( 1 + \sum_{i: y_i = j} e^{-\alpha (c_{ij} - \delta)} \Big)
              + \frac{1}{C} \sum_j \log \Big( 1 + \sum_{i: y_i \ne j} e^{\alpha (c_{ij} + \delta)} \Big)

    x: (N, D), weight: (C, D) the proxies, D >= 1, labels: (N,) integers below C, c cosines, P+ the classes with a row;
    result: (), float64 unless both are float32. scale is alpha > 0, margin delta >= 0. There is no loss of a row:
    rows of one class share a logarithm, so no reduction either. A sum without rows adds log 1 = 0, and no rows at all
    are 0. A vector of zeros has no direction: everything is nan, as every proxy meets every row. Wrong shapes, labels,
    or constants out of range are a ValueError, values of a wrong kind a TypeError.
    Source: Kim et al. 2020 (proxy anchor), eq. 4.

    >>> x = np.array([[3.0, 0.0]])  # cosines 1 and 0; half of log(1 + e^0) for the second proxy
    >>> round(float(loss(x, np.eye(2), np.array([0]), scale=1.0, margin=0.0)), 12)
    0.659835277798
    >>> round(float(np.log1p(np.exp(-1)) + np.log(2) / 2), 12)
    0.659835277798
    """
    _check(scale, margin)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, "mean")
    with np.errstate(all="ignore"):
        value, _ = _proxies(xp, direction(xp, x)[0] @ direction(xp, weight)[0].T, y, scale, margin)
        return xp.astype(value, dtype, copy=False)


def loss_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, scale: float = 32.0, margin: float = 0.1
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With h the log-sum-exp of a proxy's rows, :math:`\varsigma` the logistic function and q the softmax over them,

    .. math:: \frac{\partial L}{\partial c_{ij}} = -\frac{\alpha}{|P^+|} \varsigma(h_j^+) q^+_{ij} \;(y_i = j), \qquad
              \frac{\partial L}{\partial c_{ij}} = \frac{\alpha}{C} \varsigma(h_j^-) q^-_{ij} \;(y_i \ne j)

    and from there on as in `refengine.losses.cosine.similarity`. At c = 1 and -1 the cosine has its extremum, and its
    gradient is 0.
    """
    return loss_value_and_vjp(g, x, weight, labels, scale=scale, margin=margin)[1]


def loss_value_and_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, scale: float = 32.0, margin: float = 0.1
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    _check(scale, margin)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, "mean")
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        (unit, *length), (unit_w, *length_w) = direction(xp, x), direction(xp, weight)
        value, slopes = _proxies(xp, unit @ unit_w.T, y, scale, margin)
        slopes = g * slopes
        dx = across(xp, slopes @ unit_w, unit) / length[1] / length[0]
        dw = across(xp, slopes.T @ unit, unit_w) / length_w[1] / length_w[0]
        parts = value, dx, dw
        value, dx, dw = (xp.astype(part, dtype, copy=False) for part in parts)
        return value, (dx, dw)


def _proxies(xp: Any, c: Array, y: Array, scale: float, margin: float) -> tuple[Any, Any]:
    """The loss of the cosines (N, C), and its derivatives."""
    c, classes = xp.clip(c, -1.0, 1.0).T, c.shape[1]
    if c.shape[1] == 0:
        return xp.sum(c), c.T
    own = one_hot(xp, y, classes).T
    present = xp.sum(xp.astype(xp.any(own, axis=1), xp.float64))
    near, near_shares = log_sum_exp(xp, -scale * (c - margin), own)
    far, far_shares = log_sum_exp(xp, scale * (c + margin), ~own)
    (pulled, near_slope), (pushed, far_slope) = softplus(xp, near), softplus(xp, far)
    value = xp.sum(pulled) / present + xp.sum(pushed) / classes + 0 * xp.sum(c)
    slopes = scale * (far_slope * far_shares / classes - near_slope * near_shares / present)
    return value, (slopes + 0 * xp.sum(c)).T


def _check(scale: float, margin: float) -> None:
    check_scale(scale)
    check_range("margin", margin, 0, inf)
