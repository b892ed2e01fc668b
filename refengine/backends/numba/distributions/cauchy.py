"""Value and gradients of the Cauchy log density in one pass.

With ``d = x - m``, M the larger of abs(d) and s, and q <= 1 their quotient, the density is ``s / (pi M^2 (1 + q^2))``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _location_scale
from refengine.distributions import cauchy as reference
from refengine.distributions.cauchy import *


@numba.njit(error_model="numpy", cache=True)
def pointwise(x, loc, scale):
    """Value, slope to x, slope to the scale."""
    if not _location_scale.valid(x, loc, scale):
        return math.nan, math.nan, math.nan
    if math.isinf(x):
        return -math.inf, 0.0, 0.0
    shrink = 0.25 if max(abs(x), abs(loc), scale) > 1e307 else 1.0  # x - loc may overflow
    d, s = x * shrink - loc * shrink, scale * shrink
    size = abs(d)
    far = size > s
    high = size if far else s
    q = (s if far else size) / high
    r = 1.0 + q * q
    inverse = math.pi * high * (high / s) * r
    if 1e-290 < inverse < 1e290:
        value = -math.log(inverse)
    else:
        value = math.log(s) - 2.0 * math.log(high) - math.log(math.pi * r)
    slope = -2.0 * (1.0 if far else q) / (r * high)
    by_scale = (1.0 - q * q) / (r * s)
    if d < 0.0:
        slope = -slope
    return value + math.log(shrink), slope * shrink, (by_scale if far else -by_scale) * shrink


@parallel
def _loop(g, x, loc, scale, value, dx, dloc, dscale):
    for i in numba.prange(x.size):
        value[i], slope, by_scale = pointwise(x[i], loc[i], scale[i])
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
