"""MALA in one compiled loop over chains, for built-in targets and those compiled by numba."""

from __future__ import annotations

from math import sqrt

import numba
import numpy as np
from numba import prange

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
)
from refengine.samplers import mala as reference
from refengine.samplers._chains import cast, chains, cotangents
from refengine.samplers.mala import *


@kernel_of(reference.step)
def step(state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    value = _run(None, state, noise, target, given)
    return reference.step(state, noise, target, **given) if value is None else value[0]


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    reference.check_hessian(target)
    value = _run((None, None) if g is None else g, state, noise, target, given)
    return reference.step_value_and_vjp(g, state, noise, target, **given) if value is None else value


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, *, step_size, step_size_convention="epsilon"):
    given = {"step_size": step_size, "step_size_convention": step_size_convention}
    return step_value_and_vjp(g, state, noise, target, **given)[1]


def _run(g, state, noise, target, given):
    """Value and cotangents, these only where there is a g; None where the target cannot be compiled."""
    _, dtype, x, at_x, slope_x, z, u = chains(state, noise, reference.State)
    epsilon, log_variance = reference.epsilon_of(given["step_size"], given["step_size_convention"])
    target = compiled(target, x)
    if target is None:
        return None
    vector, scalar = (np.empty((0, 1)), np.empty(0)) if g is None else (x, u)
    info = Info(vector, scalar, vector, scalar, scalar, scalar, scalar > 0)
    (g_after, g_at_after, g_slope_after), told = cotangents(g, Transition(State(vector, scalar, vector), info))
    vectors, scalars, accepted = _loop(
        *(
            u.size,
            *target,
            (rows(x), rows(slope_x), rows(z)),
            (line(at_x), line(u)),
            epsilon,
            log_variance,
            g is not None,
        ),
        (rows(g_after), rows(g_slope_after), rows(told.proposal), rows(told.proposal_gradient)),
        (line(g_at_after), line(told.proposal_log_density), *(line(told[i]) for i in (3, 4, 5))),
    )
    y, slope_y, after, slope_after = (v.reshape(x.shape) for v in vectors[:4])
    at_y, forward, reverse, ratio, at_after = (s.reshape(u.shape) for s in scalars[:5])
    info = Info(y, at_y, slope_y, forward, reverse, ratio, accepted.reshape(u.shape))
    value = cast(Transition(State(after, at_after, slope_after), info), dtype)
    if g is None:
        return value, None
    to_x, to_slope, to_z = (v.reshape(x.shape) for v in vectors[4:])
    to_state, to_noise = State(to_x, scalars[5].reshape(u.shape), to_slope), Noise(to_z, np.zeros(u.shape))
    return value, (cast(to_state, dtype), cast(to_noise, dtype))


@numba.njit(cache=True)
def _log_ratio(at_x, at_y, a, slope_x, slope_y, z):
    """By |z|^2 - |w|^2 = (z - w)(z + w), w = z + a s: the noise half way between the two directions, times -a s."""
    if at_y == -np.inf:
        return at_y
    change = 0.0
    for d in range(z.size):
        s = slope_x[d] + slope_y[d]
        change += s * (z[d] + 0.5 * a * s)
    return (at_y - at_x) - a * change


@numba.njit(cache=True)
def _squares(z, a, slope_x, slope_y):
    """|z|^2 and |w|^2."""
    forward, reverse = 0.0, 0.0
    for d in range(z.size):
        w = z[d] + a * (slope_x[d] + slope_y[d])
        forward += z[d] * z[d]
        reverse += w * w
    return forward, reverse


@loop_over_chains
def _loop(
    target,
    log_density,
    gradient,
    gradient_vjp,
    parameters,
    vectors,
    scalars,
    epsilon,
    log_variance,
    backwards,
    g_vectors,
    g_scalars,
):
    x, slope_x, z = vectors
    at_x, u = scalars
    g_after, g_slope_after, g_y, g_slope_y = g_vectors
    g_at_after, g_at_y, g_forward, g_reverse, g_ratio = g_scalars
    chains, size = x.shape
    y, slope_y, after, slope_after = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
    at_y, at_after, ratio = np.empty(chains), np.empty(chains), np.empty(chains)
    forward, reverse = np.empty(chains), np.empty(chains)
    accepted = np.empty(chains, dtype=np.bool_)
    to_x, to_slope, to_z = np.empty(g_y.shape), np.empty(g_y.shape), np.empty(g_y.shape)
    to_density = np.empty(g_ratio.size)
    a = sqrt(0.5 * epsilon)
    for b in prange(chains):
        for d in range(size):
            y[b, d] = x[b, d] + epsilon * slope_x[b, d] + 2 * a * z[b, d]
        at_y[b] = log_density_at(target, log_density, parameters, y[b])
        slope_y[b] = gradient_at(target, gradient, parameters, y[b])
        there, back = _squares(z[b], a, slope_x[b], slope_y[b])
        forward[b], reverse[b] = -0.5 * (there + size * log_variance), -0.5 * (back + size * log_variance)
        ratio[b] = _log_ratio(at_x[b], at_y[b], a, slope_x[b], slope_y[b], z[b])
        accepted[b] = accepts(u[b], ratio[b])
        after[b] = y[b] if accepted[b] else x[b]
        slope_after[b] = slope_y[b] if accepted[b] else slope_x[b]
        at_after[b] = at_y[b] if accepted[b] else at_x[b]
        if backwards:
            moved, stayed = (1.0, 0.0) if accepted[b] else (0.0, 1.0)
            pushed = g_at_y[b] + g_ratio[b] + product(moved, g_at_after[b])
            to_density[b] = product(stayed, g_at_after[b]) - g_ratio[b]
            h = np.empty(size)
            for d in range(size):
                w = z[b, d] + a * (slope_x[b, d] + slope_y[b, d])
                to_slope[b, d] = -product(a * (g_ratio[b] + g_reverse[b]), w)
                h[d] = g_slope_y[b, d] + product(moved, g_slope_after[b, d]) + to_slope[b, d]
            bent = hessian_product_at(target, gradient_vjp, parameters, h, y[b])
            for d in range(size):
                s = slope_x[b, d] + slope_y[b, d]
                to_y = g_y[b, d] + product(moved, g_after[b, d]) + product(pushed, slope_y[b, d]) + bent[d]
                to_x[b, d] = to_y + product(stayed, g_after[b, d])
                to_slope[b, d] += epsilon * to_y + product(stayed, g_slope_after[b, d])
                to_z[b, d] = 2 * a * to_y - product(g_forward[b] + g_reverse[b], z[b, d])
                to_z[b, d] -= product(a * (g_ratio[b] + g_reverse[b]), s)
    results = y, slope_y, after, slope_after, to_x, to_slope, to_z
    return results, (at_y, forward, reverse, ratio, at_after, to_density), accepted
