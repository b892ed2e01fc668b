"""Generalised Hamiltonian Monte Carlo in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine._arrays import check_number
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.backends.numba.samplers.hamiltonian import fly
from refengine.samplers import ghmc as reference
from refengine.samplers._leapfrog import inverse_mass
from refengine.samplers.ghmc import *
from refengine.samplers.hamiltonian import length_of


class Constants(NamedTuple):
    """What the step takes behind its target; ``old`` and ``fresh`` are the shares of momentum and noise."""

    w: Any
    epsilon: float
    steps: int
    old: float
    fresh: float
    rejected_sign: float
    threshold: float


@kernel_of(reference.step)
def step(
    state,
    noise,
    target,
    metric,
    *,
    step_size,
    persistence,
    steps=1,
    on_reject="flip",
    metric_convention="inverse_mass",
    divergence_threshold=1000.0,
):
    return walk.step(
        state,
        noise,
        target,
        metric,
        step_size=step_size,
        persistence=persistence,
        steps=steps,
        on_reject=on_reject,
        metric_convention=metric_convention,
        divergence_threshold=divergence_threshold,
    )


step_vjp = by_chain(reference.step_vjp)


def _constants(metric, *, step_size, persistence, steps, on_reject, metric_convention, divergence_threshold):
    with np.errstate(all="ignore"):
        w = writeable(inverse_mass(np, metric, metric_convention))
    length, shares = length_of(step_size, steps), reference.mixture(persistence)
    threshold = check_number("divergence_threshold", divergence_threshold)
    return Constants(w, *length, *shares, reference.kept_sign(on_reject), threshold)


@numba.njit(error_model="numpy")
def advance(target, state, noise, info, constants, b, t, points, halves, kick):
    x, at_x, slope_x, z = state.position[b, t], state.log_density[b, t], state.gradient[b, t], noise.normal[t, b]
    p, p_y, y = info.momentum[b, t], info.proposal_momentum[b, t], info.proposal[b, t]
    slope_y, w = info.proposal_gradient[b, t], constants.w
    for d in range(x.size):
        p[d] = constants.old * state.momentum[b, t, d] + constants.fresh * z[d] / sqrt(w[d])
        kick[d] = 0.0
    points[0], slope_y[:] = x, slope_x
    fly(target, w, constants.epsilon, p, points, halves, kick, slope_y)
    y[:] = points[-1]
    at_y = log_density_at(target, y)
    begun, arrived, growth = 0.0, 0.0, 0.0
    for d in range(x.size):
        p_y[d] = p[d] + kick[d]
        begun += w[d] * p[d] * p[d]
        arrived += w[d] * p_y[d] * p_y[d]
        growth += w[d] * kick[d] * (p[d] + 0.5 * kick[d])
    ratio = at_y if at_y == -np.inf else (at_y - at_x) - growth
    accepted = accepts(noise.uniform[t, b], ratio)
    info.energy[b, t], info.proposal_energy[b, t] = 0.5 * begun - at_x, 0.5 * arrived - at_y
    info.proposal_log_density[b, t], info.log_accept_ratio[b, t] = at_y, ratio
    info.accepted[b, t], info.divergent[b, t] = accepted, not ratio >= -constants.threshold
    state.position[b, t + 1], state.gradient[b, t + 1] = (y, slope_y) if accepted else (x, slope_x)
    state.log_density[b, t + 1] = at_y if accepted else at_x
    for d in range(x.size):
        state.momentum[b, t + 1, d] = p_y[d] if accepted else constants.rejected_sign * p[d]


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    size = constants.w.size
    points, halves, kick = np.empty((constants.steps + 1, size)), np.empty((constants.steps, size)), np.empty(size)
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target, state, noise, info, constants, b, t, points, halves, kick)


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
