"""Value and gradients of the Laplace log density in one pass."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _location_scale
from refengine.distributions import laplace as reference
from refengine.distributions.laplace import *

_LOG_2 = math.log(2.0)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, loc, scale):
    if not _location_scale.valid(x, loc, scale):
        return math.nan, math.nan, math.nan
    if math.isinf(x):
        return -math.inf, 0.0, 0.0
    z = abs(_location_scale.standardised(x, loc, scale))
    sign = (1.0 if x > loc else 0.0) - (1.0 if x < loc else 0.0)
    return -z - (_LOG_2 + math.log(scale)), -sign / scale, (z - 1.0) / scale


@parallel
def _loop(g, x, loc, scale, value, dx, dloc, dscale):
    for i in numba.prange(x.size):
        value[i], slope, by_scale = _pointwise(x[i], loc[i], scale[i])
        dx[i], dloc[i], dscale[i] = g[i] * slope, -g[i] * slope, g[i] * by_scale


@kernel_of(reference.log_prob)
def log_prob(x, loc, scale):
    return log_prob_value_and_vjp(1.0, x, loc, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, loc, scale):
    return log_prob_value_and_vjp(g, x, loc, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, loc, scale):
    return fused(_loop, ("x", "loc", "scale"), g, x=x, loc=loc, scale=scale)
