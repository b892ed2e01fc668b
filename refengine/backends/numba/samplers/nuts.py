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
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.backends.numba.samplers._chains import gradient_at, log_density_at, loop_over_chains, writeable
from refengine.backends.numba.samplers._intervals import INNER, P_FAR, P_NEAR, Q_FAR, Q_NEAR, joined, weighed
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import nuts as reference
from refengine.samplers._chains import check_positive
from refengine.samplers._leapfrog import inverse_mass
from refengine.samplers.nuts import *

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
    p: Any
    scratch: Any


class Tree(NamedTuple):
    """How a tree or a half of it came out: doublings, leaves made, why it ended, its weight, and the point kept."""

    depth: int
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


step_vjp = by_chain(reference.step_vjp)


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
def log_uniform(u):
    return log(u) if u > 0 else -np.inf


@numba.njit(cache=True)
def copied(source, to):
    for d in range(to.size):
        to[d] = source[d]


@numba.njit(cache=True)
def shelved(constants, way, made, end, p, bench):
    """Join the leaf just made to all that it completes, then shelve it; whether one of these intervals turns."""
    newest, level = bench.newest, 0
    for d in range(p.size):
        newest[Q_NEAR, d] = newest[Q_FAR, d] = end[POINT, d]
        newest[P_NEAR, d] = newest[P_FAR, d] = p[d]
        newest[INNER, d] = 0.0
    while made % 2 ** (level + 1) == 0:
        if joined(constants, way, level == 0, bench.shelves[level], newest, bench.scratch):
            return True
        level += 1
    bench.shelves[level] = newest
    return False


@numba.njit(cache=True)
def faced(interval):
    """Turn an interval round, as if it had been made the other way."""
    for d in range(interval.shape[1]):
        q, p = interval[Q_FAR, d], interval[P_FAR, d]
        interval[Q_FAR, d], interval[P_FAR, d] = interval[Q_NEAR, d], interval[P_NEAR, d]
        interval[Q_NEAR, d], interval[P_NEAR, d] = q, p


@numba.njit(cache=True)
def enlarged(constants, way, depth, bench):
    """Join the new half to the tree; whether the whole turns."""
    turning = joined(constants, way, depth == 0, bench.tree, bench.newest, bench.scratch)
    bench.tree[:] = bench.newest
    return turning


@numba.njit(cache=True, error_model="numpy")
def half_kick(h, p0, end, p):
    """Half a kick at an end of the trajectory, and the momentum after it."""
    for d in range(p.size):
        end[KICK, d] += h / 2 * end[SLOPE, d]
        p[d] = p0[d] + end[KICK, d]


@numba.njit(cache=True)
def drift(w, h, end, p):
    for d in range(p.size):
        end[POINT, d] += h * w[d] * p[d]


@numba.njit(cache=True, error_model="numpy")
def gained(w, kick, p0):
    """The growth of the kinetic energy by the whole kick, with no difference of energies."""
    total = 0.0
    for d in range(w.size):
        total += w[d] * kick[d] * (p0[d] + kick[d] / 2)
    return total


@numba.njit(cache=True)
def stands(end, p, kept):
    """Let the last point of an end stand for its half."""
    for d in range(p.size):
        kept[0, d], kept[1, d], kept[2, d] = end[POINT, d], end[SLOPE, d], p[d]


@numba.njit(cache=True)
def energy_of(w, p, density):
    total = 0.0
    for d in range(w.size):
        total += w[d] * p[d] * p[d]
    return total / 2 - density


@numba.njit(cache=True, error_model="numpy")
def begun(state, noise, info, constants, b, t, bench):
    """Draw the momentum and make the start the whole tree."""
    x, slope, p0 = state.position[b, t], state.gradient[b, t], info.momentum[b, t]
    for d in range(x.size):
        p0[d] = noise.normal[t, b, d] / sqrt(constants.w[d])
        for side in range(2):
            bench.ends[side, POINT, d], bench.ends[side, SLOPE, d], bench.ends[side, KICK, d] = x[d], slope[d], 0.0
        bench.tree[Q_NEAR, d] = bench.tree[Q_FAR, d] = x[d]
        bench.tree[P_NEAR, d] = bench.tree[P_FAR, d] = p0[d]
        bench.tree[INNER, d] = 0.0
        bench.chosen[0, d], bench.chosen[1, d], bench.chosen[2, d] = x[d], slope[d], p0[d]


