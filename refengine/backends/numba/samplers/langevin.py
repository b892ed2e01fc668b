"""The unadjusted Langevin step in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    gradient_at,
    hessian_product_at,
    log_density_at,
    loop_over_chains,
    product,
)
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import langevin as reference
from refengine.samplers.langevin import *
from refengine.samplers.mala import epsilon_of
from refengine.samplers.targets._target import check_hessian


class Constants(NamedTuple):
    """What the step takes behind its target."""

    epsilon: float


@kernel_of(reference.step)
def step(state, noise, target, *, step_size, step_size_convention="epsilon"):
    return walk.step(state, noise, target, step_size=step_size, step_size_convention=step_size_convention)


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    check_hessian(target)
    found = walk.step_and_cotangents(_back, g, state, noise, target, **given)
    return reference.step_value_and_vjp(g, state, noise, target, **given) if found is None else found


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    return step_value_and_vjp(g, state, noise, target, **given)[1]


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, slope, z, y = state.position[b, t], state.gradient[b, t], noise.normal[t, b], state.position[b, t + 1]
    epsilon, spread = constants.epsilon, sqrt(2 * constants.epsilon)
    for d in range(x.size):
        info.drift[b, t, d], info.diffusion[b, t, d] = epsilon * slope[d], spread * z[d]
        y[d] = x[d] + (epsilon * slope[d] + spread * z[d])
    state.log_density[b, t + 1] = log_density_at(target, y)
    state.gradient[b, t + 1] = gradient_at(target, y)


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.normal)):
            advance(target, state, noise, info, constants, b, t)


@loop_over_chains
def _back(start, stop, target, state, noise, info, constants, g, to):
    to_state, to_noise = to
    epsilon, spread = constants.epsilon, sqrt(2 * constants.epsilon)
    for b in range(start, stop):
        y, slope_y = state.position[b, 1], state.gradient[b, 1]
        bent = hessian_product_at(target, g.state.gradient[b], y)
        for d in range(y.size):
            to_x = g.state.position[b, d] + bent[d] + product(g.state.log_density[b], slope_y[d])
            to_state.position[b, d] = to_x
            to_state.gradient[b, d] = epsilon * (to_x + g.info.drift[b, d])
            to_noise.normal[b, d] = spread * (to_x + g.info.diffusion[b, d])


walk = Walk(
    reference,
    _loop,
    lambda step_size, step_size_convention: Constants(epsilon_of(step_size, step_size_convention)[0]),
    dict.fromkeys(("position", "gradient", "normal", "drift", "diffusion"), "D"),
)
