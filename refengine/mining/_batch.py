"""What the miners share: checked batches, whose rows are whose positives, distances of one anchor, indices as results.

A miner takes one anchor at a time: beside its result it holds O(N^2) numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from refengine._arrays import as_float64, check_labels, check_number, check_shape, check_switch, namespace, promote
from refengine.domains import Array, Indices
from refengine.losses._rows import direction

TIE_RULES = ("lowest_index",)


class Triplets(NamedTuple):
    """Rows of a batch that form triplets: three integer arrays (T,)."""

    anchor: Indices
    positive: Indices
    negative: Indices


class Pairs(NamedTuple):
    """Rows of a batch that form pairs: integer arrays, (P,) for pairs of one label and (Q,) for those of two."""

    positive_anchor: Indices
    positive: Indices
    negative_anchor: Indices
    negative: Indices


def checked_labels(labels: Any, rows: int | None = None) -> tuple[Any, Any]:
    """``xp, labels`` of integers (N,) that are not negative."""
    xp = namespace(labels)
    labels = labels if hasattr(labels, "shape") else xp.asarray(labels)
    y = check_labels("labels", labels, (*labels.shape, 0)[0] if rows is None else rows)
    if y.shape[0] and int(xp.min(y)) < 0:
        raise ValueError(f"labels must not be negative, got {int(xp.min(y))}")
    return xp, y


def checked(x: Any, labels: Any) -> tuple[Any, Any, Any]:
    """``xp, x, labels`` of finite rows (N, D), in float64 and near 1."""
    return measured(x, labels, False)[:3]


def measured(x: Any, labels: Any, normalize: bool) -> tuple[Any, Any, Any, float]:
    """``xp, x, labels, size``: rows in float64, unit vectors or ``size`` times those that came, a power of two."""
    check_switch("normalize_x", normalize)
    xp, _, x = promote(x=x)
    check_shape("x", x, ("N", "D"))
    y = checked_labels(labels, x.shape[0])[1]
    if not bool(xp.all(xp.isfinite(x))):
        raise ValueError("x must be finite")
    x = xp.astype(x, xp.float64, copy=False)
    if normalize:
        if x.shape[0] and (x.shape[1] == 0 or not bool(xp.all(xp.any(x != 0, axis=1)))):
            raise ValueError("x must have no row of zeros, which has no direction")
        return xp, direction(xp, x)[0] if x.shape[0] else x, y, 1.0
    largest = float(xp.max(xp.abs(x))) if math.prod(x.shape) else 0.0
    # a power of two: squares neither overflow nor vanish, and ties stay ties
    size = math.ldexp(1.0, min(1000, -math.frexp(largest)[1]))
    return xp, x * size, y, size


def check_margin(name: str, value: Any) -> float:
    """The constant, which must be at least 0."""
    margin = check_number(name, value)
    if not margin >= 0:
        raise ValueError(f"{name} must be at least 0, got {value!r}")
    return margin


def check_uniforms(xp: Any, uniforms: Any, n: int) -> Any:
    """Uniforms (N, N) in float64."""
    u = as_float64(xp, "uniforms", uniforms)
    check_shape("uniforms", u, ("N", "N"), N=n)
    if not bool(xp.all((u >= 0) & (u <= 1))):
        raise ValueError("uniforms must lie in [0, 1]")
    return u


def others(xp: Any, y: Array, i: int) -> tuple[Any, Any]:
    """``positive, negative`` (N,): the other rows of the label of row i, and the rows of other labels."""
    same = y == y[i]
    return same & (xp.arange(y.shape[0]) != i), ~same


def squares(xp: Any, x: Array, i: int) -> Any:
    """The squared distances (N,) of row i to all rows, from differences: 0 for duplicates."""
    return xp.sum((x - x[i : i + 1, :]) ** 2, axis=1)


def threshold(value: float, size: float, squared: bool = False) -> float:
    """A margin between distances of rows that were multiplied by ``size``; a positive one stays positive."""
    scaled = value * size * (size if squared else 1.0)
    return max(scaled, 5e-324) if value > 0 else scaled


def places(xp: Any, mask: Array) -> Any:
    """The indices (K,) at which a mask (N,) holds."""
    return xp.nonzero(mask)[0]


def triplets(xp: Any, y: Array, chosen: Callable[[int, Any, Any], Any]) -> Triplets:
    """Triplets of all anchors in order. ``chosen(i, p, negative)`` says what goes with anchor i and its positives p.

    It gives a mask (K, N): several negatives for each of the K positives; or the index of one for each, -1 for none.
    """
    rows = []
    for i in range(y.shape[0]):
        positive, negative = others(xp, y, i)
        if bool(xp.any(positive)) and bool(xp.any(negative)):
            p = places(xp, positive)
            found = chosen(i, p, negative)
            if found.ndim == 1:
                which, n = places(xp, found >= 0), found[found >= 0]
            else:
                which, n = xp.nonzero(found)
            rows.append((xp.full(n.shape, i, dtype=xp.int64), xp.take(p, which), n))
    return Triplets(*_columns(xp, rows, 3))


def pairs(xp: Any, y: Array, kept: Callable[[int, Any, Any], tuple[Any, Any]]) -> Pairs:
    """Pairs of all anchors in order. ``kept(i, positive, negative)`` thins out the two masks of anchor i."""
    groups: tuple[list[Any], list[Any]] = ([], [])
    for i in range(y.shape[0]):
        for rows, mask in zip(groups, kept(i, *others(xp, y, i)), strict=True):
            j = places(xp, mask)
            rows.append((xp.full(j.shape, i, dtype=xp.int64), j))
    return Pairs(*_columns(xp, groups[0], 2), *_columns(xp, groups[1], 2))


def _columns(xp: Any, rows: Iterable[tuple[Any, ...]], count: int) -> list[Any]:
    parts = list(rows)
    if not parts:
        return [xp.empty((0,), dtype=xp.int64) for _ in range(count)]
    return [xp.astype(xp.concat(list(column)), xp.int64, copy=False) for column in zip(*parts, strict=True)]


def by_gap(
    x: Any, labels: Any, squared: bool, normalize: bool, margin: float, keep: Callable[[Any, Any], Any]
) -> Triplets:
    """All triplets of which ``keep(d_an - d_ap, margin)`` holds."""
    check_switch("squared", squared)
    margin = check_margin("margin", margin)
    xp, x, y, size = measured(x, labels, normalize)
    limit = threshold(margin, size, squared)

    def chosen(i: int, p: Any, negative: Any) -> Any:
        return negative[None, :] & keep(gaps(xp, distances(xp, x, i, squared), p), limit)

    return triplets(xp, y, chosen)


def distances(xp: Any, x: Array, i: int, squared: bool) -> Any:
    """Distances (N,) of row i to all rows, or their squares."""
    d = squares(xp, x, i)
    return d if squared else xp.sqrt(d)


def gaps(xp: Any, d: Array, p: Array) -> Any:
    """How much farther than each of the positives p every row is, (K, N)."""
    return d[None, :] - xp.take(d, p)[:, None]
