"""Value and gradient of the von Mises log density in one pass."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _bessel, _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import von_mises as reference
from refengine.distributions.von_mises import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, loc, kappa):
    gap, lost = _gamma.two_sum(x, -loc)
    if not 0.0 <= kappa < math.inf or not abs(gap) < math.inf:
        return math.nan, math.nan, math.nan
    sine, cosine = math.sin(0.5 * gap), math.cos(0.5 * gap)
    if lost != 0.0:
        by_sine, by_cosine = math.sin(0.5 * lost), math.cos(0.5 * lost)
        sine, cosine = sine * by_cosine + cosine * by_sine, cosine * by_cosine - sine * by_sine
    log_bessel, lack = _bessel.circle(kappa)
    versine = 2.0 * sine * sine  # 1 - cos
    return -kappa * versine - log_bessel, 2.0 * kappa * sine * cosine, lack - versine


@parallel
def _loop(g, x, loc, kappa, value, dx, dloc, dkappa):
    for i in numba.prange(x.size):
        value[i], slope, slope_kappa = _pointwise(x[i], loc[i], kappa[i])
        dx[i], dloc[i], dkappa[i] = -g[i] * slope, g[i] * slope, g[i] * slope_kappa


@kernel_of(reference.log_prob)
def log_prob(x, loc, concentration):
    return log_prob_value_and_vjp(1.0, x, loc, concentration)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, loc, concentration):
    return log_prob_value_and_vjp(g, x, loc, concentration)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, loc, concentration):
    return fused(_loop, ("x", "loc", "concentration"), g, x=x, loc=loc, concentration=concentration)
