r"""NormFace: softmax on scaled cosines, and metric losses between rows and the agents of classes."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any

import numpy as np

from refengine._arrays import as_float64, check_shape, elementwise, promote
from refengine.distributions._counts import cotangents, finite, result
from refengine.domains import Array, Integers, Labels, NonNegative, Positive, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, check_range, check_scale
from refengine.losses._rows import direction, label_entropy, one_hot, reduce, spread, tangent
from refengine.losses.cosine import similarity, similarity_vjp

__all__ = [
    "agent_contrastive",
    "agent_contrastive_value_and_vjp",
    "agent_contrastive_vjp",
    "agent_triplet",
    "agent_triplet_value_and_vjp",
    "agent_triplet_vjp",
    "head",
    "logits",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
    "lower_bound",
    "lower_bound_vjp",
]

Classes = Annotated[Array, Integers(2)]


def head(*, scale: float) -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`."""
    return Head(check_scale(scale), _heads.plain, name="normface")


def logits(cosine: Cosine, labels: Labels, scale: Positive) -> Array:
    r"""Scaled cosines.

    .. math:: z_{ij} = s \, c_{ij}

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, which make no difference here; scale: one number s > 0,
    fixed or learnt; result (N, C), float64 unless every floating array is float32. A cosine outside [-1, 1] gives nan,
    a scale that is not positive and finite gives nan everywhere. Wrong shapes or labels are a ValueError, values that
    are not real numbers a TypeError. Source: Wang et al. 2017 (NormFace), section 3.

    >>> logits(np.array([[0.5, -0.25]]), np.array([0]), 4.0).tolist()
    [[2.0, -1.0]]
    """
    xp, dtype, c, s = _checked_cosine(cosine, labels, scale)
    with np.errstate(all="ignore"):
        return xp.astype(s * c, dtype, copy=False)


def logits_vjp(g: Array, cosine: Cosine, labels: Labels, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of cosine and scale: :math:`s g` and :math:`\sum_{ij} g_{ij} c_{ij}`."""
    xp, dtype, c, s = _checked_cosine(cosine, labels, scale)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    with np.errstate(all="ignore"):
        slope = xp.sum(g * c) + 0 * s
        return xp.astype(s * g + 0 * c, dtype, copy=False), xp.astype(slope, dtype, copy=False)


def loss(x: Real, weight: Real, labels: Labels, scale: Positive, *, reduction: str = "mean") -> Array:
    r"""Softmax cross-entropy of scaled cosines: every margin head without its margin.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s \cos\theta_{i y_i}}}{\sum_j e^{s \cos \theta_{ij}}}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C, scale: one number s > 0, fixed or learnt; result:
    (N,) for reduction "none", else (); float64 unless every floating array is float32. A vector of zeros has no
    direction: nan for its row, and for every row where it is a class; a scale that is not positive and finite: nan.
    One class: exactly 0. No rows: the mean is nan, the sum 0. Wrong shapes, labels or reductions are a ValueError,
    values of a wrong kind a TypeError. Also known as NSL, and as COCO with one centre a class.
    Source: Wang et al. 2017 (NormFace), section 3.

    >>> round(float(loss(np.array([[3.0, 0.0]]), np.eye(2), np.array([0]), 2.0)), 12)
    0.126928011043
    >>> round(float(np.log1p(np.exp(-2.0))), 12)
    0.126928011043
    """
    x, weight, s = _checked_rows(x, weight, scale)
    return _heads.loss(x, weight, labels, s, _heads.plain, reduction)


def loss_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, scale: Positive, *, reduction: str = "mean"
) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, weight and scale.

    With p the softmax, :math:`\partial L / \partial c_{ij} = s (p_{ij} - [j = y_i])`, from there on as in
    `refengine.losses.cosine.similarity`, and

    .. math:: \frac{\partial L_i}{\partial s} = \sum_j (p_{ij} - [j = y_i]) c_{ij}
              = \sum_{j \ne y_i} p_{ij} (c_{ij} - c_{i y_i})
    """
    return loss_value_and_vjp(g, x, weight, labels, scale, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, scale: Positive, *, reduction: str = "mean"
) -> tuple[Array, tuple[Array, Array, Array]]:
    """``loss`` and its vjp."""
    x, weight, s = _checked_rows(x, weight, scale)
    value, (dx, dw) = _heads.loss_value_and_vjp(g, x, weight, labels, s, _heads.plain, reduction)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        c, hot = similarity(x, weight), one_hot(xp, y, weight.shape[0])
        _, slopes = label_entropy(xp, c, hot, s)
        own = xp.sum(xp.where(hot, c, 0.0), axis=1, keepdims=True)
        ds = xp.sum(spread(xp, g, x.shape[0], reduction)[:, None] * slopes * (c - own)) + 0 * s
    return value, (dx, dw, xp.astype(ds, dtype, copy=False))


