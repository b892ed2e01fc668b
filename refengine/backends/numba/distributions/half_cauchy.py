"""Value and gradients of the half-Cauchy log density in one pass: twice the Cauchy density with its location at 0."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions.cauchy import pointwise
from refengine.distributions import half_cauchy as reference
from refengine.distributions.half_cauchy import *

_LOG_2 = math.log(2.0)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, scale):
    if x < 0.0 and 0.0 < scale < math.inf:
        return -math.inf, 0.0, 0.0
    value, slope, by_scale = pointwise(x, 0.0, scale)
    return value + _LOG_2, slope, by_scale


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
