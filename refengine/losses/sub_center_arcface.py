r"""Sub-center ArcFace: every class has several vectors, and a row meets the nearest of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_labels, check_option, check_shape, namespace, promote
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, Others
from refengine.losses._rows import REDUCTIONS, direction, one_hot
from refengine.losses.arcface import target_of

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]


def head(*, scale: float = 64.0, margin: float = 0.5, boundary: str = "none", gradient: str = "exact") -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`.

    The weight is (C, K, D) there too: all sub-centers of a class lie in one shard, and so does their maximum.
    """
    target = target_of(scale, margin, boundary, gradient)

    def bind(xp: Any, x: Array, weight: Array, y: Array) -> tuple[Head, Any, Any]:
        flat, y, others = _flat(xp, x, weight, y)
        return Head(scale, target, name="sub_center_arcface", others=others), flat, y

    return Head(scale, target, name="sub_center_arcface", bind=bind, sub_centers=True)


def logits(
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
) -> Array:
    r"""ArcFace's logits of the largest cosine of each class.

    .. math:: c_{ij} = \max_k c_{ijk}, \qquad z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad
              z_{i y_i} = s \cos(\arccos c_{i y_i} + m)

    cosine: (N, C, K) in [-1, 1], with K >= 1 sub-centers a class, labels: (N,) integers below C; result (N, C), float64
    unless cosine is float32. A class with a cosine outside [-1, 1] gives nan. scale, margin, boundary, gradient: as in
    `refengine.losses.arcface.logits`, and so are the errors. Source: Deng et al. 2020 (sub-center ArcFace), section 3.

    >>> import numpy as np
    >>> c = np.array([[[0.0, -0.5], [0.25, 0.5]]])
    >>> logits(c, np.array([0]), scale=2.0, margin=np.pi / 6).round(15).tolist()
    [[-1.0, 1.0]]
    """
    target = target_of(scale, margin, boundary, gradient)
    xp, c, chosen = _nearest(cosine)
    return _heads.logits(xp.sum(xp.where(chosen, c, 0.0), axis=2), labels, scale, target)


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
) -> tuple[Array]:
    r"""Cotangent of cosine: that of `refengine.losses.arcface.logits_vjp` at the largest of each class, else 0.

    Of equal cosines the one with the lowest index takes it all: :math:`\partial c_{ij} / \partial c_{ijk} = [k = k^*]`
    with :math:`k^* = \min \operatorname{argmax}_k c_{ijk}`. JAX and TensorFlow share it among them.
    """
    return logits_value_and_vjp(g, cosine, labels, scale=scale, margin=margin, boundary=boundary, gradient=gradient)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    target = target_of(scale, margin, boundary, gradient)
    xp, c, chosen = _nearest(cosine)
    nearest = xp.sum(xp.where(chosen, c, 0.0), axis=2)
    value, (dc,) = _heads.logits_value_and_vjp(g, nearest, labels, scale, target)
    return value, (xp.where(chosen | xp.isnan(c), dc[:, :, None], xp.zeros_like(c)),)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the sub-centers.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s \cos(\theta_{i y_i} + m)}}
              {e^{s \cos(\theta_{i y_i} + m)} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}, \qquad
              \theta_{ij} = \arccos \max_k \hat w_{jk} \cdot \hat x_i

    x: (N, D), weight: (C, K, D), with K >= 1 sub-centers a class, D >= 1, labels: (N,) integers below C; result: (N,)
    for reduction "none", else (); float64 unless both are float32. A vector of zeros has no direction: nan for its row,
    and for every row where it is a sub-center. One class: exactly 0. No rows: the mean is nan, the sum 0. K = 1 is
    `refengine.losses.arcface`, whose constants and errors these are. To drop the sub-centers that are not dominant,
    or rows more than 75 degrees from the dominant one, as the paper does after a while, leave them out beforehand.
    Source: Deng et al. 2020 (sub-center ArcFace), section 3.

    >>> import numpy as np
    >>> w = np.array([[[0.0, -1.0], [1.0, 0.0]], [[-1.0, 0.0], [0.0, 1.0]]])  # the second ones are near
    >>> round(float(loss(np.array([[1.0, 1.0]]), w, np.array([0]), scale=np.sqrt(2), margin=np.pi / 4)), 12)
    1.313261687518
    >>> round(float(np.log1p(np.e)), 12)
    1.313261687518
    """
    target = target_of(scale, margin, boundary, gradient)
    flat, y, others, _ = _flattened(x, weight, labels, reduction)
    return _heads.loss(x, flat, y, scale, target, reduction, others=others)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight: those of `refengine.losses.arcface.loss_vjp` for the nearest sub-centers.

    :math:`\partial c_{ij} / \partial w_{jk} = 0` for the others. Of sub-centers with equal cosines, as duplicates have,
    the one with the lowest index counts as the nearest; the order is that of the rounded cosines.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "boundary": boundary, "gradient": gradient}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    target = target_of(scale, margin, boundary, gradient)
    flat, y, others, shape = _flattened(x, weight, labels, reduction)
    value, (dx, dw) = _heads.loss_value_and_vjp(g, x, flat, y, scale, target, reduction, others=others)
    return value, (dx, namespace(dw).reshape(dw, shape))


def _largest(xp: Any, c: Array) -> Any:
    """Booleans (N, C, K): the largest of each class, the first of equal ones."""
    k = c.shape[2]
    flat = xp.reshape(c, (-1, k))
    return xp.reshape(one_hot(xp, xp.argmax(flat, axis=1), k), c.shape)


def _nearest(cosine: Array) -> tuple[Any, Any, Any]:
    """``xp, cosine, chosen``: a class with a cosine out of range is nan in all of them."""
    xp, _, c = promote(cosine=cosine)
    _check_sub_centers("cosine", c, ("N", "C", "K"))
    c = xp.where(xp.abs(c) <= 1, c, xp.nan)
    with np.errstate(all="ignore"):
        c = c + 0 * xp.sum(c, axis=2, keepdims=True)
    return xp, c, _largest(xp, c)


def _flattened(x: Array, weight: Array, labels: Array, reduction: str) -> tuple[Any, Any, Any, Any]:
    """The sub-centers as classes (C K, D), the label's nearest, the function that keeps the nearest, the shape."""
    check_option("reduction", reduction, REDUCTIONS)
    xp, _, x, weight = promote(x=x, weight=weight)
    check_shape("x", x, ("N", "D"))
    _check_sub_centers("weight", weight, ("C", "K", "D"), D=x.shape[1])
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    _, y, others = _flat(xp, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y)
    return xp.reshape(weight, (-1, x.shape[1])), y, others, weight.shape


