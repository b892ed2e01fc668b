"""MALA in one compiled loop over chains, for built-in targets and those compiled by numba."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    accepts,
    gradient_at,
    hessian_product_at,
    log_density_at,
    loop_over_chains,
    product,
)
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import mala as reference
from refengine.samplers.mala import *
from refengine.samplers.targets._target import check_hessian


class Constants(NamedTuple):
    """The step, and the logarithm of 2 pi times the variance of its noise."""

    epsilon: float
    log_variance: float


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


@numba.njit(cache=True)
def log_ratio(at_x, at_y, a, slope_x, slope_y, z):
    """By |z|^2 - |w|^2 = (z - w)(z + w), w = z + a s: the noise half way between the two directions, times -a s."""
    if at_y == -np.inf:
        return at_y
    change = 0.0
    for d in range(z.size):
        s = slope_x[d] + slope_y[d]
        change += s * (z[d] + 0.5 * a * s)
    return (at_y - at_x) - a * change


@numba.njit(cache=True)
def squares(z, a, slope_x, slope_y):
    """|z|^2 and |w|^2."""
    forward, reverse = 0.0, 0.0
    for d in range(z.size):
        w = z[d] + a * (slope_x[d] + slope_y[d])
        forward += z[d] * z[d]
        reverse += w * w
    return forward, reverse


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, slope_x, at_x, z = state.position[b, t], state.gradient[b, t], state.log_density[b, t], noise.normal[t, b]
    y, slope_y, constant = info.proposal[b, t], info.proposal_gradient[b, t], x.size * constants.log_variance
    a = sqrt(0.5 * constants.epsilon)
    for d in range(x.size):
        y[d] = x[d] + constants.epsilon * slope_x[d] + 2 * a * z[d]
    at_y = log_density_at(target, y)
    slope_y[:] = gradient_at(target, y)
    there, back = squares(z, a, slope_x, slope_y)
    ratio = log_ratio(at_x, at_y, a, slope_x, slope_y, z)
    accepted = accepts(noise.uniform[t, b], ratio)
    info.log_q_forward[b, t], info.log_q_reverse[b, t] = -0.5 * (there + constant), -0.5 * (back + constant)
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t], info.accepted[b, t] = at_y, ratio, accepted
    state.position[b, t + 1], state.gradient[b, t + 1] = (y, slope_y) if accepted else (x, slope_x)
    state.log_density[b, t + 1] = at_y if accepted else at_x


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t)


@loop_over_chains
def _back(start, stop, target, state, noise, info, constants, g, to):
    to_state, to_noise = to
    size, epsilon, a = info.proposal.shape[-1], constants.epsilon, sqrt(0.5 * constants.epsilon)
    bend = np.empty(size)
    for b in range(start, stop):
        y, slope_x, slope_y, z = (
            info.proposal[b, 0],
            state.gradient[b, 0],
            info.proposal_gradient[b, 0],
            noise.normal[0, b],
        )
        moved, stayed = (1.0, 0.0) if info.accepted[b, 0] else (0.0, 1.0)
        to_ratio, to_reverse = g.info.log_accept_ratio[b], g.info.log_q_reverse[b]
        pushed = g.info.proposal_log_density[b] + to_ratio + product(moved, g.state.log_density[b])
        to_state.log_density[b] = product(stayed, g.state.log_density[b]) - to_ratio
        for d in range(size):
            w = z[d] + a * (slope_x[d] + slope_y[d])
            to_state.gradient[b, d] = -product(a * (to_ratio + to_reverse), w)
            bend[d] = g.info.proposal_gradient[b, d] + product(moved, g.state.gradient[b, d]) + to_state.gradient[b, d]
        bent = hessian_product_at(target, bend, y)
        for d in range(size):
            after = g.state.position[b, d]
            to_y = g.info.proposal[b, d] + product(moved, after) + product(pushed, slope_y[d]) + bent[d]
            to_state.position[b, d] = to_y + product(stayed, after)
            to_state.gradient[b, d] += epsilon * to_y + product(stayed, g.state.gradient[b, d])
            to_noise.normal[b, d] = 2 * a * to_y - product(g.info.log_q_forward[b] + to_reverse, z[d])
            to_noise.normal[b, d] -= product(a * (to_ratio + to_reverse), slope_x[d] + slope_y[d])


walk = Walk(
    reference,
    _loop,
    lambda step_size, step_size_convention: Constants(*reference.epsilon_of(step_size, step_size_convention)),
    dict.fromkeys(("position", "gradient", "normal", "proposal", "proposal_gradient"), "D"),
)
