"""Hamiltonian Monte Carlo in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

from refengine._arrays import check_number
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    accepts,
    gradient_at,
    hessian_product_at,
    log_density_at,
    loop_over_chains,
    product,
    writeable,
)
from refengine.backends.numba.samplers._walk import Walk, metric_cotangent
from refengine.samplers import hamiltonian as reference
from refengine.samplers._leapfrog import inverse_mass
from refengine.samplers.hamiltonian import *
from refengine.samplers.targets._target import check_hessian


class Constants(NamedTuple):
    """The inverse mass w, size and number of the leapfrog steps, and the loss of density that counts as divergent."""

    w: np.ndarray
    epsilon: float
    steps: int
    threshold: float


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
    return walk.step(state, noise, target, metric, **given)


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
    found = walk.step_and_cotangents(_back, g, state, noise, target, metric, **given)
    if found is None:
        return reference.step_value_and_vjp(g, state, noise, target, metric, **given)
    value, (to_state, to_noise, to_w) = found
    dtype = value.state.position.dtype
    return value, (to_state, to_noise, metric_cotangent(to_w, metric, metric_convention, dtype))


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


def _constants(metric, *, step_size, steps, metric_convention, divergence_threshold):
    with np.errstate(all="ignore"):
        w = writeable(inverse_mass(np, metric, metric_convention))
    threshold = check_number("divergence_threshold", divergence_threshold)
    return Constants(w, *reference.length_of(step_size, steps), threshold)


@numba.njit
def fly(target, w, epsilon, p, points, halves, kick, slope):
    """The leapfrog trajectory from points[0], of all positions and momenta half way.

    ``slope``, the gradient at the start, becomes that at the end; ``kick``, zeros, the whole change of the momentum.
    """
    h = 0.5 * epsilon
    for i in range(len(halves)):
        for d in range(p.size):
            kick[d] += h * slope[d]
            halves[i, d] = p[d] + kick[d]
            points[i + 1, d] = points[i, d] + epsilon * (w[d] * halves[i, d])
        slope[:] = gradient_at(target, points[i + 1])
        for d in range(p.size):
            kick[d] += h * slope[d]


@numba.njit
def advance(target, state, noise, info, constants, b, t, points, halves, kick):
    x, at_x, slope_x, z = state.position[b, t], state.log_density[b, t], state.gradient[b, t], noise.normal[t, b]
    p, p_y, y, slope_y = (
        info.momentum[b, t],
        info.proposal_momentum[b, t],
        info.proposal[b, t],
        info.proposal_gradient[b, t],
    )
    w = constants.w
    for d in range(x.size):
        p[d], kick[d] = z[d] / sqrt(w[d]), 0.0
    points[0], slope_y[:] = x, slope_x
    fly(target, w, constants.epsilon, p, points, halves, kick, slope_y)
    y[:] = points[-1]
    at_y = log_density_at(target, y)
    kinetic, kinetic_y, growth = 0.0, 0.0, 0.0
    for d in range(x.size):
        p_y[d] = p[d] + kick[d]
        kinetic += w[d] * p[d] * p[d]
        kinetic_y += w[d] * p_y[d] * p_y[d]
        growth += w[d] * (kick[d] * (p[d] + 0.5 * kick[d]))
    ratio = at_y if at_y == -np.inf else (at_y - at_x) - growth
    accepted = accepts(noise.uniform[t, b], ratio)
    info.energy[b, t], info.proposal_energy[b, t] = 0.5 * kinetic - at_x, 0.5 * kinetic_y - at_y
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t] = at_y, ratio
    info.accepted[b, t], info.divergent[b, t] = accepted, not ratio >= -constants.threshold
    state.position[b, t + 1], state.gradient[b, t + 1] = (y, slope_y) if accepted else (x, slope_x)
    state.log_density[b, t + 1] = at_y if accepted else at_x


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    size = constants.w.size
    points, halves, kick = np.empty((constants.steps + 1, size)), np.empty((constants.steps, size)), np.empty(size)
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t, points, halves, kick)


@loop_over_chains
def _back(start, stop, target, state, noise, info, constants, g, to):
    to_state, to_noise, to_w = to
    w, epsilon, steps, size = constants.w, constants.epsilon, constants.steps, constants.w.size
    h, points, halves = 0.5 * epsilon, np.empty((steps + 1, size)), np.empty((steps, size))
    kick, slope, to_y, bend, plain, by_energy = np.empty((6, size))
    for b in range(start, stop):
        z, p, p_y, slope_y = (
            noise.normal[0, b],
            info.momentum[b, 0],
            info.proposal_momentum[b, 0],
            info.proposal_gradient[b, 0],
        )
        kick[:], points[0], slope[:] = 0.0, state.position[b, 0], state.gradient[b, 0]
        fly(target, w, epsilon, p, points, halves, kick, slope)
        moved, stayed = (1.0, 0.0) if info.accepted[b, 0] else (0.0, 1.0)
        first = g.info.energy[b] + g.info.log_accept_ratio[b]
        last = g.info.proposal_energy[b] - g.info.log_accept_ratio[b]
        pushed = g.info.proposal_log_density[b] + product(moved, g.state.log_density[b]) - last
        to_state.log_density[b] = product(stayed, g.state.log_density[b]) - first
        for d in range(size):
            to_y[d] = g.info.proposal[b, d] + product(moved, g.state.position[b, d]) + product(pushed, slope_y[d])
            bend[d] = g.info.proposal_gradient[b, d] + product(moved, g.state.gradient[b, d])
            plain[d], by_energy[d] = g.info.proposal_momentum[b, d], last * (w[d] * p_y[d])
            to_w[b, d] = 0.5 * last * (p_y[d] * kick[d])
        for i in range(steps - 1, -1, -1):
            for d in range(size):
                bend[d] += h * (plain[d] + by_energy[d])
            bent = hessian_product_at(target, bend, points[i + 1])
            for d in range(size):
                to_y[d] += bent[d]
                plain[d] += epsilon * (w[d] * to_y[d])
                to_w[b, d] += epsilon * (halves[i, d] * to_y[d])
                bend[d] = h * (plain[d] + by_energy[d])
        for d in range(size):
            plain[d] += g.info.momentum[b, d]
            to_state.position[b, d] = to_y[d] + product(stayed, g.state.position[b, d])
            to_state.gradient[b, d] = bend[d] + product(stayed, g.state.gradient[b, d])
            to_noise.normal[b, d] = first * z[d] + (plain[d] + by_energy[d]) / sqrt(w[d])
            to_w[b, d] -= 0.5 * (plain[d] * p[d]) / w[d]


walk = Walk(
    reference,
    _loop,
    _constants,
    {
        **dict.fromkeys(("position", "gradient", "normal", "momentum"), "D"),
        **dict.fromkeys(("proposal", "proposal_gradient", "proposal_momentum"), "D"),
        "metric": "!D",
    },
)
