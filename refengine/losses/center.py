r"""Center loss: every row is drawn to the center of its class, and the centers follow the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_labels, check_number, check_option, check_shape, check_switch, promote
from refengine.domains import Array, Labels, Real
from refengine.losses._rows import REDUCTIONS, check_rows_and_classes, one_hot, reduce, spread

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp", "update", "update_value_and_vjp", "update_vjp"]

RULES = ("paper", "autograd", "ema")


def loss(x: Real, centers: Real, labels: Labels, *, half_factor: bool = True, reduction: str = "sum") -> Array:
    r"""Squared distances of the rows from the centers of their classes.

    .. math:: L = \frac12 \sum_i \|x_i - c_{y_i}\|^2

    x: (N, D), centers: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. The paper's loss is this sum, added to a softmax loss with the weight 0.003.
    Other texts have :math:`\frac{1}{2N} \sum_i` (reduction "mean") or :math:`\frac1N \sum_i` (half_factor=False too,
    as KaiyangZhou's code). No rows: the mean is nan, the sum 0. A row with a nan is nan.
    Wrong shapes, labels or reductions are a ValueError, values of a wrong kind a TypeError.
    Source: Wen et al. 2016, eq. 2.

    >>> x, centers = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[0.0, 0.0], [0.0, 3.0]])
    >>> float(loss(x, centers, np.array([0, 1])))
    4.5
    """
    xp, dtype, x, centers, y = _checked(x, centers, labels)
    _check_loss(half_factor, reduction)
    with np.errstate(all="ignore"):
        apart = _apart(xp, x, centers, y)
        losses = xp.sum(apart * apart, axis=1) * (0.5 if half_factor else 1.0)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_vjp(
    g: Array, x: Real, centers: Real, labels: Labels, *, half_factor: bool = True, reduction: str = "sum"
) -> tuple[Array, Array]:
    r"""Cotangents of x and centers.

    .. math:: \frac{\partial L}{\partial x_i} = x_i - c_{y_i}, \qquad
              \frac{\partial L}{\partial c_j} = \sum_i [y_i = j] (c_j - x_i)

    Each row has its own difference: a sum over the batch, as some notes write, is the derivative of nothing. The
    centers' cotangent is that of the formula; the paper moves them by `update`, which divides by 1 plus the count.
    """
    return loss_value_and_vjp(g, x, centers, labels, half_factor=half_factor, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, x: Real, centers: Real, labels: Labels, *, half_factor: bool = True, reduction: str = "sum"
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same differences."""
    xp, dtype, x, centers, y = _checked(x, centers, labels)
    _check_loss(half_factor, reduction)
    rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        apart = _apart(xp, x, centers, y)
        losses = xp.sum(apart * apart, axis=1) * (0.5 if half_factor else 1.0)
        dx = rows * apart * (1.0 if half_factor else 2.0)
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        dcenters = -_by_class(xp, dx, y, centers.shape[0])
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(dcenters, dtype, copy=False))


def update(x: Real, centers: Real, labels: Labels, *, alpha: float = 0.5, rule: str = "paper") -> Array:
    r"""The centers after one batch.

    .. math:: c_j' = c_j - \alpha \, \frac{\sum_i [y_i = j] (c_j - x_i)}{1 + \sum_i [y_i = j]}

    x: (N, D), centers: (C, D), D >= 1, labels: (N,) integers below C; result (C, D), float64 unless both are float32.
    The 1 keeps a class without rows where it is. ``rule="autograd"`` leaves the denominator out, which is a step of
    gradient descent on the sum of `loss` (facenet's centers with its alfa = 1 - alpha); ``rule="ema"`` divides by the
    number of rows alone, :math:`(1 - \alpha) c_j + \alpha \bar x_j`, and a class without rows stays. alpha is real.
    Some notes write :math:`\frac{\alpha}{m} \sum_i (x_i - y_i)` for the step: label for center, every row for every
    class, and no count.
    Wrong shapes, labels or rules are a ValueError, values of a wrong kind a TypeError.
    Source: Wen et al. 2016, eq. 4 and algorithm 1.

    >>> update(np.array([[4.0], [2.0]]), np.array([[0.0], [7.0]]), np.array([0, 0])).tolist()
    [[1.0], [7.0]]
    """
    xp, dtype, x, centers, y = _checked(x, centers, labels)
    _check_update(alpha, rule)
    with np.errstate(all="ignore"):
        apart = _by_class(xp, xp.take(centers, y, axis=0) - x, y, centers.shape[0])
        return xp.astype(centers - alpha * apart / _counts(xp, y, centers.shape[0], rule), dtype, copy=False)