def agent_contrastive(x: Real, weight: Real, labels: Labels, *, margin: float = 1.0, reduction: str = "mean") -> Array:
    r"""Contrastive loss of every row with the agents of all classes, all of them normalised.

    .. math:: L_i = \|\hat x_i - \hat w_{y_i}\|^2 + \sum_{j \ne y_i} \max(0, m - \|\hat x_i - \hat w_j\|^2)

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. Margin m from 0 to 4, the largest squared distance. Where a hinge is exactly 0, so
    is its gradient. A vector of zeros has no direction: nan for its row, and for every row where it is a class. No
    rows: the mean is nan, the sum 0. Wrong shapes, labels, or constants out of range are a ValueError, values of a
    wrong kind a TypeError. Source: Wang et al. 2017
    (NormFace), section 3, on metric learning.

    >>> x = np.array([[2.0, 0.0]])  # squared distances: 0.8 to its class, 2 to the other
    >>> round(float(agent_contrastive(x, np.array([[0.6, 0.8], [0.0, 1.0]]), np.array([0]), margin=2.5)), 12)
    1.3
    """
    return _agents(None, x, weight, labels, margin, reduction, triplet=False)[0]


def agent_contrastive_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, margin: float = 1.0, reduction: str = "mean"
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    .. math:: \|\hat x - \hat w\|^2 = 2 - 2 c, \qquad \frac{\partial L_i}{\partial c_{i y_i}} = -2, \qquad
              \frac{\partial L_i}{\partial c_{ij}} = 2 \, [m - 2 + 2 c_{ij} > 0]

    and from there on as in `refengine.losses.cosine.similarity`.
    """
    return agent_contrastive_value_and_vjp(g, x, weight, labels, margin=margin, reduction=reduction)[1]


def agent_contrastive_value_and_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, margin: float = 1.0, reduction: str = "mean"
) -> tuple[Array, tuple[Array, Array]]:
    """``agent_contrastive`` and its vjp."""
    return _agents(g, x, weight, labels, margin, reduction, triplet=False)


def agent_triplet(x: Real, weight: Real, labels: Labels, *, margin: float = 0.8, reduction: str = "mean") -> Array:
    r"""Triplet loss of every row with the agent of its class and those of all others, all of them normalised.

    .. math:: L_i = \sum_{j \ne y_i} \max(0, m + \|\hat x_i - \hat w_{y_i}\|^2 - \|\hat x_i - \hat w_j\|^2)

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    everything else as in `agent_contrastive`. One class: 0. Source: Wang et al. 2017
    (NormFace), section 3, on metric learning.

    >>> x = np.array([[2.0, 0.0]])  # squared distances: 0.8 to its class, 2 to the other
    >>> round(float(agent_triplet(x, np.array([[0.6, 0.8], [0.0, 1.0]]), np.array([0]), margin=2.5)), 12)
    1.3
    """
    return _agents(None, x, weight, labels, margin, reduction, triplet=True)[0]


def agent_triplet_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, margin: float = 0.8, reduction: str = "mean"
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight: 2 for the cosine of each active hinge, and -2 of each for the label's.

    .. math:: \frac{\partial L_i}{\partial c_{ij}} = 2 \, [m + 2 c_{ij} - 2 c_{i y_i} > 0], \qquad
              \frac{\partial L_i}{\partial c_{i y_i}} = -\sum_{j \ne y_i} \frac{\partial L_i}{\partial c_{ij}}
    """
    return agent_triplet_value_and_vjp(g, x, weight, labels, margin=margin, reduction=reduction)[1]


