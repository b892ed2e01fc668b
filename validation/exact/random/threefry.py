"""Threefry 4x64-20 by its general form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.random import _random123 as random123

ROTATIONS = ((14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32))
PARITY = 0x1BD11BDAA9FC1A22


def block(key: list[int], counter: list[int]) -> list[int]:
    return random123.threefry(64, key, counter, ROTATIONS, PARITY, 20)


def threefry(key: Any, counter: Any) -> np.ndarray:
    """Twenty rounds on words of 64 bits.

    Source: salmon-2011, section 3.2
    """
    return random123.over_blocks(key, counter, block).astype(np.uint64)


def draw_threefry(rng: np.random.Generator) -> Iterator[Draw]:
    yield from random123.blocks(rng, "threefry", 40)