def update_vjp(
    g: Array, x: Real, centers: Real, labels: Labels, *, alpha: float = 0.5, rule: str = "paper"
) -> tuple[Array, Array]:
    r"""Cotangents of x and centers; the rule is linear in both.

    With :math:`n_j` rows of class j and its denominator :math:`q_j`, which is :math:`1 + n_j`, 1 or :math:`n_j`:

    .. math:: \bar x_i = \frac{\alpha}{q_{y_i}} \, g_{y_i}, \qquad
              \bar c_j = \Big(1 - \frac{\alpha \, n_j}{q_j}\Big) g_j
    """
    xp, dtype, x, centers, y = _checked(x, centers, labels)
    _check_update(alpha, rule)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("C", "D"), C=centers.shape[0], D=centers.shape[1])
    with np.errstate(all="ignore"):
        counts = _counts(xp, y, centers.shape[0], rule)
        present = _counts(xp, y, centers.shape[0], "paper") - 1
        dx = xp.take(alpha * g / counts, y, axis=0)
        # 1 - alpha n / q, without a difference of rounded numbers
        kept = ((counts - present) + (1 - alpha) * present) / counts if rule != "autograd" else 1 - alpha * present
        return xp.astype(dx, dtype, copy=False), xp.astype(kept * g, dtype, copy=False)


def update_value_and_vjp(
    g: Array, x: Real, centers: Real, labels: Labels, *, alpha: float = 0.5, rule: str = "paper"
) -> tuple[Array, tuple[Array, Array]]:
    """``update`` and its vjp."""
    constants: dict[str, Any] = {"alpha": alpha, "rule": rule}
    return update(x, centers, labels, **constants), update_vjp(g, x, centers, labels, **constants)


def _apart(xp: Any, x: Array, centers: Array, y: Array) -> Any:
    """Every row less its center; nan in all components where it is in one."""
    apart = x - xp.take(centers, y, axis=0)
    return xp.where(xp.any(xp.isnan(apart), axis=1, keepdims=True), xp.nan, apart)


def _by_class(xp: Any, rows: Array, y: Array, classes: int) -> Any:
    """The sum of the rows of each class; only those enter it, as another class's nan would stay a nan times 0."""
    hot = one_hot(xp, y, classes)
    return xp.sum(xp.where(hot[:, :, None], rows[:, None, :], 0.0), axis=0)


def _counts(xp: Any, y: Array, classes: int, rule: str) -> Any:
    """The denominator of each class (C, 1)."""
    counts = xp.sum(xp.astype(one_hot(xp, y, classes), xp.float64), axis=0)[:, None]
    return {"paper": 1 + counts, "autograd": 1 + 0 * counts, "ema": xp.where(counts == 0, 1.0, counts)}[rule]


def _check_loss(half_factor: bool, reduction: str) -> None:
    check_switch("half_factor", half_factor)
    check_option("reduction", reduction, REDUCTIONS)


def _check_update(alpha: float, rule: str) -> None:
    check_option("rule", rule, RULES)
    check_number("alpha", alpha)


def _checked(x: Array, centers: Array, labels: Array) -> tuple[Any, Any, Any, Any, Any]:
    xp, dtype, x, centers = promote(x=x, centers=centers)
    check_rows_and_classes(x, centers, "centers")
    y = check_labels("labels", labels, x.shape[0], centers.shape[0])
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(centers, xp.float64, copy=False), y
