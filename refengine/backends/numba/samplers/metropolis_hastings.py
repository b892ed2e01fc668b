"""Metropolis-Hastings with proposals that are drawn before, in one compiled loop over chains."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, log_of, loop_over_chains
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import metropolis_hastings as reference
from refengine.samplers._chains import LAYOUT
from refengine.samplers.metropolis_hastings import *


class Constants(NamedTuple):
    """Whether log u = log ratio accepts."""

    closed: bool


@kernel_of(reference.step)
def step(state, noise, target, *, acceptance="strict"):
    return walk.step(state, noise, target, acceptance=acceptance)


step_vjp = by_chain(reference.step_vjp)


def _constants(acceptance):
    check_option("acceptance", acceptance, ("strict", "closed"))
    return Constants(acceptance == "closed")


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, y, u = state.position[b, t], noise.proposal[t, b], noise.uniform[t, b]
    at_x, at_y = state.log_density[b, t], log_density_at(target, y)
    ratio = at_y
    if at_y != -np.inf:
        ratio = (at_y - at_x) + (noise.log_q_reverse[t, b] - noise.log_q_forward[t, b])
    accepted = accepts(u, ratio) or (constants.closed and -np.inf < ratio == log_of(u))
    state.position[b, t + 1], state.log_density[b, t + 1] = (y, at_y) if accepted else (x, at_x)
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t], info.accepted[b, t] = at_y, ratio, accepted


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(reference, _loop, _constants, LAYOUT)
