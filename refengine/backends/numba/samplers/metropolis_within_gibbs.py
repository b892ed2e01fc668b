"""Metropolis within Gibbs in one compiled loop over chains."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, loop_over_chains
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import metropolis_within_gibbs as reference
from refengine.samplers._chains import LAYOUT, positive
from refengine.samplers.metropolis_within_gibbs import *


class Constants(NamedTuple):
    """Standard deviations of the steps, nan where they are not positive; whether the last coordinate comes first."""

    scale: np.ndarray
    backwards: bool


@kernel_of(reference.step)
def step(state, noise, target, scale, *, scan="systematic"):
    return walk.step(state, noise, target, scale, scan=scan)


step_vjp = by_chain(reference.step_vjp)


def _constants(scale, *, scan):
    check_option("scan", scan, ("systematic", "reverse"))
    return Constants(positive(np, scale), scan == "reverse")


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    """The new position is changed where it lies, and changed back where it is refused."""
    x, density = state.position[b, t + 1], state.log_density[b, t]
    x[:] = state.position[b, t]
    for turn in range(x.size):
        d = x.size - 1 - turn if constants.backwards else turn
        left = x[d]
        x[d] += constants.scale[d] * noise.normal[t, b, d]
        found = log_density_at(target, x)
        accepted = accepts(noise.uniforms[t, b, d], found - density)
        info.proposals[b, t, d], info.accepted[b, t, d] = x[d], accepted
        info.log_densities[b, t, d], info.log_densities_before[b, t, d] = found, density
        if accepted:
            density = found
        else:
            x[d] = left
    state.log_density[b, t + 1] = density


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.normal)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(reference, _loop, _constants, LAYOUT | dict.fromkeys(("uniforms", *Info._fields), "D"))
