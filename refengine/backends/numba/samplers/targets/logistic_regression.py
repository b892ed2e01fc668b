"""Loops over chains for the logistic regression; the functions of one chain serve the samplers too."""

from __future__ import annotations

from math import exp, log, log1p, pi
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import prange

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.samplers._chains import line, rows, writeable
from refengine.samplers.targets import Target
from refengine.samplers.targets import logistic_regression as reference
from refengine.samplers.targets._target import cotangent
from refengine.samplers.targets.logistic_regression import *

_HALF_LOG_TWO_PI = 0.5 * log(2 * pi)


class LogisticRegression(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    features: Any
    sign: Any
    scale: float


@kernel_of(reference.target)
def target(features, outcomes, prior_scale):
    return Target(log_density, gradient, gradient_vjp, (features, outcomes, prior_scale))


@kernel_of(reference.log_density)
def log_density(position, features, outcomes, prior_scale):
    dtype, position, target = _checked(position, features, outcomes, prior_scale)
    value = _densities(rows(position), target)
    return np.asarray(value.reshape(position.shape[:-1]), dtype)[()]


@kernel_of(reference.log_density_vjp)
def log_density_vjp(g, position, features, outcomes, prior_scale):
    dtype, position, target = _checked(position, features, outcomes, prior_scale)
    g = cotangent(np, g, position.shape[:-1])
    return _shaped(dtype, position.shape, *_density_pulled_back(rows(position), target, line(g)))


@kernel_of(reference.gradient)
def gradient(position, features, outcomes, prior_scale):
    dtype, position, target = _checked(position, features, outcomes, prior_scale)
    return np.asarray(_gradients(rows(position), target).reshape(position.shape), dtype)


@kernel_of(reference.gradient_vjp)
def gradient_vjp(g, position, features, outcomes, prior_scale):
    dtype, position, target = _checked(position, features, outcomes, prior_scale)
    g = cotangent(np, g, position.shape)
    return _shaped(dtype, position.shape, *_gradient_pulled_back(rows(position), target, rows(g)))


def compiled(position, features, outcomes, prior_scale):
    """This target for a loop over chains: signs for outcomes, nan for a scale outside its domain."""
    return _checked(position, features, outcomes, prior_scale)[2]


def _checked(position, features, outcomes, prior_scale):
    _, dtype, position, features, sign, scale = reference.checked(position, features, outcomes, prior_scale)
    return dtype, position, LogisticRegression(writeable(features), writeable(sign), float(scale))


def _shaped(dtype, shape, to_position, to_features, to_scale):
    return np.asarray(to_position.reshape(shape), dtype), np.asarray(to_features, dtype), np.asarray(to_scale, dtype)


@numba.njit(cache=True)
def _margin(position, target, n):
    total = 0.0
    for d in range(position.size):
        total += target.features[n, d] * position[d]
    return target.sign[n] * total


@numba.njit(cache=True)
def _surprise(margin):
    """log(1 + e^-m)."""
    return log1p(exp(-margin)) if margin > 0 else log1p(exp(margin)) - margin


@numba.njit(cache=True)
def _missed(margin):
    """1 / (1 + e^m), the probability of the other outcome."""
    e = exp(-abs(margin))
    return e / (1 + e) if margin > 0 else 1 / (1 + e)


@numba.njit(cache=True)
def chain_log_density(position, target):
    total = 0.0
    for n in range(target.features.shape[0]):
        total -= _surprise(_margin(position, target, n))
    for d in range(position.size):
        z = position[d] / target.scale
        total -= 0.5 * z * z
    return total - position.size * (log(target.scale) + _HALF_LOG_TWO_PI)


@numba.njit(cache=True)
def chain_gradient(position, target):
    result = -(position / target.scale) / target.scale
    for n in range(target.features.shape[0]):
        residual = target.sign[n] * _missed(_margin(position, target, n))
        for d in range(position.size):
            result[d] += residual * target.features[n, d]
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result = -(g / target.scale) / target.scale
    for n in range(target.features.shape[0]):
        missed = _missed(_margin(position, target, n))
        bent = missed * _missed(-_margin(position, target, n)) * _margin(g, target, n) * target.sign[n]
        for d in range(position.size):
            result[d] -= bent * target.features[n, d]
    return result


@parallel
def _densities(position, target):
    value = np.empty(position.shape[0])
    for b in prange(position.shape[0]):
        value[b] = chain_log_density(position[b], target)
    return value


@parallel
def _gradients(position, target):
    value = np.empty(position.shape)
    for b in prange(position.shape[0]):
        value[b] = chain_gradient(position[b], target)
    return value


@parallel
def _density_pulled_back(position, target, g):
    to_position, to_features, to_scale = np.empty(position.shape), np.zeros(target.features.shape), 0.0
    for b in prange(position.shape[0]):
        to_position[b] = g[b] * chain_gradient(position[b], target)
    for n in prange(target.features.shape[0]):  # summed over the chains in their order, whatever the threads
        for b in range(position.shape[0]):
            residual = target.sign[n] * _missed(_margin(position[b], target, n)) * (g[b] + 0 * target.scale)
            for d in range(position.shape[1]):
                to_features[n, d] += residual * position[b, d]
    for b in range(position.shape[0]):
        for d in range(position.shape[1]):
            z = position[b, d] / target.scale
            to_scale += g[b] * (z - 1) * (z + 1)
    return to_position, to_features, to_scale / target.scale


@parallel
def _gradient_pulled_back(position, target, g):
    to_position, to_features, to_scale = np.empty(position.shape), np.zeros(target.features.shape), 0.0
    for b in prange(position.shape[0]):
        to_position[b] = chain_hessian_product(g[b], position[b], target)
    for n in prange(target.features.shape[0]):
        for b in range(position.shape[0]):
            margin = _margin(position[b], target, n)
            residual = target.sign[n] * _missed(margin) + 0 * target.scale
            bent = _missed(margin) * _missed(-margin) * _margin(g[b], target, n) * target.sign[n]
            for d in range(position.shape[1]):
                to_features[n, d] += residual * g[b, d] - bent * position[b, d]
    for b in range(position.shape[0]):
        for d in range(position.shape[1]):
            to_scale += 2 * (g[b, d] / target.scale) * (position[b, d] / target.scale)
    return to_position, to_features, to_scale / target.scale
