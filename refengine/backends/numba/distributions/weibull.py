"""Value and gradients of the Weibull log density in one pass.

With ``y = log(x / scale)`` and ``v = (x / scale)^k - 1 = expm1(k y)``: ``log f = log(k / x) + (k y - v) - 1``, and
the slopes to log x, k and log scale are ``-1 - k v``, ``1/k - y v`` and ``k v``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import weibull as reference
from refengine.distributions.weibull import *


@numba.njit(error_model="numpy", cache=True)
def _edge(k, scale):
    """X = 0, where the density is proportional to x^(k-1)."""
    if k == 1.0:
        return -math.log(scale), -1.0 / scale, -math.inf, -1.0 / scale
    side = math.inf if k > 1.0 else -math.inf
    return -side, side, -math.inf, -k / scale


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, k, scale):
    if not (0.0 < k < math.inf and 0.0 < scale < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if x < 0.0 or x == math.inf:
        return -math.inf, 0.0, 0.0, 0.0
    if x == 0.0:
        return _edge(k, scale)
    y = _gamma.log_quotient(x, scale)
    v = math.expm1(k * y)
    value = _gamma.log_quotient(k, x) + (k * y - v) - 1.0
    if k * y > 300.0:  # x divides what would overflow
        half = math.exp(0.5 * k * y)
        return value, -(half * (k / x)) * half, -y * v, k / scale * v
    return value, (-1.0 - k * v) / x, 1.0 / k - y * v, k / scale * v


@parallel
def _loop(g, x, k, scale, value, dx, dk, dscale):
    for i in numba.prange(x.size):
        value[i], by_x, by_k, by_scale = _pointwise(x[i], k[i], scale[i])
        dx[i], dk[i], dscale[i] = g[i] * by_x, g[i] * by_k, g[i] * by_scale


@kernel_of(reference.log_prob)
def log_prob(x, concentration, scale):
    return log_prob_value_and_vjp(1.0, x, concentration, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, concentration, scale):
    return log_prob_value_and_vjp(g, x, concentration, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, concentration, scale):
    return fused(_loop, ("x", "concentration", "scale"), g, x=x, concentration=concentration, scale=scale)
