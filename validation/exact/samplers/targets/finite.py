"""A distribution on finitely many states."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import number, stated


def target(log_weights: Any) -> Target:
    return Target(log_density, gradient, None, (log_weights,))


def log_density(position: Any, log_weights: Any) -> Any:
    """The log weight of the state.

    Source: levin-peres-2017, section 3.2
    """
    states = np.reshape(position, (-1,))
    found = np.empty(states.shape, dtype=object)
    for i, x in enumerate(states):
        here = [w for s, w in enumerate(log_weights) if number(x) == s]
        found[i] = number(here[0]) if here else stated(-inf)
    return found.reshape(np.shape(position)[:-1])


def gradient(position: Any, log_weights: Any) -> Any:
    """Zero.

    Source: levin-peres-2017, section 3.2
    """
    return np.full(np.shape(position), number(0))


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(64):
        count, chains = 1 + i % 5, ((), (3,), (), (2, 2))[i % 4]
        position = rng.integers(0, count, size=(*chains, 1)).astype(float)
        flags: tuple[str, ...] = ()
        if i % 4 == 3:
            outside = rng.choice([-1.0, float(count), 0.5, count - 1 + 2.0**-40], size=1)
            position.reshape(-1)[:1], flags = outside, ("OUT_OF_SUPPORT",)
        elif i % 8 == 2:
            position.reshape(-1)[:1], flags = count - 1, ("SUPPORT_EDGE",)
        weights = short(rng.normal(size=count) * (2 if i < 40 else decades(rng, 1e-3, 1e3)), 6)
        yield Draw({"position": position, "log_weights": weights}, flags=flags, difficulty=1 + len(flags))


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
