"""Value and gradients of the beta log density in one pass.

With ``m = a - 1/2`` for each shape (`refengine.backends.numba._gamma`), ``m_c = a + b - 1/2``,
``A = log(x m_c / m_a)`` and ``B = log((1-x) m_c / m_b)``,

    log f = (a-1) A + (b-1) B + log(m_c^3 / (2 pi m_a m_b)) / 2 - 1/2 - sigma(m_a) - sigma(m_b) + sigma(m_c).

Near the mode A and B are ``log(1 + t)`` with ``m_a t_a + m_b t_b = 1/2``, which cancels the half and leaves

    m_a (A - t_a) + m_b (B - t_b) + log(m_c / (2 pi x (1-x))) / 2 - ....

A shape below 3/4 is raised by one, ``f(x; a, b) = f(x; a + 1, b) a / ((a + b) x)``. The derivatives to a and b are
``A + sigma'(m_c) - sigma'(m_a)`` and the like.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import flat, parallel
from refengine.distributions import beta as reference
from refengine.distributions.beta import *

_TWO_PI = 2 * math.pi
_TINY = 1 / 16
_SMALL = 1e-290
_BLOCK = 256


@numba.njit(error_model="numpy", cache=True)
def _raised(x, a, b, p, q):
    """The logarithm of the density's ratio to that of the raised shapes."""
    if a == p:
        return _gamma.log_quotient(b / (1.0 - x), p + b)
    left = a / x / (a + b)
    right = 1.0 if b == q else b / (p + b) / (1.0 - x)
    product = left * right
    if 1e-290 < product < 1e290 and left < 1e290:
        return math.log(product)
    return _gamma.log_quotient(a, x) - math.log(a + b) + math.log(right)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _centred(x, a, b):
    """``m_a, m_b, m_c`` of the raised shapes and ``m_b t_b``; ``m_a t_a`` is what it lacks to 1/2."""
    p = a + 1.0 if a < _gamma.SMALLEST else a
    q = b + 1.0 if b < _gamma.SMALLEST else b
    c, c_low = _gamma.two_sum(p, q)
    m_c, m_low = _gamma.two_sum(c, -0.5)
    return p - 0.5, q - 0.5, m_c, _gamma.minus_product(p, x, m_c, m_low + c_low)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _inside(x, a, b, excess, m, t, logs, rest, sigma, slope):
    """Value and slopes for 0 < x < 1, given what the first stages found."""
    m_a, m_b, m_c = m
    raised_a, raised_b, y = a < _gamma.SMALLEST, b < _gamma.SMALLEST, 1.0 - x
    if m_c >= 7.5 and abs(t[0]) <= 0.5 and abs(t[1]) <= 0.5:
        value = m_a * rest[0] + m_b * rest[1] + 0.5 * _gamma.log_quotient(m_c / _TWO_PI / y, x)
    else:
        if x < _SMALL:
            logs = _gamma.log_share(t[0], x, m_c / m_a), logs[1]
        low, high = min(m_a, m_b), max(m_a, m_b)
        value = (a if raised_a else a - 1.0) * logs[0] + (b if raised_b else b - 1.0) * logs[1]
        value += 0.5 * (_gamma.log_quotient(m_c * (m_c / high / _TWO_PI), low / m_c) - 1.0)
    value -= sigma
    dx = excess - 1.0 + 1.5 * x
    da, db = logs[0] + slope[0], logs[1] + slope[1]
    if raised_a or raised_b:
        p, q = (a + 1.0 if raised_a else a), (b + 1.0 if raised_b else b)
        value += _raised(x, a, b, p, q)
        if raised_b:
            dx, da, db = dx + x, da - 1.0 / (p + b), db + p / (p + b) / b
        if raised_a:
            dx, da = dx - y, da + b / (a + b) / a
            if a < _TINY:  # the other sum cancels
                db = math.log1p(-x) + _gamma.digamma_difference(b, a)
            else:
                db = math.log1p(-x) + math.log1p(a / m_b) + slope[2]
                db += a / (a + b) / b if raised_b else 0.0
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
def _block(g, x, a, b, value, dx, da, db):
    """A block of points in stages: all but the last are loops without a branch, which run on the vector unit."""
    size = x.size
    excess, t, share = np.empty(size), np.empty((2, size)), np.empty((2, size))
    logs, rest = np.empty((2, size)), np.empty((2, size))
    m, sigma, slope = np.empty((4, size)), np.empty((4, size)), np.empty((4, size))
    for i in range(size):
        m_a, m_b, m_c, excess[i] = _centred(x[i], a[i], b[i])
        m[0, i], m[1, i], m[2, i], m[3, i] = m_a, m_b, m_c, m_c - 1.0
        t[0, i], t[1, i] = (0.5 - excess[i]) / m_a, excess[i] / m_b
        share[0, i], share[1, i] = x[i] * (m_c / m_a), (1.0 - x[i]) * (m_c / m_b)
    for k in range(2):
        for i in range(size):
            logs[k, i], rest[k, i] = _gamma.log1p_parts(t[k, i], share[k, i])
    _sigmas(m.reshape(-1), sigma.reshape(-1), slope.reshape(-1))
    for i in range(size):
        if 0.0 < x[i] < 1.0 and 0.0 < a[i] < math.inf and 0.0 < b[i] < math.inf:
            found = _inside(  # numbers, not arrays, whose references would be counted
                x[i],
                a[i],
                b[i],
                excess[i],
                (m[0, i], m[1, i], m[2, i]),
                (t[0, i], t[1, i]),
                (logs[0, i], logs[1, i]),
                (rest[0, i], rest[1, i]),
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
    _, dtype, *_ = elementwise(x=x, a=a, b=b)
    _, gradient_dtype, *arrays = elementwise(g=g, x=x, a=a, b=b)
    shape, vectors = flat(*arrays)
    out = np.empty((4, vectors[0].size))
    _loop(*vectors, *out)
    value, *slopes = out.reshape(4, *shape)
    return value.astype(dtype, copy=False), tuple(
        unbroadcast(slope, like, gradient_dtype) for slope, like in zip(slopes, (x, a, b), strict=True)
    )
