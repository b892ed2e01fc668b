"""Tempered sequential Monte Carlo in one compiled loop over systems: memory for the particles, not for their pairs."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import accepts, log_density_at, loop_over_chains
from refengine.backends.numba.samplers._walk import Walk
from refengine.backends.numba.samplers._weights import SCHEMES, choose_ancestors, weigh
from refengine.samplers import smc as reference
from refengine.samplers.smc import *


class Constants(NamedTuple):
    """What the step takes behind its target."""

    before: float
    after: float
    scale: float
    threshold: float
    scheme: int


@kernel_of(reference.step)
def step(state, noise, target, *, before, after, scale, threshold=0.5, scheme="systematic"):
    given = {"before": before, "after": after, "scale": scale, "threshold": threshold, "scheme": scheme}
    return walk.step(state, noise, target, **given)


step_vjp = by_chain(reference.step_vjp)


def _constants(*, before, after, scale, threshold, scheme):
    check_option("scheme", scheme, SCHEMES)
    return Constants(*reference.ladder_of(before, after, scale, threshold), SCHEMES.index(scheme))


@numba.njit(cache=True)
def reweighed(state, noise, info, constants, b, t, room):
    """Weights, evidence and ancestors; each particle is its own where nothing is resampled."""
    log_w, sums = room
    size, chosen, increment = log_w.size, info.ancestors[b, t], constants.after - constants.before
    for n in range(size):
        log_w[n] = state.log_weight[b, t, n] + increment * state.log_density[b, t, n]
    log_mean, effective = weigh(log_w, info.weights[b, t])
    total = log_mean + log(size)
    resampled = effective < constants.threshold * size
    if resampled:
        choose_ancestors(info.weights[b, t], noise.resampling[t, b], constants.scheme, False, sums, chosen)
    for n in range(size):
        if not resampled:
            chosen[n] = n
        state.log_weight[b, t + 1, n] = -log(size) if resampled else log_w[n] - total
    info.effective_size[b, t], info.resampled[b, t] = effective, resampled
    state.log_evidence[b, t + 1] = state.log_evidence[b, t] + total


@numba.njit
def advance(target, state, noise, info, constants, b, t, room):
    """Reweigh, resample, and move; |y|^2 - |x|^2 is s z (2 x + s z)."""
    reweighed(state, noise, info, constants, b, t, room)
    for n in range(info.ancestors.shape[-1]):
        parent, y, after = info.ancestors[b, t, n], info.proposals[b, t, n], state.position[b, t + 1, n]
        change = 0.0
        for d in range(y.size):
            x, moved = state.position[b, t, parent, d], constants.scale * noise.normals[t, b, n, d]
            y[d], after[d] = x + moved, x
            change += moved * (x + 0.5 * moved)
        at_x, at_y = state.log_density[b, t, parent], log_density_at(target, y)
        ratio = at_y if at_y == -np.inf else constants.after * (at_y - at_x) - change
        accepted = accepts(noise.uniforms[t, b, n], ratio)
        if accepted:
            after[:] = y
        state.log_density[b, t + 1, n] = at_y if accepted else at_x
        info.log_densities[b, t, n], info.log_accept_ratio[b, t, n], info.accepted[b, t, n] = at_y, ratio, accepted


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    room = np.empty((2, noise.uniforms.shape[-1]))
    for b in range(start, stop):
        for t in range(len(noise.uniforms)):
            advance(target, state, noise, info, constants, b, t, room)


walk = Walk(
    reference,
    _loop,
    _constants,
    {
        **dict.fromkeys(("position", "normals", "proposals"), "ND"),
        **dict.fromkeys(("log_density", "log_weight", "resampling", "uniforms"), "N"),
        **dict.fromkeys(("weights", "ancestors", "log_densities", "log_accept_ratio", "accepted"), "N"),
    },
)
