"""What the losses share that have one term for each positive pair, or that compare pairs which are almost alike."""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine.domains import Array
from refengine.losses._pairs import reduced
from refengine.losses._rows import direction, tangent

POSITIVE_REDUCTIONS = ("none", "sum", "mean", "nonzero")


def whole_batch(xp: Any, x: Array) -> Any:
    """The rows, or nan in all of them where one is not finite: every row meets every other."""
    return xp.where(xp.all(xp.isfinite(x)), x, xp.nan)


def positive_shares(xp: Any, losses: Array, positive: Array, reduction: str, entry: float = 0.5) -> Any:
    """The weight of each positive pair's loss (N, N); ``entry`` is what one of its two entries counts in a sum."""
    if reduction in ("none", "sum"):
        return (1.0 if reduction == "none" else entry) * xp.astype(positive, xp.float64)
    kept = xp.astype(positive if reduction == "mean" else positive & ~(losses <= 0), xp.float64)
    return kept / xp.maximum(xp.sum(kept), xp.asarray(1.0))


def reduce_positives(xp: Any, losses: Array, shares: Array, reduction: str) -> Any:
    """The losses of the positive pairs, 0 elsewhere, or their weighted sum; the mean of none is nan."""
    total = reduced(xp, losses, shares, reduction if reduction == "none" else "sum")
    return xp.where(xp.any(shares > 0), total, xp.nan) if reduction == "mean" else total


def ends(xp: Any, unit: Array) -> tuple[Any, Any]:
    """``gap, far``: 1 - c and 1 + c of the cosines c between unit rows (N, N), without cancellation, row by row."""
    n = unit.shape[0]
    if n == 0:
        return xp.zeros((0, 0)), xp.zeros((0, 0))
    pairs = [[xp.sum(v * v, axis=1) / 2 for v in (unit - unit[i, :], unit + unit[i, :])] for i in range(n)]
    gap, far = (xp.stack(rows) for rows in zip(*pairs, strict=True))
    return gap, far


def excess_squares(xp: Any, rows: Array) -> Any:
    """Squared distances (N, N), less the smallest one to another row of each row, which is never subtracted.

    With t that nearest row, |i - k|^2 - |i - t|^2 = (t - k) . ((i - k) + (i - t)).
    """
    n, found = rows.shape[0], []
    for i in range(n):
        away = rows[i, :] - rows
        squares = xp.where(xp.arange(n) == i, xp.inf, xp.sum(away * away, axis=1))
        nearest = int(xp.argmin(squares))
        found.append(xp.sum((rows[nearest, :] - rows) * (away + away[nearest, :]), axis=1))
    return xp.stack(found) if found else xp.zeros((0, 0))


def squares_vjp(xp: Any, g: Array, rows: Array) -> Any:
    """Cotangent of the rows from that of their squared distances: 2 sum_j (g_ij + g_ji) (x_i - x_j)."""
    both = g + g.T
    found = [2 * xp.sum(both[i, :][:, None] * (rows[i, :] - rows), axis=0) for i in range(rows.shape[0])]
    return xp.stack(found) if found else rows


def nan_for_zeros(xp: Any, x: Array) -> Any:
    """The rows, nan in place of one that has no direction."""
    return xp.where(xp.all(x == 0, axis=1, keepdims=True), xp.nan, x)


class Angles(NamedTuple):
    """Cosines c, 1 - c, 1 + c and angles between all rows (N, N), and the directions from which they came."""

    c: Any
    gap: Any
    far: Any
    angle: Any
    to_x: tuple[Any, Any, Any]


def angles(xp: Any, x: Array) -> Angles:
    """The angles between all rows; nan everywhere where a row has none."""
    unit, largest, norm = direction(xp, x)
    unit, n = whole_batch(xp, unit), x.shape[0]
    gap, far = ends(xp, unit)
    sines = [tangent(xp, xp.broadcast_to(unit[i, :], x.shape), unit)[0] for i in range(n)]
    sine = xp.stack(sines) if sines else gap
    c = xp.clip(unit @ unit.T, -1.0, 1.0)
    return Angles(c, gap, far, xp.atan2(sine, c), (unit, largest, norm))


def angles_vjp(xp: Any, g: Array, found: Angles) -> Any:
    """Cotangent of x from that of the angles; parallel rows, which have no direction to each other, give nothing."""
    unit, largest, norm = found.to_x
    both, rows = g + g.T, []
    for i in range(unit.shape[0]):
        e = tangent(xp, xp.broadcast_to(unit[i, :], unit.shape), unit)[1]
        rows.append(xp.sum(xp.where(both[i, :][:, None] == 0, 0.0, both[i, :][:, None] * e), axis=0))
    return -(xp.stack(rows) if rows else unit) / norm / largest
