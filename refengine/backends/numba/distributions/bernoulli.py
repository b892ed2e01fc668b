"""Value and gradient of the Bernoulli log probability in one pass, from p and from log odds."""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import bernoulli as reference
from refengine.distributions.bernoulli import *


@numba.njit(error_model="numpy", cache=True)
def _pointwise(k, p):
    if not 0.0 <= p <= 1.0 or math.isnan(k):
        return math.nan, math.nan
    if k == 1.0:
        return math.log(p), 1.0 / p
    if k == 0.0:
        return math.log1p(-p) + 0.0, -1.0 / (1.0 - p)
    return -math.inf, 0.0


@numba.njit(error_model="numpy", cache=True)
def _of_logits(k, logits):
    if math.isnan(logits) or math.isnan(k):
        return math.nan, math.nan
    if k != 0.0 and k != 1.0:
        return -math.inf, 0.0
    towards = logits if k == 1.0 else -logits
    odds = math.exp(-abs(towards))
    if towards >= 0.0:
        value, slope = 0.0 - math.log1p(odds), odds / (1.0 + odds)
    else:
        value, slope = towards - math.log1p(odds), 1.0 / (1.0 + odds)
    return value + 0.0, slope if k == 1.0 else -slope


@parallel
def _loop(g, k, p, value, dp):
    for i in numba.prange(value.size):
        value[i], by_p = _pointwise(k[i], p[i])
        dp[i] = g[i] * by_p


@parallel
def _logits_loop(g, k, logits, value, dlogits):
    for i in numba.prange(value.size):
        value[i], by_logits = _of_logits(k[i], logits[i])
        dlogits[i] = g[i] * by_logits


@kernel_of(reference.log_prob)
def log_prob(k, p):
    return log_prob_value_and_vjp(1.0, k, p)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, p):
    return log_prob_value_and_vjp(g, k, p)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, p):
    return fused(_loop, ("p",), g, k=k, p=p)


@kernel_of(reference.log_prob_logits)
def log_prob_logits(k, logits):
    return log_prob_logits_value_and_vjp(1.0, k, logits)[0]


@kernel_of(reference.log_prob_logits_vjp)
def log_prob_logits_vjp(g, k, logits):
    return log_prob_logits_value_and_vjp(g, k, logits)[1]


@kernel_of(reference.log_prob_logits_value_and_vjp)
def log_prob_logits_value_and_vjp(g, k, logits):
    return fused(_logits_loop, ("logits",), g, k=k, logits=logits)
