"""The ARMA(1, 1) series: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, log1p
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import arma11 as reference
from refengine.samplers.targets.arma11 import *


class Arma(NamedTuple):
    """The parameter in compiled code; by its type numba knows whose functions of one chain are meant."""

    series: Any


@kernel_of(reference.target)
def target(series):
    return Target(log_density, gradient, gradient_vjp, (series,))


@kernel_of(reference.log_density)
def log_density(position, series):
    return densities(*_checked(position, series))


@kernel_of(reference.gradient)
def gradient(position, series):
    return gradients(*_checked(position, series))


def compiled(*arguments):
    """This target for a loop over chains."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, q, series = reference.checked(*arguments)
    return dtype, np.stack(q, axis=-1), Arma(writeable(series))


@numba.njit(cache=True)
def _errors(position, y):
    mu, phi, theta = position[0], position[1], position[2]
    e = np.empty(y.size)
    for t in range(y.size):
        e[t] = y[t] - mu - (phi * y[t - 1] + theta * e[t - 1] if t else phi * mu)
    return e


@numba.njit(cache=True)
def chain_log_density(position, target):
    noise, small, squares = position[3], exp(-position[3]), 0.0
    for e in _errors(position, target.series):
        squares += (small * e) ** 2
    x = 2 * (noise - log(2.5))
    bend = x + log1p(exp(-x)) if x > 0 else log1p(exp(x))
    prior = 0.005 * position[0] ** 2 + 0.125 * (position[1] ** 2 + position[2] ** 2)
    return -0.5 * squares - prior - (target.series.size - 1) * noise - bend


@numba.njit(cache=True)
def chain_gradient(position, target):
    y, e, small = target.series, _errors(position, target.series), exp(-position[3])
    result, a, s = np.zeros(4), 0.0, exp(position[3]) / 2.5
    for t in range(y.size - 1, -1, -1):
        a = -small * small * e[t] - (position[2] * a if t < y.size - 1 else 0.0)
        result[0] -= a
        result[1] -= a * (y[t - 1] if t else position[0])
        if t:
            result[2] -= a * e[t - 1]
        result[3] += (small * e[t]) ** 2
    result[0] -= position[1] * a + 0.01 * position[0]
    result[1] -= 0.25 * position[1]
    result[2] -= 0.25 * position[2]
    result[3] -= (y.size - 1) + (2 * s * s / (1 + s * s) if s < 1 else 2 / (1 + 1 / s / s))
    return result


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    y, e, small = target.series, _errors(position, target.series), exp(-2 * position[3])
    mu, phi, theta = position[0], position[1], position[2]
    change, result, a, c, s = np.empty(y.size), np.zeros(4), 0.0, 0.0, exp(position[3]) / 2.5
    for t in range(y.size):
        before = g[1] * y[t - 1] + g[2] * e[t - 1] + theta * change[t - 1] if t else g[0] * phi + g[1] * mu
        change[t] = -g[0] - before
    for t in range(y.size - 1, -1, -1):
        c = small * (2 * g[3] * e[t] - change[t]) - g[2] * a - theta * c
        a = -small * e[t] - theta * a
        result[0] -= c
        result[1] -= c * (y[t - 1] if t else mu)
        if t:
            result[2] -= c * e[t - 1] + a * change[t - 1]
        result[3] += 2 * small * e[t] * (change[t] - g[3] * e[t])
    result[0] -= phi * c + g[1] * a + 0.01 * g[0]
    result[1] -= g[0] * a + 0.25 * g[1]
    result[2] -= 0.25 * g[2]
    result[3] -= 4 * g[3] / (s + 1 / s) / (s + 1 / s)
    return result
