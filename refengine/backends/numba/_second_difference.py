"""Second differences of lgamma and digamma for scalars, in centred form (`refengine.backends.numba._gamma`).

With ``m = x - 1/2`` and the four points 1/m, 1/(m+n), 1/(m+a), 1/(m+n+a), the difference of a polynomial in them is
written with divided differences: every subtraction has been done on paper.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends.numba import _gamma

__all__: list[str] = []

_LARGE = 11.0
# lgamma(m + 1/2) = m log m - m + log(2 pi)/2 + the sum of these times r, r^2, ... for r = 1/m
_LGAMMA_SERIES = np.zeros(2 * len(_gamma._CENTRED))
_LGAMMA_SERIES[1::2] = _gamma._CENTRED / (2 * np.arange(1, len(_gamma._CENTRED) + 1) - 1)


@numba.njit(error_model="numpy", cache=True)
def _second_divided(coefficients, r, q, s):
    """``p[r, q, s]`` for the polynomial p, by Horner's scheme."""
    value, first, second = 0.0, 0.0, 0.0
    for k in range(len(coefficients) - 1, -1, -1):
        second = second * s + first
        first = first * q + value
        value = value * r + coefficients[k]
    return second


@numba.njit(error_model="numpy", cache=True)
def _of_series(coefficients, m, n, a):
    """``p(1/m) - p(1/(m+n)) - p(1/(m+a)) + p(1/(m+n+a))``."""
    r, r_n, r_a, r_na = 1.0 / m, 1.0 / (m + n), 1.0 / (m + a), 1.0 / (m + n + a)
    by_n, by_a = n * r_n, a * r_a
    both = by_n * by_a * (r + r_na)
    slope = by_a * r * _second_divided(coefficients, r, r_n, r_a)
    slope += by_a * (m + a) / (m + n) * r_na * _second_divided(coefficients, r_n, r_a, r_na)
    return both * _gamma.divided_difference(coefficients, r, r_n) + n * r_a * r_na * slope


@numba.njit(error_model="numpy", cache=True)
def lgamma_difference(x, n, a):
    """``log(Gamma(x) Gamma(x+n+a) / (Gamma(x+n) Gamma(x+a)))`` for x > 0 and n, a >= 0."""
    total = 0.0
    while x < _LARGE:
        step = (a / x) * (n / (x + n + a))
        total += math.log1p(step) if step < 1e290 else math.log(a) - math.log(x) + math.log(n / (x + n + a))
        x += 1.0
    m = x - 0.5
    step, s, t = (a / m) * (n / (m + n + a)), a / (m + n), n / (m + a)
    if max(step, s, t) <= 0.5:
        main = n * _gamma.log1p_minus(s) + a * _gamma.log1p_minus(t) - m * _gamma.log1p_minus(step)
        main += n * (a / (m + a) + s * (a / (m + n + a))) if n > a else a * (n / (m + n) + t * (n / (m + n + a)))
    else:
        main = n * math.log1p(s) + a * math.log1p(t) - m * math.log1p(step)
    return total + (main + _of_series(_LGAMMA_SERIES, m, n, a))


@numba.njit(error_model="numpy", cache=True)
def digamma_fall(x, n, a):
    """``psi(x+n) + psi(x+a) - psi(x) - psi(x+n+a)`` for x > 0 and n, a >= 0."""
    total = 0.0
    while x < _LARGE:
        total += (n / (x + n)) * (a / (x + a)) * (1.0 / x + 1.0 / (x + n + a))
        x += 1.0
    m = x - 0.5
    return total + (math.log1p((a / m) * (n / (m + n + a))) - _of_series(_gamma._DIGAMMA_SERIES, m, n, a))
