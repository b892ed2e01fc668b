"""Value and gradients of the negative binomial log probability in one pass.

With ``m_k = k + 1/2``, ``m_r = r - 1/2`` and ``m_n = k + r - 1/2`` (`refengine.backends.numba._gamma`),

    log f = k A + r B + log(m_r / (2 pi m_n m_k)) / 2 + 1/2 + sigma(m_n) - sigma(m_k) - sigma(m_r),

where ``A = log(p m_n / m_k)`` and ``B = log((1-p) m_n / m_r)``. Near the mode they are ``log(1 + t)`` with
``m_k t_k + m_r t_r = -1/2``, which leaves

    m_k (A - t_k) + m_r (B - t_r) + log((1-p) / (2 pi p m_n)) / 2 + ....

r below 3/4 is raised by one, ``f(k; r, p) = f(k; r + 1, p) r / ((k + r) (1-p))``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import negative_binomial as reference
from refengine.distributions.negative_binomial import *

_TWO_PI = 2 * math.pi


@numba.njit(error_model="numpy", cache=True)
def _centred(k, r, p):
    """The value for k > 0, 0 < p < 1 and r >= 3/4."""
    s, s_low = _gamma.two_sum(k, r)
    m_n, m_low = _gamma.two_sum(s, -0.5)
    m_k, m_r, q = k + 0.5, r - 0.5, 1.0 - p
    excess = _gamma.minus_product(k, p, m_n, m_low + s_low)  # m_r t_r; m_k t_k is what it lacks to -1/2
    t_k, t_r = (-0.5 - excess) / m_k, excess / m_r
    rest = _gamma.sigma(m_n)[0] - _gamma.sigma(m_k)[0] - _gamma.sigma(m_r)[0]
    if abs(t_k) <= 0.5 and abs(t_r) <= 0.5:
        value = m_k * _gamma.log1p_minus(t_k) + m_r * _gamma.log1p_minus(t_r)
        return value + 0.5 * math.log(q / p / m_n / _TWO_PI) + rest
    left, right = _gamma.log_share(t_k, p, m_n / m_k), _gamma.log_share(t_r, q, m_n / m_r)
    return k * left + r * right + 0.5 * (1.0 + math.log(m_r / m_n / m_k / _TWO_PI)) + rest


@numba.njit(error_model="numpy", cache=True)
def _pointwise(k, r, p):

    if not (0.0 < r < math.inf and 0.0 <= p <= 1.0) or math.isnan(k):
        return math.nan, math.nan, math.nan
    if not 0.0 <= k < math.inf or math.floor(k) != k:
        return -math.inf, 0.0, 0.0
    if p == 1.0:
        return -math.inf, -math.inf, -math.inf
    slope = math.log1p(-p) + _gamma.digamma_difference(r, k)
    if k == 0.0:
        return r * math.log1p(-p) + 0.0, slope, -r / (1.0 - p)
    if p == 0.0:
        return -math.inf, slope, math.inf
    s, s_low = _gamma.two_sum(k, r)
    by_p = _gamma.minus_product(k, p, s, s_low) / (1.0 - p) / p
    if r >= _gamma.SMALLEST:
        return _centred(k, r, p), slope, by_p
    return _centred(k, r + 1.0, p) + math.log(r) - math.log(k + r) - math.log1p(-p), slope, by_p


@parallel
def _loop(g, k, r, p, value, dr, dp):
    for i in numba.prange(value.size):
        value[i], by_r, by_p = _pointwise(k[i], r[i], p[i])
        dr[i], dp[i] = g[i] * by_r, g[i] * by_p


@kernel_of(reference.log_prob)
def log_prob(k, r, p):
    return log_prob_value_and_vjp(1.0, k, r, p)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, r, p):
    return log_prob_value_and_vjp(g, k, r, p)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, r, p):
    return fused(_loop, ("r", "p"), g, k=k, r=r, p=p)
