"""Value and gradient of the geometric log probability in one pass: (1 - p (k+1)) / (p (1-p)), k + 1 in two parts."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import geometric as reference
from refengine.distributions.geometric import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(k, p):

    if not 0.0 <= p <= 1.0 or math.isnan(k):
        return math.nan, math.nan
    if not 0.0 <= k < math.inf or math.floor(k) != k:
        return -math.inf, 0.0
    if k == 0.0:
        return math.log(p), 1.0 / abs(p)  # -0.0 is 0
    if p == 0.0 or p == 1.0:
        return -math.inf, math.inf if p == 0.0 else -math.inf
    trials, rest = _gamma.two_sum(k, 1.0)
    return math.log(p) + k * math.log1p(-p), _gamma.minus_product(1.0, p, trials, rest) / (1.0 - p) / p


@parallel
def _loop(g, k, p, value, dp):
    for i in numba.prange(value.size):
        value[i], by_p = _pointwise(k[i], p[i])
        dp[i] = g[i] * by_p


@kernel_of(reference.log_prob)
def log_prob(k, p):
    return log_prob_value_and_vjp(1.0, k, p)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, p):
    return log_prob_value_and_vjp(g, k, p)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, p):
    return fused(_loop, ("p",), g, k=k, p=p)
