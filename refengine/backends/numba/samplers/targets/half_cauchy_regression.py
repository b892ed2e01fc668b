"""The linear regression with a half-Cauchy prior: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, log1p
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.backends.numba.samplers.targets._regression import columns_of, combined, inner, residuals
from refengine.samplers.targets import Target
from refengine.samplers.targets import half_cauchy_regression as reference
from refengine.samplers.targets.half_cauchy_regression import *


class HalfCauchyRegression(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    columns: Any
    outcomes: Any
    mean: Any
    symmetric: Any
    rate: float


@kernel_of(reference.target)
def target(features, outcomes, prior_mean, prior_precision, noise_rate):
    parameters = features, outcomes, prior_mean, prior_precision, noise_rate
    return Target(log_density, gradient, gradient_vjp, parameters)


@kernel_of(reference.log_density)
def log_density(position, features, outcomes, prior_mean, prior_precision, noise_rate):
    return densities(*_checked(position, features, outcomes, prior_mean, prior_precision, noise_rate))


@kernel_of(reference.gradient)
def gradient(position, features, outcomes, prior_mean, prior_precision, noise_rate):
    return gradients(*_checked(position, features, outcomes, prior_mean, prior_precision, noise_rate))


def compiled(*arguments):
    """This target for a loop over chains."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, position, features, outcomes, mean, precision, rate = reference.checked(*arguments)
    outcomes, mean, precision = map(writeable, (outcomes, mean, precision))
    return (
        dtype,
        position,
        HalfCauchyRegression(columns_of(features), outcomes, mean, 0.5 * precision + 0.5 * precision.T, float(rate)),
    )


@numba.njit(cache=True)
def _bend(t):
    """log(1 + t^2)."""
    return log1p(t * t) if t < 1 else 2 * log(t) + log1p(1 / t / t)


@numba.njit(cache=True)
def chain_log_density(position, target):
    size, pulled = target.mean.size, 0.0
    z = residuals(position, target.columns, target.outcomes, exp(-position[size]))
    for i in range(size):
        pull = 0.5 * target.symmetric[i, i] * (position[i] - target.mean[i])
        for j in range(i):
            pull += target.symmetric[i, j] * (position[j] - target.mean[j])
        pulled += pull * (position[i] - target.mean[i])
    noise = position[size]
    bend = _bend(target.rate * exp(noise)) if target.rate >= 0 else np.nan
    return -0.5 * inner(z, z) - pulled - (target.outcomes.size - 1) * noise - bend


@numba.njit(cache=True)
def chain_gradient(position, target):
    size = target.mean.size
    result, small = np.zeros(size + 1), exp(-position[size])
    z, bad = residuals(position, target.columns, target.outcomes, small), 0 * target.rate
    for d in range(size):
        result[d] = small * inner(z, target.columns[d])
    for i in range(size):
        pull = bad
        for j in range(size):
            pull += target.symmetric[i, j] * (position[j] - target.mean[j])
        result[i] -= pull
    t = target.rate * exp(position[size])
    result[size] = (
        inner(z, z) - (target.outcomes.size - 1) - (2 * t * t / (1 + t * t) if t < 1 else 2 / (1 + 1 / t / t))
    )
    if t != t:
        result[size] = t
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    size = target.mean.size
    result, small, last = np.zeros(size + 1), exp(-position[size]), g[size]
    z, c = residuals(position, target.columns, target.outcomes, small), combined(g, target.columns, small)
    to_z, bad = c + 2 * last * z, 0 * target.rate
    for d in range(size):
        result[d] = -small * inner(to_z, target.columns[d])
    result[size] = -2 * inner(z, c + last * z)
    for i in range(size):
        pull = bad
        for j in range(size):
            pull += target.symmetric[i, j] * g[j]
        result[i] -= pull
    t = target.rate * exp(position[size])
    if t > 0:
        result[size] -= 4 * last / (t + 1 / t) / (t + 1 / t)
    return result + bad
