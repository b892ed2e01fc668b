"""BAOAB in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import (
    gradient_at,
    hessian_product_at,
    log_density_at,
    loop_over_chains,
    product,
    writeable,
)
from refengine.backends.numba.samplers._walk import Walk, metric_cotangent
from refengine.samplers import underdamped_langevin as reference
from refengine.samplers._leapfrog import inverse_mass
from refengine.samplers.targets._target import check_hessian
from refengine.samplers.underdamped_langevin import *


class Constants(NamedTuple):
    """The inverse mass w, the step h, and what a step keeps of the momentum and of the noise."""

    w: np.ndarray
    h: float
    kept: float
    fresh: float


@kernel_of(reference.step)
def step(state, noise, target, metric, *, step_size, friction, metric_convention="inverse_mass"):
    given = {"step_size": step_size, "friction": friction, "metric_convention": metric_convention}
    return walk.step(state, noise, target, metric, **given)


@kernel_of(reference.step_value_and_vjp)
def step_value_and_vjp(g, state, noise, target, metric, *, step_size, friction, metric_convention="inverse_mass"):
    given = {"step_size": step_size, "friction": friction, "metric_convention": metric_convention}
    check_hessian(target)
    found = walk.step_and_cotangents(_back, g, state, noise, target, metric, **given)
    if found is None:
        return reference.step_value_and_vjp(g, state, noise, target, metric, **given)
    value, (to_state, to_noise, to_w) = found
    dtype = value.state.position.dtype
    return value, (to_state, to_noise, metric_cotangent(to_w, metric, metric_convention, dtype))


@kernel_of(reference.step_vjp)
def step_vjp(g, state, noise, target, metric, *, step_size, friction, metric_convention="inverse_mass"):
    given = {"step_size": step_size, "friction": friction, "metric_convention": metric_convention}
    return step_value_and_vjp(g, state, noise, target, metric, **given)[1]


def _constants(metric, *, step_size, friction, metric_convention):
    with np.errstate(all="ignore"):
        w = writeable(inverse_mass(np, metric, metric_convention))
    return Constants(w, *reference.factors(step_size, friction))


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, slope, p, z = state.position[b, t], state.gradient[b, t], state.momentum[b, t], noise.normal[t, b]
    kicked, half, refreshed = info.momentum_kicked[b, t], info.position_half[b, t], info.momentum_refreshed[b, t]
    w, h, y, p_y = constants.w, 0.5 * constants.h, state.position[b, t + 1], state.momentum[b, t + 1]
    for d in range(x.size):
        kicked[d] = p[d] + h * slope[d]
        half[d] = x[d] + h * (w[d] * kicked[d])
        refreshed[d] = constants.kept * kicked[d] + constants.fresh * (z[d] / sqrt(w[d]))
        y[d] = half[d] + h * (w[d] * refreshed[d])
    state.log_density[b, t + 1] = log_density_at(target, y)
    slope_y = gradient_at(target, y)
    for d in range(x.size):
        state.gradient[b, t + 1, d], p_y[d] = slope_y[d], refreshed[d] + h * slope_y[d]


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.normal)):
            advance(target, state, noise, info, constants, b, t)


@loop_over_chains
def _back(start, stop, target, state, noise, info, constants, g, to):
    to_state, to_noise, to_w = to
    w, h, size = constants.w, 0.5 * constants.h, constants.w.size
    bend = np.empty(size)
    for b in range(start, stop):
        z, slope_y = noise.normal[0, b], state.gradient[b, 1]
        kicked, refreshed = info.momentum_kicked[b, 0], info.momentum_refreshed[b, 0]
        for d in range(size):
            bend[d] = g.state.gradient[b, d] + h * g.state.momentum[b, d]
        bent = hessian_product_at(target, bend, state.position[b, 1])
        for d in range(size):
            to_end = g.state.position[b, d] + bent[d] + product(g.state.log_density[b], slope_y[d])
            to_refreshed = g.state.momentum[b, d] + g.info.momentum_refreshed[b, d] + h * w[d] * to_end
            to_x = to_end + g.info.position_half[b, d]
            to_p = constants.kept * to_refreshed + g.info.momentum_kicked[b, d] + h * w[d] * to_x
            to_state.position[b, d], to_state.momentum[b, d], to_state.gradient[b, d] = to_x, to_p, h * to_p
            to_z = constants.fresh * (to_refreshed / sqrt(w[d]))
            to_noise.normal[b, d] = to_z
            to_w[b, d] = h * (refreshed[d] * to_end + kicked[d] * to_x) - 0.5 * (z[d] * to_z / w[d])


walk = Walk(
    reference,
    _loop,
    _constants,
    dict.fromkeys((*State._fields, *Noise._fields, *Info._fields), "D") | {"log_density": "", "metric": "!D"},
)
