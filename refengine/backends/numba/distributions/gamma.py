"""Value and gradient of the gamma log density in one pass (`refengine.backends.numba.distributions._gamma`)."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.backends.numba.distributions import _gamma as density
from refengine.distributions import gamma as reference
from refengine.distributions.gamma import *

_BLOCK, _TWO_PI = density.BLOCK, density.TWO_PI
_stages, _finish, _plain, _valid, _workspace = (
    density.stages,
    density.finish,
    density.plain,
    density.valid,
    density.workspace,
)


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
    (t, e, factor), work = _workspace()
    size = x.size
    for i in range(size):
        t[i] = x[i] * b[i]
        e[i] = -_gamma.minus_product(a[i], x[i], b[i], 0.0)
        factor[i] = b[i] / x[i] / _TWO_PI
    _stages(t[:size], e, factor, a, work)
    for i in range(size):
        if 0.0 < x[i] < math.inf and _valid(a[i], b[i]):
            gap = e[i] if _plain(t[i]) and _plain(x[i]) else t[i] - a[i]
            found, slope = _finish(t[i], gap, factor[i], a[i], x[i], b[i], 1.0, work, i)
            value[i], dx[i] = found, -(gap + 1.0) / x[i] * g[i]
            da[i], db[i] = slope * g[i], -gap / b[i] * g[i]
        else:
            found, by_x, by_a, by_b = _on_edge(x[i], a[i], b[i])
            value[i], dx[i], da[i], db[i] = found, by_x * g[i], by_a * g[i], by_b * g[i]


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
