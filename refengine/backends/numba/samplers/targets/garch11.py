"""The GARCH(1, 1) series: functions of one chain, which serve the samplers too."""

from __future__ import annotations

from math import exp, log, log1p, sqrt, tanh
from typing import Any, NamedTuple

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._chains import writeable
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import garch11 as reference
from refengine.samplers.targets.garch11 import *


class Garch(NamedTuple):
    """The parameters in compiled code; by its type numba knows whose functions of one chain are meant."""

    series: Any
    scale: float


@kernel_of(reference.target)
def target(series, first_scale):
    return Target(log_density, gradient, gradient_vjp, (series, first_scale))


@kernel_of(reference.log_density)
def log_density(position, series, first_scale):
    return densities(*_checked(position, series, first_scale))


@kernel_of(reference.gradient)
def gradient(position, series, first_scale):
    return gradients(*_checked(position, series, first_scale))


def compiled(*arguments):
    """This target for a loop over chains: nan for a scale outside its domain."""
    return _checked(*arguments)[2]


def _checked(*arguments):
    _, dtype, q, series, scale = reference.checked(*arguments)
    return dtype, np.stack(q, axis=-1), Garch(writeable(series), float(scale))


@numba.njit(cache=True)
def _share(u):
    """1 / (1 + e^-u)."""
    e = exp(-abs(u))
    return 1 / (1 + e) if u > 0 else e / (1 + e)


@numba.njit(cache=True)
def _soft(u):
    """log(1 + e^u)."""
    return u + log1p(exp(-u)) if u > 0 else log1p(exp(u))


@numba.njit(cache=True)
def _variances(position, target):
    """The variance at every value, and the coefficients."""
    y, alpha0, alpha1 = target.series, exp(position[1]), _share(position[2])
    beta, h = _share(-position[2]) * _share(position[3]), np.empty(target.series.size)
    for t in range(y.size):
        r = y[t - 1] - position[0]
        h[t] = alpha0 + alpha1 * r * r + beta * h[t - 1] if t else target.scale * target.scale
    return h, alpha0, alpha1, beta


@numba.njit(cache=True)
def chain_log_density(position, target):
    total, h = 0.0, _variances(position, target)[0]
    for t in range(h.size):
        r = target.series[t] - position[0]
        total += log(h[t]) + r * r / h[t]
    shares = _soft(-position[2]) + 2 * _soft(position[2]) + _soft(-position[3]) + _soft(position[3])
    return position[1] - shares - 0.5 * total + 0 * target.scale


@numba.njit(cache=True)
def chain_gradient(position, target):
    h, alpha0, alpha1, beta = _variances(position, target)
    left, other, a = _share(-position[2]), _share(-position[3]), 0.0
    result, g0, g1, g2 = np.zeros(4), 0.0, 0.0, 0.0
    for t in range(h.size - 1, -1, -1):
        r = target.series[t] - position[0]
        result[0] += r / h[t] - 2 * alpha1 * r * a  # a is still that of the value behind
        if t < h.size - 1:
            g0, g1, g2 = g0 + a, g1 + a * r * r, g2 + a * h[t]
        z = r / sqrt(h[t])
        a = 0.5 * (z - 1) * (z + 1) / h[t] + beta * a
    result[1] = alpha0 * g0 + 1
    result[2] = alpha1 * (left * g1 - beta * g2) + (left - 2 * alpha1)
    result[3] = beta * other * g2 - tanh(0.5 * position[3])
    return result + 0 * target.scale + 0 * position[0]


@numba.njit(cache=True)
def chain_hessian_product(g, position, target):
    h, alpha0, alpha1, beta = _variances(position, target)
    left, other, kappa = _share(-position[2]), _share(-position[3]), _share(position[3])
    v, k, change = alpha1 * left, other * g[3] - alpha1 * g[2], np.zeros(h.size)
    for t in range(1, h.size):
        r = target.series[t - 1] - position[0]
        own = g[1] * alpha0 + g[2] * v * r * r - 2 * alpha1 * g[0] * r + beta * k * h[t - 1]
        change[t] = own + beta * change[t - 1]
    a, c, to_mu = 0.0, 0.0, 0.0
    g0, g1, g2, k0, k1, k2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(h.size - 1, -1, -1):
        r, d = target.series[t] - position[0], change[t]
        to_mu -= (r * d / h[t] + g[0]) / h[t] + 2 * alpha1 * r * c + 2 * (g[2] * v * r - alpha1 * g[0]) * a
        g0, g1, g2 = g0 + a, g1 + a * r * r, g2 + a * h[t]
        k0, k1, k2 = k0 + c, k1 + c * r * r - 2 * g[0] * a * r, k2 + c * h[t] + a * d
        c = (d * (0.5 - r * r / h[t]) - r * g[0]) / h[t] / h[t] + beta * (c + k * a)
        a = 0.5 * (r * r / h[t] - 1) / h[t] + beta * a
    result = np.empty(4)
    result[0] = to_mu
    result[1] = alpha0 * (k0 + g[1] * g0)
    bent = beta * (alpha1 * k2 + (alpha1 * k + v * g[2]) * g2)
    result[2] = v * (k1 + (left - alpha1) * g[2] * g1 - 3 * g[2]) - bent
    result[3] = other * (beta * (k2 + (k - kappa * g[3]) * g2) - 2 * kappa * g[3])
    return result + 0 * target.scale
