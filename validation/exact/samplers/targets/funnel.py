"""Neal's funnel, by its normal densities."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, pi, stated
from validation.exact.samplers.targets._derivative import derivative


def target(scale: Any) -> Target:
    return Target(log_density, gradient, None, (scale,))


def log_density(position: Any, scale: Any) -> Any:
    """log N(v; 0, s^2) + sum_k log N(x_k; 0, e^v).

    Source: neal-2003, section 8
    """
    s = number(np.asarray(scale).item())
    v, *x = np.moveaxis(position, -1, 0)
    if not s > 0:
        return np.full(np.shape(v), stated(nan, *((q, nan) for q in (*np.ravel(position), s))))
    first = -(v * v * (1 / (2 * s * s))) + -(log(s) + log(2 * pi()) / 2)
    return first + sum((-(exp(-v) * (k * k) / 2) - v / 2 + -(log(2 * pi()) / 2) for k in x), 0 * v)


def gradient(position: Any, scale: Any) -> Any:
    """The derivative of the log density to the position.

    Source: neal-2003, section 8
    """
    s = number(np.asarray(scale).item())
    if not s > 0:
        return np.full(np.shape(position), stated(nan, *((q, nan) for q in (*np.ravel(position), s))))
    return derivative(log_density, position, scale)


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(44):
        chains = ((), (3,), (), (2, 2))[i % 4]
        position = short(rng.normal(size=(*chains, 1 + i // 4 % 4)) * decades(rng, 0.1, 4), 6)
        yield Draw({"position": position, "scale": short(decades(rng, 0.5, 5), 5)})
    for i in range(16):  # the neck and the mouth
        v = (rng.choice([-1, 1])) * decades(rng, 1, 60)
        position = np.array([v, *(rng.normal(size=1 + i % 2) * np.exp(v / 2) * decades(rng, 1e-2, 1e2))])
        yield Draw({"position": position, "scale": decades(rng, 0.1, 30)}, flags=("HUGE_PARAMETER",), difficulty=3)
    for v in (-700.0, 700.0):
        arguments = {"position": [v, np.exp(v / 2), -0.5 * np.exp(v / 2)], "scale": 3.0}
        yield Draw(arguments, flags=("OVERFLOW_F32",), difficulty=4)
    for scale in (0.0, -1.0, nan):
        yield Draw({"position": [0.5, 1.0], "scale": scale}, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
