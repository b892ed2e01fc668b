"""Streams of acceptance probabilities that the adaptations are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import short
from validation.exact.number import number


def powers(count: int, exponent: Any) -> list[Any]:
    """1, 2^exponent, 3^exponent, ... up to count."""
    from validation.exact.number import power

    return [number(1), *(power(number(m), exponent) for m in range(2, count + 1))][:count]


def acceptances(rng: np.random.Generator, count: int) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Streams (..., T) with flags: short and long, several chains, always 0, always 1, on the target."""
    for i in range(count):
        chains = ((), (2,), (), (2, 1))[i % 4]
        length = int(rng.integers(1, 4)) if chains else int(rng.integers(1, 7))
        yield short(rng.uniform(0.01, 0.99, size=(*chains, length))), ()
    for value, flag in ((0.0, "SATURATION"), (1.0, "SATURATION"), (0.8, "NEAR_ROOT"), (0.234, "NEAR_ROOT")):
        flags = (flag,)
        for length in (1, 4):
            yield np.full(length, value), flags
        yield np.where(np.arange(6) % 2 == 0, value, 0.5), flags
    for tiny in (5e-324, 1e-300, 2.0**-60):
        yield np.array([tiny, 1 - 2.0**-53, tiny, 0.5]), ("SUBNORMAL",) if tiny < 1e-310 else ("TINY_P",)
