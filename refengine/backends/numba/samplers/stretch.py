"""The stretch move in one compiled loop over ensembles."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, log_of, loop_over_chains
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import stretch as reference
from refengine.samplers.stretch import *


class Constants(NamedTuple):
    """What the step takes behind its target."""

    a: float


@kernel_of(reference.step)
def step(state, noise, target, *, a=2.0):
    return walk.step(state, noise, target, a=a)


step_vjp = by_chain(reference.step_vjp)


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    """The walkers move one after the other: the half that a walker looks at is still, or already, as it should be."""
    walkers, densities = state.position[b, t + 1], state.log_density[b, t + 1]
    walkers[:], densities[:] = state.position[b, t], state.log_density[b, t]
    half, a = len(walkers) // 2, constants.a
    for k in range(2 * half):
        x, y = walkers[k], info.proposals[b, t, k]
        partner = min(np.floor(noise.partner[t, b, k] * half), half - 1.0)
        known, other = partner >= 0, half if k < half else 0
        root = (a - 1) * noise.stretch[t, b, k] + 1
        z = root * root / a
        for d in range(x.size):
            center = walkers[other + int(partner), d] if known else 0.0
            y[d] = center - z * (center - x[d])
        found = log_density_at(target, y)
        ratio = (x.size - 1) * log_of(z) + (found - densities[k])
        accepted = accepts(noise.uniform[t, b, k], ratio)
        if accepted:
            x[:], densities[k] = y, found
        info.factor[b, t, k], info.log_densities[b, t, k] = z, found
        info.log_accept_ratio[b, t, k], info.accepted[b, t, k] = ratio, accepted


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(
    reference,
    _loop,
    lambda a: Constants(reference.limit(a)),
    dict.fromkeys((*State._fields, *Noise._fields, *Info._fields), "W") | {"position": "WD", "proposals": "WD"},
    check=lambda target, state: reference.check_walkers(state.position),
)
