"""Rejection sampling in one compiled loop over chains and their tries."""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import rejection as reference
from refengine.samplers.rejection import *


class Constants(NamedTuple):
    """What the step takes behind its target, and the log density of the proposal at its mean."""

    loc: Any
    scale: Any
    log_peak: float
    log_bound: float


@kernel_of(reference.step)
def step(state, noise, target, loc, scale, *, log_bound):
    return walk.step(state, noise, target, loc, scale, log_bound=log_bound)


step_vjp = by_chain(reference.step_vjp)


def _constants(loc, scale, *, log_bound):
    loc, scale, log_peak = normal_proposal(loc, scale)
    return Constants(loc, scale, log_peak, reference.bound_of(log_bound))


def normal_proposal(loc, scale):
    """Mean, scale (nan where it is not positive) and log density at the mean, for a compiled loop."""
    with np.errstate(all="ignore"):
        scale = np.where(scale > 0, scale, np.nan)
        log_peak = -float(np.sum(np.log(scale))) - scale.size * log(2 * pi) / 2
    return writeable(loc), writeable(scale), log_peak


@numba.njit(cache=True)
def propose(loc, scale, log_peak, z, y):
    """Set y = loc + scale z; its log density under the proposal."""
    square = 0.0
    for d in range(y.size):
        y[d] = loc[d] + scale[d] * z[d]
        square += z[d] * z[d]
    return log_peak - 0.5 * square


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    kept, tries = -1, noise.uniforms.shape[-1]
    for k in range(tries):
        y = info.proposals[b, t, k]
        log_q = propose(constants.loc, constants.scale, constants.log_peak, noise.normals[t, b, k], y)
        density = log_density_at(target, y)
        ratio = (density - constants.log_bound) - log_q
        info.log_q[b, t, k], info.log_densities[b, t, k], info.log_accept_ratio[b, t, k] = log_q, density, ratio
        if kept < 0 and accepts(noise.uniforms[t, b, k], ratio):
            kept = k
    found = kept >= 0
    state.position[b, t + 1] = info.proposals[b, t, kept] if found else state.position[b, t]
    state.log_density[b, t + 1] = info.log_densities[b, t, kept] if found else state.log_density[b, t]
    info.accepted[b, t], info.tries[b, t] = found, kept + 1 if found else tries


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniforms)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(
    reference,
    _loop,
    _constants,
    {
        **{"position": "D", "normals": "TD", "proposals": "TD", "loc": "!D", "scale": "!D"},
        **dict.fromkeys(("uniforms", "log_densities", "log_q", "log_accept_ratio"), "T"),
    },
)
