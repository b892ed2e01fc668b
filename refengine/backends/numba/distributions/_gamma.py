"""The gamma and inverse gamma log densities, of which one is the other at 1/x, with their slopes to the concentration.

With ``m = a - 1/2`` (`refengine.backends.numba._gamma`), ``x f(x) = t^a e^-t / Gamma(a)`` has the logarithm

    m (log(1 + u) - u) + log(t / (2 pi)) / 2 - sigma(m),    u = (t - m) / m,

whose derivative to a is ``log(1 + u) - sigma'(m)``. A shape below 3/4 is raised by one; then ``m = a + 1/2`` and

    log (x f(x)) = a log(t / m) + log(a^2 / (2 pi m)) / 2 - (t - m) - sigma(m).

Where a quotient leaves the range of numbers, the definition is computed as it stands. A block of points goes through
the formulas in stages, each a loop without a branch but the last.
"""

from __future__ import annotations

import math

import numba

from refengine.backends.numba import _gamma

__all__: list[str] = []

BLOCK = 256
ROWS = 20  # of the workspace
TWO_PI = 2 * math.pi
_HALF_LOG_2PI = math.log(TWO_PI) / 2
_SMALL = 1e-290


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def plain(x):
    """Whether x > 0 is far from overflow and underflow."""
    return _SMALL < x < 1 / _SMALL


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def stages(sign, x, a, b, work):
    """Value and slopes as the first four rows of ``work``; the fifth is 1 where these hold, else 0.

    On entry the rows 5 to 7 are t, ``e = t - a`` and t / (2 pi x^2), for ``t = b x^sign``.
    """
    ok, t, e, factor, m, sigma, slope, raised = work[4], work[5], work[6], work[7], work[8], work[9], work[10], work[11]
    u, share, logs, rest = work[12:14], work[14:16], work[16:18], work[18:20]
    for i in range(x.size):
        low = a[i] < _gamma.SMALLEST
        m[i] = a[i] + 0.5 if low else a[i] - 0.5
        u[0, i] = (e[i] + (-0.5 if low else 0.5)) / m[i]
        share[0, i] = t[i] / m[i]
        raised[i] = 1.0 / a[i] if low else 0.0
        share[1, i] = factor[i] * (a[i] * a[i] / (t[i] * m[i]) if low else 1.0)
        u[1, i] = share[1, i] - 1.0
    for k in range(2):
        for i in range(x.size):
            logs[k, i], rest[k, i] = _gamma.log1p_parts(u[k, i], share[k, i])
    for i in range(x.size):
        sigma[i], slope[i] = _gamma.sigma(m[i])
    for i in range(x.size):
        near = m[i] * (rest[0, i] if abs(u[0, i]) <= 0.5 else logs[0, i] - u[0, i])
        main = a[i] * logs[0, i] - (e[i] - 0.5) if a[i] < _gamma.SMALLEST else near
        ok[i] = 1.0 if (a[i] > 0.0) & plain(x[i]) & plain(t[i]) & plain(share[0, i]) & plain(share[1, i]) else 0.0
        work[0, i] = main + (0.5 * logs[1, i] - sigma[i])
        work[1, i] = -(sign * e[i] + 1.0) / x[i]
        work[2, i] = (logs[0, i] - slope[i]) + raised[i]
        work[3, i] = -e[i] / b[i]


@numba.njit(error_model="numpy", cache=True)
def as_it_stands(sign, x, a, b, t, e, m, sigma, slope):
    """Value and slopes for positive, finite x and parameters."""
    log_t = math.log(t) if plain(t) else math.log(b) + sign * math.log(x)
    log_m = math.log(m)
    if a < _gamma.SMALLEST:
        log_factorial = m * (log_m - 1.0) + _HALF_LOG_2PI + sigma
        value, by_a = a * log_t - t - log_factorial + _gamma.log_quotient(a, x), log_t - log_m - slope + 1.0 / a
    else:
        log_share = log_t - log_m
        value = m * log_share - (e + 0.5) - sigma + (0.5 * log_t - _HALF_LOG_2PI) - math.log(x)
        by_a = log_share - slope
    return value, -(sign * e + 1.0) / x, by_a, -e / b


@numba.njit(error_model="numpy", cache=True)
def valid(a, b):
    """Whether both parameters are positive and finite."""
    return 0.0 < a < math.inf and 0.0 < b < math.inf


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def finish(g, work, value, dx, da, db):
    """One loop for each result: LLVM does not see that these arrays are apart."""
    for i in range(g.size):
        value[i] = work[0, i]
    for i in range(g.size):
        dx[i] = g[i] * work[1, i]
    for i in range(g.size):
        da[i] = g[i] * work[2, i]
    for i in range(g.size):
        db[i] = g[i] * work[3, i]
