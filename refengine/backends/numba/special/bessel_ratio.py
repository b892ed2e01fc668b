"""The ratio of Bessel functions and its derivative in one pass."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _bessel
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.bessel_ratio import *
from refengine.special.bessel_ratio import checked


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, order):
    if not x >= 0.0:
        return math.nan, math.nan
    return (_bessel.ratio(x, order), _bessel.ratio_slope(x, order)) if x < math.inf else (1.0, 0.0)


@parallel
def _loop(g, x, order, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = _pointwise(x[i], order[i])
        dx[i] = g[i] * slope


@kernel_of(reference.bessel_ratio)
def bessel_ratio(x, *, order):
    return bessel_ratio_value_and_vjp(1.0, x, order=order)[0]


@kernel_of(reference.bessel_ratio_vjp)
def bessel_ratio_vjp(g, x, *, order):
    return bessel_ratio_value_and_vjp(g, x, order=order)[1]


@kernel_of(reference.bessel_ratio_value_and_vjp)
def bessel_ratio_value_and_vjp(g, x, *, order):
    return fused(_loop, ("x",), g, x=x, order=checked(order))
