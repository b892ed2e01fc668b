"""Gibbs sampling of a Gaussian target in one compiled loop over chains."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import loop_over_chains
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import gibbs as reference
from refengine.samplers._chains import LAYOUT, check_count
from refengine.samplers.gibbs import *


class Constants(NamedTuple):
    """The coordinates of a block, whether a random block alone is updated, and whether the last one comes first."""

    width: int
    one: bool
    backwards: bool


@kernel_of(reference.step)
def step(state, noise, target, *, scan="systematic", block_size=1):
    return walk.step(state, noise, target, scan=scan, block_size=block_size)


def _constants(*, scan, block_size):
    width = check_count("block_size", block_size)
    check_option("scan", scan, ("systematic", "reverse", "random"))
    return Constants(width, scan == "random", scan == "reverse")


@numba.njit(cache=True)
def factor(matrix):
    """The lower Cholesky factor; nan where a pivot is not positive."""
    lower = matrix.copy()
    for j in range(len(lower)):
        pivot = lower[j, j]
        lower[j, j] = sqrt(pivot) if pivot > 0 else np.nan
        for i in range(j + 1, len(lower)):
            lower[i, j] /= lower[j, j]
            for k in range(j + 1, i + 1):
                lower[i, k] -= lower[i, j] * lower[k, j]
    return lower


@numba.njit(cache=True)
def solve_lower(lower, column):
    """The column becomes L^-1 times it."""
    for i in range(column.size):
        for k in range(i):
            column[i] -= lower[i, k] * column[k]
        column[i] /= lower[i, i]


@numba.njit(cache=True)
def solve_upper(lower, column):
    """The column becomes L^-T times it."""
    for i in range(column.size - 1, -1, -1):
        for k in range(i + 1, column.size):
            column[i] -= lower[k, i] * column[k]
        column[i] /= lower[i, i]


@numba.njit(cache=True)
def conditionals(precision, width):
    """In the rows of every block P_BB^-1 P_BR and L^-T, the columns of the block and of the rest being zeros."""
    size = len(precision)
    pull, spread = np.zeros((size, size)), np.zeros((size, size))
    for start in range(0, size, width):
        stop = min(start + width, size)
        lower = factor(precision[start:stop, start:stop])
        for j in range(size):
            if start <= j < stop:
                spread[j, j] = 1.0
                solve_upper(lower, spread[start:stop, j])
            else:
                pull[start:stop, j] = precision[start:stop, j]
            solve_lower(lower, pull[start:stop, j])  # zeros too: without a factor they become nan
            solve_upper(lower, pull[start:stop, j])
    return pull, spread


@numba.njit(cache=True)
def advance(mean, pull, spread, state, noise, info, constants, b, t):
    x, z, size = state.position[b, t + 1], noise.normal[t, b], mean.size
    told, updated = info.conditional_mean[b, t], info.updated[b, t]
    x[:], told[:], updated[:] = state.position[b, t], state.position[b, t], False
    blocks = (size + constants.width - 1) // constants.width
    chosen = min(np.floor(noise.uniform[t, b] * blocks), blocks - 1.0)
    for turn in range(blocks):
        number = blocks - 1 - turn if constants.backwards else turn
        if constants.one and number != chosen:
            continue
        start = number * constants.width
        stop = min(start + constants.width, size)
        for i in range(start, stop):
            center = 0.0
            for j in range(size):  # zeros too: what is nan makes its chain nan
                center += pull[i, j] * (x[j] - mean[j])
            told[i], updated[i] = mean[i] - center, True
        for i in range(start, stop):
            drawn = 0.0
            for j in range(size):
                drawn += spread[i, j] * z[j]
            x[i] = told[i] + drawn


@loop_over_chains
def _loop(start, stop, target, state, noise, info, constants):
    pull, spread = conditionals(target.built_in.symmetric, constants.width)
    for b in range(start, stop):
        for t in range(len(noise.uniform)):
            advance(target.built_in.mean, pull, spread, state, noise, info, constants, b, t)


walk = Walk(
    reference,
    _loop,
    _constants,
    LAYOUT | {"conditional_mean": "D", "updated": "D"},
    check=lambda target, state: reference.check_gaussian(target),
)
