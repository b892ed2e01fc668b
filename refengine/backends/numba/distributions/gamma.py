"""Value and gradient of the gamma log density in one pass (`refengine.backends.numba.distributions._gamma`)."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _gamma as density
from refengine.distributions import gamma as reference
from refengine.distributions.gamma import *

_BLOCK, _ROWS, _TWO_PI = density.BLOCK, density.ROWS, density.TWO_PI
_stages, _as_it_stands, _finish = density.stages, density.as_it_stands, density.finish
_plain, _valid = density.plain, density.valid


@numba.njit(error_model="numpy", cache=True)
def _on_edge(x, a, b):
    """Value and slopes where x or a parameter is not inside its domain."""
    if not _valid(a, b) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if x != 0.0:
        return -math.inf, 0.0, 0.0, 0.0
    if a == 1.0:
        return math.log(b), -b, -math.inf, a / b
    sign = math.inf if a > 1.0 else -math.inf
    return -sign, sign, -math.inf, a / b


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _block(g, x, a, b, value, dx, da, db):
    work = np.empty((_ROWS, _BLOCK))  # one array of fixed shape, so that LLVM sees that its rows are apart
    t, e, factor = work[5], work[6], work[7]
    for i in range(x.size):
        t[i] = x[i] * b[i]
        close = -_gamma.minus_product(a[i], x[i], b[i], 0.0)
        e[i] = close if _plain(t[i]) & _plain(x[i]) else t[i] - a[i]
        factor[i] = b[i] / x[i] / _TWO_PI
    _stages(1.0, x, a, b, work)
    for i in range(x.size):
        if work[4, i] == 0.0:
            if 0.0 < x[i] < math.inf and _valid(a[i], b[i]):
                found = _as_it_stands(1.0, x[i], a[i], b[i], t[i], e[i], work[8, i], work[9, i], work[10, i])
            else:
                found = _on_edge(x[i], a[i], b[i])
            work[0, i], work[1, i], work[2, i], work[3, i] = found
    _finish(g, work, value, dx, da, db)


@parallel
def _loop(g, x, a, b, value, dx, da, db):
    for k in numba.prange((x.size + _BLOCK - 1) // _BLOCK):
        i = slice(k * _BLOCK, (k + 1) * _BLOCK)
        _block(g[i], x[i], a[i], b[i], value[i], dx[i], da[i], db[i])


@kernel_of(reference.log_prob)
def log_prob(x, concentration, rate):
    return log_prob_value_and_vjp(1.0, x, concentration, rate)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, concentration, rate):
    return log_prob_value_and_vjp(g, x, concentration, rate)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, concentration, rate):
    return fused(_loop, ("x", "concentration", "rate"), g, x=x, concentration=concentration, rate=rate)
