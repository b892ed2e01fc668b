"""The stretch move, walker by walker."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np

from refengine.samplers import stretch as sampler
from refengine.samplers.stretch import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, number
from validation.exact.samplers._cases import case, small_target, uniforms
from validation.exact.samplers._metropolis import accepted


def step(state: State, noise: Noise, target: Any, *, a: float = 2.0) -> Transition:
    """y = c - z (c - x), accepted by the densities of both states and of both factors, z and 1 / z, and the Jacobian.

    Source: goodman-weare-2010, eq. 7
    """
    shape, limit = np.shape(state.position), number(a)
    position, density = np.array(state.position, dtype=object), np.array(state.log_density, dtype=object)
    factor, there, ratio = (np.empty(shape[:-1], dtype=object) for _ in range(3))
    proposals, decisions = np.empty(shape, dtype=object), np.empty(shape[:-1], dtype=bool)
    half = shape[-2] // 2
    for ensemble in np.ndindex(shape[:-2]):
        for k in range(2 * half):
            at = (*ensemble, k)
            partner = min(floor(float(noise.partner[at]) * half), half - 1) + (half if k < half else 0)
            base = (limit - 1) * noise.stretch[at] + 1
            z, c = base * base / limit, position[(*ensemble, partner)]
            y = c - (c - position[at]) * z
            found = number(target.log_density(y, *target.parameters))
            ratio[at] = (found + _log_g(1 / z) + _log_jacobian(z, shape[-1])) - (density[at] + _log_g(z))
            factor[at], proposals[at], there[at] = z, y, found
            decisions[at] = bool(accepted(noise.uniform[at], ratio[at])[()])
            if decisions[at]:
                position[at], density[at] = y, found
    return Transition(State(position, density), Info(factor, proposals, there, ratio, decisions))


def _log_g(z: Any) -> Any:
    """The density of the factor, 1 / sqrt(z), without its normaliser."""
    return -log(z) / 2


def _log_jacobian(z: Any, size: int) -> Any:
    """Of (x, z) -> (y, 1 / z), triangular: dy/dx = z for every coordinate, and d(1/z)/dz = -1 / z^2."""
    return sum((log(z) for _ in range(size)), log(1 / (z * z)))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(64):
        name, parameters, size = small_target(rng, i)
        walkers = (2, 4, 2, 4, 2, 6)[i % 6] if size < 3 else 2
        chains = (*((1,) if i % 5 == 4 else ()), walkers)
        position = short(rng.normal(size=(*chains, size)) * (2 if i < 40 else decades(rng, 1e-3, 1e3)), 4)
        noise = {field: uniforms(rng, chains) for field in ("stretch", "partner", "uniform")}
        flags: tuple[str, ...] = () if i < 40 else ("HUGE_PARAMETER",)
        if i % 8 == 7:
            noise["uniform"], flags = np.zeros(chains), (*flags, "ZERO_LOG_ZERO")
        if i % 8 == 3:  # the last partner, the widest and the narrowest stretch
            noise["partner"], noise["stretch"], flags = (
                np.ones(chains),
                np.full(chains, i // 8 % 2),
                (*flags, "SUPPORT_EDGE"),
            )
        constants = {"a": short(1 + decades(rng, 0.1, 4.0), 5)} if i % 2 else {}
        plain = case(sampler, name, parameters, position, noise, constants, flags=flags, difficulty=1 + len(flags))
        if i % 8 == 5:
            moved = plain.arguments["state.log_density"] + short(rng.normal(size=chains), 4)
            flags = (*plain.flags, "CARRIED_STATE")
            plain = Draw(plain.arguments | {"state.log_density": moved}, plain.constants, flags, 3)
        yield plain
