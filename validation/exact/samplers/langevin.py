"""The unadjusted Langevin algorithm as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import langevin as sampler
from refengine.samplers.langevin import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import sqrt
from validation.exact.samplers._cases import cases, epsilon_of, normals, other_steps


def step(
    state: State, noise: Noise, target: Any, *, step_size: float, step_size_convention: str = "epsilon"
) -> Transition:
    """x' = x + eps g(x) + sqrt(2 eps) z.

    Source: roberts-tweedie-1996, section 1.4.1
    """
    epsilon = epsilon_of(step_size, step_size_convention)
    drift, diffusion = state.gradient * epsilon, noise.normal * sqrt(2 * epsilon)
    y = state.position + drift + diffusion
    after = State(y, target.log_density(y, *target.parameters), target.gradient(y, *target.parameters))
    return Transition(after, Info(drift, diffusion))


def _noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
    return {"normal": normals(rng, position.shape)}


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        conventions = ("epsilon", "half_epsilon", "half_epsilon_squared")
        return {"step_size": short(decades(rng, 0.02, 1.0), 3), "step_size_convention": conventions[i % 3]}

    wide = [{"step_size": decades(rng, *ends)} for ends in ((1e-14, 1e-4), (30.0, 1e5)) for _ in range(4)]
    yield from cases(rng, sampler, constants, wide, _noise, alternatives=other_steps)
