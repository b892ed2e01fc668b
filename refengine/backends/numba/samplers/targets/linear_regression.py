"""The linear regression: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, pi
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import linear_regression as reference
from refengine.samplers.targets.linear_regression import *

_LOG_TWO, _HALF_LOG_TWO_PI = log(2), 0.5 * log(2 * pi)


class LinearRegression(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    features: Any
    outcomes: Any
    scale: float


@kernel_of(reference.target)
def target(features, outcomes, prior_scale):
    return Target(log_density, gradient, gradient_vjp, (features, outcomes, prior_scale))


@kernel_of(reference.log_density)
def log_density(position, features, outcomes, prior_scale):
    return densities(*_checked(position, features, outcomes, prior_scale))


@kernel_of(reference.gradient)
def gradient(position, features, outcomes, prior_scale):
    return gradients(*_checked(position, features, outcomes, prior_scale))


def compiled(*arguments):
    """This target for a loop over chains: nan for a scale outside its domain."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, beta, noise, features, outcomes, scale = reference.checked(*arguments)
    position = np.concatenate([beta, noise[..., None]], axis=-1)
    return dtype, position, LinearRegression(writeable(features), writeable(outcomes), float(scale))


@numba.njit(cache=True)
def _miss(position, target, n):
    """The residual of row n."""
    total = target.outcomes[n]
    for d in range(position.size - 1):
        total -= target.features[n, d] * position[d]
    return total


@numba.njit(cache=True)
def chain_log_density(position, target):
    rows, noise, small = target.outcomes.size, position[-1], exp(-position[-1])
    squares = (exp(noise) / target.scale) ** 2
    for n in range(rows):
        squares += (small * _miss(position, target, n)) ** 2
    for d in range(position.size - 1):
        squares += (position[d] / target.scale) ** 2
    constant = _LOG_TWO - (rows + position.size) * _HALF_LOG_TWO_PI - position.size * log(target.scale)
    return constant - 0.5 * squares - (rows - 1) * noise


@numba.njit(cache=True)
def chain_gradient(position, target):
    result, small, squares = -(position / target.scale) / target.scale, exp(-position[-1]), 0.0
    for n in range(target.outcomes.size):
        z = small * _miss(position, target, n)
        squares += z * z
        for d in range(position.size - 1):
            result[d] += small * z * target.features[n, d]
    result[-1] = squares - (target.outcomes.size - 1) - (exp(position[-1]) / target.scale) ** 2
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result, small, last = -(g / target.scale) / target.scale, exp(-position[-1]), g[-1]
    result[-1] = -2 * last * (exp(position[-1]) / target.scale) ** 2
    for n in range(target.outcomes.size):
        z, c = small * _miss(position, target, n), 0.0
        for d in range(position.size - 1):
            c += target.features[n, d] * g[d]
        c *= small
        for d in range(position.size - 1):
            result[d] -= small * (c + 2 * last * z) * target.features[n, d]
        result[-1] -= 2 * z * (c + last * z)
    return result
