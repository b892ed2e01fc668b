"""BAOAB in one compiled loop over chains."""

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
    writeable,
)
from refengine.samplers import underdamped_langevin as reference
from refengine.samplers._chains import cast, cotangents, inputs
from refengine.samplers._leapfrog import inverse_mass, metric_vjp
from refengine.samplers.mala import check_hessian
from refengine.samplers.underdamped_langevin import *


@kernel_of(reference.step)
def step(state, noise, target, metric, *, step_size, friction, metric_convention="inverse_mass"):
    given = {"step_size": step_size, "friction": friction, "metric_convention": metric_convention}
    value = _run(None, state, noise, target, metric, given)
    return reference.step(state, noise, target, metric, **given) if value is None else value[0]


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, metric, *, step_size, friction, metric_convention="inverse_mass"):
    given = {"step_size": step_size, "friction": friction, "metric_convention": metric_convention}
    check_hessian(target)
    value = _run((None, None) if g is None else g, state, noise, target, metric, given)
    return reference.step_value_and_vjp(g, state, noise, target, metric, **given) if value is None else value


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, metric, *, step_size, friction, metric_convention="inverse_mass"):
    given = {"step_size": step_size, "friction": friction, "metric_convention": metric_convention}
    return step_value_and_vjp(g, state, noise, target, metric, **given)[1]


def _run(g, state, noise, target, metric, given):
    """Value and cotangents, these only where there is a g; None where the target cannot be compiled."""
    tuples = {"state": (state, State), "noise": (noise, Noise)}
    _, dtype, x, at_x, slope, p, z, metric = inputs(reference.LAYOUT, **tuples, metric=metric)
    factors = reference.factors(given["step_size"], given["friction"])
    with np.errstate(all="ignore"):
        w = writeable(inverse_mass(np, metric, given["metric_convention"]))
    target = compiled(target, x)
    if target is None:
        return None
    vector, scalar = (np.empty((0, 1)), np.empty(0)) if g is None else (x, at_x)
    after, told = cotangents(g, Transition(State(vector, scalar, vector, vector), Info(vector, vector, vector)))
    seeds = tuple(map(rows, (after.position, after.gradient, after.momentum, *told))), line(after.log_density)
    arrays = rows(x), rows(slope), rows(p), rows(z)
    vectors, at_y = _loop(at_x.size, *target, arrays, w, factors, g is not None, *seeds)
    y, slope_y, p_y, *rest = (v.reshape(x.shape) for v in vectors[:6])
    value = cast(Transition(State(y, at_y.reshape(at_x.shape), slope_y, p_y), Info(*rest)), dtype)
    if g is None:
        return value, None
    to_x, to_slope, to_p, to_z, to_w = (v.reshape(x.shape) for v in vectors[6:])
    to_state = State(to_x, np.zeros(at_x.shape), to_slope, to_p)
    to_metric = metric_vjp(np, to_w, metric, given["metric_convention"])
    return value, (cast(to_state, dtype), cast(Noise(to_z), dtype), cast(to_metric, dtype))


@loop_over_chains
def _loop(target, log_density, gradient, gradient_vjp, parameters, arrays, w, factors, backwards, g_vectors, g_at_y):
    x, slope, p, z = arrays
    h, c, k = factors
    g_y, g_slope, g_p, g_kicked, g_half, g_refreshed = g_vectors
    chains, size = x.shape
    y, slope_y, p_y = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
    kicked, half, refreshed = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
    to_x, to_slope, to_p = np.empty(g_y.shape), np.empty(g_y.shape), np.empty(g_y.shape)
    to_z, to_w = np.empty(g_y.shape), np.empty(g_y.shape)
    at_y, half_h = np.empty(chains), 0.5 * h
    for b in prange(chains):
        for d in range(size):
            kicked[b, d] = p[b, d] + half_h * slope[b, d]
            half[b, d] = x[b, d] + half_h * (w[d] * kicked[b, d])
            refreshed[b, d] = c * kicked[b, d] + k * (z[b, d] / sqrt(w[d]))
            y[b, d] = half[b, d] + half_h * (w[d] * refreshed[b, d])
        at_y[b] = log_density_at(target, log_density, parameters, y[b])
        slope_y[b] = gradient_at(target, gradient, parameters, y[b])
        for d in range(size):
            p_y[b, d] = refreshed[b, d] + half_h * slope_y[b, d]
        if backwards:
            bend = np.empty(size)
            for d in range(size):
                bend[d] = g_slope[b, d] + half_h * g_p[b, d]
            bent = hessian_product_at(target, gradient_vjp, parameters, bend, y[b])
            for d in range(size):
                to_end = g_y[b, d] + bent[d] + product(g_at_y[b], slope_y[b, d])
                to_refreshed = g_p[b, d] + g_refreshed[b, d] + half_h * w[d] * to_end
                to_x[b, d] = to_end + g_half[b, d]
                to_p[b, d] = c * to_refreshed + g_kicked[b, d] + half_h * w[d] * to_x[b, d]
                to_slope[b, d] = half_h * to_p[b, d]
                to_z[b, d] = k * (to_refreshed / sqrt(w[d]))
                drifts = half_h * (refreshed[b, d] * to_end + kicked[b, d] * to_x[b, d])
                to_w[b, d] = drifts - 0.5 * (z[b, d] * to_z[b, d] / w[d])
    return (y, slope_y, p_y, kicked, half, refreshed, to_x, to_slope, to_p, to_z, to_w), at_y
