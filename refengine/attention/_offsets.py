"""Where the keys stand from the queries, and rows of a table chosen by it."""

from __future__ import annotations

from operator import index
from typing import Any

from refengine._arrays import check_option
from refengine.attention._arguments import ALIGNMENTS


def check_count(name: str, value: Any, least: int = 0) -> int:
    """The whole number; TypeError or ValueError that names it."""
    if not hasattr(value, "__index__") or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if index(value) < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return index(value)


def ahead(xp: Any, queries: int, keys: int, alignment: str) -> Any:
    """The distances j - i, (Q, K); "bottom_right" places query i at i + K - Q, as the last ones meet."""
    check_option("alignment", alignment, ALIGNMENTS)
    offset = keys - queries if alignment == "bottom_right" else 0
    return xp.arange(keys)[None, :] - (xp.arange(queries)[:, None] + offset)


def rows_at(xp: Any, table: Any, places: Any) -> Any:
    """The rows of the table (R, D) at the places (Q, K): (Q, K, D)."""
    taken = xp.take(table, xp.reshape(places, (-1,)), axis=0)
    return xp.reshape(taken, (*places.shape, table.shape[-1]))


def to_rows(xp: Any, cotangent: Any, places: Any, rows: int) -> Any:
    """The transpose of `rows_at`, summed over leading axes: from (..., Q, K, D) to (R, D)."""
    width = cotangent.shape[-1]
    leading = tuple(range(cotangent.ndim - 3))
    total = xp.reshape(xp.sum(cotangent, axis=leading) if leading else cotangent, (-1, width))
    hot = xp.arange(rows)[:, None] == xp.reshape(places, (-1,))[None, :]
    return xp.matmul(xp.astype(hot, xp.float64), total)
