"""The mixture of two normals: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, expm1, log1p, tanh
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import normal_mixture as reference
from refengine.samplers.targets.normal_mixture import *


class NormalMixture(NamedTuple):
    """The parameter in compiled code; by its type numba knows whose functions of one chain are meant."""

    values: Any


@kernel_of(reference.target)
def target(values):
    return Target(log_density, gradient, gradient_vjp, (values,))


@kernel_of(reference.log_density)
def log_density(position, values):
    return densities(*_checked(position, values))


@kernel_of(reference.gradient)
def gradient(position, values):
    return gradients(*_checked(position, values))


def compiled(*arguments):
    """This target for a loop over chains."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, q, values = reference.checked(*arguments)
    return dtype, np.stack(q, axis=-1), NormalMixture(writeable(values))


@numba.njit(cache=True)
def _soft(u):
    """log(1 + e^u)."""
    return u + log1p(exp(-u)) if u > 0 else log1p(exp(u))


@numba.njit(cache=True)
def _share(u):
    """1 / (1 + e^-u)."""
    e = exp(-abs(u))
    return 1 / (1 + e) if u > 0 else e / (1 + e)


@numba.njit(cache=True)
def _gap(position, z1, z2):
    """The log density of the lower normal less that of the upper one."""
    return (position[3] - position[2]) + 0.5 * (z2 - z1) * (z2 + z1)


@numba.njit(cache=True)
def chain_log_density(position, target):
    small1, small2, upper = exp(-position[2]), exp(-position[3]), position[0] + exp(position[1])
    s1, s2 = 1 / small1, 1 / small2
    total = position[1] + position[2] + position[3] - 5 * (_soft(position[4]) + _soft(-position[4]))
    total -= 0.125 * (position[0] ** 2 + upper**2 + s1 * s1 + s2 * s2)
    for y in target.values:
        z1, z2 = (y - position[0]) * small1, (y - upper) * small2
        gap = _gap(position, z1, z2)
        u = position[4] + gap
        if u < 0:
            total += _soft(u) - 0.5 * z2 * z2 - position[3] - _soft(position[4])
        else:
            total += _soft(-u) - 0.5 * z1 * z1 - position[2] - _soft(-position[4])
    return total


@numba.njit(cache=True)
def chain_gradient(position, target):
    small1, small2, scale = exp(-position[2]), exp(-position[3]), exp(position[1])
    upper, theta, rest = position[0] + scale, _share(position[4]), _share(-position[4])
    pull1, pull2, first, second, logit = 0.0, 0.0, 0.0, 0.0, 0.0
    for y in target.values:
        z1, z2 = (y - position[0]) * small1, (y - upper) * small2
        gap = _gap(position, z1, z2)
        u = position[4] + gap
        p, r = _share(u), _share(-u)
        pull1 += p * z1 * small1
        pull2 += r * z2 * small2
        first += p * (z1 - 1) * (z1 + 1)
        second += r * (z2 - 1) * (z2 + 1)
        logit += -p * rest * expm1(-gap) if gap > 0 else r * theta * expm1(gap)
    result = np.empty(5)
    result[0] = pull1 + pull2 - 0.25 * (position[0] + upper)
    result[1] = scale * (pull2 - 0.25 * upper) + 1
    result[2] = first - 0.25 / small1 / small1 + 1
    result[3] = second - 0.25 / small2 / small2 + 1
    result[4] = logit - 5 * tanh(0.5 * position[4])
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    small1, small2, scale = exp(-position[2]), exp(-position[3]), exp(position[1])
    upper, change = position[0] + scale, g[0] + scale * g[1]
    sum1, sum2, pulled, first, second, logit = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for y in target.values:
        z1, z2 = (y - position[0]) * small1, (y - upper) * small2
        gap = _gap(position, z1, z2)
        u = position[4] + gap
        p, r = _share(u), _share(-u)
        n1 = g[0] * z1 * small1 + g[2] * (z1 - 1) * (z1 + 1)
        n2 = change * z2 * small2 + g[3] * (z2 - 1) * (z2 + 1)
        w = p * r * (g[4] + n1 - n2)
        sum1 += small1 * (w * z1 - p * (g[0] * small1 + 2 * g[2] * z1))
        sum2 -= small2 * (w * z2 + r * (change * small2 + 2 * g[3] * z2))
        pulled += r * z2 * small2
        first += w * (z1 - 1) * (z1 + 1) - 2 * p * z1 * (g[0] * small1 + g[2] * z1)
        second -= w * (z2 - 1) * (z2 + 1) + 2 * r * z2 * (change * small2 + g[3] * z2)
        logit += w
    result = np.empty(5)
    result[0] = sum1 + sum2 - 0.25 * (g[0] + change)
    result[1] = scale * (sum2 + g[1] * pulled - 0.25 * (change + g[1] * upper))
    result[2] = first - 0.5 * g[2] / small1 / small1
    result[3] = second - 0.5 * g[3] / small2 / small2
    result[4] = logit - (target.values.size + 10) * _share(position[4]) * _share(-position[4]) * g[4]
    return result
