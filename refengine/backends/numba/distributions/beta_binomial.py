"""Value and gradients of the beta-binomial log probability in one pass.

Bayes: the marginal probability is likelihood times prior over posterior, at any x. At the posterior mean,
x = (k+a) / (n+a+b), all three are near their modes: with the binomial and beta densities in centred form (see the
kernels of those) and ``m = k + 1/2`` or ``a - 1/2``, each is ``m (A - t) + m' (B - t')``, half the logarithm of a
factor, and sigmas. The factors are multiplied before one logarithm is taken. Counts 0 and n are a second difference of
lgamma.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma, _second_difference
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import beta_binomial as reference
from refengine.distributions.beta_binomial import *

_TWO_PI = 2 * math.pi


@numba.njit(error_model="numpy", cache=True)
def _binomial(x, y, m_k, m_r, m_n, excess):
    """Likelihood but for sigmas: a sum, and the factor under the square root; ``excess`` is m_r t_r."""
    t_k, t_r = (-0.5 - excess) / m_k, excess / m_r
    if m_n >= 8.0 and abs(t_k) <= 0.5 and abs(t_r) <= 0.5:
        return m_k * _gamma.log1p_minus(t_k) + m_r * _gamma.log1p_minus(t_r), 1.0 / (x * y) / m_n / _TWO_PI
    left, right = _gamma.log_share(t_k, x, m_n / m_k), _gamma.log_share(t_r, y, m_n / m_r)
    return (m_k - 0.5) * left + (m_r - 0.5) * right + 0.5, m_n / m_k / m_r / _TWO_PI


@numba.njit(error_model="numpy", cache=True)
def _beta(x, y, m_a, m_b, m_c, excess):
    """Prior or posterior but for sigmas; ``excess`` is m_b t_b."""
    t_a, t_b = (0.5 - excess) / m_a, excess / m_b
    if abs(t_a) <= 0.5 and abs(t_b) <= 0.5:
        return m_a * _gamma.log1p_minus(t_a) + m_b * _gamma.log1p_minus(t_b), m_c / (x * y) / _TWO_PI
    left, right = _gamma.log_share(t_a, x, m_c / m_a), _gamma.log_share(t_b, y, m_c / m_b)
    return (m_a - 0.5) * left + (m_b - 0.5) * right - 0.5, (m_c / m_a) * (m_c / m_b) * (m_c / _TWO_PI)


@numba.njit(error_model="numpy", cache=True)
def _cross(a, r, b, k):
    """``a r - b k``, rounded about once."""
    high, low = _gamma.two_product(a, r)
    other, rest = _gamma.two_product(b, k)
    return (high - other) + (low - rest)


@numba.njit(error_model="numpy", cache=True)
def _inner(k, r, a, b):
    """The value for 0 < k < n."""
    n, total = k + r, k + r + (a + b)
    x, y, e = (k + a) / total, (r + b) / total, _cross(a, r, b, k) / total
    likelihood, factor = _binomial(x, y, k + 0.5, r + 0.5, n + 0.5, -e - 0.5 * x)
    posterior, divisor = _beta(x, y, k + a - 0.5, r + b - 0.5, total - 0.5, 0.5 * x)
    p, q, s, excess, raised = a, b, a + b, e + 0.5 * x, 0.0
    if a < _gamma.SMALLEST:
        raised += _gamma.log_quotient(a, a + b) - math.log(x)
        p, s, excess = a + 1.0, p + 1.0 + b, excess + y
    if b < _gamma.SMALLEST:
        raised += _gamma.log_quotient(b, p + b) - math.log(y)
        q, s, excess = b + 1.0, p + 1.0 + b, excess - x
    prior, other = _beta(x, y, p - 0.5, q - 0.5, s - 0.5, excess)
    sigmas = _gamma.sigma(n + 0.5)[0] - _gamma.sigma(k + 0.5)[0] - _gamma.sigma(r + 0.5)[0]
    sigmas += _gamma.sigma(s - 0.5)[0] - _gamma.sigma(p - 0.5)[0] - _gamma.sigma(q - 0.5)[0]
    sigmas -= _gamma.sigma(total - 0.5)[0] - _gamma.sigma(k + a - 0.5)[0] - _gamma.sigma(r + b - 0.5)[0]
    return (likelihood + (prior - posterior)) + 0.5 * math.log(factor * (other / divisor)) + sigmas + raised


@numba.njit(error_model="numpy", cache=True)
def _beyond_log(x, d):
    """``psi(x+d) - psi(x) - log((x+d)/x)`` for x >= 3/4."""
    total, y = 0.0, x
    while y < 10.0:
        total += d / (y + d) / y
        y += 1.0
    m = y - 0.5
    share = (m + d) / (x + d) * (x / m)
    total += math.log1p((x - m) * d / m / (x + d)) if share > 0.5 else math.log(share)
    return total - d / m / (m + d) * _gamma.divided_difference(_gamma._DIGAMMA_SERIES, 1.0 / m, 1.0 / (m + d))


@numba.njit(error_model="numpy", cache=True)
def _slope(k, r, a, b):
    """The derivative to a for n > 0."""
    n, s, head = k + r, a + b, 0.0
    if k == 0.0:
        return -_gamma.digamma_difference(s, n)
    if b <= a or r == 0.0:
        return _second_difference.digamma_fall(a, n, b) - _gamma.digamma_difference(k + a, r)
    if a < _gamma.SMALLEST:
        head, a, s, k, n = b / s / a, a + 1.0, s + 1.0, k - 1.0, n - 1.0
        t = (k * s - a * n) / (n + s) / a
    else:
        t = -_cross(a, r, b, k) / (n + s) / a
    ratio = math.log1p(t) if t > -0.5 else math.log((k + a) / (n + s) * (s / a))
    return head + (ratio + (_beyond_log(a, k) - _beyond_log(s, n)))


@numba.njit(error_model="numpy", cache=True)
def _pointwise(k, n, a, b):
    shapes = 0.0 < a < math.inf and 0.0 < b < math.inf
    if not (shapes and 0.0 <= n < math.inf and math.floor(n) == n) or math.isnan(k):
        return math.nan, math.nan, math.nan
    if not 0.0 <= k <= n or math.floor(k) != k:
        return -math.inf, 0.0, 0.0
    if n == 0.0:
        return 0.0, 0.0, 0.0
    r = n - k
    if k == 0.0:
        value = -_second_difference.lgamma_difference(b, n, a)
    elif r == 0.0:
        value = -_second_difference.lgamma_difference(a, n, b)
    else:
        value = _inner(k, r, a, b)
    return value, _slope(k, r, a, b), _slope(r, k, b, a)


@parallel
def _loop(g, k, n, a, b, value, da, db):
    for i in numba.prange(a.size):
        value[i], by_a, by_b = _pointwise(k[i], n[i], a[i], b[i])
        da[i], db[i] = g[i] * by_a, g[i] * by_b


@kernel_of(reference.log_prob)
def log_prob(k, n, a, b):
    return log_prob_value_and_vjp(1.0, k, n, a, b)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, k, n, a, b):
    return log_prob_value_and_vjp(g, k, n, a, b)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, k, n, a, b):
    return fused(_loop, ("a", "b"), g, k=k, n=n, a=a, b=b)
