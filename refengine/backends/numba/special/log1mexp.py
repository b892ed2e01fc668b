"""log(1 - exp(-x)) and its derivative in one pass."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.log1mexp import *

_LN2 = math.log(2.0)


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x):
    if not x >= 0.0:
        return math.nan, math.nan
    if x == 0.0:
        return -math.inf, math.inf
    if x < _LN2:
        grown = math.expm1(x)  # 1 - exp(-x) = grown / (1 + grown)
        return math.log(grown) - x, 1.0 / grown
    small = math.exp(-x)
    return math.log1p(-small), small / (1.0 - small)


@parallel
def _loop(g, x, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = _pointwise(x[i])
        dx[i] = g[i] * slope


@kernel_of(reference.log1mexp)
def log1mexp(x):
    return log1mexp_value_and_vjp(1.0, x)[0]


@kernel_of(reference.log1mexp_vjp)
def log1mexp_vjp(g, x):
    return log1mexp_value_and_vjp(g, x)[1]


@kernel_of(reference.log1mexp_value_and_vjp)
def log1mexp_value_and_vjp(g, x):
    return fused(_loop, ("x",), g, x=x)
