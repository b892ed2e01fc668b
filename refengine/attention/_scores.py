"""Weights of given scores, the average of values, and the way back: for mechanisms that score by other means."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.attention._arguments import EMPTY_ROWS, first_of
from refengine.attention._rows import Rows, selected_sum, softmax, softmax_backward


class Weights(NamedTuple):
    """Weights (..., Q, K), the pairs that enter the average, and the rows that they come from."""

    p: Any
    chosen: Any
    rows: Rows


def check_batch(**arrays: Any) -> tuple[int, ...]:
    """The broadcast batch axes of arrays (..., rows, columns). ValueError that names those that do not fit."""
    for name, array in arrays.items():
        if array.ndim < 2:
            raise ValueError(f"{name} must have shape (..., rows, columns), got {tuple(array.shape)}")
    try:
        return np.broadcast_shapes(*(tuple(array.shape[:-2]) for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {tuple(array.shape)}" for name, array in arrays.items())
        raise ValueError(f"batch axes do not broadcast: {shapes}") from None


def check_axis(name: str, array: Any, axis: int, size: int, letter: str, like: str) -> None:
    """ValueError unless the axis of the array has the size that another argument gives to its letter."""
    if array.shape[axis] != size:
        raise ValueError(f"{name} must have {letter} = {size} as in {like} on axis {axis}, got {tuple(array.shape)}")


def rows_of_scores(scores: Any, mask: Any, empty_row: str) -> Rows:
    """Rows of float64 scores (..., K); -inf and masked entries are not attended."""
    check_option("empty_row", empty_row, EMPTY_ROWS)
    xp = namespace(scores)
    attended = scores != -xp.inf
    attended = attended if mask is None else attended & mask
    empty = ~xp.any(attended, axis=-1, keepdims=True)
    if empty_row == "error" and xp.any(empty):
        raise ValueError(f"every row must attend to a key with empty_row='error': row {first_of(empty)[:-1]} has none")
    return Rows(xp.where(attended, scores, -xp.inf), attended, empty, 1.0, 1.0, None, None)


def weigh(scores: Any, mask: Any, empty_row: str) -> Weights:
    """Softmax weights of float64 scores (..., K)."""
    xp = namespace(scores)
    rows = rows_of_scores(scores, mask, empty_row)
    chosen = rows.attended | rows.empty if empty_row == "mean" else rows.attended
    return Weights(softmax(xp, rows, empty_row), chosen, rows)


def average(weights: Weights, v: Any, empty_row: str) -> Any:
    """The values averaged; what is not attended is left out."""
    xp = namespace(weights.p)
    value = selected_sum(xp, weights.chosen, xp.where(weights.chosen, weights.p, 0.0), v)
    undefined = empty_row == "nan" or (empty_row == "mean" and weights.p.shape[-1] == 0)
    return xp.where(weights.rows.empty, xp.nan, value) if undefined else value


def average_backward(weights: Weights, g: Any, v: Any) -> tuple[Any, Any]:
    """The cotangents of the weights, 0 where a pair is not chosen, and of the values."""
    xp = namespace(weights.p)
    p = xp.where(weights.chosen, weights.p, 0.0)
    dv = selected_sum(xp, xp.matrix_transpose(weights.chosen), xp.matrix_transpose(p), g)
    dp = xp.where(weights.chosen, xp.matmul(g, xp.matrix_transpose(v)), 0.0)
    return dp, dv


def to_scores(weights: Weights, dp: Any) -> Any:
    """The cotangents of the scores from those of the softmax weights."""
    return softmax_backward(namespace(dp), weights.rows, weights.p, dp)
