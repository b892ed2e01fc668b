"""Value and gradient of the log probability of a category, one row at a time.

For logits the label stands apart: with S the sum of the others' exponentials relative to the largest logit and e the
label's own, the value is -log1p(S) where the label is largest, else a gap less log(S + e), below -log 2.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions._rows import fused_rows
from refengine.distributions import categorical as reference
from refengine.distributions.categorical import *


@numba.njit(error_model="numpy", cache=True)
def _row(k, p, dp):
    dp[:] = 0.0
    for i in range(p.size):
        if not 0.0 <= p[i] <= 1.0 or math.isnan(k):
            dp[:] = math.nan
            return math.nan
    if not 0.0 <= k < p.size or math.floor(k) != k:
        return -math.inf
    dp[int(k)] = 1.0 / abs(p[int(k)])
    return math.log(p[int(k)])


@numba.njit(error_model="numpy", cache=True)
def _logits_row(k, z, dz):
    top, undefined = 0, math.isnan(k)
    for i in range(z.size):
        undefined |= not z[i] < math.inf
        top = i if z[i] > z[top] else top
    dz[:] = 0.0
    if undefined or z[top] == -math.inf:
        dz[:] = math.nan
        return math.nan
    if not 0.0 <= k < z.size or math.floor(k) != k:
        return -math.inf
    label = int(k)
    top = label if z[label] == z[top] else top
    rest, below = 0.0, 0.0  # beside the top, and beside the top and the label
    for i in range(z.size):
        dz[i] = math.exp(z[i] - z[top])
        rest += dz[i] if i != top else 0.0
        below += dz[i] if i != top and i != label else 0.0
    for i in range(z.size):
        dz[i] /= -(1.0 + rest)
    dz[label] = rest / (1.0 + rest) if label == top else (1.0 + below) / (1.0 + rest)
    return -math.log1p(rest) if label == top else (z[label] - z[top]) - math.log1p(rest)


@parallel
def _probabilities(g, p, k, value, dp):
    for i in numba.prange(value.size):
        value[i] = _row(k[i], p[i], dp[i])
        dp[i] *= g[i]


@parallel
def _logits(g, z, k, value, dz):
    for i in numba.prange(value.size):
        value[i] = _logits_row(k[i], z[i], dz[i])
        dz[i] *= g[i]


@kernel_of(reference.log_prob)
def log_prob(k, p):
    return log_prob_value_and_vjp(1.0, k, p)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, p):
    return log_prob_value_and_vjp(g, k, p)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, p):
    return fused_rows(_probabilities, g, {"p": p}, {"k": k}, without=("k",))


@kernel_of(reference.log_prob_logits)
def log_prob_logits(k, logits):
    return log_prob_logits_value_and_vjp(1.0, k, logits)[0]


@kernel_of(reference.log_prob_logits_vjp)
def log_prob_logits_vjp(g, k, logits):
    return log_prob_logits_value_and_vjp(g, k, logits)[1]


@kernel_of(reference.log_prob_logits_value_and_vjp)
def log_prob_logits_value_and_vjp(g, k, logits):
    return fused_rows(_logits, g, {"logits": logits}, {"k": k}, without=("k",))
