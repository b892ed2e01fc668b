"""The words of 64 bits of either generator."""

from __future__ import annotations

from collections.abc import Callable

from validation.exact.random import philox, threefry


def block64(generator: str) -> Callable[[list[int], list[int]], list[int]]:
    """The words of 64 bits of one block."""

    def pairs(key: list[int], counter: list[int]) -> list[int]:
        words = philox.block(key, counter)
        return [words[i] + 2**32 * words[i + 1] for i in (0, 2)]

    return threefry.block if generator == "threefry" else pairs
