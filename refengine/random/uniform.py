r"""Uniform numbers in the open interval (0, 1)."""

from __future__ import annotations

from typing import Any

from refengine.domains import Array
from refengine.random._words import Words, check_generator, checked, joined
from refengine.random.philox import block as philox_block
from refengine.random.threefry import block as threefry_block

__all__ = ["uniform"]


def uniform(key: Words, counter: Words, *, generator: str = "philox") -> Array:
    r"""The uniform numbers of one block: odd multiples of 2^-53.

    .. math:: u_i = \bigl(\lfloor w_i / 2^{12} \rfloor + \tfrac12\bigr) 2^{-52}

    with the block's words :math:`w_i` of 64 bits. ``generator`` is "philox", whose block gives two, :math:`w_i =
    c_{2i} + 2^{32} c_{2i+1}`, or "threefry", which gives four. key: (..., 2) or (..., 4), counter: (..., 4) as in
    :func:`refengine.random.philox` and :func:`refengine.random.threefry`, their leading axes broadcast; result (...,
    2) or (..., 4), float64. All of the 2^52 values are equally likely and exact in float64; they lie symmetrically
    about 1/2, their mean is 1/2 exactly, and the smallest is 2^-53, the largest 1 - 2^-53: logarithms and quantiles
    are finite on either side. NumPy takes multiples of 2^-53, 0 among them; cuRAND leaves 0 out and lets 1 in.
    Source: Salmon et al. (2011) for the words; the lattice is this library's.

    >>> bool((uniform([0, 0], [0, 0, 0, 0]) * 2**53 % 2 == 1).all())
    True
    """
    check_generator(generator)
    xp, keys, counters = checked(generator, key, counter)
    return to_uniform(xp, words(xp, generator, keys, counters))


def words(xp: Any, generator: str, key: list[Array], counter: list[Array]) -> Array:
    """The words of 64 bits along a new last axis; of two words of 32 bits the first is the lower half."""
    if generator == "threefry":
        return joined(xp, threefry_block(xp, key, counter))
    c = philox_block(xp, key, counter)
    return joined(xp, [c[0] | c[1] << 32, c[2] | c[3] << 32])


def to_uniform(xp: Any, words: Array) -> Array:
    return (xp.astype(words >> 12, xp.float64) + 0.5) * 2.0**-52