def agent_triplet_value_and_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, margin: float = 0.8, reduction: str = "mean"
) -> tuple[Array, tuple[Array, Array]]:
    """``agent_triplet`` and its vjp."""
    return _agents(g, x, weight, labels, margin, reduction, triplet=True)


def lower_bound(classes: Classes, scale: NonNegative) -> Array:
    r"""The least loss that any rows and class vectors can have at this scale.

    .. math:: L \ge \log(1 + (C - 1) e^{-s C / (C - 1)})

    classes, scale: broadcast together; s is the scale of `loss`, the square of the length of both vectors in the paper;
    float64 unless scale is a float32 array. Balanced classes attain it where every row is its class's vector and these
    are the corners of a regular simplex, which needs C <= D + 1. Fewer than 2 classes, a number that is not whole, a
    negative or infinite scale: nan. Source: Wang et al. 2017 (NormFace), section 3, which has l^2 for s.

    >>> round(float(lower_bound(2, 1.0)), 12)  # log(1 + e^-2)
    0.126928011043
    """
    xp, dtype, n, s = elementwise(classes=classes, scale=scale)
    with np.errstate(all="ignore"):
        return result(xp, dtype, xp.log1p((n - 1) * xp.exp(-s * (n / (n - 1)))), _good(xp, n, s))


def lower_bound_vjp(g: Array, classes: Classes, scale: NonNegative) -> tuple[Array]:
    r"""Cotangent of the scale.

    .. math:: \frac{dL}{ds} = -\frac{C e^{-s C / (C - 1)}}{1 + (C - 1) e^{-s C / (C - 1)}}
    """
    like = scale
    xp, dtype, g, n, s = elementwise(g=g, classes=classes, scale=scale)
    with np.errstate(all="ignore"):
        e = xp.exp(-s * (n / (n - 1)))
        return cotangents(g, dtype, _good(xp, n, s), (-n * e / (1 + (n - 1) * e), like))


def _good(xp: Any, n: Array, s: Array) -> Any:
    return finite(xp, n) & (n >= 2) & (s >= 0) & (s < inf)


def _agents(
    g: Array | None, x: Array, weight: Array, labels: Array, margin: float, reduction: str, triplet: bool
) -> tuple[Any, Any]:
    """The two losses with agents, and their cotangents where g is given."""
    check_range("margin", margin, 0, 4)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        hot, c = one_hot(xp, y, weight.shape[0]), similarity(x, weight)
        c = c + 0 * xp.sum(c, axis=1, keepdims=True)  # nan in one class is nan in the row
        sine, _ = tangent(xp, direction(xp, x)[0], xp.take(direction(xp, weight)[0], y, axis=0))
        own = xp.sum(xp.where(hot, c, 0.0), axis=1)
        near = xp.where(own > 0, 2 * sine * sine / (1 + xp.abs(own)), 2 - 2 * own)[:, None]  # no digit lost near 0
        hinge = margin + (near if triplet else 0.0) - 2 + 2 * c
        active = (hinge > 0) & ~hot
        losses = xp.sum(xp.where(active, hinge, 0.0) + 0 * c, axis=1) + (0.0 if triplet else near[:, 0])
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        if g is None:
            return value, ()
        rows = spread(xp, g, x.shape[0], reduction)[:, None]
        pushed = xp.where(active, 2.0 + 0 * c, 0 * c)
        pulled = xp.sum(pushed, axis=1, keepdims=True) if triplet else 2.0 + 0 * near
        dx, dw = similarity_vjp(rows * xp.where(hot, -pulled, pushed), x, weight)
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False))


def _usable(xp: Any, scale: Array) -> Any:
    check_shape("scale", scale, ())
    scale = xp.astype(scale, xp.float64, copy=False)
    return xp.where((scale > 0) & (scale < inf), scale, xp.nan)


def _checked_cosine(cosine: Array, labels: Array, scale: Array) -> tuple[Any, Any, Any, Any]:
    xp, dtype, cosine, scale = promote(cosine=cosine, scale=scale)
    return xp, dtype, _heads.checked_cosine(cosine, labels)[2], _usable(xp, scale)


def _checked_rows(x: Array, weight: Array, scale: Array) -> tuple[Any, Any, Any]:
    xp, _, x, weight, scale = promote(x=x, weight=weight, scale=scale)
    return x, weight, _usable(xp, scale)
