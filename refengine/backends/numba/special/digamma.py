"""Digamma and trigamma in one pass: a quotient of polynomials around the root, elsewhere centred series."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.digamma import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x):
    return (_gamma.digamma(x), _gamma.trigamma(x)) if x > 0.0 else (math.nan, math.nan)


@parallel
def _loop(g, x, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = _pointwise(x[i])
        dx[i] = g[i] * slope


@kernel_of(reference.digamma)
def digamma(x):
    return digamma_value_and_vjp(1.0, x)[0]


@kernel_of(reference.digamma_vjp)
def digamma_vjp(g, x):
    return digamma_value_and_vjp(g, x)[1]


@kernel_of(reference.digamma_value_and_vjp)
def digamma_value_and_vjp(g, x):
    return fused(_loop, ("x",), g, x=x)
