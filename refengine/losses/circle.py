r"""Circle loss: the unified loss in which every similarity is weighted by how far it is from its optimum.

With :math:`O_p = 1 + m, O_n = -m, \Delta_p = 1 - m, \Delta_n = m` a positive similarity has the logit
:math:`-\gamma \alpha_p (s_p - \Delta_p)` with :math:`\alpha_p = [O_p - s_p]_+`, a negative one
:math:`\gamma \alpha_n (s_n - \Delta_n)` with :math:`\alpha_n = [s_n - O_n]_+`. A weight that is 0 leaves the logit 0.

The option ``weights`` decides what the gradient is, not what the value is. "detached", as in the paper's section 3.2
and most codes, holds the weights: slopes :math:`-\gamma \alpha_p` and :math:`\gamma \alpha_n`. "full" differentiates
through them too: where a weight is positive the logits are :math:`\gamma ((1 - s_p)^2 - m^2)` and
:math:`\gamma (s_n^2 - m^2)`, with slopes :math:`-2 \gamma (1 - s_p)` and :math:`2 \gamma s_n`; elsewhere, the edge
included, 0.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import numpy as np

from refengine._arrays import check_labels, check_number, check_option, elementwise, promote
from refengine.distributions._counts import cotangents, result
from refengine.domains import Array, Labels, NonNegative, Real
from refengine.losses._heads import Head
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
from refengine.losses._rows import REDUCTIONS, across, check_rows_and_classes, direction, one_hot, reduce, spread

__all__ = [
    "boundary_radius",
    "boundary_radius_vjp",
    "head",
    "loss",
    "loss_class",
    "loss_class_value_and_vjp",
    "loss_class_vjp",
    "loss_similarities",
    "loss_similarities_value_and_vjp",
    "loss_similarities_vjp",
    "loss_value_and_vjp",
    "loss_vjp",
]

WEIGHTS = ("detached", "full")
SCOPES = ("anchor", "batch")


def head(*, gamma: float = 256.0, margin: float = 0.25, weights: str = "detached") -> Head:
    """`loss_class` as a value, for `refengine.losses.sharded`; constants as there.

    The logits of the shards are rounded on the scale of gamma, from which `loss_class` keeps its differences.
    """
    _check(gamma, margin, weights)

    def target(xp: Any, c: Array, sine: Array) -> tuple[Any, Any, Any]:
        gap = xp.where(c > 0, sine * sine / (1 + xp.abs(c)), 1 - c)
        slope = margin + gap if weights == "detached" else 2 * gap
        return (margin + gap) * (margin - gap), slope * sine, slope

    def others(xp: Any, c: Array, own: Array, sine: Array) -> tuple[Any, Any]:
        alpha = c + margin
        slope = alpha if weights == "detached" else 2 * c
        return tuple(xp.where(alpha > 0, v, 0 * c) for v in (alpha * (c - margin), slope))

    return Head(gamma, target, name="circle", others=others)


def loss_similarities(
    s_p: Real, s_n: Real, *, gamma: float = 80.0, margin: float = 0.25, weights: str = "detached"
) -> Array:
    r"""Circle loss of the similarities to K positives and L negatives.

    .. math:: L = \log\Big[1 + \sum_{j=1}^L e^{\gamma \alpha_n^j (s_n^j - \Delta_n)}
                                \sum_{i=1}^K e^{-\gamma \alpha_p^i (s_p^i - \Delta_p)}\Big]

    s_p: (..., K), s_n: (..., L) with the same leading axes; result (...); float64 unless both are float32. gamma > 0,
    margin m >= 0: 0.25 with gamma 256 for faces, 0.25 and 128 for persons, 0.4 and 80 for retrieval. 0 where K or L is
    0. A row with a nan or an infinity is nan.
    Wrong shapes, options, gamma or margin out of range are a ValueError, values of a wrong kind a TypeError.
    Source: Sun et al. 2020, eq. 6.

    >>> s_p, s_n = np.array([0.75]), np.array([0.25, -0.5])  # on the margins, and without weight: all logits are 0
    >>> round(float(loss_similarities(s_p, s_n)), 15) == round(float(np.log(1 + 2)), 15)
    True
    """
    _check(gamma, margin, weights)
    xp, dtype, s, split, shape = as_rows(s_p, s_n)
    with np.errstate(all="ignore"):
        losses, _ = _rows(xp, s, 1 - s, 1 + s, split, ~split, gamma, margin, weights)
        return xp.astype(xp.reshape(losses, shape), dtype, copy=False)


def loss_similarities_vjp(
    g: Array, s_p: Real, s_n: Real, *, gamma: float = 80.0, margin: float = 0.25, weights: str = "detached"
) -> tuple[Array, Array]:
    r"""Cotangents of s_p and s_n.

    With h the logarithm of the double sum, sigma(h) the logistic function and :math:`q_i, r_j` the softmax of the
    positives' and of the negatives' logits:

    .. math:: \frac{\partial L}{\partial s_p^i} = -\gamma \, \sigma(h) \, q_i \, \alpha_p^i, \qquad
              \frac{\partial L}{\partial s_n^j} = \gamma \, \sigma(h) \, r_j \, \alpha_n^j

    with :math:`2 (1 - s_p)` and :math:`2 s_n` for the weights when these are "full". q falls with s_p: it is the
    softmax of minus the similarities.
    """
    return loss_similarities_value_and_vjp(g, s_p, s_n, gamma=gamma, margin=margin, weights=weights)[1]


def loss_similarities_value_and_vjp(
    g: Array, s_p: Real, s_n: Real, *, gamma: float = 80.0, margin: float = 0.25, weights: str = "detached"
) -> tuple[Array, tuple[Array, Array]]:
    """``loss_similarities`` and its vjp from the same exponentials."""
    _check(gamma, margin, weights)
    xp, dtype, s, split, shape = as_rows(s_p, s_n)
    with np.errstate(all="ignore"):
        losses, slopes = _rows(xp, s, 1 - s, 1 + s, split, ~split, gamma, margin, weights)
        return as_rows_vjp(xp, g, dtype, losses, slopes, np.shape(s_p)[-1], shape)


def loss(
    x: Real,
    labels: Labels,
    *,
    gamma: float = 80.0,
    margin: float = 0.25,
    weights: str = "detached",
    scope: str = "anchor",
    reduction: str = "mean",
) -> Array:
    r"""Circle loss of the cosines in a batch.

    .. math:: L_i = \log\Big[1 + \sum_{n: y_n \ne y_i} e^{\gamma \alpha_{in} (c_{in} - \Delta_n)}
                                   \sum_{p \ne i: y_p = y_i} e^{-\gamma \alpha_{ip} (c_{ip} - \Delta_p)}\Big]

    x: (N, D), D >= 1, labels: (N,) integers; float64 unless x is float32. ``scope="anchor"`` has one loss for each row:
    result (N,) for reduction "none", else (). A row without positives or without negatives has the loss 0: it counts
    for "mean", not for "valid_anchor" nor for "nonzero" (pytorch-metric-learning), which are 0 where no row is left;
    no rows: the mean is nan. ``scope="batch"`` pools the pairs i < j of the whole batch (TinyZeaMays' code) and has one
    loss, (1,) for "none". A row of zeros, a nan or an infinity makes everything nan. Errors as for `loss_similarities`.
    Source: Sun et al. 2020, eq. 6.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0: the logits are -80/16
    >>> value = loss(x, np.array([0, 0, 1]), reduction="none")
    >>> bool(np.allclose(value, [np.log1p(np.exp(-10)), np.log1p(np.exp(-10)), 0]))
    True
    """
    xp, dtype, x, y = _checked(x, labels, gamma, margin, weights, scope, reduction)
    with np.errstate(all="ignore"):
        losses, _, shares, _ = _batch(xp, x, y, gamma, margin, weights, scope, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    gamma: float = 80.0,
    margin: float = 0.25,
    weights: str = "detached",
    scope: str = "anchor",
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    The slopes G of `loss_similarities_vjp`, carried through the cosines of both rows of a pair:

    .. math:: \bar x_i = \frac{(I - \hat x_i \hat x_i^T) \sum_j (G_{ij} + G_{ji}) \hat x_j}{\|x_i\|}

    1 - c, which is the slope of "full" weights at a positive, is half of :math:`\|\hat x_i - \hat x_j\|^2`.
    """
    constants: dict[str, Any] = {"gamma": gamma, "margin": margin, "weights": weights, "scope": scope}
    return loss_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    gamma: float = 80.0,
    margin: float = 0.25,
    weights: str = "detached",
    scope: str = "anchor",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same cosines."""
    xp, dtype, x, y = _checked(x, labels, gamma, margin, weights, scope, reduction)
    with np.errstate(all="ignore"):
        losses, slopes, shares, to_x = _batch(xp, x, y, gamma, margin, weights, scope, reduction)
        g_pairs = xp.reshape(weighted(xp, g, shares, reduction)[:, None] * slopes, (x.shape[0], x.shape[0]))
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(cosines_vjp(xp, g_pairs, to_x), dtype, copy=False),)


def loss_class(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    gamma: float = 256.0,
    margin: float = 0.25,
    weights: str = "detached",
    reduction: str = "mean",
) -> Array:
    r"""Circle loss of the cosines with class vectors: one positive, the own class, and C - 1 negatives.

    .. math:: L_i = -\log \frac{e^{\gamma \alpha_p (c_{i y_i} - \Delta_p)}}
              {e^{\gamma \alpha_p (c_{i y_i} - \Delta_p)} + \sum_{j \ne y_i} e^{\gamma \alpha_n^j (c_{ij} - \Delta_n)}}

    x: (N, D), weight: (C, D), C >= 1, D >= 1, labels: (N,) integers below C; result (N,) for reduction "none", else ();
    float64 unless both are float32. gamma 256 and margin 0.25 are the paper's for faces. A vector of zeros is nan for
    its row, and for every row where it is a class. One class: exactly 0. No rows: the mean is nan, the sum 0.
    Errors as for `loss_similarities`. Source: Sun et al. 2020, eq. 6 with K = 1.

    >>> x, weight = np.array([[1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0
    >>> value = loss_class(x, weight, np.array([0]), gamma=80.0)
    >>> bool(np.isclose(value, np.log1p(np.exp(-10)), rtol=1e-13))
    True
    """
    xp, dtype, x, weight, y = _checked_class(x, weight, labels, gamma, margin, weights, reduction)
    with np.errstate(all="ignore"):
        losses, *_ = _class_rows(xp, x, weight, y, gamma, margin, weights)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_class_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    gamma: float = 256.0,
    margin: float = 0.25,
    weights: str = "detached",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    The slopes G of `loss_similarities_vjp`, carried through the cosines:

    .. math:: \bar x_i = \frac{(I - \hat x_i \hat x_i^T) \sum_j G_{ij} \hat w_j}{\|x_i\|}, \qquad
              \bar w_j = \frac{(I - \hat w_j \hat w_j^T) \sum_i G_{ij} \hat x_i}{\|w_j\|}
    """
    constants: dict[str, Any] = {"gamma": gamma, "margin": margin, "weights": weights, "reduction": reduction}
    return loss_class_value_and_vjp(g, x, weight, labels, **constants)[1]


def loss_class_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    gamma: float = 256.0,
    margin: float = 0.25,
    weights: str = "detached",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss_class`` and its vjp from the same cosines."""
    xp, dtype, x, weight, y = _checked_class(x, weight, labels, gamma, margin, weights, reduction)
    rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, slopes, (unit, *length), (unit_w, *length_w) = _class_rows(xp, x, weight, y, gamma, margin, weights)
        slopes = rows * slopes
        dx = across(xp, slopes @ unit_w, unit) / length[0] / length[1]
        dw = across(xp, slopes.T @ unit, unit_w) / length_w[0] / length_w[1]
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False))


def boundary_radius(margin: NonNegative) -> Array:
    r"""The radius of the decision boundary in the plane of the similarities.

    .. math:: s_n^2 + (1 - s_p)^2 = 2 m^2, \qquad r = \sqrt 2 \, m

    margin: broadcasts; float64 unless it is float32. The centre is :math:`(s_p, s_n) = (1, 0)`. It is the boundary for
    one positive and one negative, and a circle where :math:`s_n > -m` and :math:`s_p < 1 + m`, so that both weights are
    positive. A margin that is negative or infinite: nan. Source: Sun et al. 2020, eq. 9.

    >>> round(float(boundary_radius(0.25)), 12)
    0.353553390593
    """
    xp, dtype, m = elementwise(margin=margin)
    return result(xp, dtype, sqrt(2) * m, (m >= 0) & (m < inf))


def boundary_radius_vjp(g: Array, margin: NonNegative) -> tuple[Array]:
    r"""Cotangent of the margin: :math:`\sqrt 2 \, g`."""
    like = margin
    xp, dtype, g, m = elementwise(g=g, margin=margin)
    return cotangents(g, dtype, (m >= 0) & (m < inf), (sqrt(2) + 0 * m, like))


def _rows(
    xp: Any,
    s: Array,
    gap: Array,
    far: Array,
    positive: Array,
    negative: Array,
    gamma: float,
    margin: float,
    weights: str,
) -> tuple[Any, Any]:
    """Losses (N,) of similarities s, ``gap = 1 - s`` and ``far = 1 + s`` (N, M), and their derivatives (N, M).

    Both logits are gamma (u + m) (u - m), of u = 1 - s and of u = s, each held where its weight is 0. Two of them
    differ by gamma (u - v) (u + v), in which u - v comes from the distances to the nearer end, 1 or -1.
    """
    of_p, of_n = margin + gap, s + margin
    u_p, u_n = (xp.where(alpha > 0, u, xp.where(xp.isnan(u), u, -margin)) for alpha, u in ((of_p, gap), (of_n, s)))

    def above(u: Array, free: Array, sign: float) -> Any:
        """The map of `log_sum_exp`; ``free`` is u before it was held."""

        def at(first: Array, values: Array) -> Any:
            return xp.sum(xp.where(first, values, 0.0), axis=1, keepdims=True)

        def less(first: Array) -> Any:
            v = at(first, u)
            near = sign * xp.where(s + at(first, s) > 0, at(first, gap) - gap, far - at(first, far))
            held = (u != free) | (v != at(first, free))
            return gamma * xp.where(held, u - v, near) * (u + v)

        return less

    z_p, z_n = (gamma * (u + margin) * (u - margin) for u in (u_p, u_n))
    losses, to_p, to_n = pair_rows(xp, z_p, positive, z_n, negative, above(u_p, gap, -1.0), above(u_n, s, 1.0))
    if weights == "full":
        alpha_p, alpha_n = xp.where(of_p > 0, 2 * gap, 0.0 * of_p), xp.where(of_n > 0, 2 * s, 0.0 * of_n)
    else:
        alpha_p, alpha_n = (xp.where(alpha > 0, alpha, 0.0 * alpha) for alpha in (of_p, of_n))
    slopes = xp.where(positive, -gamma * to_p * alpha_p, 0.0) + xp.where(negative, gamma * to_n * alpha_n, 0.0)
    return losses, slopes


def _batch(
    xp: Any, x: Array, y: Array, gamma: float, margin: float, weights: str, scope: str, reduction: str
) -> tuple[Any, Any, Any, Any]:
    """Losses and their derivatives by row, a row being an anchor or the whole batch; shares; directions of x."""
    masks = kinds(xp, y)
    c, to_x = cosines(xp, x)
    apart, along = (to_x[0][:, None, :] + sign * to_x[0][None, :, :] for sign in (-1.0, 1.0))
    parts: Any = c, *(xp.sum(v * v, axis=2) / 2 for v in (apart, along)), *masks
    if scope == "batch":
        below = xp.arange(x.shape[0])[:, None] < xp.arange(x.shape[0])[None, :]
        parts = *parts[:3], *(mask & below for mask in masks)
        parts = tuple(xp.reshape(part, (1, x.shape[0] ** 2)) for part in parts)
    s, gap, far, positive, negative = parts
    losses, slopes = _rows(xp, s, gap, far, positive, negative, gamma, margin, weights)
    return losses, slopes, anchor_shares(xp, losses, valid_anchors(xp, positive, negative), reduction), to_x


def _class_rows(
    xp: Any, x: Array, weight: Array, y: Array, gamma: float, margin: float, weights: str
) -> tuple[Any, Any, Any, Any]:
    to_x, to_w, hot = direction(xp, x), direction(xp, weight), one_hot(xp, y, weight.shape[0])
    c = xp.clip(to_x[0] @ to_w[0].T, -1.0, 1.0)
    apart = to_x[0] - xp.take(to_w[0], y, axis=0)
    gap = xp.where(hot, xp.sum(apart * apart, axis=1, keepdims=True) / 2, 1 - c)
    bad = xp.any(xp.isnan(c), axis=1, keepdims=True)
    c, gap = xp.where(bad, xp.nan, c), xp.where(bad, xp.nan, gap)
    return *_rows(xp, c, gap, 1 + c, hot, ~hot, gamma, margin, weights), to_x, to_w


def _check(gamma: float, margin: float, weights: str) -> None:
    check_option("weights", weights, WEIGHTS)
    if not 0 < check_number("gamma", gamma) < inf:
        raise ValueError(f"gamma must be positive and finite, got {gamma!r}")
    if not 0 <= check_number("margin", margin) < inf:
        raise ValueError(f"margin must be at least 0 and finite, got {margin!r}")


def _checked(
    x: Array, labels: Array, gamma: float, margin: float, weights: str, scope: str, reduction: str
) -> tuple[Any, Any, Any, Any]:
    _check(gamma, margin, weights)
    check_option("scope", scope, SCOPES)
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    return checked_batch(x, labels)


def _checked_class(
    x: Array, weight: Array, labels: Array, gamma: float, margin: float, weights: str, reduction: str
) -> tuple[Any, Any, Any, Any, Any]:
    _check(gamma, margin, weights)
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (C, D) with C >= 1, got {tuple(weight.shape)}")
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y
