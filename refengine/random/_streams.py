"""Streams and their blocks: which keys and counters to use."""

from __future__ import annotations

from math import ceil, prod
from operator import index
from typing import Any

from refengine._arrays import namespace
from refengine.domains import Array
from refengine.random._words import BITS, COUNTER_WORDS, KEY_WORDS, MASK, check_generator, numbers_of_block
from refengine.random.integers import integers
from refengine.random.normal import normal
from refengine.random.uniform import uniform


def key(seed: int, stream: int = 0, *, generator: str = "philox") -> Array:
    """The key of a stream: the words of the seed, then those of the stream's number, lowest first.

    Philox keys (2,) uint32 hold a seed and a stream of 32 bits each, Threefry keys (4,) uint64 of 128 bits each; a pair
    that does not fit is a ValueError, so that no two pairs share a key. Streams of one seed are as independent as the
    generator's outputs are: there is no state that could overlap.

    >>> key(1, 2).tolist()
    [1, 2]
    """
    check_generator(generator)
    xp, bits, size = namespace(), BITS[generator], KEY_WORDS[generator] // 2
    found = []
    for name, value in (("seed", index(seed)), ("stream", index(stream))):
        if not 0 <= value < 2 ** (bits * size):
            raise ValueError(f"{name} must lie in 0..2^{bits * size} - 1, got {value}")
        found += [value >> bits * i & 2**bits - 1 for i in range(size)]
    return xp.asarray(found, dtype=xp.uint32 if bits == 32 else xp.uint64)


def counters(count: int, start: int = 0, *, generator: str = "philox") -> Array:
    """The counters (count, 4) of the blocks start, start + 1, ...: the number in the lowest words, zeros above.

    The number must stay below 2^64. The two upper words are the caller's, to tell apart what one stream is used for;
    `integers` counts its retries in the last.

    >>> counters(2, 2**32 - 1).tolist()
    [[4294967295, 0, 0, 0], [0, 1, 0, 0]]
    """
    check_generator(generator)
    xp, count, start = namespace(), index(count), index(start)
    if count < 0 or not 0 <= start <= 2**64 - count:
        raise ValueError(f"start and count must not be negative, their sum not above 2^64, got {start} and {count}")
    numbers = xp.arange(count, dtype=xp.uint64) + xp.asarray(start % 2**64, dtype=xp.uint64)
    lowest = [numbers & MASK, numbers >> 32] if generator == "philox" else [numbers]
    words = lowest + [xp.zeros_like(numbers)] * (COUNTER_WORDS - len(lowest))
    return xp.astype(xp.stack(words, axis=-1), xp.uint32 if generator == "philox" else xp.uint64)


class Stream:
    """A stream for functions that draw from a NumPy generator, as every ``noise(rng, ...)`` of this library does.

    It has the three methods that they use, and one number that changes: ``block``, the next block of the stream. What
    is drawn after each other takes blocks after each other, whole ones: the numbers are those of `uniform`, `normal`
    and `integers` at `counters`, whatever the backend on which those are asked for again.

    >>> stream = Stream(key(1, 2))
    >>> drawn = stream.standard_normal((3,)), stream.random((2, 2))
    >>> bool((drawn[1].reshape(-1) == uniform(key(1, 2), counters(2, start=2)).reshape(-1)).all()), stream.block
    (True, 4)
    """

    def __init__(self, key: Array, *, block: int = 0, generator: str = "philox") -> None:
        check_generator(generator)
        self.key, self.block, self.generator = key, block, generator

    def random(self, size: int | tuple[int, ...] = ()) -> Array:
        """Uniform numbers in the open interval (0, 1)."""
        return self._drawn(uniform, size)

    def standard_normal(self, size: int | tuple[int, ...] = ()) -> Array:
        """Standard normal numbers."""
        return self._drawn(normal, size)

    def integers(self, low: int, high: int | None = None, size: int | tuple[int, ...] = ()) -> Array:
        """Integers from low to high - 1, or from 0 to low - 1."""
        bounds = {"high": low} if high is None else {"low": low, "high": high}
        return self._drawn(integers, size, **bounds)

    def _drawn(self, function: Any, size: int | tuple[int, ...], **constants: int) -> Array:
        shape = (size,) if isinstance(size, int) else tuple(size)
        count = ceil(prod(shape) / numbers_of_block(self.generator))
        blocks = counters(count, self.block, generator=self.generator)
        self.block += count
        found = function(self.key, blocks, generator=self.generator, **constants)
        xp = namespace(found)
        return xp.reshape(xp.reshape(found, (-1,))[: prod(shape)], shape)
