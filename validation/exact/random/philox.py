"""Philox 4x32-10 by its general form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.random import _random123 as random123

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and the square root of 3, their fractions


def block(key: list[int], counter: list[int]) -> list[int]:
    return random123.philox(32, key, counter, MULTIPLIERS, WEYL, 10)


def philox(key: Any, counter: Any) -> np.ndarray:
    """Ten rounds on words of 32 bits.

    Source: salmon-2011, section 3.3
    """
    return random123.over_blocks(key, counter, block).astype(np.uint32)


def draw_philox(rng: np.random.Generator) -> Iterator[Draw]:
    yield from random123.blocks(rng, "philox", 40)
