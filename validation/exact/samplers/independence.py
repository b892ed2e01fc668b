"""The independence sampler, by the density of its proposal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import independence as sampler
from refengine.samplers.independence import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, pi
from validation.exact.samplers._cases import cases, normals, uniforms
from validation.exact.samplers._metropolis import accepted, choose


def step(state: State, noise: Noise, target: Any, loc: Any, scale: Any) -> Transition:
    """y = m + s z, accepted if u < pi(y) q(x) / (pi(x) q(y)).

    Source: tierney-1994, section 2.3.3
    """
    proposal = loc + scale * noise.normal
    log_density = target.log_density(proposal, *target.parameters)
    forward, reverse = _log_q(proposal, loc, scale), _log_q(state.position, loc, scale)
    log_ratio = (log_density + reverse) - (state.log_density + forward)
    decision = accepted(noise.uniform, log_ratio)
    after = State(choose(decision, proposal, state.position), choose(decision, log_density, state.log_density))
    return Transition(after, Info(proposal, log_density, forward, reverse, log_ratio, decision))


def _log_q(x: Any, loc: Any, scale: Any) -> Any:
    z = (x - loc) / scale
    return -(z * z / 2 + log(scale) + log(2 * pi()) / 2).sum(axis=-1)


def _shared(rng: np.random.Generator, size: int) -> dict[str, Any]:
    scale = np.array([short(decades(rng, 0.2, 8.0), 5) for _ in range(size)])
    return {"loc": short(rng.normal(size=size), 5), "scale": scale}


def _wide(rng: np.random.Generator, position: Any) -> dict[str, Any]:
    return {
        "normal": normals(rng, position.shape) * decades(rng, 1e-3, 1e3),
        "uniform": uniforms(rng, position.shape[:-1]),
    }


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    yield from cases(rng, sampler, lambda rng, i: {}, (), shared=_shared)
    yield from cases(rng, sampler, lambda rng, i: {}, (), _wide, shared=_shared, saturated=False)
