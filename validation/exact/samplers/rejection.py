"""Rejection sampling as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import rejection as sampler
from refengine.samplers.rejection import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, number, pi
from validation.exact.samplers._cases import cases, normals, uniforms
from validation.exact.samplers._metropolis import accepted


def step(state: State, noise: Noise, target: Any, loc: Any, scale: Any, *, log_bound: float) -> Transition:
    """The first y_t = m + s z_t with u_t < pi(y_t) / (M q(y_t)).

    Source: robert-casella-2004, algorithm A.4
    """
    proposals = loc + scale * noise.normals
    densities = target.log_density(proposals, *target.parameters)
    z = (proposals - loc) / scale
    log_q = -(z * z / 2 + log(scale) + log(2 * pi()) / 2).sum(axis=-1)
    log_ratio = densities - log_q + -number(log_bound)
    kept = accepted(noise.uniforms, log_ratio)
    position, density = np.array(state.position, dtype=object), np.array(state.log_density, dtype=object)
    tries = np.full(kept.shape[:-1], kept.shape[-1])
    for chain in np.ndindex(kept.shape[:-1]):
        if np.any(kept[chain]):
            first = int(np.argmax(kept[chain]))
            position[chain], density[chain], tries[chain] = proposals[chain][first], densities[chain][first], first + 1
    told = Info(proposals, densities, log_q, log_ratio, np.any(kept, axis=-1), tries)
    return Transition(State(position, density), told)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        *chains, size = position.shape
        tries = int(rng.integers(1, 4))
        return {"normals": normals(rng, (*chains, tries, size)), "uniforms": uniforms(rng, (*chains, tries))}

    def shared(rng: np.random.Generator, size: int) -> dict[str, Any]:
        scale = np.array([short(decades(rng, 0.3, 4.0), 5) for _ in range(size)])
        return {"loc": short(rng.normal(size=size), 5), "scale": scale}

    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        return {"log_bound": short(rng.normal() * 2, 5)}

    wide = [{"log_bound": bound} for bound in (-300.0, -1e4, 300.0, 1e4, -0.0078125, 2.0**-30)]
    yield from cases(rng, sampler, constants, wide, noise, shared)
