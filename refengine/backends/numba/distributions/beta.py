"""Value and gradients of the beta log density in one pass.

With ``m = a - 1/2`` for each shape (`refengine.backends.numba._gamma`), ``m_c = a + b - 1/2``,
``A = log(x m_c / m_a)`` and ``B = log((1-x) m_c / m_b)``,

    log f = (a-1) A + (b-1) B + log(m_c^3 / (2 pi m_a m_b)) / 2 - 1/2 - sigma(m_a) - sigma(m_b) + sigma(m_c).

Near the mode A and B are ``log(1 + t)`` with ``m_a t_a + m_b t_b = 1/2``, which cancels the half and leaves

    m_a (A - t_a) + m_b (B - t_b) + log(m_c / (2 pi x (1-x))) / 2 - ....

A shape below 3/4 is raised by one, ``f(x; a, b) = f(x; a + 1, b) a / ((a + b) x)``. The derivatives to a and b are
``A + sigma'(m_c) - sigma'(m_a)`` and the like.

A block of points goes through the formulas in stages, each a loop without a branch or a call, so that all logarithms
and sigmas are computed on the vector unit; the last stage picks what holds at each point.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import beta as reference
from refengine.distributions.beta import *

_TWO_PI = 2 * math.pi
_TINY = 1 / 16
_SMALL = 1e-290
_BLOCK = 256


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _plain(x):
    """Whether the quotients that led to x > 0 stayed far from overflow and underflow."""
    return _SMALL < x < 1 / _SMALL


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _centred(x, a, b):
    """``m_a, m_b, m_c`` of the raised shapes and ``m_b t_b``; ``m_a t_a`` is what it lacks to 1/2."""
    p = a + 1.0 if a < _gamma.SMALLEST else a
    q = b + 1.0 if b < _gamma.SMALLEST else b
    c, c_low = _gamma.two_sum(p, q)
    m_c, m_low = _gamma.two_sum(c, -0.5)
    return p - 0.5, q - 0.5, m_c, _gamma.minus_product(p, x, m_c, m_low + c_low)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _factors(x, a, b, near, m_c, ratio):
    """The density's factor that stands under a square root, and its ratio to the density of the raised shapes."""
    y, p = 1.0 - x, a + 1.0 if a < _gamma.SMALLEST else a
    left = a / x / (a + b) if a < _gamma.SMALLEST else 1.0
    right = b / (p + b) / y if b < _gamma.SMALLEST else 1.0
    # an infinite quotient is not plain, whatever the other
    return m_c / _TWO_PI * (1.0 / (x * y) if near else ratio), left * right if left < 1 / _SMALL else math.inf


@numba.njit(error_model="numpy", cache=True)
def _log_raised(x, a, b):
    """The logarithm of the second of the factors where it is not plain."""
    y, p = 1.0 - x, a + 1.0 if a < _gamma.SMALLEST else a
    right = _gamma.log_quotient(b / y, p + b) if b < _gamma.SMALLEST else 0.0
    return _gamma.log_quotient(a, x) - math.log(a + b) + right if a < _gamma.SMALLEST else right


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _inside(x, a, b, excess, near, m, t, logs, rest, factors, sigma, slope):
    """Value and slopes for 0 < x < 1, given what the first stages found."""
    m_a, m_b, m_c = m
    raised_a, raised_b, y = a < _gamma.SMALLEST, b < _gamma.SMALLEST, 1.0 - x
    log_factor = logs[2]
    if not _plain(factors[0]):
        log_factor = _gamma.log_quotient(m_c / _TWO_PI / y, x)
        if not near:
            low, high = min(m_a, m_b), max(m_a, m_b)
            log_factor = _gamma.log_quotient(m_c * (m_c / high / _TWO_PI), low / m_c)
    left, right = logs[0] if x > _SMALL else _gamma.log_share(t[0], x, m_c / m_a), logs[1]
    if near:
        value = m_a * rest[0] + m_b * rest[1] + 0.5 * log_factor
    else:
        value = (a if raised_a else a - 1.0) * left + (b if raised_b else b - 1.0) * right + 0.5 * (log_factor - 1.0)
    value -= sigma
    dx = excess - 1.0 + 1.5 * x
    da, db = left + slope[0], right + slope[1]
    if raised_a or raised_b:
        value += logs[3] if _plain(factors[1]) else _log_raised(x, a, b)
    if raised_b:
        p = a + 1.0 if raised_a else a
        dx, da, db = dx + x, da - 1.0 / (p + b), db + p / (p + b) / b
    if raised_a:
        dx, da = dx - y, da + b / (a + b) / a
        if a < _TINY:  # the other sum cancels
            db = math.log1p(-x) + _gamma.digamma_difference(b, a)
        else:
            db = logs[4] + slope[2] + (a / (a + b) / b if raised_b else 0.0)
    return value, dx / y / x, da, db


