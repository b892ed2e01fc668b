"""Value and gradients of Student's log density in one pass.

With ``y = df/2`` and ``m = y - 1/4`` the ratio of gammas is centred, ``Gamma(y + 1/2) / Gamma(y) = sqrt(m) exp(s(m))``
(NIST DLMF 5.11.8 at h = 1/4 and 3/4); s and the derivative to y of the ratio's logarithm, less 1/(2y), are quotients
of polynomials (`refengine.backends.numba._polynomials`). A y below 1 is raised by one: the ratio falls by y / (y + 1/2)
and the derivative grows by 1 / (4 y (y + 1/2) (y + 1)). With ``z = (x - loc) / scale`` and ``q = z^2 / df``

    log f = log(Gamma(y + 1/2)^2 / Gamma(y)^2 / (2 pi y)) / 2 - log(scale) - (df + 1) log(1 + q) / 2,

where for large q ``scale sqrt(q)``, which is ``|x - loc| / sqrt(df)``, takes the place of scale.

A block of points goes through the formulas in stages, as in the kernel of the gamma density.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma, _polynomials
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import student_t as reference
from refengine.distributions.student_t import *

_OVER_TWO_PI = 0.5 / math.pi
_SMALL, _LARGE = 1e-280, 1e280
_FAR = 2.0  # from this q on, the value stands on log(1 + 1/q)
_BLOCK = 256


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def _half_step(y):
    """``(Gamma(y + 1/2) / Gamma(y))^2`` but for a factor exp(2 s), that s, and half of the derivative."""
    low = y < 1.0
    raised = y + 1.0 if low else y
    m = raised - 0.25
    r = 1.0 / m
    s = r * (r * (_polynomials.half_step_above(r) / _polynomials.half_step_below(r)))
    slope = r * (r * (_polynomials.half_step_slope_above(r) / _polynomials.half_step_slope_below(r)))
    over = 1.0 / (y + 0.5)
    ratio = y * over
    square = ratio * ratio * m if low else m
    return square, s, 0.5 * slope + (0.125 * over / (y * raised) if low else 0.0)


@numba.njit(error_model="numpy", cache=True)
def _by_one(x, df, loc, scale, square, s, slope):
    """Value and slopes where x or a parameter is outside its domain, or a quotient leaves the range of numbers."""
    if not (0.0 < df < math.inf and 0.0 < scale < math.inf and abs(loc) < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if abs(x) == math.inf:
        return -math.inf, 0.0, 0.0, 0.0
    d = x - loc
    z = d / scale
    q = z * (z / df)
    lead = (
        0.5 * math.log(square * _OVER_TWO_PI / (0.5 * df)) if square > 1e-300 else 0.5 * math.log(0.75 * df / math.pi)
    )
    if q < 1.0:
        share = q / (1.0 + q)
        log_q = math.log1p(q)
        value = lead - math.log(scale) - 0.5 * (df + 1.0) * log_q
        curve = _gamma.log1p_minus(-share)
        by_x = -((df + 1.0) / df) * (z / scale) / (1.0 + q)
        by_scale = (z * z / (1.0 + q) - 1.0 / (1.0 + q)) / scale
    else:
        log_d = math.log(abs(d))
        share = 1.0 - 1.0 / (1.0 + q)
        log_q = math.log1p(q) if q < _LARGE else 2.0 * math.log(abs(z)) - math.log(df)
        if math.isinf(z):
            log_q = 2.0 * (log_d - math.log(scale)) - math.log(df)
        value = lead - (log_d - 0.5 * math.log(df)) - 0.5 * df * log_q - 0.5 * math.log1p(1.0 / q)
        curve = share - log_q
        by_x = -(df + 1.0) * share / d
        by_scale = (df * share - 1.0 / (1.0 + q)) / scale
    return value + s, by_x, slope + 0.5 * (curve + share / df), by_scale


@numba.njit(error_model="numpy", cache=True)
def _block(g, x, df, loc, scale, value, dx, ddf, dloc, dscale):
    """A block of points in stages: all but one are loops without a branch, which run on the vector unit."""
    size = x.size
    work = np.empty((21, _BLOCK))  # one array of fixed shape, so that LLVM sees that its rows are apart
    found, by_x, by_df, by_scale, ok = work[0], work[1], work[2], work[3], work[4]
    square, s, slope, d, z, q, under = work[5], work[6], work[7], work[8], work[9], work[10], work[11]
    t, share, logs, rest = work[12:14], work[14:16], work[16:18], work[18:20]
    bent = work[20]
    for i in range(size):
        square[i], s[i], slope[i] = _half_step(0.5 * df[i])
    for i in range(size):
        d[i] = x[i] - loc[i]
        z[i] = d[i] / scale[i]
        q[i] = z[i] * (z[i] / df[i])
        under[i] = 1.0 / (1.0 + q[i])
        # scale^2 df / 2, or (x - loc)^2 / 2 from where q is large on
        spread = d[i] * d[i] if q[i] > _FAR else scale[i] * scale[i] * df[i]
        lead = square[i] * (2.0 * _OVER_TWO_PI) / spread
        t[0, i], share[0, i] = q[i], 1.0 + q[i]
        t[1, i], share[1, i] = lead - 1.0, lead
        plain = (_SMALL < lead) & (lead < _LARGE) & (q[i] < _LARGE) & (_SMALL < spread) & (spread < _LARGE)
        known = (0.0 < df[i]) & (df[i] < math.inf) & (0.0 < scale[i])
        ok[i] = 1.0 if plain & known & (square[i] > _SMALL) else 0.0
    for k in range(2):
        for i in range(size):
            logs[k, i], rest[k, i] = _gamma.log1p_parts(t[k, i], share[k, i])
    for i in range(size):
        near = min(q[i] * under[i], 0.5)
        bent[i] = _gamma.log1p_minus(under[i] / (1.0 - under[i]) if q[i] > _FAR else -near)  # log(1 + t) - t for this t
    for i in range(size):
        n = df[i]
        far, outer = q[i] > _FAR, q[i] > 1.0
        part = 1.0 - under[i] if outer else q[i] * under[i]  # q / (1 + q)
        inverse = under[i] / part  # 1/q
        tail = n * logs[0, i] + (bent[i] + inverse) if far else (n + 1.0) * logs[0, i]
        found[i] = 0.5 * (logs[1, i] - tail) + s[i]
        curve = part - logs[0, i] if outer else bent[i]
        by_df[i] = slope[i] + 0.5 * (curve + part / n)
        by_x[i] = -(n + 1.0) * part / d[i] if outer else -((n + 1.0) / n) * (z[i] / scale[i]) * under[i]
        by_scale[i] = ((n * part if outer else z[i] * z[i] * under[i]) - under[i]) / scale[i]
    for i in range(size):
        if ok[i] == 0.0:
            one = _by_one(x[i], df[i], loc[i], scale[i], square[i], s[i], slope[i])
            found[i], by_x[i], by_df[i], by_scale[i] = one
    for i in range(size):  # one loop for each result: LLVM does not see that these arrays are apart
        value[i] = found[i]
    for i in range(size):
        dx[i] = g[i] * by_x[i]
    for i in range(size):
        dloc[i] = -g[i] * by_x[i]
    for i in range(size):
        ddf[i] = g[i] * by_df[i]
    for i in range(size):
        dscale[i] = g[i] * by_scale[i]


@parallel
def _loop(g, x, df, loc, scale, value, dx, ddf, dloc, dscale):
    for k in numba.prange((x.size + _BLOCK - 1) // _BLOCK):
        i = slice(k * _BLOCK, (k + 1) * _BLOCK)
        _block(g[i], x[i], df[i], loc[i], scale[i], value[i], dx[i], ddf[i], dloc[i], dscale[i])


@kernel_of(reference.log_prob)
def log_prob(x, df, loc, scale):
    return log_prob_value_and_vjp(1.0, x, df, loc, scale)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, df, loc, scale):
    return log_prob_value_and_vjp(g, x, df, loc, scale)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, df, loc, scale):
    return fused(_loop, ("x", "df", "loc", "scale"), g, x=x, df=df, loc=loc, scale=scale)
