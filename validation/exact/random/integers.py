"""Bounded integers by rejection, one word after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.random import _random123 as random123
from validation.exact.random._streams import block64

RANGES = (
    (0, 6),
    (1, 7),
    (-3, 1_000_000_007),
    (7, 8),
    (0, 2**32),
    (0, 2**63),
    (-(2**63), 2**63),
    (-(2**63), 2**63 - 1),
    (-5, 2**63 - 3),
    (-(2**63), 1),
    (-(2**62), 2**62 + 1),
    (0, 6148914691236517206),
)


def integers(key: Any, counter: Any, *, low: int = 0, high: int, generator: str = "philox") -> np.ndarray:
    """Low + w mod n of the first word w below the largest multiple of n, in steps of the last word of the counter.

    Source: lemire-2019, algorithm 3
    """
    block, n = block64(generator), high - low
    last_word = 2 ** (32 if generator == "philox" else 64)

    def one(key: list[int], counter: list[int]) -> list[int]:
        return [low + first_accepted(key, counter, place) % n for place in range(len(block(key, counter)))]

    def first_accepted(key: list[int], counter: list[int], place: int) -> int:
        tried = (block(key, [*counter[:3], (counter[3] + step) % last_word])[place] for step in count())
        return next(word for word in tried if word < 2**64 - 2**64 % n)

    return random123.over_blocks(key, counter, one).astype(np.int64)


def draw_integers(rng: np.random.Generator) -> Iterator[Draw]:
    for generator in ("philox", "threefry"):
        for i, draw in enumerate(random123.blocks(rng, generator, 60)):
            low, high = RANGES[i % len(RANGES)]
            constants = {"high": high} if low == 0 else {"low": low, "high": high}
            constants |= {} if generator == "philox" else {"generator": generator}
            rejects = 2**64 % (high - low) > 2**60
            flags = (*draw.flags, "REJECTED_WORD") if rejects else draw.flags
            yield replace(draw, constants=constants, flags=flags)
