"""The generators of Random123 as their paper has them, for any size and number of words, in Python's integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from validation.exact.draws import Draw

PI = 0x243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89  # the fraction of pi, as Random123 uses it


def philox(
    width: int, key: Sequence[int], counter: Sequence[int], multipliers: Sequence[int], weyl: Sequence[int], rounds: int
) -> list[int]:
    """A block of four words of ``width`` bits: a permuted network of multiplications."""
    size, words, keys = 2**width, list(counter), list(key)
    for _ in range(rounds):
        right, left = words[0] * multipliers[0], words[2] * multipliers[1]
        words = [left // size ^ words[1] ^ keys[0], left % size, right // size ^ words[3] ^ keys[1], right % size]
        keys = [(k + w) % size for k, w in zip(keys, weyl, strict=True)]
    return words


def threefry(
    width: int,
    key: Sequence[int],
    counter: Sequence[int],
    rotations: Sequence[Sequence[int]],
    parity: int,
    rounds: int,
) -> list[int]:
    """A block of two or four words of ``width`` bits: Threefish without its tweak, with fewer rounds."""
    size, count = 2**width, len(key)
    extended = [*key, parity]
    for k in key:
        extended[-1] ^= k
    words = [(c + k) % size for c, k in zip(counter, key, strict=True)]
    for t in range(rounds):
        for pair in range(count // 2):
            a, b = words[2 * pair], words[2 * pair + 1]
            a = (a + b) % size
            turn = rotations[t % 8][pair]
            words[2 * pair : 2 * pair + 2] = a, (b * 2**turn % size + b // 2 ** (width - turn)) ^ a
        if count == 4:  # the second and the last word change places
            words[1], words[3] = words[3], words[1]
        if t % 4 == 3:
            s = t // 4 + 1
            words = [(x + extended[(s + i) % (count + 1)]) % size for i, x in enumerate(words)]
            words[-1] = (words[-1] + s) % size
    return words


def over_blocks(key: Any, counter: Any, block: Callable[[list[int], list[int]], list[Any]]) -> np.ndarray:
    """A function of one key and one counter, on their broadcast blocks; an object array."""
    size = len(block([0] * key.shape[-1], [0] * 4))
    shape = np.broadcast_shapes(key.shape[:-1], counter.shape[:-1])
    keys, counters = (np.broadcast_to(a, (*shape, a.shape[-1])).reshape(-1, a.shape[-1]) for a in (key, counter))
    found = [block(k.tolist(), c.tolist()) for k, c in zip(keys, counters, strict=True)]
    return np.array(found, dtype=object).reshape(*shape, size)


def blocks(rng: np.random.Generator, generator: str, count: int) -> Iterator[Draw]:
    """Keys and counters: the published ones, single bits, all ones, random words, several blocks, other dtypes."""
    width, size = (32, 2) if generator == "philox" else (64, 4)
    dtype = np.dtype(f"uint{width}")
    digits = [PI >> (256 - width * (i + 1)) & 2**width - 1 for i in range(256 // width)]
    if generator == "threefry":  # two words of the published key are the same
        digits += [0x452821E638D01377, 0xBE5466CF34E90C6C, 0xBE5466CF34E90C6C, 0xC0AC29B7C97C50DD]

    def draw(key: Any, counter: Any, *flags: str, difficulty: int = 2, own: Any = dtype) -> Draw:
        return Draw({"key": np.array(key, own), "counter": np.array(counter, own)}, {}, flags, difficulty)

    def words(*shape: int) -> Any:
        return rng.integers(2**width, size=shape, dtype=np.uint64)

    ones = 2**width - 1
    yield draw([0] * size, [0] * 4, difficulty=1)
    yield draw([ones] * size, [ones] * 4, "WORD_OVERFLOW", difficulty=3)
    yield draw(digits[4 : 4 + size], digits[:4], "WORD_ORDER")
    for i in range(size):
        yield draw([int(i == j) for j in range(size)], [0] * 4, "WORD_ORDER")
        yield draw([ones * (i == j) for j in range(size)], [0] * 4, "WORD_OVERFLOW")
    for i in range(4):
        yield draw([0] * size, [int(i == j) for j in range(4)], "WORD_ORDER")
        yield draw([0] * size, [ones * (i == j) for j in range(4)], "WORD_OVERFLOW")
        yield draw([0] * size, [2 ** (width - 1) * (i == j) for j in range(4)], "WORD_OVERFLOW")
    yield draw(words(size), words(3, 4), "BROADCAST")
    yield draw(words(3, size), words(4), "BROADCAST")
    yield draw(words(2, 1, size), words(3, 4), "BROADCAST")
    yield draw(words(0, size), words(4), "BROADCAST")
    yield draw([1] * size, [[i, 0, 0, 0] for i in range(4)], own=np.int64, difficulty=1)
    yield draw(words(size) // 2, words(4) // 2, own=np.int64)
    for i in range(count):
        yield draw(words(size), words(4), difficulty=1 + i % 2, own=np.uint64 if i % 4 == 3 else dtype)
