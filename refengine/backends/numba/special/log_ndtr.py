"""The logarithm of the normal distribution function and the inverse Mills ratio in one pass."""

from __future__ import annotations

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _normal
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.log_ndtr import *


@parallel
def _loop(g, x, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = _normal.log_ndtr(x[i])
        dx[i] = g[i] * slope


@kernel_of(reference.log_ndtr)
def log_ndtr(x):
    return log_ndtr_value_and_vjp(1.0, x)[0]


@kernel_of(reference.log_ndtr_vjp)
def log_ndtr_vjp(g, x):
    return log_ndtr_value_and_vjp(g, x)[1]


@kernel_of(reference.log_ndtr_value_and_vjp)
def log_ndtr_value_and_vjp(g, x):
    return fused(_loop, ("x",), g, x=x)
