"""Underdamped Langevin dynamics by the splitting BAOAB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import underdamped_langevin as sampler
from refengine.samplers.underdamped_langevin import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, number, sqrt
from validation.exact.samplers._cases import METRICS, cases, draw_metric, inverse_mass, normals, other_metrics


def step(
    state: State,
    noise: Noise,
    target: Any,
    metric: Any,
    *,
    step_size: float,
    friction: float,
    metric_convention: str = "inverse_mass",
) -> Transition:
    """B, A, O, A, B.

    Source: leimkuhler-matthews-2013, the method BAOAB
    """
    h, rubbing, w = number(step_size), number(friction), inverse_mass(metric, metric_convention)
    c = exp(-(rubbing * h))
    spread = sqrt(1 - c * c) if rubbing > 0 else 0
    kicked = state.momentum + state.gradient * h / 2
    half = state.position + w * kicked * h / 2
    refreshed = kicked * c + noise.normal / sqrt(w) * spread
    y = half + w * refreshed * h / 2
    gradient = target.gradient(y, *target.parameters)
    after = State(y, target.log_density(y, *target.parameters), gradient, refreshed + gradient * h / 2)
    return Transition(after, Info(kicked, half, refreshed))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        friction = 0.0 if i % 9 == 8 else short(decades(rng, 0.1, 8.0), 4)
        given = {"step_size": short(decades(rng, 0.02, 1.0), 3), "friction": friction}
        return given | {"metric_convention": METRICS[i % 3]}

    ends = (
        ((1e-10, 1e-4), (1e-8, 1e-4)),
        ((5.0, 1e2), (1e-3, 1.0)),
        ((0.1, 1.0), (1e2, 1e4)),
        ((1e-3, 1.0), (1e-18, 1e-12)),
    )
    wide = [{"step_size": decades(rng, *h), "friction": decades(rng, *f)} for h, f in ends for _ in range(3)]

    def noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        return {"normal": normals(rng, position.shape)}

    def start(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        return {"momentum": normals(rng, position.shape)}

    yield from cases(rng, sampler, constants, wide, noise, draw_metric, start, alternatives=other_metrics)
