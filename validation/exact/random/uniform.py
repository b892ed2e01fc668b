"""Uniform numbers as fractions: exact, so that every bit is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.random import _random123 as random123
from validation.exact.random._streams import block64


def fraction(word: int) -> Fraction:
    """The middle of the interval of length 2^-52 in which word / 2^64 lies."""
    return Fraction(2 * (word * 2**52 // 2**64) + 1, 2**53)


def uniform(key: Any, counter: Any, *, generator: str = "philox") -> np.ndarray:
    """(floor(2^52 w / 2^64) + 1/2) / 2^52.

    Source: salmon-2011, section 2
    """
    words = random123.over_blocks(key, counter, block64(generator))
    return np.array([float(fraction(w)) for w in words.ravel()]).reshape(words.shape)


def draw_uniform(rng: np.random.Generator) -> Iterator[Draw]:
    yield from of_both(rng)


def of_both(rng: np.random.Generator) -> Iterator[Draw]:
    """Blocks of both generators."""
    for generator in ("philox", "threefry"):
        for draw in random123.blocks(rng, generator, 30):
            yield replace(draw, constants={} if generator == "philox" else {"generator": generator})
