"""Value and gradients of Student's log density in one pass.

With ``y = df/2`` and ``m = y - 1/4`` the ratio of gammas is centred, ``Gamma(y + 1/2) / Gamma(y) = sqrt(m) exp(s(m))``,
where s is a series in 1/m^2 (NIST DLMF 5.11.8 at h = 1/4 and 3/4). Small y are raised by 12,
``Gamma(y + 1/2) / Gamma(y) = prod_k (y + k) / (y + k + 1/2) * Gamma(y + n + 1/2) / Gamma(y + n)``. Its logarithm
and those of the scale and of df stand under one logarithm. The derivative to y, less 1/(2y), is

    sum_k 1 / (4 (y + k) (y + k + 1/2) (y + k + 1)) + 1 / (8 m (m + 1/4)) + s'(m),

which has no negative term but the small s'.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import student_t as reference
from refengine.distributions.student_t import *

_RAISED = 12
# 2 B_k(1/4) / (k (k-1)) for k = 3, 5, ..., 17
_C1, _C2, _C3, _C4 = 1 / 64, -5 / 2048, 61 / 49152, -1385 / 1048576
_C5, _C6, _C7, _C8 = 50521 / 20971520, -2702765 / 402653184, 199360981 / 7516192768, -19391512145 / 137438953472
_SMALL, _LARGE = 1e-280, 1e280


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def _series(m):
    """s(m) and s'(m)."""
    r = 1.0 / m
    t = r * r
    value = t * (_C1 + t * (_C2 + t * (_C3 + t * (_C4 + t * (_C5 + t * (_C6 + t * (_C7 + t * _C8)))))))
    slope = 10.0 * _C5 + t * (12.0 * _C6 + t * (14.0 * _C7 + t * (16.0 * _C8)))
    slope = 2.0 * _C1 + t * (4.0 * _C2 + t * (6.0 * _C3 + t * (8.0 * _C4 + t * slope)))
    return value, -r * t * slope


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def _normaliser(df):
    """The factor ``(Gamma(y + 1/2) / Gamma(y))^2 / y`` but for exp(2 s), s, and the derivative to y of half its log."""
    y = 0.5 * df
    above, below, number, total = 1.0, 1.0, 0.0, 1.0
    if y < _RAISED:
        for k in range(_RAISED):
            a, b = y + k, y + k + 0.5
            above *= a
            below *= b
            term = a * b * (a + 1.0)
            number = number * term + total
            total *= term
        above /= below
        y += _RAISED
    m = y - 0.25
    s, slope = _series(m)
    return above * above * m / (0.5 * df), s, 0.25 * number / total + (0.125 / m / y + slope)


@numba.njit(error_model="numpy", cache=True)
def _log_lead(square, d, scale, df, outer):
    """Half the logarithm of the first factor over 2 pi and over scale^2 or (x - loc)^2 / df, where it is not plain."""
    over = math.log(d) - 0.5 * math.log(df) if outer else math.log(scale)
    return 0.5 * math.log(square / (2 * math.pi)) - over


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def _pointwise(x, df, loc, scale):
    if not (0.0 < df < math.inf and 0.0 < scale < math.inf and abs(loc) < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if abs(x) == math.inf:
        return -math.inf, 0.0, 0.0, 0.0
    square, s, slope = _normaliser(df)
    d = x - loc
    z = d / scale
    q = z * z / df
    under = 1.0 / (1.0 + q)
    outer = q > 1.0
    share = 1.0 - under if outer else q * under
    lead = square / (2 * math.pi) / (d * d / df if outer else scale * scale)
    plain = _SMALL < lead < _LARGE and q < _LARGE
    log_lead = 0.5 * math.log(lead) if plain else _log_lead(square, abs(d), scale, df, outer)
    if q < 1.0:
        log_q = math.log1p(q)
        value = log_lead - 0.5 * (df + 1.0) * log_q
    else:
        log_q = math.log1p(q) if q < _LARGE else 2.0 * (math.log(abs(d)) - math.log(scale)) - math.log(df)
        value = log_lead - 0.5 * df * log_q - 0.5 * math.log1p(1.0 / q)
    curve = _gamma.log1p_minus(-share) if share <= 0.5 else share - log_q
    by_x = -(df + 1.0) * share / d if outer else -((df + 1.0) / df) * (z / scale) * under
    by_scale = ((df * share if outer else z * z * under) - under) / scale
    return value + s, by_x, 0.5 * (slope + (curve + share / df)), by_scale


@parallel
def _loop(g, x, df, loc, scale, value, dx, ddf, dloc, dscale):
    for i in numba.prange(x.size):
        value[i], by_x, by_df, by_scale = _pointwise(x[i], df[i], loc[i], scale[i])
        dx[i], ddf[i], dloc[i], dscale[i] = g[i] * by_x, g[i] * by_df, -g[i] * by_x, g[i] * by_scale


@kernel_of(reference.log_prob)
def log_prob(x, df, loc, scale):
    return log_prob_value_and_vjp(1.0, x, df, loc, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, df, loc, scale):
    return log_prob_value_and_vjp(g, x, df, loc, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, df, loc, scale):
    return fused(_loop, ("x", "df", "loc", "scale"), g, x=x, df=df, loc=loc, scale=scale)
