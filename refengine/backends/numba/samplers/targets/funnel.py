"""Neal's funnel: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, pi
from typing import NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import funnel as reference
from refengine.samplers.targets.funnel import *

_HALF_LOG_TWO_PI = 0.5 * log(2 * pi)


class Funnel(NamedTuple):
    """The parameter in compiled code; by its type numba knows whose functions of one chain are meant."""

    scale: float


@kernel_of(reference.target)
def target(scale):
    return Target(log_density, gradient, gradient_vjp, (scale,))


@kernel_of(reference.log_density)
def log_density(position, scale):
    return densities(*_checked(position, scale))


@kernel_of(reference.gradient)
def gradient(position, scale):
    return gradients(*_checked(position, scale))


def compiled(*arguments):
    """This target for a loop over chains: nan for a scale outside its domain."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, v, x, scale = reference.checked(*arguments)
    return dtype, np.concatenate([v[..., None], x], axis=-1), Funnel(float(scale))


@numba.njit(cache=True)
def chain_log_density(position, target):
    v, squares, small = position[0], 0.0, exp(-0.5 * position[0])
    for k in range(1, position.size):
        squares += (small * position[k]) ** 2
    rest = 0.5 * (position.size - 1) * v + log(target.scale) + position.size * _HALF_LOG_TWO_PI
    return -0.5 * ((v / target.scale) ** 2 + squares) - rest


@numba.njit(cache=True)
def chain_gradient(position, target):
    result, total, small = np.empty(position.size), 0.0, exp(-0.5 * position[0])
    for k in range(1, position.size):
        z = small * position[k]
        total += z * z
        result[k] = -small * z + 0 * target.scale
    result[0] = 0.5 * (total - (position.size - 1)) - position[0] / target.scale / target.scale
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result, total, small = np.empty(position.size), 0.0, exp(-0.5 * position[0])
    for k in range(1, position.size):
        z = small * position[k]
        total += z * (small * g[k] - 0.5 * g[0] * z)
        result[k] = small * (g[0] * z - small * g[k]) + 0 * target.scale
    result[0] = total - g[0] / target.scale / target.scale
    return result
