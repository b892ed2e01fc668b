r"""The windows of Stan's warm-up: which draw belongs to which."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from refengine._arrays import broadcastable, check_option
from refengine.domains import Array, Count

__all__ = ["window"]

SCHEDULES = ("stan", "numpyro")
SHORTEST = 20


def window(
    draw: Count, draws: Count, *, initial: int = 75, first: int = 25, last: int = 50, schedule: str = "stan"
) -> Array:
    r"""The number of the window to which a draw of the warm-up belongs.

    .. math:: [0, b),\; [b, b + w),\; [b + w, b + 3w),\; \ldots,\; [b + (2^K - 1) w, E),\; [E, N), \qquad
              E = N - \ell

    draw: 0, ..., N - 1; draws: N, the length of the warm-up; broadcast together; result int64. Window 0 has the
    ``initial`` draws b, in which the step size alone is adapted; then come the slow windows, each twice as long as
    the one before, at first w = ``first``, at whose ends the metric is estimated and the step size starts again; the
    highest number is the ``last`` :math:`\ell` draws, for the step size alone. A slow window is stretched to E where
    the one after it would end beyond E. N < b + w + l: 15 % (rounded down), the rest, 10 % (rounded down) with
    one slow window, which is what Stan announces. N < 20: window 0 is all there is. A draw outside 0, ..., N - 1 or
    that is not a whole number: -1. ``schedule`` says whether the first slow window, too, is stretched: "stan" keeps
    it, so that the second may be shorter than it, "numpyro" (and BlackJAX) stretches it. Raises ValueError for shapes
    that do not broadcast or lengths below 0 (``first``: below 1), TypeError for lengths that are not integers.
    Stan Development Team (2024), Stan reference manual, section "Automatic parameter tuning".

    >>> window([0, 74, 75, 99, 100, 149, 150, 949, 950], 1000).tolist()
    [0, 0, 1, 1, 2, 2, 3, 5, 6]
    """
    check_option("schedule", schedule, SCHEDULES)
    lengths = (_length("initial", initial, 0), _length("first", first, 1), _length("last", last, 0))
    xp, t, n, inside = _checked(draw, draws)
    begin, width, end = _slow(xp, n, *lengths)
    start, size, slow, going = begin, width, xp.ones_like(t), begin < end
    found, is_first = xp.where(t >= begin, slow, 0), True
    while bool(xp.any(going)):
        # the next window needs twice the room of this one, or else this one takes all
        room = start + size < end if is_first and schedule == "stan" else 3 * size <= end - start
        going, is_first = going & room, False
        start, size, slow = (
            xp.where(going, a, b) for a, b in ((start + size, start), (2 * size, size), (slow + 1, slow))
        )
        found = xp.where(going & (t >= start), slow, found)
    found = xp.where((t >= end) & (end > begin), slow + 1, found)
    return xp.where(inside, xp.where(n < SHORTEST, 0, found), -1)


def _slow(xp: Any, n: Array, initial: int, first: int, last: int) -> tuple[Array, Array, Array]:
    """Where the slow windows begin, the length of the first, where they end."""
    fits = n >= initial + first + last
    begin = xp.where(fits, initial, 3 * n // 20)
    end = xp.where(fits, n - last, n - n // 10)
    return begin, xp.where(fits, first, end - begin), end


def _length(name: str, value: Any, least: int) -> int:
    try:
        length = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if length < least:
        raise ValueError(f"{name} must be at least {least}, got {length}")
    return length


def _checked(draw: Array, draws: Array) -> tuple[Any, Array, Array, Array]:
    """``xp, t, n, inside``: whole numbers in int64, and whether t is a draw of a warm-up of length n."""
    xp, _, t, n = broadcastable(draw=draw, draws=draws)
    t, n = xp.broadcast_arrays(t, n)
    with np.errstate(invalid="ignore"):
        inside = (t >= 0) & (t < n) & (t == xp.floor(t)) & (n == xp.floor(n))
    t, n = (xp.astype(xp.where(inside, a, 0.0), xp.int64) for a in (t, n))
    return xp, t, n, inside
