r"""Threefry 4x64-20: twenty rounds of additions, rotations and exclusive ors of four words of 64 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine.domains import Array
from refengine.random._words import Words64, checked, joined

__all__ = ["threefry"]

ROTATIONS = ((14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32))
PARITY = 0x1BD11BDAA9FC1A22
ROUNDS = 20


def threefry(key: Words64, counter: Words64) -> Array:
    r"""The block of random words that belongs to a key and a counter.

    .. math:: x_i \leftarrow x_i + x_j \bmod 2^{64}, \qquad
              x_j \leftarrow (x_j \lll r_{t,i}) \oplus x_i

    for the pairs (i, j) = (0, 1), (2, 3) in the even rounds t = 0, 2, ..., 18 and (0, 3), (2, 1) in the odd ones.
    Before the first round and after every fourth, for s = 0, ..., 5, the key is injected:
    :math:`x_i \leftarrow x_i + k_{(s + i) \bmod 5}`, and s itself is added to :math:`x_3`;
    :math:`k_4 = \mathrm{1BD11BDAA9FC1A22}_{16} \oplus k_0 \oplus k_1 \oplus k_2 \oplus k_3`. The rotations r repeat
    after eight rounds: 14 16, 52 57, 23 40, 5 37, 25 33, 46 12, 58 22, 32 32. key and counter: (..., 4), integers from
    0 to 2^64 - 1 of any integer dtype, their leading axes broadcast; result (..., 4), uint64. The words are those of
    Random123's ``threefry4x64``; JAX's default generator is the smaller ``threefry2x32``, another function. Raises
    ValueError for another last axis or a negative word, TypeError for other dtypes.
    Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, section 3.2.

    The first known answer that is published with Random123:

    >>> [f"{word:016x}" for word in threefry([0, 0, 0, 0], [0, 0, 0, 0]).tolist()[:2]]
    ['09218ebde6c85537', '55941f5266d86105']
    """
    xp, keys, counters = checked("threefry", key, counter)
    return joined(xp, block(xp, keys, counters))


def block(xp: Any, key: list[Array], counter: list[Array]) -> list[Array]:
    """The four words in uint64; sums wrap."""
    keys = [*key, key[0] ^ key[1] ^ key[2] ^ key[3] ^ PARITY]
    with np.errstate(all="ignore"):
        x = [c + k for c, k in zip(counter, key, strict=True)]
        for t in range(ROUNDS):
            for (i, j), turn in zip(((0, 3), (2, 1)) if t % 2 else ((0, 1), (2, 3)), ROTATIONS[t % 8], strict=True):
                x[i] = x[i] + x[j]
                x[j] = ((x[j] << turn) | (x[j] >> (64 - turn))) ^ x[i]
            if t % 4 == 3:
                s = (t + 1) // 4
                x = [word + keys[(s + i) % 5] for i, word in enumerate(x)]
                x[3] = x[3] + s
    return x
