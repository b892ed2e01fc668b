"""Exchanges of parallel tempering in one compiled loop over ladders."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import accepts, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import parallel_tempering as reference
from refengine.samplers.parallel_tempering import *


class Constants(NamedTuple):
    """The ladder, and the pairs (P, 2)."""

    beta: Any
    pairs: Any


@kernel_of(reference.step)
def step(state, noise, inverse_temperatures, *, schedule="even"):
    return walk.step(state, noise, inverse_temperatures, schedule=schedule)


def _constants(inverse_temperatures, *, schedule):
    pairs = np.asarray(reference.pairs_of(len(inverse_temperatures), schedule), np.int64).reshape(-1, 2)
    return Constants(writeable(inverse_temperatures), pairs)


@numba.njit(cache=True)
def advance(state, noise, info, constants, b, t):
    x, density, beta = state.position[b, t], state.log_density[b, t], constants.beta
    state.position[b, t + 1], state.log_density[b, t + 1] = x, density
    for pair in range(len(constants.pairs)):
        i, j = constants.pairs[pair]
        ratio = (beta[i] - beta[j]) * (density[j] - density[i])
        accepted = accepts(noise.uniforms[t, b, pair], ratio)
        info.log_accept_ratio[b, t, pair], info.accepted[b, t, pair] = ratio, accepted
        if accepted:
            state.position[b, t + 1, i], state.position[b, t + 1, j] = x[j], x[i]
            state.log_density[b, t + 1, i], state.log_density[b, t + 1, j] = density[j], density[i]


@loop_over_chains
def _over_ladders(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniforms)):
            advance(state, noise, info, constants, b, t)


def _loop(chains, target, state, noise, info, constants, *, steps):
    reference.check_pairs(noise.uniforms[0], constants.pairs)
    _over_ladders(chains, target, state, noise, info, constants, steps=steps)


walk = Walk(
    reference,
    _loop,
    _constants,
    {
        **{"position": "KD", "log_density": "K", "inverse_temperatures": "!K"},
        **dict.fromkeys(("uniforms", "log_accept_ratio", "accepted"), "P"),
    },
)
