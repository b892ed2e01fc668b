"""Elliptical slice sampling in one compiled loop over chains."""

from __future__ import annotations

from math import cos, pi, sin
from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import log_density_at, log_of, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.backends.numba.samplers.slice import narrowed
from refengine.samplers import elliptical_slice as reference
from refengine.samplers._chains import LAYOUT
from refengine.samplers.elliptical_slice import *


class Constants(NamedTuple):
    """What the step takes behind its target."""

    factor: np.ndarray


@kernel_of(reference.step)
def step(state, noise, target, factor):
    return walk.step(state, noise, target, factor)


step_vjp = by_chain(reference.step_vjp)


@numba.njit(cache=True)
def turned(x, other, angle, y):
    """The point of the ellipse at the angle, as y."""
    c, s = cos(angle), sin(angle)
    for d in range(x.size):
        y[d] = x[d] * c + other[d] * s


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, other, y = state.position[b, t], info.ellipse[b, t], state.position[b, t + 1]
    for d in range(x.size):
        other[d] = 0.0
        for j in range(x.size):
            other[d] += constants.factor[d, j] * noise.normal[t, b, j]
    log_level, tries = state.log_density[b, t] + log_of(noise.level[t, b]), noise.tries[t, b]
    first = 2 * pi * noise.angle[t, b]
    low, high, point = first - 2 * pi, first, first
    angle, density, accepted, count = 0.0, state.log_density[b, t], False, 0
    while count <= tries.size and not accepted:
        if count > 0:
            low, high = narrowed(low, high, point)
            point = low + tries[count - 1] * (high - low)
        turned(x, other, point, y)
        found, count = log_density_at(target, y), count + 1
        if found > log_level:
            angle, density, accepted = point, found, True
    if not accepted:
        y[:] = x
    state.log_density[b, t + 1], info.log_level[b, t] = density, log_level
    info.angle[b, t], info.tries[b, t], info.accepted[b, t] = angle, count, accepted


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.level)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(
    reference,
    _loop,
    lambda factor: Constants(writeable(factor)),
    LAYOUT | {"ellipse": "D", "tries": "T", "Info.tries": ""},
)
