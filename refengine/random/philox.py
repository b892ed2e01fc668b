r"""Philox 4x32-10: ten rounds of multiplications that mix a counter of four words of 32 bits under a key of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine.domains import Array
from refengine.random._words import MASK, Words32, checked, joined

__all__ = ["philox"]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def philox(key: Words32, counter: Words32) -> Array:
    r"""The block of random words that belongs to a key and a counter.

    .. math:: (c_0, c_1, c_2, c_3) \leftarrow (h_1 \oplus c_1 \oplus k_0,\; l_1,\; h_0 \oplus c_3 \oplus k_1,\; l_0),
              \qquad 2^{32} h_0 + l_0 = M_0 c_0, \quad 2^{32} h_1 + l_1 = M_1 c_2

    ten times, after each of which :math:`k_i \leftarrow k_i + W_i \bmod 2^{32}`, with the multipliers M = D2511F53,
    CD9E8D57 and the increments W = 9E3779B9, BB67AE85 (hexadecimal). key: (..., 2), counter: (..., 4), integers from
    0 to 2^32 - 1 of any integer dtype, their leading axes broadcast; result (..., 4), uint32. For a fixed key the map
    is a bijection of the 2^128 counters. The words and their order are those of Random123's ``philox4x32``, whose
    rounds cuRAND, PyTorch (on CUDA) and TensorFlow take, too. Raises ValueError for another last axis or a word that
    is too large, TypeError for other dtypes.
    Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, section 3.3.

    The first known answer that is published with Random123:

    >>> [f"{word:08x}" for word in philox([0, 0], [0, 0, 0, 0]).tolist()]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    xp, keys, counters = checked("philox", key, counter)
    return xp.astype(joined(xp, block(xp, keys, counters)), xp.uint32)


def block(xp: Any, key: list[Array], counter: list[Array]) -> list[Array]:
    """The four words, each below 2^32, in uint64."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    with np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            a, b = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]  # two words of 32 bits: the product fits into 64
            c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & MASK, (a >> 32) ^ c3 ^ k1, a & MASK
            k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return [c0, c1, c2, c3]
