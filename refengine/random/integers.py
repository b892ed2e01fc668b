r"""Integers that are exactly equally likely."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from refengine.domains import Array
from refengine.random._words import BITS, Words, check_generator, checked
from refengine.random.uniform import words

__all__ = ["integers"]


def integers(key: Words, counter: Words, *, low: int = 0, high: int, generator: str = "philox") -> Array:
    r"""The integers of one block, from low to high - 1, each exactly as likely as the others.

    .. math:: x_i = \mathrm{low} + (w_i \bmod n), \qquad n = \mathrm{high} - \mathrm{low}, \qquad
              w_i < n \lfloor 2^{64} / n \rfloor

    Every residue has the same number of words :math:`w_i` of 64 bits below that bound. A word at or above it is
    rejected; the word at its place in the block of the same key and of a counter whose last word is one larger
    (modulo the word's size) stands for it, and so on: leave the last word of counters alone to keep blocks apart.
    Less than :math:`n / 2^{64}` of all words are rejected. Words and ``generator`` are those of
    :func:`refengine.random.uniform`. key: (..., 2) or (..., 4), counter: (..., 4), their leading axes broadcast;
    result (..., 2) or (..., 4), int64. low and high are whole numbers with -2^63 <= low < high <= 2^63. Raises
    ValueError for others, TypeError unless they are integers.
    Source: Lemire (2019), Fast random integer generation in an interval, algorithm 3. (The arc4random_uniform of
    OpenBSD rejects as many of the smallest words instead of the largest.)

    >>> integers([0, 0], [[0, 0, 0, 0], [1, 0, 0, 0]], low=1, high=7).tolist()
    [[4, 1], [5, 2]]
    """
    check_generator(generator)
    low, n = bounds(low, high)
    xp, keys, counters = checked(generator, key, counter)
    found = words(xp, generator, keys, counters)
    last, retry = accepted_up_to(n), 0
    with np.errstate(all="ignore"):
        while bool(xp.any(found > last)):
            retry += 1
            next_block = [*counters[:3], counters[3] + retry & 2 ** BITS[generator] - 1]
            found = xp.where(found > last, words(xp, generator, keys, next_block), found)
        return _shifted(xp, found % n if n < 2**64 else found, low)


def bounds(low: Any, high: Any) -> tuple[int, int]:
    """Low and the number of values. Raises ValueError or TypeError that names the bound."""
    limits = {}
    for name, value in (("low", low), ("high", high)):
        try:
            limits[name] = index(value)
        except TypeError:
            raise TypeError(f"{name} must be an integer, got {value!r}") from None
        if not -(2**63) <= limits[name] <= 2**63:
            raise ValueError(f"{name} must lie between -2^63 and 2^63, got {value}")
    if not limits["low"] < limits["high"]:
        raise ValueError(f"low must be below high, got {low} and {high}")
    return limits["low"], limits["high"] - limits["low"]


def accepted_up_to(n: int) -> int:
    """The largest word that is not rejected."""
    return n * (2**64 // n) - 1


def _shifted(xp: Any, residue: Array, low: int) -> Array:
    """Low plus the residue, which where it needs 64 bits has a low that is negative."""
    small = xp.astype(residue & 2**63 - 1, xp.int64)
    if low >= 0:
        return small + low
    return xp.where(residue >> 63 == 0, small + low, small + (low + 2**63))
