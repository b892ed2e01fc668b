"""What the losses share: reductions over rows, directions of row vectors, cross-entropy without cancellation.

Everything here is float64; a loss rounds its results to the dtype of its inputs.
"""

from __future__ import annotations

from typing import Any

from refengine._arrays import as_float64, check_shape
from refengine.domains import Array

REDUCTIONS = ("none", "sum", "mean")


def reduce(xp: Any, losses: Array, reduction: str) -> Array:
    """The losses of the rows (N,), their sum, or their mean, which is nan where there are no rows."""
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    return total if reduction == "sum" else total / losses.shape[0] if losses.shape[0] else total + xp.nan


def spread(xp: Any, g: Array, rows: int, reduction: str) -> Array:
    """The cotangent of each row's loss, the transpose of `reduce`."""
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N",) if reduction == "none" else (), N=rows)
    return g if reduction == "none" else xp.broadcast_to(g / max(rows, 1) if reduction == "mean" else g, (rows,))


def check_rows_and_classes(x: Array, weight: Array, name: str = "weight") -> None:
    """ValueError unless x is (N, D) and weight (C, D), with D >= 1."""
    check_shape("x", x, ("N", "D"))
    check_shape(name, weight, ("C", "D"), D=x.shape[1])
    if x.shape[1] == 0:
        raise ValueError(f"x must have shape (N, D) with D >= 1, got {tuple(x.shape)}")


def check_logits(logits: Array) -> None:
    """ValueError unless logits is (N, C), with C >= 1."""
    check_shape("logits", logits, ("N", "C"))
    if logits.shape[1] == 0:
        raise ValueError(f"logits must have shape (N, C) with C >= 1, got {tuple(logits.shape)}")


def one_hot(xp: Any, labels: Array, classes: int) -> Array:
    """Booleans (N, C), true at each row's label."""
    return xp.arange(classes)[None, :] == labels[:, None]


def soft_row(xp: Any, z: Array, top: Array, scale: float) -> tuple[Any, Any, Any]:
    """``gap, rest, shares`` of ``exp(scale * z)`` beside the entry that ``top`` (N, C) marks in each row.

    ``gap`` is how far each logit lies below the largest, ``rest`` the sum of exp(-gap) without the top, ``shares`` the
    softmax. At the top it is 1 less ``rest / (1 + rest)``: nothing need be subtracted from 1.
    """
    gap = scale * (xp.max(z, axis=1, keepdims=True) - z)
    others = xp.where(top, 0.0, xp.exp(-gap))
    rest = xp.sum(others, axis=1, keepdims=True)
    # a row that is undefined (nan, +inf, all -inf) is so in every entry
    rest = xp.where(xp.any(xp.isnan(gap), axis=1, keepdims=True), xp.nan, rest)
    return gap, rest, xp.where(top, 1 / (1 + rest), others / (1 + rest))


def label_entropy(xp: Any, z: Array, hot: Array, scale: float = 1.0) -> tuple[Any, Any]:
    r"""``-log softmax(scale * z)`` at the label that ``hot`` marks, (N,), and its derivatives to ``scale * z``, (N, C).

    Where the label has the largest logit the loss is log1p of the other exponentials and the label's derivative is
    minus their share; elsewhere the loss is above log 2 and the derivative below -1/2, and nothing cancels.
    """
    largest = z == xp.max(z, axis=1, keepdims=True)
    first = one_hot(xp, xp.argmax(z, axis=1), z.shape[1])
    top = xp.where(xp.any(hot & largest, axis=1, keepdims=True), hot, first)
    gap, rest, shares = soft_row(xp, z, top, scale)
    losses = xp.sum(xp.where(hot, gap, 0.0), axis=1) + xp.log1p(rest)[:, 0]
    return losses, xp.where(hot, xp.where(top, -rest / (1 + rest), shares - 1), shares + 0 * rest)


def direction(xp: Any, x: Array) -> tuple[Any, Any, Any]:
    """``unit, largest, norm``: rows over their length, which is ``largest * norm``; nan for a row of zeros.

    The largest entry is divided out first: no square overflows or vanishes, and parallel rows get identical bits.
    """
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    scaled = x / largest
    norm = xp.sqrt(xp.sum(scaled * scaled, axis=-1, keepdims=True))
    return scaled / norm, largest, norm


def across(xp: Any, v: Array, unit: Array) -> Array:
    """The part of each row v that is orthogonal to ``unit``: v - unit (unit . v).

    In the largest component k, v_k - unit_k^2 v_k would cancel as unit_k^2 nears 1: there 1 - unit_k^2 is the sum of
    the other squares.
    """
    big = one_hot(xp, xp.argmax(xp.abs(unit), axis=-1), unit.shape[-1])
    rest = xp.where(big, 0.0, unit)
    along = xp.sum(rest * v, axis=-1, keepdims=True)
    whole = along + xp.sum(xp.where(big, unit * v, 0.0), axis=-1, keepdims=True)
    squares = xp.sum(rest * rest, axis=-1, keepdims=True)
    return xp.where(big, v * squares - unit * along, v - unit * whole)


def tangent(xp: Any, at: Array, toward: Array) -> tuple[Any, Any]:
    """``sine, e``: the sine of the angle between unit rows, and the unit tangent at ``at`` towards ``toward``.

    For parallel rows the sine is exactly 0, and so is e: the direction is undefined. The part of ``toward`` that both
    share is taken out along one component, in which nothing cancels, before the rest is projected.
    """
    big = one_hot(xp, xp.argmax(xp.abs(at), axis=-1), at.shape[-1])
    p = xp.sum(xp.where(big, at, 0.0), axis=-1, keepdims=True)
    q = xp.sum(xp.where(big, toward, 0.0), axis=-1, keepdims=True)
    e, largest, norm = direction(xp, across(xp, p * toward - q * at, at) / p)
    return xp.where(largest == 0, 0.0, largest * norm)[:, 0], xp.where(largest == 0, 0.0, e)
