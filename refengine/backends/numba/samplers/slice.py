"""Slice sampling along a direction in one compiled loop over chains."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import log_density_at, log_of, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import slice as reference
from refengine.samplers._chains import LAYOUT, check_count
from refengine.samplers.slice import *


class Constants(NamedTuple):
    """The direction, the most steps m, and whether the bracket begins with its whole width to the right."""

    direction: np.ndarray
    max_steps: int
    from_point: bool


@kernel_of(reference.step)
def step(state, noise, target, direction, *, max_steps=8, bracket="from_left"):
    return walk.step(state, noise, target, direction, max_steps=max_steps, bracket=bracket)


step_vjp = by_chain(reference.step_vjp)


def _constants(direction, *, max_steps, bracket):
    most = check_count("max_steps", max_steps)
    check_option("bracket", bracket, ("from_left", "from_point"))
    return Constants(writeable(direction), most, bracket == "from_point")


@numba.njit(cache=True)
def narrowed(low, high, point):
    """The bracket whose end on the same side of 0 is the point."""
    return (point, high) if point < 0 else (low, point)


@numba.njit
def density_along(target, x, direction, offset, y):
    """The log density at x + offset * direction, which becomes y."""
    for d in range(x.size):
        y[d] = x[d] + offset * direction[d]
    return log_density_at(target, y)


@numba.njit
def stepped_out(target, x, direction, y, log_level, end, by, allowed):
    """The end of the bracket after at most ``allowed`` steps, as long as it is inside; nan allows none."""
    made = 0
    while made < allowed and density_along(target, x, direction, end, y) > log_level:
        end, made = end + by, made + 1
    return end


@numba.njit
def advance(target, state, noise, info, constants, b, t):
    x, y, direction = state.position[b, t], state.position[b, t + 1], constants.direction
    log_level = state.log_density[b, t] + log_of(noise.level[t, b])
    place, most = noise.place[t, b], constants.max_steps - 1.0
    to_left = min(np.floor(constants.max_steps * noise.share[t, b]), most)
    to_right = min(most - to_left, most)
    low = stepped_out(target, x, direction, y, log_level, -place, -1.0, to_left)
    high = 1.0 if constants.from_point else 1 - place
    high = stepped_out(target, x, direction, y, log_level, high, 1.0, to_right)
    info.log_level[b, t], info.left[b, t], info.right[b, t] = log_level, low, high
    offset, density, tries, accepted = 0.0, state.log_density[b, t], 0, False
    for v in noise.tries[t, b]:
        tries, point = tries + 1, low + v * (high - low)
        found = density_along(target, x, direction, point, y)
        if found > log_level:
            offset, density, accepted = point, found, True
            break
        low, high = narrowed(low, high, point)
    if not accepted:
        y[:] = x
    state.log_density[b, t + 1] = density
    info.offset[b, t], info.tries[b, t], info.accepted[b, t] = offset, tries, accepted


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    for b in range(start, stop):
        for t in range(len(noise.level)):
            advance(target, state, noise, info, constants, b, t)


walk = Walk(reference, _loop, _constants, LAYOUT | {"tries": "T", "Info.tries": ""})
