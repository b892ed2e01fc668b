r"""Value and gradients of the Dirichlet log density, one row at a time.

With ``m = alpha - 1/2`` and ``M = A - 1/2`` (`refengine.backends.numba._gamma`), for the large shapes (from 3/4 on),

    lgamma(alpha) = m log m - m + log(2 pi)/2 + sigma(m),    e = x M - m,

    log f = sum_large [m log(1 + e/m) - e - log(2 pi x / M)/2 - sigma(m)] + M (sum_large x - 1)
            + sum_small [alpha log(x M) + log(alpha / x) - lgamma(1 + alpha)] + log(2 pi / M)/2 + sigma(M),

because M less the sum of the large m is the sum of the small shapes and half of (the number of the large ones, less 1).
Where no shape is large and A is small too, lgamma(A) is taken as it stands. The derivatives to the shapes are
``log(x M / m) + sigma'(M) - sigma'(m)``, all raised by one where alpha is below 3/4, which leaves ``1/alpha - 1/A``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions._rows import cross, fused_rows, inline, plus, settled
from refengine.backends.numba.distributions._shares import bent
from refengine.distributions import dirichlet as reference
from refengine.distributions.dirichlet import *

_TWO_PI = 2 * math.pi


@inline
def _log_of(x, y):
    """``log(x y)``, where x may be subnormal."""
    return math.log(x * y) if x > 1e-290 else math.log(x * 2.0**54 * y) - 54 * math.log(2.0)


@numba.njit(error_model="numpy", cache=True)
def _face(x, a):
    """(value to add, whether x lies within [0, 1]): the infinite limit on a face; nan where the row is undefined."""
    at, inside = 0.0, True
    for i in range(x.size):
        if not 0.0 < a[i] < math.inf or math.isnan(x[i]):
            return math.nan, True
        inside &= 0.0 <= x[i] <= 1.0
    for i in range(x.size):
        if inside and x[i] == 0.0 and a[i] != 1.0:
            at += -math.inf if a[i] > 1.0 else math.inf
    return at, inside


@numba.njit(error_model="numpy", cache=True)
def _row(x, a, dx, da):
    at, inside = _face(x, a)
    if math.isnan(at) or not inside:
        dx[:] = at if math.isnan(at) else 0.0
        da[:] = dx[0]
        return at if math.isnan(at) else -math.inf
    top, all_a, all_low, off, off_low = 0, 0.0, 0.0, -1.0, 0.0
    for i in range(a.size):
        top = i if a[i] > a[top] else top
        all_a, all_low = plus(all_a, all_low, a[i])
    all_a, all_low = settled(all_a, all_low)
    elsewhere = 0.0  # the sum of all shapes but the largest
    for i in range(a.size):
        elsewhere += a[i] if i != top else 0.0
    m_all, m_low = _gamma.two_sum(all_a, -0.5)
    m_low += all_low
    scale = m_all if all_a >= _gamma.SMALLEST else 1.0
    value, lost = 0.0, 0.0
    raised, slope = all_a + 0.5, _gamma.sigma(all_a + 0.5)[1]
    whole = _gamma.sigma(m_all)[1] if all_a >= 1.0 else 0.0
    for i in range(a.size):
        z = x[i] if x[i] > 0.0 else 1.0  # on a face with alpha = 1, where x drops out
        if a[i] >= _gamma.SMALLEST:
            m = a[i] - 0.5
            off, off_low = plus(off, off_low, x[i])
            e = cross(x[i], 0.0, m_all, m_low, m, 1.0, 0.0)
            share = m * _log_of(z, m_all / m) - e if x[i] == 0.0 else bent(m, e, _log_of(z, m_all / m))
            value, lost = plus(value, lost, share)
            value, lost = plus(value, lost, -0.5 * _log_of(z, _TWO_PI / m_all) - _gamma.sigma(m)[0])
        else:
            value, lost = plus(value, lost, a[i] * _log_of(z, scale))
            value, lost = plus(value, lost, _gamma.log_quotient(a[i], z) - math.lgamma(1.0 + a[i]))
        if a[i] >= 1.0:
            da[i] = _log_of(x[i], m_all / (a[i] - 0.5)) + (whole - _gamma.sigma(a[i] - 0.5)[1])
        else:
            rest = elsewhere if i == top else (all_a - a[i]) + all_low
            da[i] = _log_of(x[i], raised / (a[i] + 0.5)) + (slope - _gamma.sigma(a[i] + 0.5)[1]) + rest / all_a / a[i]
        dx[i] = 0.0 if a[i] == 1.0 else (a[i] - 1.0) / x[i]
    if all_a < _gamma.SMALLEST:
        return value + lost + math.lgamma(1.0 + all_a) - math.log(all_a) + at
    value += 0.5 * math.log(_TWO_PI / m_all) + _gamma.sigma(m_all)[0]
    return value + (lost + m_all * (off + off_low)) + at


@parallel
def _loop(g, x, a, value, dx, da):
    for i in numba.prange(value.size):
        value[i] = _row(x[i], a[i], dx[i], da[i])
        dx[i] *= g[i]
        da[i] *= g[i]


@kernel_of(reference.log_prob)
def log_prob(x, alpha):
    return log_prob_value_and_vjp(1.0, x, alpha)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, alpha):
    return log_prob_value_and_vjp(g, x, alpha)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, alpha):
    return fused_rows(_loop, g, {"x": x, "alpha": alpha}, {})
