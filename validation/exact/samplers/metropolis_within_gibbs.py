"""Metropolis within Gibbs as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import metropolis_within_gibbs as sampler
from refengine.samplers.metropolis_within_gibbs import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.samplers._cases import cases, normals, uniforms
from validation.exact.samplers._metropolis import accepted, choose


def step(state: State, noise: Noise, target: Any, scale: Any, *, scan: str = "systematic") -> Transition:
    """In every coordinate y_d = x_d + s_d z_d, accepted if u_d < pi(y) / pi(x).

    Source: tierney-1994, section 2.4
    """
    x, log_density = np.array(state.position, dtype=object), np.asarray(state.log_density, dtype=object)
    shape, size = x.shape, x.shape[-1]
    told = [np.empty(shape, dtype=object) for _ in range(3)]
    decisions = np.empty(shape, dtype=bool)
    for d in range(size) if scan == "systematic" else range(size - 1, -1, -1):
        y = x.copy()
        y[..., d] = x[..., d] + scale[d] * noise.normal[..., d]
        proposed = np.asarray(target.log_density(y, *target.parameters), dtype=object)
        ratio = np.asarray(proposed - log_density, dtype=object)
        decision = accepted(noise.uniforms[..., d], ratio)
        for column, value in zip((*told, decisions), (y[..., d], proposed, log_density, decision), strict=True):
            column[..., d] = value
        x = choose(decision, y, x)
        log_density = np.asarray(choose(decision, proposed, log_density), dtype=object)
    return Transition(State(x, log_density), Info(*told, decisions))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        return {"normal": normals(rng, position.shape), "uniforms": uniforms(rng, position.shape)}

    def shared(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"scale": np.array([short(decades(rng, 0.1, 4.0), 5) for _ in range(size)])}

    def wide(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"scale": np.array([decades(rng, *((1e-8, 1e-3) if rng.uniform() < 0.5 else (30.0, 1e4)))] * size)}

    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        return {"scan": ("systematic", "reverse")[i // 2 % 2]}

    def others(constants: dict[str, Any]) -> dict[str, Any]:
        return {s: {"scan": s} for s in ("systematic", "reverse") if s != constants["scan"]}

    yield from cases(rng, sampler, constants, (), noise, shared, alternatives=others)
    for draw in list(cases(rng, sampler, constants, (), noise, wide, saturated=False))[:8]:
        yield Draw(draw.arguments, draw.constants, (*draw.flags, "HUGE_PARAMETER"), 3)
