"""The gamma and inverse gamma log densities, of which one is the other at 1/x, with their slopes to the concentration.

With ``m = a - 1/2`` (`refengine.backends.numba._gamma`), ``x f(x) = t^a e^-t / Gamma(a)`` has the logarithm

    m (log(1 + u) - u) + log(t / (2 pi)) / 2 - sigma(m),    u = (t - m) / m,

whose derivative to a is ``log(1 + u) - sigma'(m)``. A shape below 3/4 is raised by one and the definition computed as
it stands. A block of points goes through the formulas in stages, each a loop without a branch but the last.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends.numba import _gamma

__all__: list[str] = []

BLOCK = 512
TWO_PI = 2 * math.pi
_HALF_LOG_2PI = math.log(TWO_PI) / 2
_SMALL = 1e-290


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def plain(x):
    """Whether x > 0 is far from overflow and underflow."""
    return _SMALL < x < 1 / _SMALL


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def stages(t, e, factor, a, work):
    """Given t, ``e = t - a`` and factor = t / (2 pi x^2): logarithms and sigmas, as the rows of ``work``."""
    m, u, share, logs, rest = work[0:2], work[2:4], work[4:6], work[6:8], work[8:10]
    for i in range(t.size):
        low = a[i] < _gamma.SMALLEST
        m[0, i] = a[i] + 0.5 if low else a[i] - 0.5
        u[0, i] = (e[i] + (-0.5 if low else 0.5)) / m[0, i]
        share[0, i] = t[i] / m[0, i]
        u[1, i], share[1, i] = factor[i] - 1.0, factor[i]
    for i in range(t.size):
        logs[0, i], rest[0, i] = _gamma.log1p_parts(u[0, i], share[0, i])
    for i in range(t.size):
        logs[1, i], rest[1, i] = _gamma.log1p_parts(u[1, i], share[1, i])
    for i in range(t.size):
        work[10, i], work[11, i] = _gamma.sigma(m[0, i])


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def finish(t, e, factor, a, x, b, sign, work, i):
    """Value and slope to a, from the stages where all is plain; ``t = b x^sign``."""
    m, u, share, log_u, sigma, slope = work[0, i], work[2, i], work[4, i], work[6, i], work[10, i], work[11, i]
    if a >= _gamma.SMALLEST and plain(share) and plain(factor):
        near = work[8, i] if abs(u) <= 0.5 else log_u - u
        return m * near + 0.5 * work[7, i] - sigma, log_u - slope
    return _as_it_stands(t, e, a, x, b, sign, m, sigma, slope)


@numba.njit(error_model="numpy", cache=True)
def _as_it_stands(t, e, a, x, b, sign, m, sigma, slope):
    log_t = math.log(t) if plain(t) else math.log(b) + sign * math.log(x)
    if a < _gamma.SMALLEST:
        log_m = math.log(m)
        log_factorial = m * (log_m - 1.0) + _HALF_LOG_2PI + sigma
        return a * log_t - t - log_factorial + _gamma.log_quotient(a, x), log_t - log_m - slope + 1.0 / a
    log_share = log_t - math.log(m)
    value = m * log_share - (e + 0.5) - sigma + (0.5 * log_t - _HALF_LOG_2PI) - math.log(x)
    return value, log_share - slope


@numba.njit(error_model="numpy", cache=True)
def valid(a, b):
    """Whether both parameters are positive and finite."""
    return 0.0 < a < math.inf and 0.0 < b < math.inf


@numba.njit(error_model="numpy", cache=True)
def workspace():
    """For t, e and the factor, and for the stages."""
    return np.empty((3, BLOCK)), np.empty((12, BLOCK))
