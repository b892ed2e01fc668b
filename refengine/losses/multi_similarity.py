r"""Multi-similarity loss: soft maxima of an anchor's cosines, over its positives and over its negatives."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    ANCHOR_REDUCTIONS,
    anchor_shares,
    checked_batch,
    cosines,
    cosines_vjp,
    kinds,
    log_sum_exp,
    reduced,
    softplus,
    valid_anchors,
    weighted,
)

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(
    x: Real,
    labels: Labels,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 1.0,
    mining_margin: float | None = None,
    reduction: str = "mean",
) -> Array:
    r"""Log of one plus a sum of exponentials, of the positives and of the negatives.

    .. math:: L_i = \frac1\alpha \log\Big[1 + \sum_{p \in P_i} e^{-\alpha (c_{ip} - \lambda)}\Big]
                  + \frac1\beta \log\Big[1 + \sum_{n \in N_i} e^{\beta (c_{in} - \lambda)}\Big]

    x: (N, D), D >= 1, labels: (N,) integers; :math:`P_i` are the other rows of i's label, :math:`N_i` the rows of other
    labels, c are cosines, ``base`` is :math:`\lambda`: 1 in the paper, 0.5 in its authors' code and in
    pytorch-metric-learning. Result: (N,) for reduction "none", else (); float64 unless x is float32.
    With a ``mining_margin`` :math:`\epsilon`, 0.1 in the paper, a positive stays if
    :math:`c_{ip} - \epsilon < \max_n c_{in}`, a negative if :math:`c_{in} + \epsilon > \min_p c_{ip}`, both strictly;
    an anchor that lacks either kind then has the loss 0. The choice has no derivative.
    "valid_anchor" is the mean over the rows that have a positive and a negative, "nonzero" that over the losses that
    are not 0; both are 0 where no row is left. No rows: the mean is nan. A row of zeros, a nan or an infinity makes
    everything nan, as every row meets it. alpha, beta > 0. Wrong shapes or options are a ValueError, values of a wrong
    kind a TypeError. Source: Wang et al. (2019), section 4.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0
    >>> losses = loss(x, np.array([0, 0, 1]), alpha=1.0, beta=1.0, reduction="none")
    >>> bool(np.allclose(losses, [np.log(2) + np.log1p(np.exp(-1))] * 2 + [np.log1p(2 * np.exp(-1))]))
    True
    """
    xp, dtype, x, y = _checked(x, labels, alpha, beta, base, mining_margin, reduction)
    with np.errstate(all="ignore"):
        losses, _, shares = _anchors(xp, cosines(xp, x)[0], y, alpha, beta, base, mining_margin, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 1.0,
    mining_margin: float | None = None,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    .. math:: \frac{\partial L_i}{\partial c_{ip}} = -\frac{e^{-\alpha (c_{ip} - \lambda)}}
              {1 + \sum_{q} e^{-\alpha (c_{iq} - \lambda)}}, \qquad
              \frac{\partial L_i}{\partial c_{in}} = \frac{e^{\beta (c_{in} - \lambda)}}
              {1 + \sum_{m} e^{\beta (c_{im} - \lambda)}}

    carried through the cosines of both rows of a pair as in `refengine.losses.unified`.
    """
    constants: dict[str, Any] = {"alpha": alpha, "beta": beta, "base": base, "mining_margin": mining_margin}
    return loss_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 1.0,
    mining_margin: float | None = None,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same cosines."""
    xp, dtype, x, y = _checked(x, labels, alpha, beta, base, mining_margin, reduction)
    with np.errstate(all="ignore"):
        c, to_x = cosines(xp, x)
        losses, slopes, shares = _anchors(xp, c, y, alpha, beta, base, mining_margin, reduction)
        dx = cosines_vjp(xp, weighted(xp, g, shares, reduction)[:, None] * slopes, to_x)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _anchors(
    xp: Any, c: Array, y: Array, alpha: float, beta: float, base: float, mining_margin: float | None, reduction: str
) -> tuple[Any, Any, Any]:
    """Losses (N,), their derivatives to the cosines (N, N), and their shares."""
    positive, negative = kinds(xp, y)
    valid = valid_anchors(xp, positive, negative)
    if mining_margin is not None:
        positive, negative = _mined(xp, c, positive, negative, mining_margin)
    sum_p, of_p = log_sum_exp(xp, alpha * (base - c), positive)
    sum_n, of_n = log_sum_exp(xp, beta * (c - base), negative)
    (pull, slope_p), (push, slope_n) = softplus(xp, sum_p), softplus(xp, sum_n)
    losses = (pull / alpha + push / beta)[:, 0]
    return losses, slope_n * of_n - slope_p * of_p, anchor_shares(xp, losses, valid, reduction)


def _mined(xp: Any, c: Array, positive: Array, negative: Array, margin: float) -> tuple[Any, Any]:
    """The positives and negatives that are hard enough; those of a row with a nan all stay."""
    if c.shape[0] == 0:
        return positive, negative
    farthest = xp.min(xp.where(positive, c, xp.inf), axis=1, keepdims=True)
    nearest = xp.max(xp.where(negative, c, -xp.inf), axis=1, keepdims=True)
    return positive & ~(c - margin >= nearest), negative & ~(c + margin <= farthest)


def _checked(
    x: Array, labels: Array, alpha: float, beta: float, base: float, mining_margin: float | None, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not 0 < check_number(name, value) < inf:
            raise ValueError(f"{name} must be positive and finite, got {value!r}")
    check_number("base", base)
    if mining_margin is not None:
        check_number("mining_margin", mining_margin)
    return checked_batch(x, labels)
