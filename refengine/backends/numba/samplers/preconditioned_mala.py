"""MALA with a preconditioner in one compiled loop over chains.

Products with the triangle take its zeros along, so that nan and infinity go where they go in a product of matrices.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import (
    accepts,
    gradient_at,
    log_density_at,
    loop_over_chains,
    writeable,
)
from refengine.backends.numba.samplers._walk import Walk
from refengine.backends.numba.samplers.mala import log_ratio, squares
from refengine.samplers import preconditioned_mala as reference
from refengine.samplers.mala import epsilon_of
from refengine.samplers.preconditioned_mala import *


class Constants(NamedTuple):
    """The factor L with the logarithm of its determinant, the step, and log(2 pi) with that of the variance."""

    lower: Any
    log_determinant: float
    epsilon: float
    log_variance: float


@kernel_of(reference.step)
def step(state, noise, target, factor, *, step_size, step_size_convention="epsilon"):
    return walk.step(state, noise, target, factor, step_size=step_size, step_size_convention=step_size_convention)


step_vjp = by_chain(reference.step_vjp)


def _constants(factor, *, step_size, step_size_convention):
    with np.errstate(all="ignore"):
        lower, diagonal = reference.factor_of(np, factor)
        return Constants(
            writeable(lower), float(np.sum(np.log(diagonal))), *epsilon_of(step_size, step_size_convention)
        )


@numba.njit(cache=True)
def transposed(lower, vector, result):
    """The product of L' with a vector."""
    for i in range(vector.size):
        total = 0.0
        for j in range(vector.size):
            total += lower[j, i] * vector[j]
        result[i] = total


@numba.njit
def advance(target, state, noise, info, constants, b, t, pulls):
    """MALA in the coordinates of L: there the gradients are L' times those here, and the noise has no covariance."""
    x, slope_x, at_x, z = state.position[b, t], state.gradient[b, t], state.log_density[b, t], noise.normal[t, b]
    y, slope_y, lower = info.proposal[b, t], info.proposal_gradient[b, t], constants.lower
    pull_x, pull_y, moved = pulls
    epsilon, a = constants.epsilon, sqrt(0.5 * constants.epsilon)
    transposed(lower, slope_x, pull_x)
    for i in range(x.size):
        moved[i] = epsilon * pull_x[i] + 2 * a * z[i]
    for i in range(x.size):
        shift = 0.0
        for j in range(x.size):
            shift += lower[i, j] * moved[j]
        y[i] = x[i] + shift
    at_y = log_density_at(target, y)
    slope_y[:] = gradient_at(target, y)
    transposed(lower, slope_y, pull_y)
    there, back = squares(z, a, pull_x, pull_y)
    ratio = log_ratio(at_x, at_y, a, pull_x, pull_y, z)
    constant = -0.5 * (x.size * constants.log_variance) - constants.log_determinant
    accepted = accepts(noise.uniform[t, b], ratio)
    info.log_q_forward[b, t], info.log_q_reverse[b, t] = constant - 0.5 * there, constant - 0.5 * back
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t], info.accepted[b, t] = at_y, ratio, accepted
    state.position[b, t + 1], state.gradient[b, t + 1] = (y, slope_y) if accepted else (x, slope_x)
    state.log_density[b, t + 1] = at_y if accepted else at_x


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    pulls = np.empty((3, len(constants.lower)))
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t, pulls)


walk = Walk(
    reference,
    _loop,
    _constants,
    dict.fromkeys(("position", "gradient", "normal", "proposal", "proposal_gradient"), "D") | {"factor": "!DD"},
)
