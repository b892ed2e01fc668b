"""The logarithm of the beta function and its derivatives in one pass, from the centred form of Stirling's series."""

from __future__ import annotations

import math

import numba

from refengine import special as reference
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.special.log_beta import *

_HALF_LOG_TWO_PI_E = 0.5 * math.log(2 * math.pi) + 0.5


@numba.njit(error_model="numpy", cache=True)
def _value(a, b):
    p, q = min(a, b), max(a, b)
    p1 = p + 1.0 if p < _gamma.SMALLEST else p
    q1 = q + 1.0 if q < _gamma.SMALLEST else q
    m_p, m_q, m_c = p1 - 0.5, q1 - 0.5, p1 + q1 - 0.5
    rest = _gamma.sigma(m_p)[0] + (_gamma.sigma(m_q)[0] - _gamma.sigma(m_c)[0])
    rest += _HALF_LOG_TWO_PI_E - 0.5 * math.log(m_p) - m_q * math.log1p(p1 / m_q)
    if p1 == p:
        return rest - p * math.log(m_c / m_p)
    if q1 > q:  # B(p, q) = B(p + 1, q + 1) (p + q) (p + q + 1) / (p q)
        return rest - p1 * math.log(m_c / m_p) + math.log((1.0 + p / q) * (1.0 + p + q)) - math.log(p)
    # B(p, q) = B(p + 1, q) (p + q) / p, whose q cancels that of the power
    return rest - p * math.log(m_c / m_p) + (math.log(m_p * ((p + q) / m_c)) - math.log(p))


@numba.njit(error_model="numpy", cache=True)
def _pointwise(a, b):
    if not (a > 0.0 and b > 0.0):
        return math.nan, math.nan, math.nan
    return _value(a, b), -_gamma.digamma_difference(a, b), -_gamma.digamma_difference(b, a)


@parallel
def _loop(g, a, b, value, da, db):
    for i in numba.prange(a.size):
        value[i], slope_a, slope_b = _pointwise(a[i], b[i])
        da[i], db[i] = g[i] * slope_a, g[i] * slope_b


@kernel_of(reference.log_beta)
def log_beta(a, b):
    return log_beta_value_and_vjp(1.0, a, b)[0]


@kernel_of(reference.log_beta_vjp)
def log_beta_vjp(g, a, b):
    return log_beta_value_and_vjp(g, a, b)[1]


@kernel_of(reference.log_beta_value_and_vjp)
def log_beta_value_and_vjp(g, a, b):
    return fused(_loop, ("a", "b"), g, a=a, b=b)
