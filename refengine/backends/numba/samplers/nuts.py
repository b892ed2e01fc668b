"""The No-U-Turn sampler in one compiled loop over chains, its tree without recursion.

A half of 2^j points is built like a binary counter: point number n completes as many intervals as n has factors of 2,
and each joins its elder neighbour, which waits on a shelf of its size. Only the ends of an interval and the sum of the
momenta between them are kept, so that memory grows with the depth of the tree, not with its leaves; the sums are added
in pairs, never as differences of running sums. Weights are carried as log W = top + log(1 + rest).
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine._arrays import check_number, check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import gradient_at, log_density_at, loop_over_chains, writeable
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import nuts as reference
from refengine.samplers._chains import check_positive
from refengine.samplers._leapfrog import inverse_mass
from refengine.samplers.nuts import *

TRAPEZOIDAL, MOMENTUM_SUM, STAN, POSITION = range(len(reference.TURNS))

Q_NEAR, P_NEAR, Q_FAR, P_FAR, INNER = range(5)
"""Of an interval: both ends, in the order in which it was made, and the sum of the momenta between them."""

POINT, SLOPE, KICK = range(3)
"""Of a point of the trajectory: position, gradient, and the change of the momentum since the start."""


class Constants(NamedTuple):
    """What the step takes behind its target."""

    w: Any
    epsilon: float
    turn: int
    threshold: float


class Bench(NamedTuple):
    """Room for one tree: its first and last point, intervals, and the points kept of the tree and of a half."""

    ends: Any
    tree: Any
    newest: Any
    shelves: Any
    chosen: Any
    kept: Any
    scratch: Any


class Half(NamedTuple):
    """How a half came out: the leaves made, why it is not taken in, and the weight of its points."""

    made: int
    turning: bool
    divergent: bool
    top: float
    rest: float
    density: float
    acceptance: float


@kernel_of(reference.step)
def step(
    state,
    noise,
    target,
    metric,
    *,
    step_size,
    turn="trapezoidal",
    metric_convention="inverse_mass",
    divergence_threshold=1000.0,
):
    return walk.step(
        state,
        noise,
        target,
        metric,
        step_size=step_size,
        turn=turn,
        metric_convention=metric_convention,
        divergence_threshold=divergence_threshold,
    )


def _constants(metric, *, step_size, turn, metric_convention, divergence_threshold):
    with np.errstate(all="ignore"):
        w = writeable(inverse_mass(np, metric, metric_convention))
    check_option("turn", turn, reference.TURNS)
    epsilon, threshold = (
        check_positive("step_size", step_size),
        check_number("divergence_threshold", divergence_threshold),
    )
    return Constants(w, epsilon, reference.TURNS.index(turn), threshold)


@numba.njit(cache=True)
def log_of(u):
    return log(u) if u > 0 else -np.inf


@numba.njit(cache=True, error_model="numpy")
def weighed(top, rest, other_top, other_rest):
    """The logarithm of the sum of two weights, as top and rest."""
    if other_top > top:
        top, rest, other_top, other_rest = other_top, other_rest, top, rest
    return top, rest + (1 + other_rest) * exp(other_top - top) if other_top > -np.inf else rest


@numba.njit(cache=True, error_model="numpy")
def onwards(w, p, q, inner, share):
    """Whether both end momenta point along the sum of the inner ones and this share of their own."""
    at_p, at_q = 0.0, 0.0
    for d in range(w.size):
        total = inner[d] + (p[d] + q[d]) * share
        at_p += w[d] * p[d] * total
        at_q += w[d] * q[d] * total
    return at_p > 0 and at_q > 0


@numba.njit(cache=True, error_model="numpy")
def apart(way, first, last):
    """Whether both ends move away from each other; ``way`` is the direction of time from the first to the last."""
    at_first, at_last = 0.0, 0.0
    for d in range(first[0].size):
        along = way * (last[0][d] - first[0][d])
        at_first += along * first[1][d]
        at_last += along * last[1][d]
    return at_first >= 0 and at_last >= 0


@numba.njit(cache=True, error_model="numpy")
def joined(constants, way, single, older, newer, scratch):
    """Make of the newer interval both, neighbours of the same size, the older one made first; whether they turn."""
    w, turn, turning = constants.w, constants.turn, False
    if turn == STAN and not single:
        for d in range(w.size):
            scratch[d] = older[INNER, d] + older[P_FAR, d]
        turning = not onwards(w, older[P_NEAR], newer[P_NEAR], scratch, 1.0)
        for d in range(w.size):
            scratch[d] = newer[P_NEAR, d] + newer[INNER, d]
        turning = turning or not onwards(w, older[P_FAR], newer[P_FAR], scratch, 1.0)
    for d in range(w.size):
        between = older[P_FAR, d] + newer[P_NEAR, d]
        newer[INNER, d] = 0.0 if single else older[INNER, d] + between + newer[INNER, d]
        newer[Q_NEAR, d], newer[P_NEAR, d] = older[Q_NEAR, d], older[P_NEAR, d]
    if turn == POSITION:
        return not apart(way, (newer[Q_NEAR], newer[P_NEAR]), (newer[Q_FAR], newer[P_FAR]))
    share = 0.5 if turn == TRAPEZOIDAL else 1.0
    return turning or not onwards(w, newer[P_NEAR], newer[P_FAR], newer[INNER], share)


@numba.njit(cache=True)
def alone(interval, q, p):
    """Make the interval a single point."""
    for d in range(q.size):
        interval[Q_NEAR, d] = interval[Q_FAR, d] = q[d]
        interval[P_NEAR, d] = interval[P_FAR, d] = p[d]
        interval[INNER, d] = 0.0


@numba.njit(cache=True, error_model="numpy")
def leap(target, constants, way, p0, end, p):
    """Move an end of the trajectory by a leapfrog step and set p; the log density there, and the kinetic energy gained.

    That is sum w k (p0 + k / 2) for the whole kick k, with no difference of energies.
    """
    w, h, growth = constants.w, way * constants.epsilon, 0.0
    for d in range(w.size):
        end[KICK, d] += h / 2 * end[SLOPE, d]
        end[POINT, d] += h * w[d] * (p0[d] + end[KICK, d])
    end[SLOPE] = gradient_at(target, end[POINT])
    for d in range(w.size):
        end[KICK, d] += h / 2 * end[SLOPE, d]
        p[d] = p0[d] + end[KICK, d]
        growth += w[d] * end[KICK, d] * (p0[d] + end[KICK, d] / 2)
    return log_density_at(target, end[POINT]), growth


@numba.njit(cache=True, error_model="numpy")
def doubled(target, constants, way, depth, p0, density, uniforms, bench):
    """Build a new half at one end of the tree: into newest its interval, into kept the point that stands for it."""
    end, newest, kept = bench.ends[1 if way > 0 else 0], bench.newest, bench.kept
    top, rest, kept_density, acceptance = -np.inf, 0.0, 0.0, 0.0
    for made in range(1, 2**depth + 1):
        here, growth = leap(target, constants, way, p0, end, bench.scratch)
        weight = (here - density) - growth
        weight = -np.inf if np.isnan(weight) else weight
        acceptance += min(exp(weight), 1.0)
        if not weight >= -constants.threshold:
            return Half(made, False, True, top, rest, kept_density, acceptance)
        top, rest = (weight, 0.0) if made == 1 else weighed(top, rest, weight, 0.0)
        if made == 1 or log_of(uniforms[made - 1]) < weight - (top + log1p(rest)):
            kept[0], kept[1], kept[2], kept_density = end[POINT], end[SLOPE], bench.scratch, here
        alone(newest, end[POINT], bench.scratch)
        level = 0
        while made % 2 ** (level + 1) == 0:
            if joined(constants, way, level == 0, bench.shelves[level], newest, bench.scratch):
                return Half(made, True, False, top, rest, kept_density, acceptance)
            level += 1
        bench.shelves[level] = newest
    return Half(made, False, False, top, rest, kept_density, acceptance)


@numba.njit(cache=True, error_model="numpy")
def grown(target, constants, p0, density, directions, halves, uniforms, bench):
    """Double the tree until it turns, diverges or is as deep as it may be: its depth, and what is told of it."""
    top, rest, chosen_density, acceptance, made, facing = 0.0, 0.0, density, 0.0, 0, 1.0
    turning = divergent = False
    depth = 0
    while depth < directions.size and not (turning or divergent):
        way = 1.0 if directions[depth] < 0.5 else -1.0
        if way != facing:
            for d in range(p0.size):
                turned = bench.tree[Q_FAR, d], bench.tree[P_FAR, d]
                bench.tree[Q_FAR, d], bench.tree[P_FAR, d] = bench.tree[Q_NEAR, d], bench.tree[P_NEAR, d]
                bench.tree[Q_NEAR, d], bench.tree[P_NEAR, d] = turned
            facing = way
        half = doubled(target, constants, way, depth, p0, density, uniforms[made:], bench)
        made, acceptance = made + half.made, acceptance + half.acceptance
        turning, divergent = half.turning, half.divergent
        if not (turning or divergent):
            if log_of(halves[depth]) < (half.top + log1p(half.rest)) - (top + log1p(rest)):
                bench.chosen[:], chosen_density = bench.kept, half.density
            top, rest = weighed(top, rest, half.top, half.rest)
            turning = joined(constants, way, depth == 0, bench.tree, bench.newest, bench.scratch)
            bench.tree[:] = bench.newest
            depth += 1
    return depth, made, turning, divergent, chosen_density, top + log1p(rest), acceptance / made


@numba.njit(cache=True)
def energy_of(w, p, density):
    total = 0.0
    for d in range(w.size):
        total += w[d] * p[d] * p[d]
    return total / 2 - density


@numba.njit(cache=True, error_model="numpy")
def advance(target, state, noise, info, constants, b, t, bench):
    w, p0, density = constants.w, info.momentum[b, t], state.log_density[b, t]
    for d in range(w.size):
        p0[d] = noise.normal[t, b, d] / sqrt(w[d])
    bench.chosen[0], bench.chosen[1], bench.chosen[2] = state.position[b, t], state.gradient[b, t], p0
    alone(bench.tree, state.position[b, t], p0)
    for end in bench.ends:
        end[POINT], end[SLOPE], end[KICK] = state.position[b, t], state.gradient[b, t], 0.0
    uniforms = noise.directions[t, b], noise.halves[t, b], noise.leaves[t, b]
    depth, made, turning, divergent, chosen_density, log_weight, acceptance = grown(
        target, constants, p0, density, *uniforms, bench
    )
    state.position[b, t + 1], state.gradient[b, t + 1] = bench.chosen[0], bench.chosen[1]
    state.log_density[b, t + 1] = chosen_density
    info.energy[b, t], info.proposal_energy[b, t] = (
        energy_of(w, p0, density),
        energy_of(w, bench.chosen[2], chosen_density),
    )
    info.log_weight[b, t], info.acceptance[b, t] = log_weight, acceptance
    info.depth[b, t], info.leaves[b, t], info.turning[b, t], info.divergent[b, t] = depth, made, turning, divergent


@loop_over_chains
def _over_chains(start, stop, target, state, noise, info, constants):
    size, depth = constants.w.size, noise.directions.shape[-1]
    room, shelves = np.empty((4, 3, size)), np.empty((depth + 2, 5, size))
    bench = Bench(room[:2], shelves[0], shelves[1], shelves[2:], room[2], room[3], np.empty(size))
    for b in range(start, stop):
        for t in range(len(noise.normal)):
            advance(target, state, noise, info, constants, b, t, bench)


def _loop(chains, target, state, noise, info, constants, *, steps):
    reference.check_leaves(noise.directions[0], noise.leaves[0])
    _over_chains(chains, target, state, noise, info, constants, steps=steps * noise.leaves.shape[-1])


walk = Walk(
    reference,
    _loop,
    _constants,
    {
        **dict.fromkeys(("position", "gradient", "normal", "momentum"), "D"),
        **{"directions": "J", "halves": "J", "leaves": "K", "metric": "!D", "Info.leaves": ""},
    },
)
