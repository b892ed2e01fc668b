"""Slice sampling along a direction, chain by chain."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np

from refengine.samplers import slice as sampler
from refengine.samplers.slice import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, number
from validation.exact.samplers._cases import cases, uniforms


def step(
    state: State, noise: Noise, target: Any, direction: Any, *, max_steps: int = 8, bracket: str = "from_left"
) -> Transition:
    """Level, stepping out, shrinkage.

    Source: neal-2003, section 4
    """
    chains = np.shape(state.log_density)
    position, told = np.array(state.position, dtype=object), np.empty((5, *chains), dtype=object)
    tries, accepted = np.empty(chains, dtype=np.int64), np.empty(chains, dtype=bool)
    for chain in np.ndindex(chains):
        x, density = position[chain], number(np.asarray(state.log_density)[chain])
        level = density + log(np.asarray(noise.level)[chain])

        def value(t: Any, x: Any = x) -> Any:
            return number(target.log_density(x + direction * t, *target.parameters))

        place, share = np.asarray(noise.place)[chain], float(np.asarray(noise.share)[chain])
        left = -number(place)
        right = left + 1 if bracket == "from_left" else number(1)
        more = min(floor(max_steps * share), max_steps - 1)
        ends = [left, right]
        for side, allowed in ((0, more), (1, max_steps - 1 - more)):
            for _ in range(allowed):
                if not value(ends[side]) > level:
                    break
                ends[side] = ends[side] + (2 * side - 1)
        told[(0, *chain)], told[(1, *chain)], told[(2, *chain)] = level, ends[0], ends[1]
        told[(3, *chain)], told[(4, *chain)], accepted[chain], made = number(0), density, False, 0
        for v in np.asarray(noise.tries)[chain]:
            t, made = ends[0] + (ends[1] - ends[0]) * v, made + 1
            if value(t) > level:
                told[(3, *chain)], told[(4, *chain)], accepted[chain] = t, value(t), True
                position[chain] = x + direction * t
                break
            ends[0 if t < 0 else 1] = t
        tries[chain] = made
    return Transition(State(position, told[4]), Info(told[0], told[1], told[2], told[3], tries, accepted))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        chains = position.shape[:-1]
        ends = {name: uniforms(rng, chains) for name in ("level", "place", "share")}
        return ends | {"tries": uniforms(rng, (*chains, int(rng.integers(1, 6))))}

    def shared(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"direction": short(rng.normal(size=size) * decades(rng, 0.3, 4.0), 5)}

    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        return {"max_steps": 1 + i % 5, "bracket": "from_point" if i % 3 == 2 else "from_left"}

    def others(constants: dict[str, Any]) -> dict[str, Any]:
        return {b: {"bracket": b} for b in ("from_left", "from_point") if b != constants["bracket"]}

    def wide(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"direction": rng.normal(size=size) * decades(rng, *((1e-8, 1e-3) if size % 2 else (30.0, 1e4)))}

    yield from cases(rng, sampler, constants, (), noise, shared, alternatives=others)
    for draw in list(cases(rng, sampler, constants, (), noise, wide, saturated=False))[:8]:
        yield Draw(draw.arguments, draw.constants, (*draw.flags, "HUGE_PARAMETER"), 3)
