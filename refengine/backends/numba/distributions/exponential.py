"""Value and gradients of the exponential log density in one pass."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import exponential as reference
from refengine.distributions.exponential import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, rate):
    if not 0.0 < rate < math.inf or x != x:
        return math.nan, math.nan, math.nan
    if x < 0.0 or x == math.inf:
        return -math.inf, 0.0, 0.0
    return math.log(rate) - rate * x, -rate, 1.0 / rate - x


@parallel
def _loop(g, x, rate, value, dx, drate):
    for i in numba.prange(x.size):
        value[i], slope, by_rate = _pointwise(x[i], rate[i])
        dx[i], drate[i] = g[i] * slope, g[i] * by_rate


@kernel_of(reference.log_prob)
def log_prob(x, rate):
    return log_prob_value_and_vjp(1.0, x, rate)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, rate):
    return log_prob_value_and_vjp(g, x, rate)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, rate):
    return fused(_loop, ("x", "rate"), g, x=x, rate=rate)
