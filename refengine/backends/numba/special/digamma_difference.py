"""A difference of digammas and its derivatives in one pass, from the centred series."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.digamma_difference import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, d):
    if not (x > 0.0 and d >= 0.0):
        return math.nan, math.nan, math.nan
    return _gamma.digamma_difference(x, d), -_gamma.trigamma_fall(x, d), _gamma.trigamma(x + d)


@parallel
def _loop(g, x, d, value, dx, dd):
    for i in numba.prange(x.size):
        value[i], slope_x, slope_d = _pointwise(x[i], d[i])
        dx[i], dd[i] = g[i] * slope_x, g[i] * slope_d


@kernel_of(reference.digamma_difference)
def digamma_difference(x, d):
    return digamma_difference_value_and_vjp(1.0, x, d)[0]


@kernel_of(reference.digamma_difference_vjp)
def digamma_difference_vjp(g, x, d):
    return digamma_difference_value_and_vjp(g, x, d)[1]


@kernel_of(reference.digamma_difference_value_and_vjp)
def digamma_difference_value_and_vjp(g, x, d):
    return fused(_loop, ("x", "d"), g, x=x, d=d)
