"""Stochastic gradient Langevin dynamics in one compiled loop over chains."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import loop_over_chains, rows
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import sgld as reference
from refengine.samplers.sgld import *


class Constants(NamedTuple):
    """The gradient of every chain, and the factors of gradient and noise."""

    gradient: Any
    epsilon: float
    spread: float


@kernel_of(reference.step)
def step(state, noise, gradient, *, step_size, temperature=1.0, step_size_convention="epsilon"):
    given = {"step_size": step_size, "temperature": temperature, "step_size_convention": step_size_convention}
    return walk.step(state, noise, gradient, **given)


def _constants(gradient, *, step_size, temperature, step_size_convention):
    return Constants(rows(gradient), *reference.factors(step_size, temperature, step_size_convention))


@numba.njit(cache=True)
def advance(state, noise, info, constants, b, t):
    x, z, y, drift, diffusion = (
        state.position[b, t],
        noise.normal[t, b],
        state.position[b, t + 1],
        info.drift[b, t],
        info.diffusion[b, t],
    )
    for d in range(x.size):
        drift[d], diffusion[d] = constants.epsilon * constants.gradient[b, d], constants.spread * z[d]
        y[d] = x[d] + drift[d] + diffusion[d]


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.normal)):
            advance(state, noise, info, constants, b, t)


walk = Walk(
    reference,
    _loop,
    _constants,
    dict.fromkeys(("position", "normal", "drift", "diffusion", "gradient"), "D"),
)
