"""The banana: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from typing import NamedTuple

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import banana as reference
from refengine.samplers.targets.banana import *


class Banana(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    bend: float
    scale: float


@kernel_of(reference.target)
def target(bend, scale):
    return Target(log_density, gradient, gradient_vjp, (bend, scale))


@kernel_of(reference.log_density)
def log_density(position, bend, scale):
    return densities(*_checked(position, bend, scale))


@kernel_of(reference.gradient)
def gradient(position, bend, scale):
    return gradients(*_checked(position, bend, scale))


def compiled(*arguments):
    """This target for a loop over chains: nan for a scale outside its domain."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, position, bend, scale = reference.checked(*arguments)
    return dtype, position, Banana(float(bend), float(scale))


@numba.njit(cache=True)
def _ridge(position, target):
    """How far above the ridge of the banana."""
    return position[1] + target.bend * ((position[0] - target.scale) * (position[0] + target.scale))


@numba.njit(cache=True)
def chain_log_density(position, target):
    total = (position[0] / target.scale) ** 2 + _ridge(position, target) ** 2
    for d in range(2, position.size):
        total += position[d] * position[d]
    return -0.5 * total


@numba.njit(cache=True)
def chain_gradient(position, target):
    result, r = 0 * target.scale - position, _ridge(position, target)
    result[0] = -position[0] / target.scale / target.scale - 2 * target.bend * position[0] * r
    result[1] = -r
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    result, x = 0 * target.scale - g, position[0]
    q = 2 * target.bend * g[0] * x + g[1]
    bent = 2 * target.bend * (g[0] * _ridge(position, target) + q * x)
    result[0] = -g[0] / target.scale / target.scale - bent
    result[1] = 0 * target.scale - q
    return result
