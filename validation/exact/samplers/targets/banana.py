"""The twisted normal density."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import number, stated
from validation.exact.samplers.targets._derivative import derivative


def target(bend: Any, scale: Any) -> Target:
    return Target(log_density, gradient, None, (bend, scale))


def log_density(position: Any, bend: Any, scale: Any) -> Any:
    """-x_1^2 / (2 s^2) - (x_2 + b x_1^2 - b s^2)^2 / 2 - sum_{d>2} x_d^2 / 2.

    Source: haario-1999
    """
    b, s = number(np.asarray(bend).item()), number(np.asarray(scale).item())
    x, second, *rest = np.moveaxis(position, -1, 0)
    if not s > 0:
        return np.full(np.shape(x), stated(nan, *((v, nan) for v in (*np.ravel(position), b, s))))
    ridge = second + x * x * b + -(b * s * s)
    return -(x * x * (1 / (s * s)) + ridge * ridge + sum(d * d for d in rest)) / 2


def gradient(position: Any, bend: Any, scale: Any) -> Any:
    """The derivative of the log density to the position.

    Source: haario-1999
    """
    b, s = number(np.asarray(bend).item()), number(np.asarray(scale).item())
    if not s > 0:
        return np.full(np.shape(position), stated(nan, *((v, nan) for v in (*np.ravel(position), b, s))))
    return derivative(log_density, position, bend, scale)


def draw_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """A bend and a scale of few bits."""
    return {"bend": short(rng.normal() * 0.5, 5), "scale": short(decades(rng, 0.5, 8), 5)}


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(44):
        chains = ((), (3,), (), (2, 2))[i % 4]
        position = short(rng.normal(size=(*chains, 2 + i // 4 % 3)) * decades(rng, 0.1, 8), 6)
        yield Draw({"position": position, **draw_parameters(rng)})
    for i in range(12):
        position = rng.normal(size=2 + i % 2) * decades(rng, 1e-3, 1e3)
        yield Draw(
            {"position": position, "bend": decades(rng, 1e-4, 1e2), "scale": decades(rng, 1e-2, 1e2)}, difficulty=3
        )
    for i in range(10):  # on the ridge, where the bend is far larger than what is left
        bend, scale, x = short(rng.normal(), 5), short(decades(rng, 1, 30), 5), short(rng.normal() * 10, 6)
        position = [x, -bend * (x * x - scale * scale) + (2.0**-8 if i % 2 else 0.0)]
        yield Draw(
            {"position": position, "bend": bend, "scale": scale}, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4
        )
    for tail in (1e6, -1e20, 1e50):
        yield Draw({"position": [tail, 1.0], "bend": 0.03, "scale": 10.0}, flags=("OVERFLOW_F32",), difficulty=4)
    yield Draw({"position": [1.0, 2.0, 3.0], "bend": 0.0, "scale": 1.0})
    for scale in (0.0, -1.0, nan):
        yield Draw({"position": [0.5, 1.0], "bend": 0.5, "scale": scale}, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
