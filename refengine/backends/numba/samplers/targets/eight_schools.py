"""The eight schools: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, log1p, pi, tanh
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import eight_schools as reference
from refengine.samplers.targets.eight_schools import *

_LOG_FIVE, _HALF_LOG_TWO_PI = log(5), 0.5 * log(2 * pi)
_CONSTANT = log(2 / (5 * pi)) - log(5) - _HALF_LOG_TWO_PI


class EightSchools(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    outcomes: Any
    errors: Any


@kernel_of(reference.target)
def target(outcomes, errors):
    return Target(log_density, gradient, gradient_vjp, (outcomes, errors))


@kernel_of(reference.log_density)
def log_density(position, outcomes, errors):
    return densities(*_checked(position, outcomes, errors))


@kernel_of(reference.gradient)
def gradient(position, outcomes, errors):
    return gradients(*_checked(position, outcomes, errors))


def compiled(*arguments):
    """This target for a loop over chains: nan for an error outside its domain."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, mu, spread, eta, outcomes, errors = reference.checked(*arguments)
    position = np.concatenate([mu[..., None], spread[..., None], eta], axis=-1)
    return dtype, position, EightSchools(writeable(outcomes), writeable(errors))


@numba.njit(cache=True)
def _miss(position, target, j):
    """How far the outcome of school j is from its effect, in units of its error."""
    return (target.outcomes[j] - position[0] - exp(position[1]) * position[2 + j]) / target.errors[j]


@numba.njit(cache=True)
def chain_log_density(position, target):
    x = 2 * (position[1] - _LOG_FIVE)
    bend = x + log1p(exp(-x)) if x > 0 else log1p(exp(x))
    total = _CONSTANT - 0.02 * position[0] * position[0] + position[1] - bend
    for j in range(target.outcomes.size):
        z, eta = _miss(position, target, j), position[2 + j]
        total -= 0.5 * (z * z + eta * eta) + 2 * _HALF_LOG_TWO_PI + log(target.errors[j])
    return total


@numba.njit(cache=True)
def chain_gradient(position, target):
    result, tau, along, bad = np.empty(position.size), exp(position[1]), 0.0, 0.0
    result[0] = -0.04 * position[0]
    for j in range(target.outcomes.size):
        bad += 0 * target.errors[j]
        pull = _miss(position, target, j) / target.errors[j]
        result[0] += pull
        along += pull * position[2 + j]
        result[2 + j] = tau * pull - position[2 + j]
    result[1] = tau * along - tanh(position[1] - _LOG_FIVE)
    return result + bad


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result, tau, along, bad = np.empty(position.size), exp(position[1]), 0.0, 0.0
    bent = 1 - tanh(position[1] - _LOG_FIVE) ** 2
    result[0] = -0.04 * g[0]
    for j in range(target.outcomes.size):
        bad += 0 * target.errors[j]
        pull, eta = _miss(position, target, j) / target.errors[j], position[2 + j]
        mixed = g[1] * eta + g[2 + j]
        narrow = (g[0] + tau * mixed) / target.errors[j] / target.errors[j]
        result[0] -= narrow
        along += mixed * pull - narrow * eta
        result[2 + j] = tau * (g[1] * pull - narrow) - g[2 + j]
    result[1] = tau * along - g[1] * bent
    return result + bad
