"""Hamiltonian Monte Carlo in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import prange

from refengine._arrays import check_number
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    accepts,
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
from refengine.samplers import hamiltonian as reference
from refengine.samplers._chains import cast, cotangents, inputs
from refengine.samplers._leapfrog import inverse_mass, metric_vjp
from refengine.samplers.hamiltonian import *
from refengine.samplers.mala import check_hessian


@kernel_of(reference.step)
def step(
    state,
    noise,
    target,
    metric,
    *,
    step_size,
    steps,
    metric_convention="inverse_mass",
    divergence_threshold=1000.0,
):
    given = _given(step_size, steps, metric_convention, divergence_threshold)
    value = _run(None, state, noise, target, metric, given)
    return reference.step(state, noise, target, metric, **given) if value is None else value[0]


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(
    g,
    state,
    noise,
    target,
    metric,
    *,
    step_size,
    steps,
    metric_convention="inverse_mass",
    divergence_threshold=1000.0,
):
    given = _given(step_size, steps, metric_convention, divergence_threshold)
    check_hessian(target)
    value = _run((None, None) if g is None else g, state, noise, target, metric, given)
    return reference.step_value_and_vjp(g, state, noise, target, metric, **given) if value is None else value


@kernel_of(reference.step_vjp)
def step_vjp(
    g,
    state,
    noise,
    target,
    metric,
    *,
    step_size,
    steps,
    metric_convention="inverse_mass",
    divergence_threshold=1000.0,
):
    given = _given(step_size, steps, metric_convention, divergence_threshold)
    return step_value_and_vjp(g, state, noise, target, metric, **given)[1]


def _given(step_size, steps, metric_convention, divergence_threshold):
    return {
        "step_size": step_size,
        "steps": steps,
        "metric_convention": metric_convention,
        "divergence_threshold": divergence_threshold,
    }


def _run(g, state, noise, target, metric, given):
    """Value and cotangents, these only where there is a g; None where the target cannot be compiled."""
    tuples = {"state": (state, State), "noise": (noise, Noise)}
    _, dtype, x, at_x, slope, z, u, metric = inputs(reference.LAYOUT, **tuples, metric=metric)
    epsilon, steps = reference.length_of(given["step_size"], given["steps"])
    threshold = check_number("divergence_threshold", given["divergence_threshold"])
    with np.errstate(all="ignore"):
        w = writeable(inverse_mass(np, metric, given["metric_convention"]))
    target = compiled(target, x)
    if target is None:
        return None
    v, s = (np.empty((0, 1)), np.empty(0)) if g is None else (x, at_x)
    like = Transition(State(v, s, v), Info(v, s, v, s, v, v, s, s, s > 0, s > 0))
    after, told = cotangents(g, like)
    g_vectors = after.position, after.gradient, told.momentum, told.proposal, told.proposal_gradient
    g_scalars = after.log_density, told.energy, told.proposal_log_density, told.proposal_energy, told.log_accept_ratio
    vectors, scalars, accepted = _loop(
        *(at_x.size, *target, (rows(x), rows(slope), rows(z)), (line(at_x), line(u))),
        *(w, epsilon, steps, g is not None),
        *(tuple(map(rows, (*g_vectors, told.proposal_momentum))), tuple(map(line, g_scalars))),
    )
    p, y, slope_y, p_y, new, slope_new = (a.reshape(x.shape) for a in vectors[:6])
    energy, at_y, energy_y, ratio, at_new = (a.reshape(at_x.shape) for a in scalars[:5])
    accepted, divergent = accepted.reshape(at_x.shape), ~(ratio >= -threshold)
    info = Info(p, energy, y, at_y, slope_y, p_y, energy_y, ratio, accepted, divergent)
    value = cast(Transition(State(new, at_new, slope_new), info), dtype)
    if g is None:
        return value, None
    to_x, to_slope, to_z, to_w = (a.reshape(x.shape) for a in vectors[6:])
    to_state = State(to_x, scalars[5].reshape(at_x.shape), to_slope)
    to_noise = Noise(to_z, np.zeros(at_x.shape))
    to_metric = metric_vjp(np, to_w, metric, given["metric_convention"])
    return value, (cast(to_state, dtype), cast(to_noise, dtype), cast(to_metric, dtype))


@loop_over_chains
def _loop(
    target,
    log_density,
    gradient,
    gradient_vjp,
    parameters,
    vectors,
    scalars,
    w,
    epsilon,
    steps,
    backwards,
    g_vectors,
    g_scalars,
):
    x, slope, z = vectors
    at_x, u = scalars
    g_new, g_slope_new, g_p, g_y, g_slope_y, g_p_y = g_vectors
    g_at_new, g_energy, g_at_y, g_energy_y, g_ratio = g_scalars
    chains, size = x.shape
    p, y, slope_y, p_y = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
    new, slope_new = np.empty(x.shape), np.empty(x.shape)
    energy, at_y, energy_y, ratio, at_new = np.empty((5, chains))
    accepted, to_density = np.empty(chains, dtype=np.bool_), np.empty(g_ratio.size)
    to_x, to_slope, to_z, to_w = np.empty(g_y.shape), np.empty(g_y.shape), np.empty(g_y.shape), np.empty(g_y.shape)
    h = 0.5 * epsilon
    for b in prange(chains):
        points, halves = np.empty((steps + 1, size)), np.empty((steps, size))
        kick, here = np.zeros(size), np.empty(size)
        for d in range(size):
            p[b, d], points[0, d], here[d] = z[b, d] / sqrt(w[d]), x[b, d], slope[b, d]
        for i in range(steps):
            for d in range(size):
                kick[d] += h * here[d]
                halves[i, d] = p[b, d] + kick[d]
                points[i + 1, d] = points[i, d] + epsilon * (w[d] * halves[i, d])
            here[:] = gradient_at(target, gradient, parameters, points[i + 1])
            for d in range(size):
                kick[d] += h * here[d]
        at_y[b] = log_density_at(target, log_density, parameters, points[steps])
        kinetic, kinetic_y, growth = 0.0, 0.0, 0.0
        for d in range(size):
            y[b, d], slope_y[b, d], p_y[b, d] = points[steps, d], here[d], p[b, d] + kick[d]
            kinetic += w[d] * p[b, d] * p[b, d]
            kinetic_y += w[d] * p_y[b, d] * p_y[b, d]
            growth += w[d] * (kick[d] * (p[b, d] + 0.5 * kick[d]))
        energy[b], energy_y[b] = 0.5 * kinetic - at_x[b], 0.5 * kinetic_y - at_y[b]
        ratio[b] = at_y[b] if at_y[b] == -np.inf else (at_y[b] - at_x[b]) - growth
        accepted[b] = accepts(u[b], ratio[b])
        new[b], slope_new[b] = (y[b], slope_y[b]) if accepted[b] else (x[b], slope[b])
        at_new[b] = at_y[b] if accepted[b] else at_x[b]
        if backwards:
            moved, stayed = (1.0, 0.0) if accepted[b] else (0.0, 1.0)
            first, last = g_energy[b] + g_ratio[b], g_energy_y[b] - g_ratio[b]
            pushed = g_at_y[b] + product(moved, g_at_new[b]) - last
            to_density[b] = product(stayed, g_at_new[b]) - first
            g_q, bend, plain, by_energy = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
            for d in range(size):
                g_q[d] = g_y[b, d] + product(moved, g_new[b, d]) + product(pushed, slope_y[b, d])
                bend[d] = g_slope_y[b, d] + product(moved, g_slope_new[b, d])
                plain[d], by_energy[d] = g_p_y[b, d], last * (w[d] * p_y[b, d])
                to_w[b, d] = 0.5 * last * (p_y[b, d] * kick[d])
            for i in range(steps - 1, -1, -1):
                for d in range(size):
                    bend[d] += h * (plain[d] + by_energy[d])
                bent = hessian_product_at(target, gradient_vjp, parameters, bend, points[i + 1])
                for d in range(size):
                    g_q[d] += bent[d]
                    plain[d] += epsilon * (w[d] * g_q[d])
                    to_w[b, d] += epsilon * (halves[i, d] * g_q[d])
                    bend[d] = h * (plain[d] + by_energy[d])
            for d in range(size):
                plain[d] += g_p[b, d]
                to_x[b, d] = g_q[d] + product(stayed, g_new[b, d])
                to_slope[b, d] = bend[d] + product(stayed, g_slope_new[b, d])
                to_z[b, d] = first * z[b, d] + (plain[d] + by_energy[d]) / sqrt(w[d])
                to_w[b, d] -= 0.5 * (plain[d] * p[b, d]) / w[d]
    return (
        (p, y, slope_y, p_y, new, slope_new, to_x, to_slope, to_z, to_w),
        (
            energy,
            at_y,
            energy_y,
            ratio,
            at_new,
            to_density,
        ),
        accepted,
    )
