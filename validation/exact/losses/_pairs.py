"""What the definitions of the losses on a batch share."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any

import numpy as np

from validation.exact.draws import decades, short
from validation.exact.losses._rows import norm, parallel, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, exp, log, sqrt, stated


def whole(*rows: np.ndarray) -> bool:
    """Whether no entry is nan or infinite."""
    return all(isfinite(float(v)) for row in rows for v in row)


def squared_distance(u: np.ndarray, v: np.ndarray, normalize: bool, zero: str = "nan") -> Any:
    """|u - v|^2, or 2 - 2 cos(u, v)."""
    if not whole(u, v):
        return undefined(*u, *v)
    if normalize:
        c = cosine_of(u, v, zero)
        return c if c.stated else 2 - 2 * c
    return ((u - v) * (u - v)).sum()


def distance(u: np.ndarray, v: np.ndarray, normalize: bool, zero: str = "nan") -> Any:
    """|u - v|, or that of the unit vectors; at 0 its derivative is 0."""
    if not whole(u, v):
        return undefined(*u, *v)
    if not normalize:
        return norm(u - v) if any(w != 0 for w in u - v) else Number(0)
    if any(v != 0 for v in u) and any(w != 0 for w in v) and parallel(u, v):
        return Number(0 if (u * v).sum() > 0 else 2)  # the smallest and the largest
    square = squared_distance(u, v, True, zero)
    return square if square.stated else sqrt(square)


def similarities(x: np.ndarray, other: np.ndarray | None = None) -> Any:
    """Cosines between the rows of x, or of x and those of another array; nan beside a row that is not finite."""
    other = x if other is None else other
    s = np.empty((len(x), len(other)), dtype=object)
    for i, j in np.ndindex(s.shape):
        s[i, j] = cosine_of(x[i], other[j]) if whole(x[i], other[j]) else undefined(*x[i], *other[j])
    return s


def hinge(h: Any, at_kink: float = 0.0) -> Any:
    """max(0, h), with the slope that is given at 0."""
    if not isfinite(float(h)):
        return h
    if h == 0:
        return Number(0, [(h, lambda g: g * at_kink)])
    return h if h > 0 else Number(0)


def softplus_of_sums(positive: list[Any], negative: list[Any]) -> Any:
    """log(1 + sum_j e^{n_j} sum_i e^{p_i}): 0 where one of the sums has no term."""
    if not positive or not negative:
        return Number(0)
    return log(1 + sum(exp(n) for n in negative) * sum(exp(p) for p in positive))


def reduce_pairs(losses: np.ndarray, x: np.ndarray, labels: Any, reduction: str) -> Any:
    """A symmetric matrix of losses over all pairs i < j."""
    n = len(losses)
    for i, j in np.ndindex(losses.shape):
        if i != j and not isfinite(float(losses[i, j])):
            losses[i, j] = undefined(*x[i], *x[j])
    if n > 1 and reduction != "none" and not all(isfinite(float(v)) for v in losses[~np.eye(n, dtype=bool)]):
        return undefined(*x.ravel())
    for i in range(n):
        losses[i, i] = Number(0)
    if reduction == "none":
        return losses
    pairs = [(i, j) for i in range(n) for j in range(i)]
    if reduction == "nonzero":
        total = Number(0)
        for same in (True, False):
            group = [losses[i, j] for i, j in pairs if (labels[i] == labels[j]) == same]
            group = [v for v in group if v > 0]
            total = total + (sum(group) / len(group) if group else Number(0))
        return total
    total = sum((losses[i, j] for i, j in pairs), Number(0))
    if reduction == "sum":
        return total
    return total / len(pairs) if pairs else stated(nan)


def reduce_anchors(losses: list[Any], valid: list[bool], reduction: str) -> Any:
    """Losses of anchors: all, the valid ones, those that are not 0."""
    if reduction == "none":
        return np.array(losses, dtype=object)
    if reduction == "valid_anchor":
        losses = [v for v, kept in zip(losses, valid, strict=True) if kept]
    if reduction == "nonzero":
        losses = [v for v in losses if not isfinite(float(v)) or v > 0]
    total = sum(losses, Number(0))
    if reduction == "sum":
        return total
    if not losses:
        return stated(nan) if reduction == "mean" else Number(0)
    return total / len(losses)


def vectors(rng: np.random.Generator, n: int, d: int) -> Any:
    """Rows that low precisions hold, none almost along an axis.

    There 1 and the largest component of a unit vector differ by less than rounding, and differences between such rows
    are worse than their condition numbers say.
    """
    rows: list[Any] = []
    while len(rows) < n:
        row = short(rng.normal(size=d))
        sizes = np.sort(np.abs(row))
        if d == 1 or sizes[-2] > sizes[-1] / 8:
            rows.append(row)
    return np.array(rows).reshape(n, d)


def batch(rng: np.random.Generator, n: int, d: int, classes: int = 2) -> dict[str, Any]:
    """Such rows with labels."""
    return {"x": vectors(rng, n, d), "labels": rng.integers(classes, size=n)}


def with_labels(x: Any, labels: Any) -> dict[str, Any]:
    return {"x": np.asarray(x, dtype=float), "labels": np.asarray(labels, dtype=np.int64)}


def scaled_rows(rng: np.random.Generator, n: int, d: int) -> Any:
    """Rows of very different lengths."""
    return rng.normal(size=(n, d)) * np.array([[decades(rng, 1e-3, 1e3)] for _ in range(n)])
