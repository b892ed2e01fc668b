"""Value and gradient of the Poisson log probability in one pass.

With ``m = k + 1/2``, where ``log k! = m log m - m + log(2 pi)/2 + sigma(m)`` (`refengine.backends.numba._gamma`), and
``t = (rate - m) / m``,

    log f = k log(rate / m) - m t - log(2 pi m) / 2 - sigma(m) = m (log(1 + t) - t) - log(2 pi rate) / 2 - sigma(m).
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import poisson as reference
from refengine.distributions.poisson import *

_TWO_PI = 2 * math.pi


@numba.njit(error_model="numpy", cache=True)
def _pointwise(k, rate):

    if not 0.0 <= rate < math.inf or math.isnan(k):
        return math.nan, math.nan
    if not 0.0 <= k < math.inf or math.floor(k) != k:
        return -math.inf, 0.0
    if k == 0.0:
        return 0.0 - rate, -1.0
    if rate == 0.0:
        return -math.inf, math.inf
    m = k + 0.5
    t = (rate - m) / m
    if abs(t) <= 0.5:
        value = m * _gamma.log1p_minus(t) - 0.5 * math.log(_TWO_PI * rate)
    else:
        value = k * _gamma.log_share(t, rate, 1.0 / m) - m * t - 0.5 * math.log(_TWO_PI * m)
    return value - _gamma.sigma(m)[0], (k - rate) / rate


@parallel
def _loop(g, k, rate, value, drate):
    for i in numba.prange(value.size):
        value[i], by_rate = _pointwise(k[i], rate[i])
        drate[i] = g[i] * by_rate


@kernel_of(reference.log_prob)
def log_prob(k, rate):
    return log_prob_value_and_vjp(1.0, k, rate)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, rate):
    return log_prob_value_and_vjp(g, k, rate)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, rate):
    return fused(_loop, ("rate",), g, k=k, rate=rate)
