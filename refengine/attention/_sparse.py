"""What sparsemax and entmax share: scores below the largest, the support to the last bit, empty rows."""

from __future__ import annotations

from math import nan
from typing import Any

from refengine.attention._rows import Rows, top_of

_SPLIT = 2.0**27 + 1


def shifted(xp: Any, rows: Rows) -> tuple[Any, Any]:
    """How far attended scores lie below the largest of their row, <= 0, and where the first of the largest stands.

    Unattended entries are 0. A row with a nan or +inf that is attended is nan.
    """
    if rows.scores.shape[-1] == 0:
        return rows.scores, rows.attended
    largest = xp.max(rows.scores, axis=-1, keepdims=True)
    undefined = xp.any(xp.isnan(rows.scores), axis=-1, keepdims=True) | (largest == xp.inf)
    below = xp.where(rows.attended, rows.scores - largest, 0.0)
    return xp.where(undefined, xp.nan, below), top_of(rows)


def support_of_sparsemax(xp: Any, rows: Rows) -> Any:
    """The attended entries whose excess, the sum of what the larger ones are above them, is less than 1.

    From one entry of the sorted row to the next, k places down, the excess grows by k times their difference. It is
    summed as an unevaluated sum of two numbers: a rounded one would put entries on the wrong side of the edge.
    """
    keys = rows.scores.shape[-1]
    if keys == 0:
        return rows.attended
    down = xp.flip(xp.sort(rows.scores, axis=-1), axis=-1)
    high = low = xp.zeros_like(down[..., :1])
    within, last = xp.any(rows.attended, axis=-1, keepdims=True), down[..., :1]
    for k in range(1, keys):
        here, there = down[..., k - 1 : k], down[..., k : k + 1]
        step, rest = _two_sum(here, -there)
        near = step < 2
        step, rest = xp.where(near, step, 2.0), xp.where(near, rest, 0.0)
        upper = _SPLIT * step - (_SPLIT * step - step)
        for part in (k * upper, k * (step - upper), k * rest):
            high, error = _two_sum(high, part)
            low = low + error
        within = within & ((high - 1) + low < 0)
        if not xp.any(within):
            break
        last = xp.where(within, there, last)
    return rows.attended & (rows.scores >= last)


def filled(xp: Any, rows: Rows, p: Any, empty_row: str) -> Any:
    """The weights with what the rule puts in empty rows."""
    fill = {"zero": 0.0, "error": 0.0, "nan": nan, "mean": 1 / max(p.shape[-1], 1)}[empty_row]
    return xp.where(rows.empty, fill, xp.where(rows.attended, p, 0.0))


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum, and what rounding took off."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
