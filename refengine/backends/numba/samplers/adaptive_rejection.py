"""One try of adaptive rejection in compiled code: the hull of a chain, segment after segment."""

from __future__ import annotations

from math import exp, expm1, inf, log1p

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import (
    accepts,
    compiled,
    gradient_at,
    log_density_at,
    log_of,
    loop_over_chains,
    rows,
    writeable,
)
from refengine.samplers import adaptive_rejection as reference
from refengine.samplers._chains import cast, inputs
from refengine.samplers.adaptive_rejection import *

LEVEL = 2.0**-60
"""A rise of the hull along a segment that counts as none."""


@kernel_of(reference.step)
def step(state, noise, target, *, lower=-inf, upper=inf):
    _, dtype, x, h, slope, place, uniform = inputs(reference.LAYOUT, state=(state, State), noise=(noise, Noise))
    ends, over, points = reference.ends_of(lower, upper), place.shape, x.shape[-1]
    found = compiled(target, x[..., None])
    if found is None:
        return reference.step(state, noise, target, lower=lower, upper=upper)
    after = State(*(np.empty((place.size, points + 1)) for _ in State._fields))
    told = Info(*(np.empty(place.size) for _ in range(5)), *(np.empty(place.size, np.bool_) for _ in range(2)))
    given = State(*map(rows, (x, h, slope))), Noise(*(writeable(a.reshape(-1)) for a in (place, uniform)))
    _loop(place.size, found, *given, after, told, *ends)
    after, told = State(*(a.reshape((*over, points + 1)) for a in after)), Info(*(a.reshape(over) for a in told))
    return cast(Transition(after, told), dtype)


step_vjp = by_chain(reference.step_vjp)


@loop_over_chains
def _loop(start, stop, target, state, noise, after, info, lower, upper):
    size = state.abscissae.shape[1]
    z, log_mass, position = np.empty(size + 1), np.empty(size), np.empty(1)
    for b in range(start, stop):
        x, h, slope = state.abscissae[b], state.log_density[b], state.gradient[b]
        _cut(x, h, slope, lower, upper, z, log_mass)
        draw, hull = _under_the_hull(x, h, slope, z, log_mass, noise.place[b])
        position[0] = draw
        density, slope_there = log_density_at(target, position), gradient_at(target, position)[0]
        number, chord = 0, -inf
        while number < size and x[number] < draw:
            number += 1
        if 0 < number < size:
            left, right, low, high = x[number - 1], x[number], h[number - 1], h[number]
            chord = low + (draw - left) / (right - left) * (high - low)
        info.draw[b], info.hull[b], info.chord[b], info.log_density[b] = draw, hull, chord, density
        info.log_accept_ratio[b] = density - hull
        info.accepted[b] = accepts(noise.uniform[b], density - hull)
        info.squeezed[b] = accepts(noise.uniform[b], chord - hull)
        for k in range(size + 1):
            old = k if k < number else k - 1
            new = k == number
            after.abscissae[b, k] = draw if new else x[old]
            after.log_density[b, k] = density if new else h[old]
            after.gradient[b, k] = slope_there if new else slope[old]


@numba.njit(cache=True)
def _cut(x, h, slope, lower, upper, z, log_mass):
    """Where neighbouring tangents meet, and the logarithm of the integral of each segment."""
    size = x.size
    z[0], z[size] = lower, upper
    for k in range(1, size):
        ahead = (h[k] - h[k - 1]) - slope[k] * (x[k] - x[k - 1])
        z[k] = x[k - 1] + ahead / (slope[k - 1] - slope[k])
    height = h[0] + slope[0] * (lower - x[0])
    for k in range(size):
        end = h[k] + slope[k] * (z[k + 1] - x[k])
        rise = slope[k] * (z[k + 1] - z[k])
        log_mass[k] = (end if rise > 0 else height) + log_of(_width(z[k], z[k + 1], slope[k], rise))
        height = end


@numba.njit(cache=True)
def _width(left, right, slope, rise):
    """The integral of a segment over its larger end; nan where there is none."""
    if not right > left or (left == -inf and not slope > 0) or (right == inf and not slope < 0):
        return np.nan
    return right - left if abs(rise) < LEVEL else -expm1(-abs(rise)) / abs(slope)


@numba.njit(cache=True)
def _under_the_hull(x, h, slope, z, log_mass, v):
    """The point below which the share v of the hull's integral lies, and the hull there."""
    size, top, total = x.size, -inf, 0.0
    for k in range(size):
        top = log_mass[k] if log_mass[k] > top or log_mass[k] != log_mass[k] or top != top else top
    for k in range(size):
        total += exp(log_mass[k] - top)
    if not total > 0 or v != v:
        return np.nan, np.nan
    k, before, share = 0, 0.0, exp(log_mass[0] - top) / total
    while k < size - 1 and before + share <= v:
        before += share
        k += 1
        share = exp(log_mass[k] - top) / total
    behind = 0.0
    for j in range(size - 1, k, -1):
        behind += exp(log_mass[j] - top) / total
    part, rest, rise = (v - before) / share, (1 - v - behind) / share, slope[k] * (z[k + 1] - z[k])
    if abs(rise) < LEVEL:
        point = z[k] + part * (z[k + 1] - z[k])
    elif rise > 0:
        point = z[k + 1] + _log_mixed(rest, part, -rise) / slope[k]
    else:
        point = z[k] + _log_mixed(part, rest, rise) / slope[k]
    return point, h[k] + (point - x[k]) * slope[k]


@numba.njit(cache=True)
def _log_mixed(share, rest, growth):
    """The logarithm of share exp(growth) + rest, where both shares sum to 1."""
    change = share * expm1(growth)
    return log1p(change) if change > -0.5 else log_of(share * exp(growth) + rest)
