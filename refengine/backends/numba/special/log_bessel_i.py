"""The logarithm of the Bessel function and its derivative in one pass."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _bessel, _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.bessel_ratio import checked
from refengine.special.log_bessel_i import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, order):
    if not x >= 0.0:
        return math.nan, math.nan
    if x == 0.0:
        return (0.0, 0.0) if order == 0.0 else (-math.inf, math.inf)
    if x == math.inf:
        return math.inf, 1.0
    slope = _bessel.ratio(x, order) + order / x
    if _bessel.length(x, order) >= _bessel.LARGE:
        return _bessel.log_far(x, order), slope
    series = math.log1p(_bessel.hypergeometric(order + 1.0, 0.25 * x * x))
    return order * (math.log(x) - math.log(2.0)) - _gamma.lgamma(order + 1.0) + series, slope


@parallel
def _loop(g, x, order, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = _pointwise(x[i], order[i])
        dx[i] = g[i] * slope


@kernel_of(reference.log_bessel_i)
def log_bessel_i(x, *, order):
    return log_bessel_i_value_and_vjp(1.0, x, order=order)[0]


@kernel_of(reference.log_bessel_i_vjp)
def log_bessel_i_vjp(g, x, *, order):
    return log_bessel_i_value_and_vjp(g, x, order=order)[1]


@kernel_of(reference.log_bessel_i_value_and_vjp)
def log_bessel_i_value_and_vjp(g, x, *, order):
    return fused(_loop, ("x",), g, x=x, order=checked(order))
