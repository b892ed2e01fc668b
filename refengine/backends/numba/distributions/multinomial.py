"""Value and gradient of the multinomial log probability, one row at a time.

The formulas stand in `refengine.backends.numba.distributions._shares`; the derivatives are k / p, or minus
``n w - k`` over p for shares w of p, over 1 for logits.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import check_option
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions import _shares
from refengine.backends.numba.distributions._rows import fused_rows, plus, settled
from refengine.distributions import multinomial as reference
from refengine.distributions.multinomial import *


@numba.njit(error_model="numpy", cache=True)
def _sum_of_probabilities(p):
    """The sum as a pair; nan where an entry lies outside [0, 1]."""
    s, s_low = 0.0, 0.0
    for i in range(p.size):
        if not 0.0 <= p[i] <= 1.0:
            return math.nan, math.nan
        s, s_low = plus(s, s_low, p[i])
    return settled(s, s_low)


@numba.njit(error_model="numpy", cache=True)
def _row(k, p, tangent, dp, work):
    kind, (s, s_low) = _shares.kind_of(k), _sum_of_probabilities(p)
    dp[:] = 0.0
    if kind == _shares.UNDEFINED or math.isnan(s) or (tangent and s == 0.0):
        dp[:] = math.nan
        return math.nan
    if kind == _shares.IMPOSSIBLE:
        return -math.inf
    n, possible, low, logs = k.sum(), True, work[0], work[1]
    low[:] = 0.0
    others = _shares.unchosen(k, p, s) if n > 0.0 else 0.0
    for i in range(p.size):
        possible &= p[i] > 0.0 or k[i] == 0.0
        if k[i] == 0.0:
            dp[i] = -n / s if tangent else 0.0
        elif p[i] == 0.0:
            dp[i] = math.inf
        else:
            logs[i] = math.log(p[i])
            dp[i] = -_shares.excess(k, n, i, p, low, s, s_low, others) / p[i] if tangent else k[i] / p[i]
    if n == 0.0:
        return 0.0
    if not possible:
        return -math.inf
    value = _shares.log_density(k, n, p, low, s, s_low, others, logs, 0.0)
    return value if tangent else value + n * math.log1p((s - 1.0) + s_low)


@numba.njit(error_model="numpy", cache=True)
def _logits_row(k, z, dz, work):
    kind, largest, undefined = _shares.kind_of(k), -math.inf, False
    for i in range(z.size):
        undefined |= not z[i] < math.inf
        largest = max(largest, z[i])
    dz[:] = 0.0
    if undefined or kind == _shares.UNDEFINED or largest == -math.inf:
        dz[:] = math.nan
        return math.nan
    if kind == _shares.IMPOSSIBLE:
        return -math.inf
    n, possible, high, low = k.sum(), True, work[0], work[1]
    s, s_low, shift = _shares.weigh(z, high, low)
    others = _shares.unchosen(k, high, s) if n > 0.0 else 0.0
    for i in range(z.size):
        possible &= z[i] > -math.inf or k[i] == 0.0
        dz[i] = -_shares.excess(k, n, i, high, low, s, s_low, others) if z[i] > -math.inf else k[i]
    if n == 0.0:
        return 0.0
    return _shares.log_density(k, n, high, low, s, s_low, others, z, shift) if possible else -math.inf


@parallel
def _ambient(g, k, p, value, dp):
    for i in numba.prange(value.size):
        value[i] = _row(k[i], p[i], False, dp[i], np.empty((2, p.shape[1])))
        dp[i] *= g[i]


@parallel
def _tangent(g, k, p, value, dp):
    for i in numba.prange(value.size):
        value[i] = _row(k[i], p[i], True, dp[i], np.empty((2, p.shape[1])))
        dp[i] *= g[i]


@parallel
def _logits(g, k, z, value, dz):
    for i in numba.prange(value.size):
        value[i] = _logits_row(k[i], z[i], dz[i], np.empty((2, z.shape[1])))
        dz[i] *= g[i]


@kernel_of(reference.log_prob)
def log_prob(k, p, *, simplex="ambient"):
    return log_prob_value_and_vjp(1.0, k, p, simplex=simplex)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, p, *, simplex="ambient"):
    return log_prob_value_and_vjp(g, k, p, simplex=simplex)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, p, *, simplex="ambient"):
    check_option("simplex", simplex, reference.SIMPLEX)
    loop = _tangent if simplex == "tangent" else _ambient
    return fused_rows(loop, g, {"k": k, "p": p}, {}, without=("k",))


@kernel_of(reference.log_prob_logits)
def log_prob_logits(k, logits):
    return log_prob_logits_value_and_vjp(1.0, k, logits)[0]


@kernel_of(reference.log_prob_logits_vjp)
def log_prob_logits_vjp(g, k, logits):
    return log_prob_logits_value_and_vjp(g, k, logits)[1]


@kernel_of(reference.log_prob_logits_value_and_vjp)
def log_prob_logits_value_and_vjp(g, k, logits):
    return fused_rows(_logits, g, {"k": k, "logits": logits}, {}, without=("k",))