def _flat(xp: Any, x: Array, weight: Array, y: Array) -> tuple[Any, Any, Others]:
    """The sub-centers as classes (C K, D), the nearest of the label's, the function that keeps the nearest.

    Parallel sub-centers have equal directions but, in a matrix product, not always equal cosines: the first takes all.
    """
    classes, k, d = weight.shape
    with np.errstate(all="ignore"):
        unit = direction(xp, weight)[0]
        c = xp.clip(direction(xp, x)[0] @ xp.reshape(unit, (classes * k, d)).T, -1.0, 1.0)
        chosen = _largest(xp, xp.reshape(c, (-1, classes, k)))
        columns = [chosen[:, :, i] for i in range(k)]
        for i in range(k):
            for first in range(i):
                twin = columns[i] & xp.all(unit[:, i, :] == unit[:, first, :], axis=1)[None, :]
                columns[first], columns[i] = columns[first] | twin, columns[i] & ~twin
        chosen = xp.stack(columns, axis=2)
    own = xp.any(chosen & one_hot(xp, y, classes)[:, :, None], axis=1)
    kept = xp.reshape(chosen, c.shape)

    def others(xp: Any, c: Array, own: Array, sine: Array) -> tuple[Any, Any]:
        return xp.where(kept, c, 0 * c - xp.inf), 1.0

    nearest = xp.argmax(xp.astype(own, xp.int64), axis=1)
    return xp.reshape(weight, (classes * k, d)), y * k + nearest, others


def _check_sub_centers(name: str, array: Array, axes: tuple[str, ...], **sizes: int) -> None:
    check_shape(name, array, axes, **sizes)
    if 0 in array.shape[1:]:
        raise ValueError(f"{name} must have at least one of {', '.join(axes[1:])}, got shape {tuple(array.shape)}")
