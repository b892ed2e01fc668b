"""One block of each generator in compiled code, and blocks for many keys and counters at once."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from refengine.backends.numba._parallel import parallel, sealed
from refengine.random._words import checked

LOW = np.uint64(2**32 - 1)
HALF = np.uint64(32)
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
PARITY = np.uint64(0x1BD11BDAA9FC1A22)
TURNS = np.array([14, 52, 23, 5, 25, 46, 58, 32, 16, 57, 40, 37, 33, 12, 22, 32], dtype=np.uint64)
WORD = np.uint64(64)


@numba.njit(cache=True, inline="always")
def philox_block(key, counter, out):
    """Four words of 32 bits into four of 64 that hold them."""
    a, b, c, d = counter[0], counter[1], counter[2], counter[3]
    left, right = key[0], key[1]
    for _ in range(10):
        first, second = M0 * a, M1 * c
        a, b, c, d = (second >> HALF) ^ b ^ left, second & LOW, (first >> HALF) ^ d ^ right, first & LOW
        left, right = (left + W0) & LOW, (right + W1) & LOW
    out[0], out[1], out[2], out[3] = a, b, c, d


@numba.njit(cache=True, inline="always")
def _mixed(a, b, turn):
    """The pair (a + b, b turned to the left and xored with that)."""
    total = a + b
    return total, ((b << turn) | (b >> (WORD - turn))) ^ total


@numba.njit(cache=True, inline="always")
def threefry_block(key, counter, out):
    """The pairs of two neighbouring rounds at a time: (0, 1), (2, 3) of the even one, then those of the odd one."""
    last = PARITY ^ key[0] ^ key[1] ^ key[2] ^ key[3]
    keys = (key[0], key[1], key[2], key[3], last)
    a, b, c, d = counter[0] + keys[0], counter[1] + keys[1], counter[2] + keys[2], counter[3] + keys[3]
    for s in range(1, 6):
        for half in range(2):
            even = 4 * (s - 1) % 8 + 2 * half
            a, b = _mixed(a, b, TURNS[even])
            c, d = _mixed(c, d, TURNS[even + 8])
            a, d = _mixed(a, d, TURNS[even + 1])
            c, b = _mixed(c, b, TURNS[even + 9])
        a, b, c = a + keys[s % 5], b + keys[(s + 1) % 5], c + keys[(s + 2) % 5]
        d = d + keys[(s + 3) % 5] + np.uint64(s)
    out[0], out[1], out[2], out[3] = a, b, c, d


@numba.njit(cache=True)
def words64(philox, key, counter, block, out):
    """The words of 64 bits of one block."""
    if philox:
        philox_block(key, counter, block)
        out[0], out[1] = block[0] | (block[1] << HALF), block[2] | (block[3] << HALF)
    else:
        threefry_block(key, counter, out)


@parallel
def _blocks(philox, keys, counters, out):
    for i in prange(len(out)):
        if philox:
            philox_block(keys[i], counters[i], out[i])
        else:
            threefry_block(keys[i], counters[i], out[i])


@parallel
def _uniforms(philox, keys, counters, out):
    for i in prange(len(out)):
        block, found = np.empty(4, np.uint64), np.empty(4, np.uint64)
        words64(philox, keys[i], counters[i], block, found)
        for j in range(out.shape[1]):
            out[i, j] = (np.float64(found[j] >> np.uint64(12)) + 0.5) * 2.0**-52


@parallel
def _integers(philox, keys, counters, low, n, last, top, out):
    for i in prange(len(out)):
        block, found, counter = np.empty(4, np.uint64), np.empty(4, np.uint64), counters[i].copy()
        words64(philox, keys[i], counter, block, found)
        wanted = found.copy()
        for j in range(out.shape[1]):
            while wanted[j] > last:
                counter[3] = (counter[3] + np.uint64(1)) & top
                words64(philox, keys[i], counter, block, found)
                wanted[j] = found[j]
            counter[3] = counters[i, 3]
            out[i, j] = low + (wanted[j] % n if n > 0 else wanted[j])  # n = 0 stands for 2^64; all wraps


def rows(generator: str, key: Any, counter: Any) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """The blocks' shape; keys and counters as contiguous rows of words in uint64."""
    _, keys, counters = checked(generator, key, counter)
    key, counter = (sealed(np.stack(words, axis=-1).reshape(-1, len(words))) for words in (keys, counters))
    return keys[0].shape, key, counter


def blocks(generator: str, key: Any, counter: Any) -> np.ndarray:
    """All words, in uint64."""
    shape, keys, counters = rows(generator, key, counter)
    out = np.empty((len(keys), 4), dtype=np.uint64)
    _blocks(generator == "philox", keys, counters, out)
    return out.reshape(*shape, 4)


def uniforms(generator: str, key: Any, counter: Any) -> np.ndarray:
    """The uniform numbers of all blocks."""
    shape, keys, counters = rows(generator, key, counter)
    out = np.empty((len(keys), 2 if generator == "philox" else 4))
    _uniforms(generator == "philox", keys, counters, out)
    return out.reshape(*shape, out.shape[1])


def bounded(generator: str, key: Any, counter: Any, low: int, n: int, last: int) -> np.ndarray:
    """The integers of all blocks; words above ``last`` are rejected."""
    shape, keys, counters = rows(generator, key, counter)
    out = np.empty((len(keys), 2 if generator == "philox" else 4), dtype=np.uint64)
    top = LOW if generator == "philox" else np.uint64(2**64 - 1)
    _integers(
        generator == "philox",
        keys,
        counters,
        np.uint64(low % 2**64),
        np.uint64(n % 2**64),
        np.uint64(last),
        top,
        out,
    )
    return out.view(np.int64).reshape(*shape, out.shape[1])
