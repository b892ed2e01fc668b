"""Random-walk Metropolis in one compiled loop over chains, for built-in targets and those compiled by numba."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    accepts,
    gradient_at,
    log_density_at,
    loop_over_chains,
    product,
)
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import random_walk as reference
from refengine.samplers._chains import check_positive
from refengine.samplers.random_walk import *


class Constants(NamedTuple):
    """What the step takes behind its target."""

    scale: float


@kernel_of(reference.step)
def step(state, noise, target, *, scale):
    return walk.step(state, noise, target, scale=scale)


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, *, scale):
    found = walk.step_and_cotangents(_back, g, state, noise, target, scale=scale)
    return reference.step_value_and_vjp(g, state, noise, target, scale=scale) if found is None else found


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, *, scale):
    return step_value_and_vjp(g, state, noise, target, scale=scale)[1]


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, y, z = state.position[b, t], info.proposal[b, t], noise.normal[t, b]
    for d in range(x.size):
        y[d] = x[d] + constants.scale * z[d]
    at_x, at_y = state.log_density[b, t], log_density_at(target, y)
    ratio = at_y - at_x
    accepted = accepts(noise.uniform[t, b], ratio)
    state.position[b, t + 1], state.log_density[b, t + 1] = (y, at_y) if accepted else (x, at_x)
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t], info.accepted[b, t] = at_y, ratio, accepted


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t)


@loop_over_chains
def _back(start, stop, target, state, noise, info, constants, g, to):
    to_state, to_noise = to
    for b in range(start, stop):
        y, size = info.proposal[b, 0], info.proposal.shape[-1]
        moved, stayed = (1.0, 0.0) if info.accepted[b, 0] else (0.0, 1.0)
        pushed = g.info.proposal_log_density[b] + g.info.log_accept_ratio[b] + product(moved, g.state.log_density[b])
        to_state.log_density[b] = product(stayed, g.state.log_density[b]) - g.info.log_accept_ratio[b]
        slope = gradient_at(target, y) if pushed != 0 else np.zeros(size)
        for d in range(size):
            after = g.state.position[b, d]
            to_y = g.info.proposal[b, d] + product(moved, after) + product(pushed, slope[d])
            to_state.position[b, d] = to_y + product(stayed, after)
            to_noise.normal[b, d] = constants.scale * to_y


walk = Walk(
    reference,
    _loop,
    lambda scale: Constants(check_positive("scale", scale)),
    {"position": "D", "normal": "D", "proposal": "D"},
)
