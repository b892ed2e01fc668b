"""The independence sampler in one compiled loop over chains."""

from __future__ import annotations

from math import log, pi
from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import independence as reference
from refengine.samplers._chains import LAYOUT, positive
from refengine.samplers.independence import *


class Constants(NamedTuple):
    """Mean and standard deviations of the proposal, nan where they are not positive, and log q at its mean."""

    loc: np.ndarray
    scale: np.ndarray
    log_height: float


@kernel_of(reference.step)
def step(state, noise, target, loc, scale):
    return walk.step(state, noise, target, loc, scale)


step_vjp = by_chain(reference.step_vjp)


def _constants(loc, scale):
    with np.errstate(all="ignore"):
        scale = positive(np, scale)
        return Constants(writeable(loc), scale, float(-np.sum(np.log(scale)) - scale.size * log(2 * pi) / 2))


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, y = state.position[b, t], info.proposal[b, t]
    forth = back = gain = 0.0
    for d in range(x.size):
        z = noise.normal[t, b, d]
        w = (x[d] - constants.loc[d]) / constants.scale[d]
        y[d] = constants.loc[d] + constants.scale[d] * z
        forth, back, gain = forth + z * z, back + w * w, gain + (z - w) * (z + w)
    at_x, at_y = state.log_density[b, t], log_density_at(target, y)
    ratio = at_y if at_y == -np.inf else (at_y - at_x) + gain / 2
    accepted = accepts(noise.uniform[t, b], ratio)
    state.position[b, t + 1], state.log_density[b, t + 1] = (y, at_y) if accepted else (x, at_x)
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t], info.accepted[b, t] = at_y, ratio, accepted
    info.log_q_forward[b, t] = constants.log_height - forth / 2
    info.log_q_reverse[b, t] = constants.log_height - back / 2


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(reference, _loop, _constants, LAYOUT)
