"""What the losses of ranks and histograms share: cosines with their distances to 1 and -1, and triangular bins.

One row without a direction leaves everything undefined.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from refengine.domains import Array
from refengine.losses._pairs import cosines


class Cosines(NamedTuple):
    """Cosines of all pairs (N, N), how far they are below 1 and above -1, and the directions for `cosines_vjp`.

    The distances come from differences and sums of unit vectors, and keep their digits where they are small.
    """

    c: Any
    below: Any
    above: Any
    directions: tuple[Any, Any, Any]


class Bins(NamedTuple):
    """For every pair the node below it, and its weights at that node and at the next: three arrays (N, N)."""

    low: Any
    at_low: Any
    at_high: Any


def all_cosines(xp: Any, x: Array) -> Cosines:
    """The cosines of the rows (N, D); all nan where one row has no direction."""
    c, (unit, largest, norm) = cosines(xp, x)
    spoilt = xp.any(xp.isnan(unit))
    unit = xp.where(spoilt, xp.nan, unit)
    sides = (unit[:, None, :] + sign * unit[None, :, :] for sign in (-1.0, 1.0))
    below, above = (xp.sum(v * v, axis=2) / 2 for v in sides)
    return Cosines(xp.where(spoilt, xp.nan, c), below, above, (unit, largest, norm))


def undefined(xp: Any, found: Cosines) -> Any:
    """0, or nan where one row has no direction."""
    return 0 * xp.sum(found.directions[0])


def triangular(xp: Any, found: Cosines, bins: int, falling: bool) -> Bins:
    """Weights at the nodes 0..bins, evenly spaced from c = -1 to c = 1, or from 1 to -1 where ``falling``.

    A pair at a node belongs to the interval that starts there. Near the ends, positions are counted from there.
    """
    start, end = (found.below, found.above) if falling else (found.above, found.below)
    middle = 1 - found.c if falling else 1 + found.c
    from_start = xp.where(start < 0.5, start, middle) * (bins / 2)
    from_end = end * (bins / 2)
    low = xp.minimum(xp.floor(from_start), xp.asarray(bins - 1.0))
    past = from_start - low
    before = xp.maximum(xp.ceil(from_end) - 1, xp.asarray(0.0))
    left = from_end - before
    near_end = end < 0.5
    low = xp.where(near_end, bins - 1 - before, low)
    at_low, at_high = xp.where(near_end, left, 1 - past), xp.where(near_end, 1 - left, past)
    return Bins(xp.astype(xp.where(xp.isnan(low), 0.0, low), xp.int64), at_low, at_high)


def nodes(xp: Any, found: Bins, bins: int) -> Iterator[Any]:
    """The weights (N, N) at each node in turn."""
    for r in range(bins + 1):
        yield xp.where(found.low == r, found.at_low, 0.0) + xp.where(found.low == r - 1, found.at_high, 0.0)


def check_bins(bins: Any) -> None:
    """ValueError unless ``bins`` is a whole number, at least 1."""
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"bins must be a whole number, at least 1, got {bins!r}")
