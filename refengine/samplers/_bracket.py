"""Shrinking a bracket around 0 until a point of it is taken: what the slice samplers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from refengine.domains import Array


class Try(NamedTuple):
    """One point of the bracket [low, high], where it was taken, and where it became the lower or the upper end."""

    low: Array
    high: Array
    point: Array
    taken: Array
    lower: Array
    upper: Array


class Shrunk(NamedTuple):
    """The point taken, 0 where none was; whether one was; how many were tried; all tries."""

    point: Array
    taken: Array
    count: Array
    tries: list[Try]


def shrink(
    xp: Any, low: Array, high: Array, draws: Array, inside: Callable[[Array], Array], first: Array | None = None
) -> Shrunk:
    """Points low + v (high - low), for v along the last axis of ``draws``, after ``first`` if there is one.

    The first point that is ``inside`` is taken; one that is not becomes the end of the bracket on its side of 0.
    """
    tries: list[Try] = []
    waiting = xp.ones(low.shape, dtype=xp.bool)
    found, count = xp.zeros_like(low), xp.zeros(low.shape, dtype=xp.int64)
    points = [first] if first is not None else []
    for k in range(draws.shape[-1] + len(points)):
        v = draws[..., k - len(points)]
        point = points[k] if k < len(points) else low + v * (high - low)
        taken = waiting & inside(point)
        count = count + xp.astype(waiting, xp.int64)
        waiting = waiting & ~taken
        lower, upper = waiting & (point < 0), waiting & ~(point < 0)
        tries.append(Try(low, high, point, taken, lower, upper))
        found = xp.where(taken, point, found)
        low, high = xp.where(lower, point, low), xp.where(upper, point, high)
    return Shrunk(found, ~waiting, count, tries)


def shrink_vjp(
    xp: Any, shrunk: Shrunk, draws: Array, to_point: Array, first: bool = False
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of low, high, the draws, and the first point, which is 0 where there is none.

    From the last try to the first: a point gets what arrives at the result if it was taken, at the end of the bracket
    that it became if not. From :math:`t = l + v (h - l)`: :math:`\bar l \mathrel{+}= (1 - v) \bar t`,
    :math:`\bar h \mathrel{+}= v \bar t`, :math:`\bar v = (h - l) \bar t`.
    """
    zero = xp.zeros_like(to_point)
    to_low, to_high, to_first, columns = zero, zero, zero, []
    for k in range(len(shrunk.tries) - 1, -1, -1):
        low, high, _, taken, lower, upper = shrunk.tries[k]
        arrived = xp.where(taken, to_point, xp.where(lower, to_low, xp.where(upper, to_high, zero)))
        to_low, to_high = xp.where(lower, zero, to_low), xp.where(upper, zero, to_high)
        if first and k == 0:
            to_first = arrived
            continue
        v = draws[..., k - first]
        columns.append((high - low) * arrived)
        to_low, to_high = to_low + (1 - v) * arrived, to_high + v * arrived
    to_draws = xp.stack(columns[::-1], axis=-1) if columns else xp.zeros_like(draws)
    return to_low, to_high, to_draws, to_first
