"""lgamma and digamma in one pass: quotients of polynomials next to the zeros, elsewhere Stirling's centred form."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.lgamma import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x):
    return (_gamma.lgamma(x), _gamma.digamma(x)) if x > 0.0 else (math.nan, math.nan)


@parallel
def _loop(g, x, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = _pointwise(x[i])
        dx[i] = g[i] * slope


@kernel_of(reference.lgamma)
def lgamma(x):
    return lgamma_value_and_vjp(1.0, x)[0]


@kernel_of(reference.lgamma_vjp)
def lgamma_vjp(g, x):
    return lgamma_value_and_vjp(g, x)[1]


@kernel_of(reference.lgamma_value_and_vjp)
def lgamma_value_and_vjp(g, x):
    return fused(_loop, ("x",), g, x=x)
