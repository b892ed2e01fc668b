"""Value and gradients of the log-normal log density in one pass."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _location_scale
from refengine.distributions import log_normal as reference
from refengine.distributions.log_normal import *

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, loc, scale):
    if not _location_scale.valid(x, loc, scale):
        return math.nan, math.nan, math.nan, math.nan
    if not 0.0 < x < math.inf:
        return -math.inf, 0.0, 0.0, 0.0
    z = _location_scale.standardised(math.log(x), loc, scale)
    product = x * scale
    logs = math.log(product) if 1e-290 < product < 1e290 else math.log(x) + math.log(scale)
    slope = z / scale
    by_x = -(slope + 1.0) / x if abs(slope) < 1e300 else -z / x / scale
    by_scale = (z * z - 1.0) / scale if abs(z) < 1e150 else z * slope
    return -0.5 * (z * z) - logs - _HALF_LOG_2PI, by_x, slope, by_scale


@parallel
def _loop(g, x, loc, scale, value, dx, dloc, dscale):
    for i in numba.prange(x.size):
        value[i], by_x, by_loc, by_scale = _pointwise(x[i], loc[i], scale[i])
        dx[i], dloc[i], dscale[i] = g[i] * by_x, g[i] * by_loc, g[i] * by_scale


@kernel_of(reference.log_prob)
def log_prob(x, loc, scale):
    return log_prob_value_and_vjp(1.0, x, loc, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, loc, scale):
    return log_prob_value_and_vjp(g, x, loc, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, loc, scale):
    return fused(_loop, ("x", "loc", "scale"), g, x=x, loc=loc, scale=scale)
