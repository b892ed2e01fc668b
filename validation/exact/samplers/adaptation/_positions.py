"""Moments by their definitions, and the chains of positions that they are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import short


def mean(position: Any) -> Any:
    """The mean over the last axis but one."""
    return position.sum(axis=-2) * _inverse(position.shape[-2])


def scatter(position: Any) -> Any:
    """The sum of outer products of the distances from the mean."""
    away = position - mean(position)[..., None, :]
    return (away[..., :, :, None] * away[..., :, None, :]).sum(axis=-3)


def identity(size: int) -> Any:
    from validation.exact.number import lift

    return np.asarray(lift(np.eye(size), variables=False))


def _inverse(count: int) -> Any:
    from validation.exact.number import number

    return 1 / number(count)


def positions(rng: np.random.Generator, count: int, least: int) -> Iterator[tuple[Any, tuple[str, ...], int]]:
    """Positions (..., T, D), flags and a difficulty: few and many, far from 0, equal ones, of very different sizes."""
    for i in range(count):
        chains, size = ((), (2,), (), ())[i % 4], 1 + i % 3
        length = least + int(rng.integers(0, 3 if chains or size > 2 else 5))
        yield short(rng.normal(size=(*chains, length, size)) * 2, 6), (), 1
    for i in range(8):
        far = 10.0 ** rng.integers(3, 9) * (1 + rng.uniform())
        yield far + rng.normal(size=(least + i % 4, 1 + i % 2)), ("CANCELLATION",), 4
    for i in range(4):
        yield np.full((least + i, 1 + i % 2), 0.1 + i), ("ZERO_DISTANCE",), 3
        yield rng.normal(size=(least + i, 2)) * np.array([1e-150, 1e140]), ("HUGE_PARAMETER",), 4
        yield rng.normal(size=(least + 1, 1 + i % 2)) * 1e-155, ("SUBNORMAL",), 4
