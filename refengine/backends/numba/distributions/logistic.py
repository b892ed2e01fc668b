"""Value and gradients of the logistic log density in one pass.

With ``q = exp(-|z|)``: ``log f = -|z| - 2 log(1 + q) - log s`` and ``tanh(|z|/2) = (1 - q) / (1 + q)``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _location_scale
from refengine.distributions import logistic as reference
from refengine.distributions.logistic import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, loc, scale):
    if not _location_scale.valid(x, loc, scale):
        return math.nan, math.nan, math.nan
    if math.isinf(x):
        return -math.inf, 0.0, 0.0
    z = abs(_location_scale.standardised(x, loc, scale))
    q = math.exp(-z)
    slope = -math.expm1(-z) / (1.0 + q)
    value = -z - 2.0 * math.log1p(q) - math.log(scale)
    return value, (-slope if x > loc else slope) / scale, (z * slope - 1.0) / scale


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
