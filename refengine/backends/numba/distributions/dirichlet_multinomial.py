r"""Value and gradient of the Dirichlet-multinomial log probability, one row at a time.

Few draws are made one by one, as from Polya's urn: the s-th draw overall, the j-th of its category, has the factor
``(alpha + j) (s + 1) / ((A + s) (j + 1))``. Many: with ``c(a) = lgamma(a) - a log a + a`` and ``N = A + n``,

    log f = sum_i [a log((a + k) A / (a N)) + k log((a + k) n / (k N)) + c(a + k) - c(a) - c(k) - log k]
            - [c(N) - c(A) - c(n) - log n],

whose logarithms are ``log(1 + e / a)`` and ``log(1 - e / k)`` for ``e = (k A - a n) / N``. Where all draws fall in one
category, and in the derivatives to a shape that nearly equals A, second differences take over, in centred form
(`refengine.backends.numba._gamma`): with ``m = a - 1/2``, ``q = m + r + d`` and ``t = d r / (m q)``

    d^2 lgamma = m [log(1 + t) - t] + d [log(1 - r/q) + r/q] + r log(1 - d/q) + d^2 sigma,
    d^2 psi    = log(1 + t) + d^2 sigma'.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions import _shares
from refengine.backends.numba.distributions._rows import cross, fused_rows, plus, settled
from refengine.backends.numba.distributions._shares import bent
from refengine.distributions import dirichlet_multinomial as reference
from refengine.distributions.dirichlet_multinomial import *

_TWO_PI = 2 * math.pi
_FEW = 16.0
_LARGE = 14.0
_SIGMA_SERIES = np.zeros(2 * len(_gamma._CENTRED))
_SIGMA_SERIES[1::2] = _gamma._CENTRED / np.arange(1, 2 * len(_gamma._CENTRED), 2)
_PSI_SERIES = _gamma._DIGAMMA_SERIES


@numba.njit(error_model="numpy", cache=True)
def _series_fall(series, m, r):
    """A series in 1/m at m less that at m + r."""
    return r / m / (m + r) * _gamma.divided_difference(series, 1.0 / m, 1.0 / (m + r))


@numba.njit(error_model="numpy", cache=True)
def log_gamma_fall(a, d, r):
    """``lgamma(a + d) - lgamma(a) - lgamma(a + r + d) + lgamma(a + r)`` for whole d."""
    total = 0.0
    while a < _LARGE:
        u = d * (r / (a + r + d))
        total += math.log1p(u / a) if u < a * 1e300 else math.log(u) - math.log(a)
        a += 1.0
    m = a - 0.5
    q = m + r + d
    t = d / m * (r / q)
    by_d = bent(1.0, -r / q, math.log((m + d) / q))
    by_r = math.log1p(-d / q) if d < m + r else math.log((m + r) / q)
    change = _series_fall(_SIGMA_SERIES, m, r) - _series_fall(_SIGMA_SERIES, m + d, r)
    return bent(m, m * t, 0.0) + d * by_d + r * by_r - change - total


@numba.njit(error_model="numpy", cache=True)
def digamma_fall(a, d, r):
    """``[psi(a + d) - psi(a)] - [psi(a + r + d) - psi(a + r)]`` for whole d."""
    total = 0.0
    while a < _LARGE:
        total += (d / (a + d) / a) * (r / (a + r)) * ((2.0 * a + r + d) / (a + r + d))
        a += 1.0
    m = a - 0.5
    change = _series_fall(_PSI_SERIES, m, r) - _series_fall(_PSI_SERIES, m + d, r)
    return total + math.log1p(d / m * (r / (m + r + d))) - change


@numba.njit(error_model="numpy", cache=True)
def _rest_of_gamma(a):
    """``lgamma(a) - a log a + a`` less the logarithm of its power, and that power."""
    if a < _gamma.SMALLEST:
        return math.lgamma(1.0 + a) - a * math.log(a) + a, a
    m = a - 0.5
    return m * math.log1p(-0.5 / a) + 0.5 + _gamma.sigma(m)[0] + 0.5 * math.log(_TWO_PI), math.sqrt(a)


@numba.njit(error_model="numpy", cache=True)
def _one_by_one(k, a, all_a, all_low):
    product, s = 1.0, 0.0
    value = 0.0
    for i in range(k.size):
        j = 0.0
        while j < k[i]:
            product *= (a[i] + j) / ((all_a + s) + all_low) * ((s + 1.0) / (j + 1.0))
            s, j = s + 1.0, j + 1.0
            if product < 1e-100:
                value += math.log(product)
                product = 1.0
    return value + math.log(product)


@numba.njit(error_model="numpy", cache=True)
def _at_once(k, n, a, all_a, all_low, top):
    everything = all_a + n
    c_a, power_a = _rest_of_gamma(all_a)
    c_n, power_n = _rest_of_gamma(n)
    c_all, power_all = _rest_of_gamma(everything)
    value, lost = c_a + c_n - c_all, 0.0
    for i in range(k.size):
        if k[i] > 0.0:
            own = a[i] + k[i]
            e = cross(all_a, all_low, k[i], 0.0, a[i], n, 0.0) / everything
            value, lost = plus(value, lost, bent(a[i], e, math.log(own / a[i] * (all_a / everything))))
            value, lost = plus(value, lost, bent(k[i], -e, math.log(own / k[i] * (n / everything))))
            c_i, power_i = _rest_of_gamma(a[i])
            c_k, power_k = _rest_of_gamma(k[i])
            c_own, power_own = _rest_of_gamma(own)
            power = power_i / power_own * (power_k / k[i])
            if i == top:
                power = power / power_a * power_all * (n / power_n)
            value, lost = plus(value, lost, math.log(power) + (c_own - c_i - c_k))
        else:
            share = math.log1p(-n / everything) if n < all_a else math.log(all_a / everything)
            value, lost = plus(value, lost, a[i] * share)
    return value + lost


@numba.njit(error_model="numpy", cache=True)
def _psi_rest(a):
    """``psi(a) - log a``."""
    if a < 1.0:
        return (math.log1p(a) - math.log(a)) + math.log1p(-0.5 / (a + 1.0)) + _gamma.sigma(a + 0.5)[1] - 1.0 / a
    return math.log1p(-0.5 / a) + _gamma.sigma(a - 0.5)[1]


@numba.njit(error_model="numpy", cache=True)
def _slope(k, n, a, all_a, all_low, rest):
    if k == 0.0:
        return -_gamma.digamma_difference(all_a, n)
    if a > 0.5 * all_a:
        return digamma_fall(a, k, rest) - _gamma.digamma_difference(all_a + k, n - k)
    if k <= 4.0 * a:
        return _gamma.digamma_difference(a, k) - _gamma.digamma_difference(all_a, n)
    everything, own = all_a + n, a + k
    t = cross(all_a, all_low, k, 0.0, a, n, 0.0) / everything / a
    share = math.log1p(t) if t > -0.5 else math.log(own / a * (all_a / everything))
    return share + (_psi_rest(own) - _psi_rest(a)) + (_psi_rest(all_a) - _psi_rest(everything))


@numba.njit(error_model="numpy", cache=True)
def _row(k, a, da):
    kind, top, big, positive = _shares.kind_of(k), 0, 0, 0
    all_a, all_low = 0.0, 0.0
    for i in range(a.size):
        if not 0.0 < a[i] < math.inf:
            kind = _shares.UNDEFINED
        all_a, all_low = plus(all_a, all_low, a[i])
        top = i if k[i] > k[top] else top
        big = i if a[i] > a[big] else big
        positive += 1 if k[i] > 0.0 else 0
    da[:] = math.nan if kind == _shares.UNDEFINED else 0.0
    if kind == _shares.UNDEFINED:
        return math.nan
    if kind == _shares.IMPOSSIBLE:
        return -math.inf
    if positive == 0 or a.size == 1:
        return 0.0
    all_a, all_low = settled(all_a, all_low)
    n, elsewhere = k.sum(), 0.0
    for i in range(a.size):
        elsewhere += a[i] if i != big else 0.0
    for i in range(a.size):
        rest = elsewhere if i == big else (all_a - a[i]) + all_low
        da[i] = _slope(k[i], n, a[i], all_a, all_low, rest)
    if positive == 1:
        return log_gamma_fall(a[top], n, elsewhere if top == big else (all_a - a[top]) + all_low)
    return _one_by_one(k, a, all_a, all_low) if n <= _FEW else _at_once(k, n, a, all_a, all_low, top)


@parallel
def _loop(g, k, a, value, da):
    for i in numba.prange(value.size):
        value[i] = _row(k[i], a[i], da[i])
        da[i] *= g[i]


@kernel_of(reference.log_prob)
def log_prob(k, alpha):
    return log_prob_value_and_vjp(1.0, k, alpha)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, alpha):
    return log_prob_value_and_vjp(g, k, alpha)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, alpha):
    return fused_rows(_loop, g, {"k": k, "alpha": alpha}, {}, without=("k",))
