"""What the generators share: checked words of key and counter, and blocks as words of 64 bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import array_api_compat
import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Integers

Words32 = Annotated[Array, Integers(0, 2**32 - 1)]
Words64 = Annotated[Array, Integers(0, 2**64 - 1)]
Words = Annotated[Array, Integers(0, 2**64 - 1)]
"""Words of 32 bits for Philox, of 64 bits for Threefry."""

MASK = 2**32 - 1
BITS = {"philox": 32, "threefry": 64}
KEY_WORDS = {"philox": 2, "threefry": 4}
COUNTER_WORDS = 4


def checked(generator: str, key: Array, counter: Array) -> tuple[Any, list[Array], list[Array]]:
    """``xp``, the words of the key and those of the counter, each in uint64 and of the blocks' common shape.

    TypeError unless they hold integers; ValueError for another last axis, for a word that is too large, for leading
    axes that do not broadcast.
    """
    xp, bits = namespace(key, counter), BITS[generator]
    key = _words(xp, "key", key, KEY_WORDS[generator], bits)
    counter = _words(xp, "counter", counter, COUNTER_WORDS, bits)
    try:
        shape = np.broadcast_shapes(key.shape[:-1], counter.shape[:-1])
    except ValueError:
        raise ValueError(f"shapes do not broadcast: key {key.shape}, counter {counter.shape}") from None
    key, counter = (xp.broadcast_to(words, (*shape, words.shape[-1])) for words in (key, counter))
    return xp, [key[..., i] for i in range(key.shape[-1])], [counter[..., i] for i in range(COUNTER_WORDS)]


def _words(xp: Any, name: str, value: Array, size: int, bits: int) -> Array:
    array = value if array_api_compat.is_array_api_obj(value) else _from_lists(xp, value)
    if not xp.isdtype(array.dtype, "integral"):
        raise TypeError(f"{name} must hold integers, got {array.dtype}")
    if array.ndim == 0 or array.shape[-1] != size:
        raise ValueError(f"{name} must have shape (..., {size}), got {tuple(array.shape)}")
    info = xp.iinfo(array.dtype)
    if (info.min < 0 or info.max >= 2**bits) and 0 not in array.shape:
        low, high = int(xp.min(array)), int(xp.max(array))
        if low < 0 or high >= 2**bits:
            raise ValueError(f"{name} must hold words of {bits} bits, got {low if low < 0 else high}")
    return xp.astype(array, xp.uint64, copy=False)


def _from_lists(xp: Any, value: Any) -> Array:
    """Lists of Python integers in a dtype that holds them: NumPy gives float64 to those around 2^63."""
    large = _largest(value) >= 2**63
    return xp.asarray(value, dtype=xp.uint64) if large else xp.asarray(value)


def _largest(value: Any) -> int:
    """The largest integer in nested lists of nothing but integers that 64 bits hold without a sign, else 0."""
    if isinstance(value, list | tuple):
        found = [_largest(part) for part in value]
        return max(found, default=0) if min(found, default=0) >= 0 else -1
    return value if isinstance(value, int) and value < 2**64 else -1


def joined(xp: Any, words: Sequence[Array]) -> Array:
    """Words along a new last axis."""
    return xp.stack([xp.asarray(word) for word in words], axis=-1)


def check_generator(generator: str) -> None:
    check_option("generator", generator, tuple(BITS))


def numbers_of_block(generator: str) -> int:
    """How many words of 64 bits a block gives."""
    return COUNTER_WORDS * BITS[generator] // 64
