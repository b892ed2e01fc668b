"""Value and gradients of the normal log density in one pass.

A block of points goes through a loop without a branch or a call, which runs on the vector unit: one division, and the
logarithm of the scale from its bits. It counts the points that this does not serve (parameters outside their domain,
subnormal scales, quotients that overflow), and only blocks that have some are looked through once more.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _location_scale
from refengine.distributions import normal as reference
from refengine.distributions.normal import *

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_BLOCK = 512


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _plain(z, scale):
    """Whether nothing overflows or underflows: false for nan."""
    return (abs(z) < 1e150) & (scale > 1e-150) & (scale < 1e150)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, loc, scale):
    """Any point."""
    if not _location_scale.valid(x, loc, scale):
        return math.nan, math.nan, math.nan
    if math.isinf(x):
        return -math.inf, 0.0, 0.0
    z = _location_scale.standardised(x, loc, scale)
    value = -0.5 * (z * z) - (_HALF_LOG_2PI + math.log(scale))
    by_scale = (z * z - 1.0) / scale if abs(z) < 1e150 else z * (z / scale)
    return value, -z / scale, by_scale


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _block(g, x, loc, scale, value, dx, dloc, dscale):
    plain = 0
    for i in range(x.size):
        s = scale[i]
        r = 1.0 / s
        z = (x[i] - loc[i]) * r
        slope, square = g[i] * (z * r), z * z
        log_scale, _ = _gamma.log1p_parts(s - 1.0, s)
        value[i] = -0.5 * square - (_HALF_LOG_2PI + log_scale)
        dx[i], dloc[i], dscale[i] = -slope, slope, g[i] * ((square - 1.0) * r)
        plain += 1 if _plain(z, s) else 0
    if plain < x.size:
        for i in range(x.size):
            if not _plain((x[i] - loc[i]) / scale[i], scale[i]):
                value[i], slope, by_scale = _pointwise(x[i], loc[i], scale[i])
                dx[i], dloc[i], dscale[i] = g[i] * slope, -g[i] * slope, g[i] * by_scale


@parallel
def _loop(g, x, loc, scale, value, dx, dloc, dscale):
    for k in numba.prange((x.size + _BLOCK - 1) // _BLOCK):
        i = slice(k * _BLOCK, (k + 1) * _BLOCK)
        _block(g[i], x[i], loc[i], scale[i], value[i], dx[i], dloc[i], dscale[i])


@kernel_of(reference.log_prob)
def log_prob(x, loc, scale):
    return log_prob_value_and_vjp(1.0, x, loc, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, loc, scale):
    return log_prob_value_and_vjp(g, x, loc, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, loc, scale):
    return fused(_loop, ("x", "loc", "scale"), g, x=x, loc=loc, scale=scale)
