"""Loops over chains for the Gaussian target; the functions of one chain serve the samplers too."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba import prange

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.samplers._chains import line, rows, writeable
from refengine.samplers.targets import Target
from refengine.samplers.targets import gaussian as reference
from refengine.samplers.targets._target import cotangent
from refengine.samplers.targets.gaussian import *


class Gaussian(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    mean: Any
    symmetric: Any


@kernel_of(reference.target)
def target(mean, precision):
    return Target(log_density, gradient, gradient_vjp, (mean, precision))


@kernel_of(reference.log_density)
def log_density(position, mean, precision):
    dtype, position, target = _checked(position, mean, precision)
    return np.asarray(_densities(rows(position), target).reshape(position.shape[:-1]), dtype)[()]


@kernel_of(reference.log_density_vjp)
def log_density_vjp(g, position, mean, precision):
    dtype, position, target = _checked(position, mean, precision)
    g = cotangent(np, g, position.shape[:-1])
    with np.errstate(all="ignore"):  # the vjp of the gradient for this h is that of the density, twice in P
        h = line(g)[:, None] * (rows(position) - target.mean)
    to_position, to_mean, to_precision = _pulled_back(rows(position), target, h)
    return _shaped(dtype, position.shape, to_position, to_mean, to_precision / 2)


@kernel_of(reference.gradient)
def gradient(position, mean, precision):
    dtype, position, target = _checked(position, mean, precision)
    return np.asarray(_gradients(rows(position), target).reshape(position.shape), dtype)


@kernel_of(reference.gradient_vjp)
def gradient_vjp(g, position, mean, precision):
    dtype, position, target = _checked(position, mean, precision)
    g = cotangent(np, g, position.shape)
    return _shaped(dtype, position.shape, *_pulled_back(rows(position), target, rows(g)))


def compiled(position, mean, precision):
    """This target for a loop over chains."""
    return _checked(position, mean, precision)[2]


def _checked(position, mean, precision):
    _, dtype, position, *parameters = reference.checked(position, mean, precision)
    mean, precision = map(writeable, parameters)
    with np.errstate(all="ignore"):
        return dtype, position, Gaussian(mean, 0.5 * precision + 0.5 * precision.T)


def _shaped(dtype, shape, to_position, to_mean, to_precision):
    arrays = to_position.reshape(shape), to_mean, to_precision
    return tuple(np.asarray(a, dtype) for a in arrays)


@numba.njit(cache=True)
def chain_log_density(position, target):
    """The quadratic form by its diagonal and the pairs below it."""
    total, r = 0.0, position - target.mean
    for i in range(r.size):
        pull = 0.5 * (target.symmetric[i, i] * r[i])
        for j in range(i):
            pull += target.symmetric[i, j] * r[j]
        total += r[i] * pull
    return -total


@numba.njit(cache=True)
def chain_gradient(position, target):
    return chain_hessian_product(position - target.mean, position, target)


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result = np.empty(g.size)
    for i in range(g.size):
        total = 0.0
        for j in range(g.size):
            total += target.symmetric[i, j] * g[j]
        result[i] = -total
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
def _pulled_back(position, target, h):
    chains, size = position.shape
    to_position, to_mean, to_precision = np.empty(position.shape), np.zeros(size), np.zeros((size, size))
    for b in prange(chains):
        to_position[b] = chain_hessian_product(h[b], position[b], target)
    for i in prange(size):  # every entry is summed over the chains in their order, whatever the threads
        for b in range(chains):
            to_mean[i] -= to_position[b, i]
            for j in range(size):
                r_i, r_j = position[b, i] - target.mean[i], position[b, j] - target.mean[j]
                to_precision[i, j] -= 0.5 * (h[b, i] * r_j + h[b, j] * r_i)
    return to_position, to_mean, to_precision
