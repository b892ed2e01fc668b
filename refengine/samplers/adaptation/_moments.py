"""Means and scatter matrices of growing samples by Welford's recursion, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine.distributions._matrix import outer
from refengine.domains import Array


class Moments(NamedTuple):
    """How many positions there were, their mean (..., D), and the sum of outer products about it (..., D, D)."""

    draws: int
    mean: Array
    scatter: Array


def nothing(xp: Any, shape: tuple[int, ...]) -> Moments:
    """The moments of no positions of a shape (..., D)."""
    return Moments(0, xp.zeros(shape, dtype=xp.float64), xp.zeros((*shape, shape[-1]), dtype=xp.float64))


def add(moments: Moments, position: Array) -> Moments:
    """One more position: (n - 1) / n times the outer product of its distance from the old mean comes in."""
    n = moments.draws + 1
    away = position - moments.mean
    return Moments(n, moments.mean + away / n, moments.scatter + outer(away, away) * ((n - 1) / n))


def add_vjp(xp: Any, n: int, to_mean: Array, to_scatter: Array, away: Array) -> tuple[Array, Array]:
    """What arrives at the n-th position and at the mean before it; the scatter before gets what the one after got."""
    both = to_scatter + xp.matrix_transpose(to_scatter)
    to_away = to_mean / n + ((n - 1) / n) * xp.matmul(both, away[..., None])[..., 0]
    return to_away, to_mean - to_away
