"""What the losses share that have one term for each positive pair, or that compare pairs which are almost alike."""

from __future__ import annotations

from typing import Any

from refengine.domains import Array
from refengine.losses._pairs import reduced

POSITIVE_REDUCTIONS = ("none", "sum", "mean", "nonzero")


def whole_batch(xp: Any, x: Array) -> Any:
    """The rows, or nan in all of them where one is not finite: every row meets every other."""
    return xp.where(xp.all(xp.isfinite(x)), x, xp.nan)


def positive_shares(xp: Any, losses: Array, positive: Array, reduction: str, entry: float = 0.5) -> Any:
    """The weight of each positive pair's loss (N, N); ``entry`` is what one of its two entries counts in a sum."""
    if reduction in ("none", "sum"):
        return xp.where(positive, 1.0 if reduction == "none" else entry, 0.0)
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
