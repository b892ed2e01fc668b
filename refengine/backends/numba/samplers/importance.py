"""Importance sampling in one compiled loop over samples and their draws."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import log_density_at, loop_over_chains
from refengine.backends.numba.samplers._walk import Walk
from refengine.backends.numba.samplers._weights import weigh
from refengine.backends.numba.samplers.rejection import normal_proposal, propose
from refengine.samplers import importance as reference
from refengine.samplers.importance import *


class Constants(NamedTuple):
    """The proposal, and its log density at its mean."""

    loc: Any
    scale: Any
    log_peak: float


@kernel_of(reference.step)
def step(noise, target, loc, scale):
    return walk.step(None, noise, target, loc, scale)


step_vjp = by_chain(reference.step_vjp)


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    log_weight = state.log_weight[b, t + 1]
    for n in range(log_weight.size):
        x = state.position[b, t + 1, n]
        log_q = propose(constants.loc, constants.scale, constants.log_peak, noise.normals[t, b, n], x)
        density = log_density_at(target, x)
        info.log_density[b, t, n], info.log_q[b, t, n], log_weight[n] = density, log_q, density - log_q
    info.log_evidence[b, t], info.effective_size[b, t] = weigh(log_weight, info.weights[b, t])


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.normals)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(
    reference,
    _loop,
    lambda loc, scale: Constants(*normal_proposal(loc, scale)),
    {
        **dict.fromkeys(("position", "normals"), "ND"),
        **dict.fromkeys(("log_weight", "log_density", "log_q", "weights"), "N"),
        **{"loc": "!D", "scale": "!D"},
    },
)
