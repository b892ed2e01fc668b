"""The unadjusted Langevin algorithm in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import prange

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    compiled,
    gradient_at,
    hessian_product_at,
    line,
    log_density_at,
    loop_over_chains,
    product,
    rows,
)
from refengine.samplers import langevin as reference
from refengine.samplers._chains import cast, chains, cotangents
from refengine.samplers.langevin import *
from refengine.samplers.mala import check_hessian, epsilon_of


@kernel_of(reference.step)
def step(state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    value = _run(None, state, noise, target, given)
    return reference.step(state, noise, target, **given) if value is None else value[0]


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    check_hessian(target)
    value = _run((None, None) if g is None else g, state, noise, target, given)
    return reference.step_value_and_vjp(g, state, noise, target, **given) if value is None else value


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    return step_value_and_vjp(g, state, noise, target, **given)[1]


def _run(g, state, noise, target, given):
    """Value and cotangents, these only where there is a g; None where the target cannot be compiled."""
    _, dtype, x, at_x, slope, z = chains(state, noise, reference.State, reference.Noise)
    epsilon, _ = epsilon_of(given["step_size"], given["step_size_convention"])
    target = compiled(target, x)
    if target is None:
        return None
    vector, scalar = (np.empty((0, 1)), np.empty(0)) if g is None else (x, at_x)
    after, told = cotangents(g, Transition(State(vector, scalar, vector), Info(vector, vector)))
    seeds = tuple(map(rows, (after.position, after.gradient, *told))), line(after.log_density)
    arrays = rows(x), rows(slope), rows(z)
    vectors, at_y = _loop(at_x.size, *target, arrays, epsilon, g is not None, *seeds)
    y, slope_y, drift, diffusion = (v.reshape(x.shape) for v in vectors[:4])
    value = Transition(State(y, at_y.reshape(at_x.shape), slope_y), Info(drift, diffusion))
    if g is None:
        return cast(value, dtype), None
    to_x, to_slope, to_z = (v.reshape(x.shape) for v in vectors[4:])
    to_state = State(to_x, np.zeros(at_x.shape), to_slope)
    return cast(value, dtype), (cast(to_state, dtype), cast(Noise(to_z), dtype))


@loop_over_chains
def _loop(target, log_density, gradient, gradient_vjp, parameters, arrays, epsilon, backwards, g_vectors, g_at_y):
    x, slope, z = arrays
    g_y, g_slope, g_drift, g_diffusion = g_vectors
    chains, size = x.shape
    y, slope_y, drift, diffusion = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
    to_x, to_slope, to_z = np.empty(g_y.shape), np.empty(g_y.shape), np.empty(g_y.shape)
    at_y, spread = np.empty(chains), sqrt(2 * epsilon)
    for b in prange(chains):
        for d in range(size):
            drift[b, d], diffusion[b, d] = epsilon * slope[b, d], spread * z[b, d]
            y[b, d] = x[b, d] + (drift[b, d] + diffusion[b, d])
        at_y[b] = log_density_at(target, log_density, parameters, y[b])
        slope_y[b] = gradient_at(target, gradient, parameters, y[b])
        if backwards:
            bent = hessian_product_at(target, gradient_vjp, parameters, g_slope[b], y[b])
            for d in range(size):
                to_x[b, d] = g_y[b, d] + bent[d] + product(g_at_y[b], slope_y[b, d])
                to_slope[b, d] = epsilon * (to_x[b, d] + g_drift[b, d])
                to_z[b, d] = spread * (to_x[b, d] + g_diffusion[b, d])
    return (y, slope_y, drift, diffusion, to_x, to_slope, to_z), at_y
