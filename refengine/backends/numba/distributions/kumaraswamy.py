"""Value and gradients of the Kumaraswamy log density in one pass.

With ``t = a log x``, ``v = 1 - x^a`` and ``h = (b - 1) x^a / v``: ``log f = log(a b x^a / (x v)) + b log v``, and the
slopes to x, a and b are ``(a (1 - h) - 1) / x``, ``1/a + (1 - h) log x`` and ``1/b + log v``. x^a and v come from the
same rounded t, so that its error cancels at the mode.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import kumaraswamy as reference
from refengine.distributions.kumaraswamy import *


@numba.njit(error_model="numpy", cache=True)
def _edge(c, d):
    """The value where the density is proportional to ``r^(c-1)``, and is d if c is 1, for r near 0."""
    if c == 1.0:
        return math.log(d)
    return math.inf if c < 1.0 else -math.inf


@numba.njit(error_model="numpy", cache=True)
def _by_a(t, y, p, v, a, b, h):
    """1/a + h y; for small t it is ``(b p + t/2 + t^2/6 + ...) (-t / v) / a``."""
    if t < -1.0:
        return 1.0 / a + h * y
    series = 1.0
    for k in range(20, 2, -1):
        series = 1.0 + series * t / k
    return (b * p + 0.5 * t * series) * (-t / v) / a


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, a, b):
    if not (0.0 < a < math.inf and 0.0 < b < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if x < 0.0 or x > 1.0:
        return -math.inf, 0.0, 0.0, 0.0
    if x == 0.0:
        value = _edge(a, b)
        return value, 1.0 - b if a == 1.0 else -value, -math.inf, 1.0 / b
    if x == 1.0:
        value = _edge(b, a)
        return value, a - 1.0 if b == 1.0 else value, b / a, -math.inf
    y = math.log(x)
    t = a * y
    p, v = math.exp(t), -math.expm1(t)
    log_v = math.log(v) if p > 0.5 else math.log1p(-p)
    lead = a / v * p * (b / x)
    if p > 1e-290 and 1e-290 < lead < 1e290:
        value = math.log(lead) + b * log_v
    else:
        value = math.log(a) + math.log(b) + (t - log_v) - y + b * log_v
    h = 1.0 - (b - 1.0) * (p / v)
    return value, (a * h - 1.0) / x, _by_a(t, y, p, v, a, b, h), 1.0 / b + log_v


@parallel
def _loop(g, x, a, b, value, dx, da, db):
    for i in numba.prange(x.size):
        value[i], by_x, by_a, by_b = _pointwise(x[i], a[i], b[i])
        dx[i], da[i], db[i] = g[i] * by_x, g[i] * by_a, g[i] * by_b


@kernel_of(reference.log_prob)
def log_prob(x, a, b):
    return log_prob_value_and_vjp(1.0, x, a, b)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, a, b):
    return log_prob_value_and_vjp(g, x, a, b)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, a, b):
    return fused(_loop, ("x", "a", "b"), g, x=x, a=a, b=b)
