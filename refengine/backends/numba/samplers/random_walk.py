"""Random-walk Metropolis in one compiled loop over chains, for built-in targets and those compiled by numba."""

from __future__ import annotations

import numpy as np
from numba import prange

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    accepts,
    compiled,
    gradient_at,
    line,
    log_density_at,
    loop_over_chains,
    product,
    rows,
)
from refengine.samplers import random_walk as reference
from refengine.samplers._chains import cast, chains, check_positive, cotangents
from refengine.samplers.random_walk import *


@kernel_of(reference.step)
def step(state, noise, target, *, scale):
    value = _run(None, state, noise, target, scale)
    return reference.step(state, noise, target, scale=scale) if value is None else value[0]


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, *, scale):
    value = _run((None, None) if g is None else g, state, noise, target, scale)
    return reference.step_value_and_vjp(g, state, noise, target, scale=scale) if value is None else value


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, *, scale):
    return step_value_and_vjp(g, state, noise, target, scale=scale)[1]


def _run(g, state, noise, target, scale):
    """Value and cotangents, these only where there is a g; None where the target cannot be compiled."""
    _, dtype, x, log_density, z, u = chains(state, noise, reference.State)
    scale, target = check_positive("scale", scale), compiled(target, x)
    if target is None:
        return None
    vector, scalar = (np.empty((0, 1)), np.empty(0)) if g is None else (x, u)
    seeds = cotangents(g, Transition(State(vector, scalar), Info(vector, scalar, scalar, scalar > 0)))
    y, at_y, ratio, accepted, after, at_after, to_x, to_density, to_z = _loop(
        *(u.size, *target, rows(x), line(log_density), rows(z), line(u), scale, g is not None),
        *(rows(seeds.state.position), rows(seeds.info.proposal), line(seeds.state.log_density)),
        *(line(seeds.info.proposal_log_density), line(seeds.info.log_accept_ratio)),
    )
    info = Info(y.reshape(x.shape), *(a.reshape(u.shape) for a in (at_y, ratio, accepted)))
    value = Transition(State(after.reshape(x.shape), at_after.reshape(u.shape)), info)
    if g is None:
        return cast(value, dtype), None
    to_state = State(to_x.reshape(x.shape), to_density.reshape(u.shape))
    return cast(value, dtype), (cast(to_state, dtype), cast(Noise(to_z.reshape(x.shape), np.zeros(u.shape)), dtype))


@loop_over_chains
def _loop(
    target,
    log_density,
    gradient,
    gradient_vjp,
    parameters,
    x,
    at_x,
    z,
    u,
    scale,
    backwards,
    g_after,
    g_y,
    g_at_after,
    g_at_y,
    g_ratio,
):
    y, after, to_x, to_z = np.empty(x.shape), np.empty(x.shape), np.empty(g_y.shape), np.empty(g_y.shape)
    at_y, ratio, at_after, to_density = np.empty(u.size), np.empty(u.size), np.empty(u.size), np.empty(g_ratio.size)
    accepted = np.empty(u.size, dtype=np.bool_)
    for b in prange(u.size):
        for d in range(x.shape[1]):
            y[b, d] = x[b, d] + scale * z[b, d]
        at_y[b] = log_density_at(target, log_density, parameters, y[b])
        ratio[b] = at_y[b] - at_x[b]
        accepted[b] = accepts(u[b], ratio[b])
        after[b] = y[b] if accepted[b] else x[b]
        at_after[b] = at_y[b] if accepted[b] else at_x[b]
        if backwards:
            moved, stayed = (1.0, 0.0) if accepted[b] else (0.0, 1.0)
            pushed = g_at_y[b] + g_ratio[b] + product(moved, g_at_after[b])
            to_density[b] = product(stayed, g_at_after[b]) - g_ratio[b]
            slope = gradient_at(target, gradient, parameters, y[b]) if pushed != 0 else np.zeros(x.shape[1])
            for d in range(x.shape[1]):
                to_y = g_y[b, d] + product(moved, g_after[b, d]) + product(pushed, slope[d])
                to_x[b, d] = to_y + product(stayed, g_after[b, d])
                to_z[b, d] = scale * to_y
    return y, at_y, ratio, accepted, after, at_after, to_x, to_density, to_z
