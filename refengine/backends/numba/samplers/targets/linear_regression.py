"""The linear regression: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, pi
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.backends.numba.samplers.targets._regression import columns_of, combined, inner, residuals
from refengine.samplers.targets import Target
from refengine.samplers.targets import linear_regression as reference
from refengine.samplers.targets.linear_regression import *

_LOG_TWO, _HALF_LOG_TWO_PI = log(2), 0.5 * log(2 * pi)


class LinearRegression(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    columns: Any
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
    return dtype, position, LinearRegression(columns_of(features), writeable(outcomes), float(scale))


@numba.njit(cache=True)
def chain_log_density(position, target):
    rows, noise = target.outcomes.size, position[-1]
    z = residuals(position, target.columns, target.outcomes, exp(-noise))
    squares = inner(z, z) + (exp(noise) / target.scale) ** 2
    for d in range(position.size - 1):
        squares += (position[d] / target.scale) ** 2
    constant = _LOG_TWO - (rows + position.size) * _HALF_LOG_TWO_PI - position.size * log(target.scale)
    return constant - 0.5 * squares - (rows - 1) * noise


@numba.njit(cache=True)
def chain_gradient(position, target):
    result, small = -(position / target.scale) / target.scale, exp(-position[-1])
    z = residuals(position, target.columns, target.outcomes, small)
    for d in range(position.size - 1):
        result[d] += small * inner(z, target.columns[d])
    result[-1] = inner(z, z) - (z.size - 1) - (exp(position[-1]) / target.scale) ** 2
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result, small, last = -(g / target.scale) / target.scale, exp(-position[-1]), g[-1]
    z, c = residuals(position, target.columns, target.outcomes, small), combined(g, target.columns, small)
    to_z = c + 2 * last * z
    for d in range(position.size - 1):
        result[d] -= small * inner(to_z, target.columns[d])
    result[-1] = -2 * last * (exp(position[-1]) / target.scale) ** 2 - 2 * inner(z, c + last * z)
    return result
