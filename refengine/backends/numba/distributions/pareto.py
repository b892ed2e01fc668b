"""Value and gradients of the Pareto log density in one pass: log(alpha / x) minus alpha times log(x / scale)."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import pareto as reference
from refengine.distributions.pareto import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, scale, alpha):
    if not (0.0 < scale < math.inf and 0.0 < alpha < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if x < scale or x == math.inf:
        return -math.inf, 0.0, 0.0, 0.0
    length = _gamma.log_quotient(x, scale)
    value = _gamma.log_quotient(alpha, x) - alpha * length
    return value, (-1.0 - alpha) / x, alpha / scale, 1.0 / alpha - length


@parallel
def _loop(g, x, scale, alpha, value, dx, dscale, dalpha):
    for i in numba.prange(x.size):
        value[i], by_x, by_scale, by_alpha = _pointwise(x[i], scale[i], alpha[i])
        dx[i], dscale[i], dalpha[i] = g[i] * by_x, g[i] * by_scale, g[i] * by_alpha


@kernel_of(reference.log_prob)
def log_prob(x, scale, alpha):
    return log_prob_value_and_vjp(1.0, x, scale, alpha)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, scale, alpha):
    return log_prob_value_and_vjp(g, x, scale, alpha)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, scale, alpha):
    return fused(_loop, ("x", "scale", "alpha"), g, x=x, scale=scale, alpha=alpha)
