"""Elliptical slice sampling, chain by chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import elliptical_slice as sampler
from refengine.samplers.elliptical_slice import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import cos, log, number, pi, sin
from validation.exact.samplers._cases import cases, normals, uniforms


def step(state: State, noise: Noise, target: Any, factor: Any) -> Transition:
    """A draw of the prior, a level, an angle, and a bracket of angles that shrinks.

    Source: murray-2010, figure 2
    """
    chains = np.shape(state.log_density)
    position, ellipse = np.array(state.position, dtype=object), np.empty(np.shape(state.position), dtype=object)
    told = np.empty((3, *chains), dtype=object)
    tries, accepted = np.empty(chains, dtype=np.int64), np.zeros(chains, dtype=bool)
    for chain in np.ndindex(chains):
        f, density = position[chain], number(np.asarray(state.log_density)[chain])
        nu = noise.normal[chain] @ factor.T
        level = density + log(np.asarray(noise.level)[chain])
        theta = 2 * pi() * np.asarray(noise.angle)[chain]
        ends, made = [theta - 2 * pi(), theta], 0
        ellipse[chain], told[(0, *chain)], told[(1, *chain)], told[(2, *chain)] = nu, level, number(0), density
        for v in (None, *np.asarray(noise.tries)[chain]):
            if v is not None:
                theta = ends[0] + (ends[1] - ends[0]) * v
            made += 1
            proposal = f * cos(theta) + nu * sin(theta)
            value = number(target.log_density(proposal, *target.parameters))
            if value > level:
                position[chain], told[(1, *chain)], told[(2, *chain)] = proposal, theta, value
                accepted[chain] = True
                break
            ends[0 if theta < 0 else 1] = theta
        tries[chain] = made
    return Transition(State(position, told[2]), Info(ellipse, told[0], told[1], tries, accepted))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        chains = position.shape[:-1]
        given = {"normal": normals(rng, position.shape), "level": uniforms(rng, chains), "angle": uniforms(rng, chains)}
        return given | {"tries": uniforms(rng, (*chains, int(rng.integers(1, 5))))}

    def shared(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"factor": short(rng.normal(size=(size, size)) * decades(rng, 0.3, 3.0), 5)}

    def wide(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"factor": rng.normal(size=(size, size)) * decades(rng, *((1e-8, 1e-3) if size % 2 else (30.0, 1e4)))}

    yield from cases(rng, sampler, lambda rng, i: {}, (), noise, shared)
    for draw in list(cases(rng, sampler, lambda rng, i: {}, (), noise, wide, saturated=False))[:8]:
        yield Draw(draw.arguments, draw.constants, (*draw.flags, "HUGE_PARAMETER"), 3)
