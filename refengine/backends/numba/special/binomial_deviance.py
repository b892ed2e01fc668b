"""Loader's deviance and its derivatives in one pass."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.binomial_deviance import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(k, mean):
    if not (k >= 0.0 and mean > 0.0):
        return math.nan, math.nan, math.nan
    if k == 0.0:
        return mean, -math.inf, 1.0
    gap = k - mean
    t = gap / mean
    if abs(t) <= 0.5:  # m ((1 + t) log(1 + t) - t) = gap log(1 + t) + m (log(1 + t) - t)
        rest = _gamma.log1p_minus(t)
        return gap * (t + rest) + mean * rest, t + rest, -t
    log_ratio = _gamma.log_quotient(k, mean)
    return k * log_ratio - gap, log_ratio, -t


@parallel
def _loop(g, k, mean, value, dk, dmean):
    for i in numba.prange(k.size):
        value[i], slope_k, slope_mean = _pointwise(k[i], mean[i])
        dk[i], dmean[i] = g[i] * slope_k, g[i] * slope_mean


@kernel_of(reference.binomial_deviance)
def binomial_deviance(k, mean):
    return binomial_deviance_value_and_vjp(1.0, k, mean)[0]


@kernel_of(reference.binomial_deviance_vjp)
def binomial_deviance_vjp(g, k, mean):
    return binomial_deviance_value_and_vjp(g, k, mean)[1]


@kernel_of(reference.binomial_deviance_value_and_vjp)
def binomial_deviance_value_and_vjp(g, k, mean):
    return fused(_loop, ("k", "mean"), g, k=k, mean=mean)
