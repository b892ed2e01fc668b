"""Value and gradient of the binomial log probability in one pass, from p and from log odds.

With ``m = k + 1/2``, where ``log k! = m log m - m + log(2 pi)/2 + sigma(m)`` (`refengine.backends.numba._gamma`), and
likewise for n and r = n - k,

    log f = k A + r B + log(m_n / (2 pi m_k m_r)) / 2 + 1/2 + sigma(m_n) - sigma(m_k) - sigma(m_r),

where ``A = log(p m_n / m_k)`` and ``B = log((1-p) m_n / m_r)``. Near the mode they are ``log(1 + t)`` with
``m_k t_k + m_r t_r = -1/2``, which cancels the half and leaves

    m_k (A - t_k) + m_r (B - t_r) - log(2 pi p (1-p) m_n) / 2 + ....

A block of points goes through the formulas in stages, as in the kernel of the gamma density.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import binomial as reference
from refengine.distributions.binomial import *

_TWO_PI, _OVER_TWO_PI = 2 * math.pi, 0.5 / math.pi
_SMALL = 1e-290
_BLOCK = 256


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _inside(k, n, p):
    return (0.0 < k) & (k < n) & (n < math.inf) & (0.0 < p) & (p < 1.0)


@numba.njit(error_model="numpy", cache=True)
def _on_edge(k, n, p):
    """Value and slope where k, n or p is not inside its domain."""
    if not (0.0 <= p <= 1.0 and 0.0 <= n < math.inf and math.floor(n) == n) or math.isnan(k):
        return math.nan, math.nan
    if not 0.0 <= k <= n or math.floor(k) != k:
        return -math.inf, 0.0
    if n == 0.0:
        return 0.0, 0.0
    if k == 0.0:
        return n * math.log1p(-p) + 0.0, -n / (1.0 - p)
    if k == n:
        return n * math.log(p), n / p
    return -math.inf, math.inf if p == 0.0 else -math.inf


@numba.njit(error_model="numpy", cache=True)
def _by_one(k, n, p, t_k, right, rests, excess):
    """Value and slope on an edge, or where p is next to 0 and the share ``p m_n / m_k`` may not be normal."""
    if not _inside(k, n, p) or math.floor(k) != k or math.floor(n) != n:
        return _on_edge(k, n, p)
    left = _gamma.log_share(t_k, p, (n + 0.5) / (k + 0.5))
    return k * left + (n - k) * right + rests, (excess + 0.5 * p) / (1.0 - p) / p


@numba.njit(error_model="numpy", cache=True)
def _block(g, k, n, p, value, dp):
    """A block of points in stages: all but one are loops without a branch, which run on the vector unit."""
    size = p.size
    work = np.empty((23, _BLOCK))  # one array of fixed shape, so that LLVM sees that its rows are apart
    excess, near, m, sigma = work[0], work[1], work[2:5], work[5:8]
    t, share, logs, rest = work[8:11], work[11:14], work[14:17], work[17:20]
    found, slope, ok = work[20], work[21], work[22]
    for i in range(size):
        inside = _inside(k[i], n[i], p[i])
        count, trials, q = (k[i] if inside else 1.0), (n[i] if inside else 2.0), (p[i] if inside else 0.5)
        m_n, m_low = _gamma.two_sum(trials, 0.5)
        excess[i] = _gamma.minus_product(count, q, m_n, m_low)  # m_r t_r; m_k t_k is what it lacks to -1/2
        m_k, m_r = count + 0.5, trials - count + 0.5
        r_k, r_r, by_variance = 1.0 / m_k, 1.0 / m_r, 1.0 / (q * (1.0 - q))
        t_k, t_r = (-0.5 - excess[i]) * r_k, excess[i] * r_r
        close = (m_n >= 8.0) & (abs(t_k) <= 0.5) & (abs(t_r) <= 0.5)
        ratio_k, ratio_r = m_n * r_k, m_n * r_r
        factor = (by_variance / m_n if close else min(ratio_k, ratio_r) * max(r_k, r_r)) * _OVER_TWO_PI
        m[0, i], m[1, i], m[2, i], near[i] = m_k, m_r, m_n, 1.0 if close else 0.0
        t[0, i], t[1, i], t[2, i] = t_k, t_r, factor - 1.0
        share[0, i], share[1, i], share[2, i] = q * ratio_k, (1.0 - q) * ratio_r, factor
        slope[i] = (excess[i] + 0.5 * q) * by_variance
        whole = (np.floor(count) == count) & (np.floor(trials) == trials)
        ok[i] = 1.0 if inside & whole & (q > _SMALL) else 0.0
    for row in range(3):
        for i in range(size):
            logs[row, i], rest[row, i] = _gamma.log1p_parts(t[row, i], share[row, i])
            sigma[row, i] = _gamma.sigma(m[row, i])[0]
    for i in range(size):
        m_k, m_r = m[0, i], m[1, i]
        by_rests = m_k * rest[0, i] + m_r * rest[1, i]
        by_logs = (m_k - 0.5) * logs[0, i] + (m_r - 0.5) * logs[1, i] + 0.5
        main = by_rests if near[i] > 0.0 else by_logs
        found[i] = main + 0.5 * logs[2, i] + ((sigma[2, i] - sigma[0, i]) - sigma[1, i])
    for i in range(size):
        if ok[i] == 0.0:
            rests = 0.5 * (1.0 + logs[2, i]) + ((sigma[2, i] - sigma[0, i]) - sigma[1, i])
            found[i], slope[i] = _by_one(k[i], n[i], p[i], t[0, i], logs[1, i], rests, excess[i])
    for i in range(size):
        value[i] = found[i]
    for i in range(size):
        dp[i] = g[i] * slope[i]


@numba.njit(error_model="numpy", cache=True)
def _logit_excess(k, n, logits, share):
    """``k - n p``, given the smaller of p and 1 - p."""
    if abs(logits) <= 1.0:  # n p = n/2 + n/2 tanh(l/2)
        sign = 1.0 if logits >= 0.0 else -1.0
        return sign * _gamma.minus_product(sign * (k - 0.5 * n), math.tanh(0.5 * abs(logits)), 0.5 * n, 0.0)
    if logits < 0.0:
        return _gamma.minus_product(k, share, n, 0.0)
    return -_gamma.minus_product(n - k, share, n, 0.0)


@numba.njit(error_model="numpy", cache=True)
def _of_logits(k, n, logits):
    if not (0.0 <= n < math.inf and math.floor(n) == n) or math.isnan(k) or math.isnan(logits):
        return math.nan, math.nan
    if not 0.0 <= k <= n or math.floor(k) != k:
        return -math.inf, 0.0
    if n == 0.0:
        return 0.0, 0.0
    odds = math.exp(-abs(logits))
    share, rest = odds / (1.0 + odds), 1.0 / (1.0 + odds)
    log_share, log_rest = -abs(logits) - math.log1p(odds), 0.0 - math.log1p(odds)
    slope = _logit_excess(k, n, logits, share)
    if logits > 0.0:
        share, rest, log_share, log_rest = rest, share, log_rest, log_share
    if k == 0.0:
        return n * log_rest + 0.0, slope + 0.0
    if k == n:
        return n * log_share + 0.0, slope + 0.0
    r = n - k
    m_k, m_r, m_n = k + 0.5, r + 0.5, n + 0.5
    excess = slope - 0.5 * share
    t_k, t_r = (-0.5 - excess) / m_k, excess / m_r
    errors = _gamma.sigma(m_n)[0] - _gamma.sigma(m_k)[0] - _gamma.sigma(m_r)[0]
    if n >= 8.0 and abs(t_k) <= 0.5 and abs(t_r) <= 0.5:
        value = m_k * _gamma.log1p_minus(t_k) + m_r * _gamma.log1p_minus(t_r)
        return value - 0.5 * math.log(_TWO_PI * share * rest * m_n) + errors, slope
    left = math.log1p(t_k) if t_k > -0.5 else log_share + math.log(m_n / m_k)
    right = math.log1p(t_r) if t_r > -0.5 else log_rest + math.log(m_n / m_r)
    low, high = min(m_k, m_r), max(m_k, m_r)
    return k * left + r * right + 0.5 * (1.0 + math.log(m_n / high / (_TWO_PI * low))) + errors, slope


@parallel
def _loop(g, k, n, p, value, dp):
    for j in numba.prange((p.size + _BLOCK - 1) // _BLOCK):
        i = slice(j * _BLOCK, (j + 1) * _BLOCK)
        _block(g[i], k[i], n[i], p[i], value[i], dp[i])


@parallel
def _logits_loop(g, k, n, logits, value, dlogits):
    for i in numba.prange(logits.size):
        value[i], slope = _of_logits(k[i], n[i], logits[i])
        dlogits[i] = g[i] * slope


@kernel_of(reference.log_prob)
def log_prob(k, n, p):
    return log_prob_value_and_vjp(1.0, k, n, p)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, n, p):
    return log_prob_value_and_vjp(g, k, n, p)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, n, p):
    return fused(_loop, ("p",), g, k=k, n=n, p=p)


@kernel_of(reference.log_prob_logits)
def log_prob_logits(k, n, logits):
    return log_prob_logits_value_and_vjp(1.0, k, n, logits)[0]


@kernel_of(reference.log_prob_logits_vjp)
def log_prob_logits_vjp(g, k, n, logits):
    return log_prob_logits_value_and_vjp(g, k, n, logits)[1]


@kernel_of(reference.log_prob_logits_value_and_vjp)
def log_prob_logits_value_and_vjp(g, k, n, logits):
    return fused(_logits_loop, ("logits",), g, k=k, n=n, logits=logits)