@numba.njit(error_model="numpy", cache=True)
def _edge(a, b):
    """Value and slope where the density is proportional to t^(a-1) and t comes to 0 from above."""
    if a == 1.0:
        return math.log(b), 1.0 - b
    return (-math.inf, math.inf) if a > 1.0 else (math.inf, -math.inf)


@numba.njit(error_model="numpy", cache=True)
def _on_edge(x, a, b):
    """Value and slopes where x or a shape is not inside its domain."""
    if not (0.0 < a < math.inf and 0.0 < b < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if x == 0.0:
        value, slope = _edge(a, b)
        return value, slope, -math.inf, _gamma.digamma_difference(b, a)
    if x == 1.0:
        value, slope = _edge(b, a)
        return value, -slope, _gamma.digamma_difference(a, b), -math.inf
    return -math.inf, 0.0, 0.0, 0.0


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _sigmas(m, value, slope):
    for i in range(m.size):
        value[i], slope[i] = _gamma.sigma(m[i])


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _logs(t, share, logs, rest):
    for i in range(t.size):
        logs[i], rest[i] = _gamma.log1p_parts(t[i], share[i])


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _block(g, x, a, b, value, dx, da, db):
    """A block of points in stages: all but the last are loops without a branch, which run on the vector unit."""
    size = x.size
    work = np.empty((34, _BLOCK))  # one array of fixed shape, so that LLVM sees that its rows are apart
    excess, near, m, sigma, slope = work[0], work[1], work[2:6], work[6:10], work[10:14]
    t, share, logs, rest = work[14:19], work[19:24], work[24:29], work[29:34]
    for i in range(size):
        m_a, m_b, m_c, excess[i] = _centred(x[i], a[i], b[i])
        m[0, i], m[1, i], m[2, i], m[3, i] = m_a, m_b, m_c, m_c - 1.0
    for i in range(size):
        m_a, m_b, m_c, y = m[0, i], m[1, i], m[2, i], 1.0 - x[i]
        t_a, t_b = (0.5 - excess[i]) / m_a, excess[i] / m_b
        ratio_a, ratio_b = m_c / m_a, m_c / m_b
        near[i] = 1.0 if (m_c >= 7.5) & (abs(t_a) <= 0.5) & (abs(t_b) <= 0.5) else 0.0
        t[0, i], t[1, i] = t_a, t_b
        share[0, i], share[1, i] = x[i] * ratio_a, y * ratio_b
        share[2, i], share[3, i] = _factors(x[i], a[i], b[i], near[i] > 0.0, m_c, ratio_a * ratio_b)
        t[2, i], t[3, i] = share[2, i] - 1.0, share[3, i] - 1.0
        t[4, i], share[4, i] = _gamma.minus_product(a[i], x[i], m_b + a[i], 0.0) / m_b, y * (1.0 + a[i] / m_b)
    _logs(t.reshape(-1), share.reshape(-1), logs.reshape(-1), rest.reshape(-1))
    _sigmas(m.reshape(-1), sigma.reshape(-1), slope.reshape(-1))
    for i in range(size):
        if 0.0 < x[i] < 1.0 and 0.0 < a[i] < math.inf and 0.0 < b[i] < math.inf:
            found = _inside(  # numbers, not arrays, whose references would be counted
                x[i],
                a[i],
                b[i],
                excess[i],
                near[i] > 0.0,
                (m[0, i], m[1, i], m[2, i]),
                (t[0, i], t[1, i]),
                (logs[0, i], logs[1, i], logs[2, i], logs[3, i], logs[4, i]),
                (rest[0, i], rest[1, i]),
                (share[2, i], share[3, i]),
                sigma[0, i] + (sigma[1, i] - sigma[2, i]),
                (slope[2, i] - slope[0, i], slope[2, i] - slope[1, i], slope[3, i] - slope[1, i]),
            )
        else:
            found = _on_edge(x[i], a[i], b[i])
        value[i], dx[i], da[i], db[i] = found[0], g[i] * found[1], g[i] * found[2], g[i] * found[3]


@parallel
def _loop(g, x, a, b, value, dx, da, db):
    for k in numba.prange((x.size + _BLOCK - 1) // _BLOCK):
        i = slice(k * _BLOCK, (k + 1) * _BLOCK)
        _block(g[i], x[i], a[i], b[i], value[i], dx[i], da[i], db[i])


@kernel_of(reference.log_prob)
def log_prob(x, a, b):
    return log_prob_value_and_vjp(1.0, x, a, b)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, a, b):
    return log_prob_value_and_vjp(g, x, a, b)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, a, b):
    return fused(_loop, ("x", "a", "b"), g, x=x, a=a, b=b)
