r"""P2SGrad as a loss: the squared distance of the cosines from the one-hot label."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._rows import direction, one_hot, reduce, spread, tangent
from refengine.losses.cosine import similarity, similarity_vjp

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

CLASS_REDUCTIONS = ("sum", "mean")


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    class_reduction: str = "sum",
    half_factor: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Sum of squares of the cosines, less 1 for the label's.

    .. math:: L = \frac{1}{N} \sum_i \sum_j (\cos \theta_{ij} - [j = y_i])^2

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. The paper gives a gradient and no loss: it is that of ``half_factor=True``, half
    of this. ``class_reduction="mean"`` divides by C, as the mean square error of pytorch-metric-learning does, where
    its documentation has the sum. A vector of zeros has no direction: nan for its row, and for every row where it is a
    class. No rows: the mean is nan, the sum 0. Wrong shapes, labels or options are a ValueError; values of a wrong
    kind a TypeError. Source: Zhang et al. 2019 (P2SGrad), eq. 11, whose primitive this is.

    >>> import numpy as np
    >>> float(loss(np.array([[3.0, 4.0]]), np.eye(2), np.array([1])).round(12))  # 0.6^2 + (0.8 - 1)^2
    0.4
    """
    return _loss(None, x, weight, labels, class_reduction, half_factor, reduction)[0]


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    class_reduction: str = "sum",
    half_factor: bool = False,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    .. math:: \frac{\partial L_i}{\partial c_{ij}} = 2 (c_{ij} - [j = y_i])

    (without the 2 in the paper), and from there on as in `refengine.losses.cosine.similarity`. For the label
    :math:`1 - c = \sin^2\theta / (1 + c)`, which does not cancel.
    """
    constants: dict[str, Any] = {"class_reduction": class_reduction, "half_factor": half_factor}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    class_reduction: str = "sum",
    half_factor: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    return _loss(g, x, weight, labels, class_reduction, half_factor, reduction)


def _loss(
    g: Array | None,
    x: Array,
    weight: Array,
    labels: Array,
    class_reduction: str,
    half_factor: bool,
    reduction: str,
) -> tuple[Any, Any]:
    """The loss, and the cotangents where g is given."""
    check_option("class_reduction", class_reduction, CLASS_REDUCTIONS)
    check_switch("half_factor", half_factor)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    factor = (0.5 if half_factor else 1.0) / (weight.shape[0] if class_reduction == "mean" else 1)
    with np.errstate(all="ignore"):
        hot, c = one_hot(xp, y, weight.shape[0]), similarity(x, weight)
        c = c + 0 * xp.sum(c, axis=1, keepdims=True)  # nan in one class is nan in the row
        sine, _ = tangent(xp, direction(xp, x)[0], xp.take(direction(xp, weight)[0], y, axis=0))
        own = xp.sum(xp.where(hot, c, 0.0), axis=1)
        gap = xp.where(own > 0, sine * sine / (1 + xp.abs(own)), 1 - own)[:, None]
        off = xp.where(hot, -gap, c)
        value = xp.astype(reduce(xp, factor * xp.sum(off * off, axis=1), reduction), dtype, copy=False)
        if g is None:
            return value, ()
        rows = spread(xp, g, x.shape[0], reduction)[:, None]
        dx, dw = similarity_vjp(2 * factor * rows * off, x, weight)
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False))
