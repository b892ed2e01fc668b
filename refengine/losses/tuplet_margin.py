r"""Tuplet margin loss: every positive angle, less a slack, is smaller than all negative ones; and spreads are small."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    checked_batch,
    cosines_vjp,
    kinds,
    log_sum_exp,
    softplus,
    weighted,
)
from refengine.losses._positives import (
    POSITIVE_REDUCTIONS,
    Angles,
    angles,
    angles_vjp,
    ends,
    positive_shares,
    reduce_positives,
    whole_batch,
)
from refengine.losses._rows import REDUCTIONS, direction, one_hot

__all__ = [
    "intra_pair_variance",
    "intra_pair_variance_value_and_vjp",
    "intra_pair_variance_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
]


def loss(x: Real, labels: Labels, *, scale: float = 64.0, margin: float = 0.1, reduction: str = "mean") -> Array:
    r"""Log of one plus the exponentials of an anchor's negative cosines less one positive's, its angle reduced.

    .. math:: L_{ap} = \log\Big[1 + \sum_{n: y_n \ne y_a} e^{s (\cos \theta_{an} - \cos(\theta_{ap} - \beta))}\Big]

    x: (N, D), D >= 1, labels: (N,) integers; float64 unless x is float32. The ordered pairs a != p are those of one
    label, of which the paper draws one for each label; "mean" is over them, "none" is the matrix (N, N) with zeros
    elsewhere, "nonzero" the mean over the losses that are not 0, and 0 where there is none. The slack beta is
    ``margin``, in radians; pytorch-metric-learning takes degrees, and 5.73 of them. It is subtracted as the formula
    says: below beta an angle counts as less than it is, and its slope changes sign.
    Without negatives a loss is 0. No positive pair: the mean is nan, the others 0. A row of zeros, a nan or an infinity
    makes everything nan, as every row meets it. scale > 0. Wrong shapes or options are a ValueError, values of a wrong
    kind a TypeError. Source: Yu and Tao 2019, section 3.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0
    >>> value = loss(x, np.array([0, 0, 1]), scale=2.0, margin=0.25)
    >>> bool(np.isclose(value, np.log1p(np.exp(-2 * np.cos(0.25))), rtol=1e-14))
    True
    """
    xp, dtype, x, y = _checked(x, labels, scale, margin, reduction)
    with np.errstate(all="ignore"):
        losses, shares, _ = _pairs(xp, angles(xp, x), y, scale, margin, reduction)
        return xp.astype(reduce_positives(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array, x: Real, labels: Labels, *, scale: float = 64.0, margin: float = 0.1, reduction: str = "mean"
) -> tuple[Array]:
    r"""Cotangent of x.

    With h the logarithm of the sum, :math:`\sigma(h)` its logistic function and q the softmax of an anchor's negatives,

    .. math:: \frac{\partial L_{ap}}{\partial \cos \theta_{an}} = s \, \sigma(h_{ap}) \, q_{an}, \qquad
              \frac{\partial L_{ap}}{\partial \theta_{ap}} = s \, \sigma(h_{ap}) \sin(\theta_{ap} - \beta), \qquad
              \frac{\partial \theta_{ap}}{\partial x_a} = -\frac{e}{\|x_a\|}

    with e the unit tangent at a towards p. For parallel rows e is undefined: the one-sided derivatives have mean 0.
    """
    return loss_value_and_vjp(g, x, labels, scale=scale, margin=margin, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, x: Real, labels: Labels, *, scale: float = 64.0, margin: float = 0.1, reduction: str = "mean"
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same angles."""
    xp, dtype, x, y = _checked(x, labels, scale, margin, reduction)
    with np.errstate(all="ignore"):
        found = angles(xp, x)
        losses, shares, pull = _pairs(xp, found, y, scale, margin, reduction)
        to_c, to_angle = pull(weighted(xp, g, shares, reduction))
        dx = cosines_vjp(xp, to_c, found.to_x) + angles_vjp(xp, to_angle, found)
        value = xp.astype(reduce_positives(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def intra_pair_variance(
    x: Real,
    labels: Labels,
    *,
    positive_epsilon: float = 0.01,
    negative_epsilon: float = 0.01,
    reduction: str = "mean",
) -> Array:
    r"""Squared hinges on the cosines that are worse than their mean, over the positive and over the negative pairs.

    .. math:: L = \operatorname{mean}_{y_i = y_j} \big[(1 - \epsilon_p) \bar c_p - c_{ij}\big]_+^2
                + \operatorname{mean}_{y_i \ne y_j} \big[c_{ij} - (1 + \epsilon_n) \bar c_n\big]_+^2

    x: (N, D), D >= 1, labels: (N,) integers; :math:`\bar c_p` and :math:`\bar c_n` are the mean cosines of the pairs of
    a kind, with gradients; float64 unless x is float32. "mean" is this, a kind without pairs giving 0; "sum" counts
    each pair once, "none" is the symmetric matrix (N, N) of the squares. A row of zeros, a nan or an infinity makes
    everything nan, as every row meets it. Wrong shapes or options are a ValueError, values of a wrong kind a TypeError.
    Source: Yu and Tao 2019, section 3.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # positive cosines 1, 0, 0 with mean 1/3
    >>> value = intra_pair_variance(x, np.array([0, 0, 0]), positive_epsilon=0.25)
    >>> bool(np.isclose(value, 2 / 3 * 0.25**2, rtol=1e-14))
    True
    """
    xp, dtype, x, y = _checked_spread(x, labels, positive_epsilon, negative_epsilon, reduction)
    with np.errstate(all="ignore"):
        unit = whole_batch(xp, direction(xp, x)[0])
        losses, shares, _ = _spreads(xp, unit, y, positive_epsilon, negative_epsilon, reduction)
        value = losses if reduction == "none" else xp.sum(shares * losses)
        return xp.astype(value, dtype, copy=False)


def intra_pair_variance_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    positive_epsilon: float = 0.01,
    negative_epsilon: float = 0.01,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With h what the hinges are taken of and :math:`w_{ij}` the pairs' weights, :math:`t_{ij} = 2 w_{ij} [h_{ij}]_+`,

    .. math:: \frac{\partial L}{\partial c_{ij}} = -t_{ij} + \frac{1 - \epsilon_p}{|P|} \sum_P t, \qquad
              \frac{\partial L}{\partial c_{ij}} = t_{ij} - \frac{1 + \epsilon_n}{|N|} \sum_N t

    for positives and for negatives, carried through the cosines as in `refengine.losses.unified`.
    """
    constants: dict[str, Any] = {"positive_epsilon": positive_epsilon, "negative_epsilon": negative_epsilon}
    return intra_pair_variance_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def intra_pair_variance_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    positive_epsilon: float = 0.01,
    negative_epsilon: float = 0.01,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``intra_pair_variance`` and its vjp from the same cosines."""
    xp, dtype, x, y = _checked_spread(x, labels, positive_epsilon, negative_epsilon, reduction)
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(xp, x)
        unit = whole_batch(xp, unit)
        losses, shares, pull = _spreads(xp, unit, y, positive_epsilon, negative_epsilon, reduction)
        dx = cosines_vjp(xp, pull(weighted(xp, g, shares, reduction)), (unit, largest, norm))
        value = losses if reduction == "none" else xp.sum(shares * losses)
        return xp.astype(value, dtype, copy=False), (xp.astype(dx, dtype, copy=False),)


def _pairs(xp: Any, a: Angles, y: Array, scale: float, margin: float, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N, N) and their shares; the map of their cotangents to those of the cosines and of the angles.

    Cosines are compared by 1 - c or by 1 + c, whichever is small, each known relative to itself.
    """
    positive, negative = kinds(xp, y)
    n = y.shape[0]
    if n == 0:
        return a.c, a.c, lambda weights: (a.c, a.c)
    less = xp.where(positive, a.angle - margin, 0.0)
    near_p, far_p = 2 * xp.sin(less / 2) ** 2, 2 * xp.cos(less / 2) ** 2
    top = one_hot(xp, xp.argmax(xp.where(negative, a.c, -xp.inf), axis=1), n)
    near_t, far_t = (xp.sum(xp.where(top, v, 0.0), axis=1, keepdims=True) for v in (a.gap, a.far))
    below = scale * xp.where(far_t + a.far > 2, near_t - a.gap, a.far - far_t)
    spread, softmax = log_sum_exp(xp, below, negative)
    h = scale * xp.where(far_t + far_p > 2, near_p - near_t, far_t - far_p) + spread
    losses, slope = softplus(xp, xp.where(positive, h, -xp.inf))

    def pull(weights: Array) -> tuple[Any, Any]:
        w = xp.where(positive, scale * weights * slope, 0.0)
        return xp.sum(w, axis=1, keepdims=True) * softmax, w * xp.sin(less)

    return losses, positive_shares(xp, losses, positive, reduction, 1.0), pull


def _spreads(
    xp: Any, unit: Array, y: Array, positive_epsilon: float, negative_epsilon: float, reduction: str
) -> tuple[Any, Any, Any]:
    """Squares (N, N) and their shares; the map of their cotangents to the cosines.

    Where the cosines are almost 1 the hinges are differences of 1 - c, which keep their digits.
    """
    gap, far = ends(xp, unit)
    c = xp.where(gap < 0.5, 1 - gap, xp.where(far < 0.5, far - 1, unit @ unit.T))
    losses, shares, slopes = xp.zeros(gap.shape), xp.zeros(gap.shape), []
    for mask, sign, epsilon in zip(kinds(xp, y), (1.0, -1.0), (positive_epsilon, negative_epsilon), strict=True):
        held = xp.astype(mask, xp.float64)
        every = held / xp.maximum(xp.sum(held), xp.asarray(1.0))
        mean_gap, mean = (xp.sum(xp.where(mask, every * v, 0.0)) for v in (gap, c))
        kept = 1 - sign * epsilon
        h = sign * xp.where(gap < 0.5, gap - kept * mean_gap - sign * epsilon, kept * mean - c)
        h = xp.where(mask, h, 0.0)
        h = xp.where(h <= 0, 0.0, h)
        losses = losses + h * h
        shares = shares + (every if reduction == "mean" else 0.5 * held if reduction == "sum" else held)
        slopes.append((sign, h, kept * every))

    def pull(weights: Array) -> Any:
        total = 0.0
        for sign, h, kept in slopes:
            t = 2 * weights * h
            total = total + sign * (kept * xp.sum(t) - t)
        return total

    return losses, shares, pull


def _checked(x: Array, labels: Array, scale: float, margin: float, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, POSITIVE_REDUCTIONS)
    if not 0 < check_number("scale", scale) < inf:
        raise ValueError(f"scale must be positive and finite, got {scale!r}")
    check_number("margin", margin)
    return checked_batch(x, labels)


def _checked_spread(
    x: Array, labels: Array, positive_epsilon: float, negative_epsilon: float, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, REDUCTIONS)
    check_number("positive_epsilon", positive_epsilon)
    check_number("negative_epsilon", negative_epsilon)
    return checked_batch(x, labels)
