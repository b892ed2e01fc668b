"""Value and gradients of the truncated normal log density in one pass.

The interval in units of the scale lies at distance r from the mode, or around it (r = 0). With
``J_n = integral of t^n exp(-t (t + 2 r) / 2)`` over the part of the interval above that point and, around the mode,
also of the part below, the density is ``exp(-d (d + 2 r) / 2) / (scale J_0)`` at distance d. A reach contributes
sums over sixteen Gauss-Legendre points on each of three parts, finer next to the mode.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import truncated_normal as reference
from refengine.distributions.truncated_normal import *

_NODES, _SHARES = np.polynomial.legendre.leggauss(16)
_CUTS = (0.0, 0.125, 0.375, 1.0)
_P = np.concatenate([(a + b) / 2 + (b - a) / 2 * _NODES for a, b in pairwise(_CUTS)])
_W = np.concatenate([(b - a) / 2 * _SHARES for a, b in pairwise(_CUTS)])
_REACH = 100.0  # exp(-50) is nothing


@numba.njit(error_model="numpy", cache=True)
def _integrals(r, width):
    """J_0, J_1, J_2 over a width from distance r on."""
    h = min(width, _REACH / (r + (math.sqrt(r * r + _REACH) if r < 1e100 else r)))
    zero, one, two = 0.0, 0.0, 0.0
    for k in range(_P.size):
        t = h * _P[k]
        mass = _W[k] * math.exp(-0.5 * t * (t + 2.0 * r))
        zero += mass
        one += mass * _P[k]
        two += mass * _P[k] * _P[k]
    return h * zero, h * h * one, h * h * h * two


@numba.njit(error_model="numpy", cache=True)
def _around(a, b):
    """J_0, J_1 and J_2 from -a to b; J_1 is the difference of the densities at the ends."""
    down, _, down2 = _integrals(0.0, a)
    up, _, up2 = _integrals(0.0, b)
    low = min(a, b)
    one = -math.exp(-0.5 * low * low) * math.expm1(-0.5 * abs(b - a) * (a + b)) if a != b else 0.0
    return up + down, one if b > a else -one, up2 + down2


@numba.njit(error_model="numpy", cache=True)
def _density(t, r, norm):
    return math.exp(-0.5 * t * (t + 2.0 * r)) / norm


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, loc, scale, low, high):
    if not (0.0 < scale < math.inf and abs(loc) < math.inf and low < high) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    if not low <= x <= high or abs(x) == math.inf:
        return -math.inf, 0.0, 0.0, 0.0, 0.0, 0.0
    sign, r, origin = 1.0, 0.0, loc
    if low > loc:
        r, origin = (low - loc) / scale, low
    elif high < loc:
        sign, r, origin = -1.0, (loc - high) / scale, high
    if origin == loc:
        a, b = (loc - low) / scale, (high - loc) / scale
        zero, one, two = _around(a, b)
    else:
        a, b = 0.0, (high - low) / scale
        zero, one, two = _integrals(r, b)
    if sign < 0.0:
        to_low, to_high = b, 0.0
    else:
        to_low, to_high = a, b
    norm = scale * zero
    log_norm = math.log(norm) if 1e-290 < norm < 1e290 else math.log(scale) + math.log(zero)
    d = sign * (x - origin) / scale
    off = d - one / zero
    value = -0.5 * d * (d + 2.0 * r) - log_norm
    by_scale = (d * d - two / zero + 2.0 * r * off) / scale
    slope = -sign * (r + d) / scale
    return value, slope, sign * off / scale, by_scale, _density(to_low, r, norm), -_density(to_high, r, norm)


@parallel
def _loop(g, x, loc, scale, low, high, value, dx, dloc, dscale, dlow, dhigh):
    for i in numba.prange(x.size):
        found = _pointwise(x[i], loc[i], scale[i], low[i], high[i])
        value[i], dx[i], dloc[i] = found[0], g[i] * found[1], g[i] * found[2]
        dscale[i], dlow[i], dhigh[i] = g[i] * found[3], g[i] * found[4], g[i] * found[5]


@kernel_of(reference.log_prob)
def log_prob(x, loc, scale, low, high):
    return log_prob_value_and_vjp(1.0, x, loc, scale, low, high)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, loc, scale, low, high):
    return log_prob_value_and_vjp(g, x, loc, scale, low, high)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, loc, scale, low, high):
    names = ("x", "loc", "scale", "low", "high")
    return fused(_loop, names, g, x=x, loc=loc, scale=scale, low=low, high=high)
