"""Value and gradients of the half-normal log density in one pass."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import half_normal as reference
from refengine.distributions.half_normal import *

_HALF_LOG = 0.5 * math.log(2.0 / math.pi)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, scale):
    if not 0.0 < scale < math.inf or x != x:
        return math.nan, math.nan, math.nan
    if x < 0.0 or x == math.inf:
        return -math.inf, 0.0, 0.0
    z = x / scale
    value = _HALF_LOG - 0.5 * (z * z) - math.log(scale)
    by_scale = (z * z - 1.0) / scale if z < 1e150 else z * (z / scale)
    return value, -z / scale, by_scale


@parallel
def _loop(g, x, scale, value, dx, dscale):
    for i in numba.prange(x.size):
        value[i], slope, by_scale = _pointwise(x[i], scale[i])
        dx[i], dscale[i] = g[i] * slope, g[i] * by_scale


@kernel_of(reference.log_prob)
def log_prob(x, scale):
    return log_prob_value_and_vjp(1.0, x, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, scale):
    return log_prob_value_and_vjp(g, x, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, scale):
    return fused(_loop, ("x", "scale"), g, x=x, scale=scale)
