r"""SoftTriple: softmax over classes with several centres each, of which every row softly takes the nearest."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any

import numpy as np

from refengine._arrays import as_float64, check_labels, check_option, check_shape, promote
from refengine.domains import Array, Interval, Labels, Real
from refengine.losses._heads import check_range, check_scale
from refengine.losses._rows import (
    REDUCTIONS,
    across,
    direction,
    label_entropy,
    one_hot,
    reduce,
    spread,
    tangent,
)

__all__ = [
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
    "regularizer",
    "regularizer_value_and_vjp",
    "regularizer_vjp",
]

Cosines = Annotated[Array, Interval(-1, 1, closed=True)]


def logits(cosine: Cosines, labels: Labels, *, scale: float = 20.0, gamma: float = 0.1, margin: float = 0.01) -> Array:
    r"""Scaled similarities to classes, the mean cosine of a class's centres weighted by their softmax.

    .. math:: S_{ic} = \sum_k \frac{e^{c_{ick} / \gamma}}{\sum_l e^{c_{icl} / \gamma}} c_{ick}, \qquad
              z_{ic} = \lambda (S_{ic} - \delta \, [c = y_i])

    cosine: (N, C, K) in [-1, 1] to the K centres of each class, labels: (N,) integers below C; result (N, C), float64
    unless cosine is float32. A cosine outside [-1, 1] gives nan for its class. scale is lambda > 0, gamma > 0, margin
    is delta, from 0 to 2. With one centre, and for large gamma with equal ones, this is CosFace. Wrong shapes, labels,
    or constants out of range are a ValueError, values of a wrong kind a TypeError.
    Source: Qian et al. 2019, eq. 7 and 8.

    >>> logits(np.array([[[0.5, 0.5], [0.25, 0.25]]]), np.array([1]), scale=4.0, margin=0.25).tolist()
    [[2.0, 0.0]]
    """
    _check(scale, gamma, margin)
    xp, dtype, c, hot = _checked_cosine(cosine, labels)
    with np.errstate(all="ignore"):
        similarity, _ = _soft_maximum(xp, c, gamma)
        return xp.astype(scale * xp.where(hot, similarity - margin, similarity), dtype, copy=False)


def logits_vjp(
    g: Array,
    cosine: Cosines,
    labels: Labels,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
) -> tuple[Array]:
    r"""Cotangent of cosine.

    With q the softmax over a class's centres,

    .. math:: \frac{\partial S_{ic}}{\partial c_{ick}} = q_{ick} \left( 1 + \frac{c_{ick} - S_{ic}}{\gamma} \right)

    negative for a centre that is farther than gamma below the mean: coming nearer it takes weight from better ones.
    """
    return logits_value_and_vjp(g, cosine, labels, scale=scale, gamma=gamma, margin=margin)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosines,
    labels: Labels,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    _check(scale, gamma, margin)
    xp, dtype, c, hot = _checked_cosine(cosine, labels)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    with np.errstate(all="ignore"):
        similarity, slopes = _soft_maximum(xp, c, gamma)
        z = scale * xp.where(hot, similarity - margin, similarity)
        return xp.astype(z, dtype, copy=False), (xp.astype(scale * g[:, :, None] * slopes, dtype, copy=False),)


def regularizer(weight: Real) -> Array:
    r"""Mean distance between the centres of one class, as directions.

    .. math:: R = \frac{1}{C K (K - 1)} \sum_c \sum_{k < l} \sqrt{2 - 2 \, \hat w_{ck} \cdot \hat w_{cl}}

    weight: (C, K, D), all at least 1; result (), float64 unless weight is float32. It draws superfluous centres
    together. The divisor counts every pair twice: R is half the mean. The authors' code adds 1e-5 under the root. One
    centre a class: 0. A vector of zeros has no direction: nan. Wrong shapes are a ValueError, values that are not real
    numbers a TypeError. Source: Qian et al. 2019, eq. 9 and 10.

    >>> round(float(regularizer(np.array([[[2.0, 0.0], [0.0, 1.0]]]))), 12)  # sqrt(2) / 2
    0.707106781187
    """
    xp, dtype, weight = _checked_centers(weight)
    with np.errstate(all="ignore"):
        return xp.astype(_spread_of_centers(xp, weight)[0], dtype, copy=False)


def regularizer_vjp(g: Array, weight: Real) -> tuple[Array]:
    r"""Cotangent of weight.

    Two unit vectors at the angle theta are :math:`d = 2 \sin(\theta / 2)` apart. With e the unit tangent at the first
    one towards the second,

    .. math:: \frac{\partial d}{\partial w} = -\cos\frac\theta2 \, \frac{e}{\|w\|}

    For equal directions the one-sided derivatives have mean 0, which is what stands there. In the plane a centre
    between two others is pulled along one line, and where the pulls cancel, so do their digits.
    """
    return regularizer_value_and_vjp(g, weight)[1]


def regularizer_value_and_vjp(g: Array, weight: Real) -> tuple[Array, tuple[Array]]:
    """``regularizer`` and its vjp."""
    xp, dtype, weight = _checked_centers(weight)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        value, slopes = _spread_of_centers(xp, weight)
        return xp.astype(value, dtype, copy=False), (xp.astype(g * slopes, dtype, copy=False),)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
    tau: float = 0.2,
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between rows and centres, plus tau times the `regularizer`.

    .. math:: L = \frac1N \sum_i \left[ -\log \frac{e^{\lambda (S_{i y_i} - \delta)}}
              {e^{\lambda (S_{i y_i} - \delta)} + \sum_{c \ne y_i} e^{\lambda S_{ic}}} + \tau R \right]

    x: (N, D), weight: (C, K, D), all at least 1, labels: (N,) integers below C; result: (N,) for reduction "none", else
    (); float64 unless both are float32. tau >= 0 counts for every row, so that the mean is the paper's loss. A vector
    of zeros has no direction: nan for its row, and for every row where it is a centre. No rows: the mean is nan, the
    sum 0. The rest is as for `logits`. Source: Qian et al. 2019, eq. 10.

    >>> x, w = np.array([[3.0, 0.0]]), np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    >>> round(float(loss(x, w, np.array([0]), scale=2.0, margin=1.0)), 12)  # one centre each: log 2
    0.69314718056
    """
    _check(scale, gamma, margin, tau)
    xp, dtype, x, weight, y = _checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        losses, _ = _rows(xp, direction(xp, x)[0], weight, y, scale, gamma, margin)
        total = reduce(xp, losses + tau * _spread_of_centers(xp, weight)[0], reduction)
        return xp.astype(total, dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
    tau: float = 0.2,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    .. math:: \frac{\partial L_i}{\partial c_{ick}} = \lambda (p_{ic} - [c = y_i]) \,
              \frac{\partial S_{ic}}{\partial c_{ick}}

    with the slopes of `logits_vjp`, and from there on as in `refengine.losses.cosine.similarity`; plus tau times the
    gradient of the `regularizer` for each row.
    """
    constants: dict[str, Any] = {"scale": scale, "gamma": gamma, "margin": margin, "tau": tau}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
    tau: float = 0.2,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    _check(scale, gamma, margin, tau)
    xp, dtype, x, weight, y = _checked_rows(x, weight, labels, reduction)
    of_rows = spread(xp, g, x.shape[0], reduction)
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(xp, x)
        losses, slopes = _rows(xp, unit, weight, y, scale, gamma, margin)
        apart, of_apart = _spread_of_centers(xp, weight)
        total = xp.astype(reduce(xp, losses + tau * apart, reduction), dtype, copy=False)
        of_c = xp.reshape(of_rows[:, None, None] * slopes, (x.shape[0], -1) if x.shape[0] else (0, _centers(weight)))
        centers, *lengths = direction(xp, xp.reshape(weight, (_centers(weight), weight.shape[2])))
        dx = across(xp, of_c @ centers, unit) / norm / largest
        dw = across(xp, of_c.T @ unit, centers) / lengths[1] / lengths[0]
        dw = xp.reshape(dw, weight.shape) + tau * xp.sum(of_rows) * of_apart
        return total, (xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False))


def _centers(weight: Array) -> int:
    return int(weight.shape[0] * weight.shape[1])


def _rows(xp: Any, unit: Array, weight: Array, y: Array, scale: float, gamma: float, margin: float) -> tuple[Any, Any]:
    """The losses without the regulariser, and their derivatives to the cosines (N, C, K)."""
    c = xp.clip(unit @ xp.reshape(direction(xp, weight)[0], (_centers(weight), weight.shape[2])).T, -1.0, 1.0)
    similarity, of_cosines = _soft_maximum(xp, xp.reshape(c, (unit.shape[0], *weight.shape[:2])), gamma)
    hot = one_hot(xp, y, weight.shape[0])
    losses, slopes = label_entropy(xp, xp.where(hot, similarity - margin, similarity), hot, scale)
    return losses, scale * slopes[:, :, None] * of_cosines


def _soft_maximum(xp: Any, c: Array, gamma: float) -> tuple[Any, Any]:
    """The weighted means over the last axis, and their derivatives."""
    below = c - xp.max(c, axis=2, keepdims=True)
    powers = xp.exp(below / gamma)
    shares = powers / xp.sum(powers, axis=2, keepdims=True)
    less = xp.sum(shares * below, axis=2, keepdims=True)
    return (xp.max(c, axis=2, keepdims=True) + less)[:, :, 0], shares * (1 + (below - less) / gamma)


def _spread_of_centers(xp: Any, weight: Array) -> tuple[Any, Any]:
    """The regulariser and its derivatives, pair by pair."""
    classes, k, d = weight.shape
    first = [i for i in range(k) for _ in range(i + 1, k)]
    second = [j for i in range(k) for j in range(i + 1, k)]
    if not first:
        return xp.sum(0 * weight), 0 * weight
    unit, largest, norm = direction(xp, weight)
    pairs = classes * len(first)
    at, to = (xp.reshape(xp.take(unit, xp.asarray(index), axis=1), (pairs, d)) for index in (first, second))
    c = xp.sum(at * to, axis=1)
    sine, at_first = tangent(xp, at, to)
    _, at_second = tangent(xp, to, at)
    half = xp.sqrt((1 + c) / 2)
    apart = xp.where(c > 0, sine / half, xp.sqrt(2 * (1 - c)))
    slope = xp.where(c > 0, half, sine / xp.where(c > 0, 1.0, apart))[:, None]
    count = classes * k * (k - 1)
    slopes = sum(
        xp.astype(xp.arange(k)[:, None] == xp.asarray(index)[None, :], xp.float64)
        @ xp.reshape(-slope * e, (classes, len(first), d))
        for index, e in ((first, at_first), (second, at_second))
    )
    value = xp.sum(apart) / count
    return value, slopes / count / norm / largest + 0 * value


def _check(scale: float, gamma: float, margin: float, tau: float = 0.0) -> None:
    check_scale(scale)
    check_scale(gamma, "gamma")
    check_range("margin", margin, 0, 2)
    check_range("tau", tau, 0, inf)


def _check_centers(weight: Array) -> None:
    check_shape("weight", weight, ("C", "K", "D"))
    if 0 in weight.shape:
        raise ValueError(f"weight must have shape (C, K, D), all at least 1, got {tuple(weight.shape)}")


def _checked_centers(weight: Array) -> tuple[Any, Any, Any]:
    xp, dtype, weight = promote(weight=weight)
    _check_centers(weight)
    return xp, dtype, xp.astype(weight, xp.float64, copy=False)


def _checked_cosine(cosine: Array, labels: Array) -> tuple[Any, Any, Any, Any]:
    xp, dtype, c = promote(cosine=cosine)
    check_shape("cosine", c, ("N", "C", "K"))
    if 0 in c.shape[1:]:
        raise ValueError(f"cosine must have shape (N, C, K), C and K at least 1, got {tuple(c.shape)}")
    hot = one_hot(xp, check_labels("labels", labels, c.shape[0], c.shape[1]), c.shape[1])
    c = xp.astype(c, xp.float64, copy=False)
    return xp, dtype, xp.where(xp.abs(c) <= 1, c, xp.nan), hot


def _checked_rows(x: Array, weight: Array, labels: Array, reduction: str) -> tuple[Any, Any, Any, Any, Any]:
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight = promote(x=x, weight=weight)
    check_shape("x", x, ("N", "D"))
    _check_centers(weight)
    check_shape("weight", weight, ("C", "K", "D"), D=x.shape[1])
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y
