"""Resampling in one compiled loop over samples: memory for the draws, not for draws times offspring."""

from __future__ import annotations

from math import prod

import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import loop_over_chains, writeable
from refengine.backends.numba.samplers._weights import SCHEMES, choose_ancestors, weigh
from refengine.samplers import sir as reference
from refengine.samplers._chains import cast, inputs
from refengine.samplers.sir import *


@kernel_of(reference.step)
def step(state, noise, *, scheme="multinomial", side="right"):
    _, dtype, x, log_weight, u = inputs(reference.LAYOUT, state=(state, State), noise=(noise, Noise))
    check_option("scheme", scheme, SCHEMES)
    check_option("side", side, ("right", "left"))
    over, size = u.shape[:-1], log_weight.shape[-1]
    if not size:
        return reference.step(state, noise, scheme=scheme, side=side)
    chains = prod(over)
    given = (writeable(a.reshape((chains, *a.shape[len(over) :]))) for a in (x, log_weight, u))
    offspring, means = np.empty((chains, u.shape[-1], x.shape[-1])), np.empty((chains, u.shape[-1]))
    told = np.empty((chains, size)), np.empty((chains, u.shape[-1]), np.int64), np.empty(chains)
    _loop(chains, None, *given, SCHEMES.index(scheme), side == "left", offspring, means, *told)
    whole = (a.reshape((*over, *a.shape[1:])) for a in (offspring, means, *told))
    return cast(Transition(State(next(whole), next(whole)), Info(*whole)), dtype)


@loop_over_chains
def _loop(start, stop, target, x, log_weight, u, scheme, from_left, offspring, means, weights, ancestors, effective):
    sums = np.empty(log_weight.shape[-1])
    for b in range(start, stop):
        mean, effective[b] = weigh(log_weight[b], weights[b])
        choose_ancestors(weights[b], u[b], scheme, from_left, sums, ancestors[b])
        for m in range(u.shape[-1]):
            offspring[b, m], means[b, m] = x[b, ancestors[b, m]], mean
