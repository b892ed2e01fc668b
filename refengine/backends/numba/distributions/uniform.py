"""Value and gradients of the uniform log density in one pass."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import uniform as reference
from refengine.distributions.uniform import *

_LOG_2 = math.log(2.0)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, low, high):
    """Value and slope to the lower end; that to the upper end is its opposite, that to x is 0."""
    if not -math.inf < low < high < math.inf or x != x:
        return math.nan, math.nan, math.nan
    if not low <= x <= high:
        return -math.inf, 0.0, 0.0
    half = 0.5 * high - 0.5 * low
    if half > 1e300:  # the width may overflow
        return -(math.log(half) + _LOG_2), 0.0, 0.5 / half
    width = high - low
    return 0.0 - math.log(width), 0.0, 1.0 / width


@parallel
def _loop(g, x, low, high, value, dx, dlow, dhigh):
    for i in numba.prange(x.size):
        value[i], by_x, by_low = _pointwise(x[i], low[i], high[i])
        dx[i], dlow[i], dhigh[i] = g[i] * by_x, g[i] * by_low, -g[i] * by_low


@kernel_of(reference.log_prob)
def log_prob(x, low, high):
    return log_prob_value_and_vjp(1.0, x, low, high)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, low, high):
    return log_prob_value_and_vjp(g, x, low, high)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, low, high):
    return fused(_loop, ("x", "low", "high"), g, x=x, low=low, high=high)