@numba.njit(cache=True)
def told(state, info, constants, b, t, bench, tree):
    """Write down the point chosen, and what there is to say of the tree."""
    w, chosen = constants.w, bench.chosen
    copied(chosen[0], state.position[b, t + 1])
    copied(chosen[1], state.gradient[b, t + 1])
    state.log_density[b, t + 1] = tree.density
    info.energy[b, t] = energy_of(w, info.momentum[b, t], state.log_density[b, t])
    info.proposal_energy[b, t] = energy_of(w, chosen[2], tree.density)
    info.log_weight[b, t], info.acceptance[b, t] = tree.top + log1p(tree.rest), tree.acceptance / tree.made
    info.depth[b, t], info.leaves[b, t] = tree.depth, tree.made
    info.turning[b, t], info.divergent[b, t] = tree.turning, tree.divergent


@numba.njit(error_model="numpy")
def doubled(target, constants, way, depth, p0, density, uniforms, bench):
    """Build a new half at one end of the tree: into newest its interval, into kept the point that stands for it."""
    end, p, h = bench.ends[1 if way > 0 else 0], bench.p, way * constants.epsilon
    top, rest, kept_density, acceptance, made = -np.inf, 0.0, 0.0, 0.0, 0
    turning = divergent = False
    while made < 2**depth and not (turning or divergent):
        made += 1
        half_kick(h, p0, end, p)
        drift(constants.w, h, end, p)
        copied(gradient_at(target, end[POINT]), end[SLOPE])
        half_kick(h, p0, end, p)
        here = log_density_at(target, end[POINT])
        weight = (here - density) - gained(constants.w, end[KICK], p0)
        weight = -np.inf if np.isnan(weight) else weight
        acceptance += min(exp(weight), 1.0)
        divergent = not weight >= -constants.threshold
        if not divergent:
            top, rest = (weight, 0.0) if made == 1 else weighed(top, rest, weight, 0.0)
            if made == 1 or log_uniform(uniforms[made - 1]) < weight - (top + log1p(rest)):
                stands(end, p, bench.kept)
                kept_density = here
            turning = shelved(constants, way, made, end, p, bench)
    return Tree(depth, made, turning, divergent, top, rest, kept_density, acceptance)


@numba.njit(error_model="numpy")
def grown(target, constants, p0, density, directions, halves, uniforms, bench):
    """Double the tree until it turns, diverges or is as deep as it may be."""
    top, rest, chosen_density, acceptance, made, depth, facing = 0.0, 0.0, density, 0.0, 0, 0, 1.0
    turning = divergent = False
    while depth < directions.size and not (turning or divergent):
        way = 1.0 if directions[depth] < 0.5 else -1.0
        if way != facing:
            faced(bench.tree)
        facing = way
        half = doubled(target, constants, way, depth, p0, density, uniforms[made:], bench)
        made, acceptance = made + half.made, acceptance + half.acceptance
        turning, divergent = half.turning, half.divergent
        if not (turning or divergent):
            if log_uniform(halves[depth]) < (half.top + log1p(half.rest)) - (top + log1p(rest)):
                bench.chosen[:] = bench.kept
                chosen_density = half.density
            top, rest = weighed(top, rest, half.top, half.rest)
            turning = enlarged(constants, way, depth, bench)
            depth += 1
    return Tree(depth, made, turning, divergent, top, rest, chosen_density, acceptance)


@numba.njit(error_model="numpy")
def advance(target, state, noise, info, constants, b, t, bench):
    begun(state, noise, info, constants, b, t, bench)
    uniforms = noise.directions[t, b], noise.halves[t, b], noise.leaves[t, b]
    tree = grown(target, constants, info.momentum[b, t], state.log_density[b, t], *uniforms, bench)
    told(state, info, constants, b, t, bench, tree)


@loop_over_chains
def _over_chains(start, stop, target, state, noise, info, constants):
    size, depth = constants.w.size, noise.directions.shape[-1]
    p, scratch = np.empty((2, size))
    room, shelves = np.empty((4, 3, size)), np.empty((depth + 2, 5, size))
    bench = Bench(room[:2], shelves[0], shelves[1], shelves[2:], room[2], room[3], p, scratch)
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
