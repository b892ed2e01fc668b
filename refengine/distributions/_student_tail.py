r"""Tail probabilities and quantiles of Student's t distribution with their slopes.

For z > 0 the tail is :math:`T = \tfrac12 I_X(\nu/2, \tfrac12)` with :math:`X = 1/(1+q), q = z^2/\nu`. Its derivative to
the degrees of freedom is :math:`\partial_\nu T = -f K`, f the density and s its score to nu, which is positive up to
one point and negative beyond:

.. math:: f K = \int_0^z s f \, dt = -\int_z^\infty s f \, dt

The side of z on which s keeps its sign is integrated, over w in :math:`t = \sqrt\nu \sinh w` where the density is
:math:`\cosh^{-\nu-1} w`, up to where it has fallen by :math:`e^{-44}`, by 32 Gauss-Legendre points. For few degrees of
freedom, where that takes too many points and nothing cancels, it is the derivative of the incomplete beta function.
"""

from __future__ import annotations

from functools import partial
from math import log, pi
from typing import Any

from refengine.distributions import _student
from refengine.distributions._location_scale import slopes, standardised, valid
from refengine.distributions._pointwise import flat, positive
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._incomplete import Incomplete, incomplete_beta
from refengine.special._incomplete_inverse import beta_quantile
from refengine.special._saddle_point import log1p_minus

_DEPTH = 44.0  # exp(-44), with the growth of the score, is below the round-off
_FAR, _LEAST = 1e140, 1e-290  # of z / sqrt(df); of X
_INNER, _OUTER = 0.2, 8.0  # fewer degrees of freedom are left to the incomplete beta function


def probability(
    xp: Any, x: Array, df: Array, loc: Array, scale: Array, *, upper: bool, in_log: bool, sloped: bool = True
) -> tuple[Array, ...]:
    """Value and slopes of the probability of at most x, or of more, or of its logarithm."""
    defined, beyond = positive(xp, df) & valid(xp, loc, scale), xp.isinf(x)
    df, scale = xp.where(defined, df, 1.0), xp.where(defined, scale, 1.0)
    side = 1.0 if upper else -1.0
    d = side * standardised(xp, xp.where(beyond, loc, x), loc, scale)
    z, out = xp.abs(d), d > 0
    near, times, lag = _nearer(xp, z, df)
    defined = defined & (times < xp.inf)
    found = _incomplete(xp, near, df)
    fall = xp.exp(-df * lag)
    tail = found.lower / 2 * fall
    chance = xp.where(out, tail, 1 - tail)
    value = xp.where(out, found.log_lower - log(2) - df * lag, xp.log1p(-tail)) if in_log else chance
    empty = beyond & (side * x > 0)
    ends = xp.where(empty, xp.asarray(-xp.inf if in_log else 0.0), 0.0 if in_log else 1.0)
    if not sloped:
        return defined, xp.where(beyond, ends, value)
    head, rest = _density(xp, near, df)
    rate, shift, sign = 2 * found.lower_rate, _shift(xp, near, df, found), xp.sign(d)  # the rate is z f / T
    part = tail
    if in_log:
        steep = out & (z > 1)
        head, rest = xp.where(steep, rate / near, head / chance), xp.where(steep, 1.0, rest)
        part = xp.where(out, 1.0, tail / chance)
    by_x, z_by_x = slopes(xp, (-side * head, rest), side * d, scale)
    by_df = -sign * (head * shift * rest)
    far = lag > 0
    by_x = xp.where(far, -side * part * rate / z / scale, by_x)
    z_by_x = xp.where(far, -sign * part * rate / scale, z_by_x)
    by_df = xp.where(far, -sign * part * (rate / near * shift + lag), by_df)
    return defined, *flat(xp, beyond, ends, (value, by_x, by_df, -by_x, -z_by_x))


def quantile(xp: Any, u: Array, df: Array, loc: Array, scale: Array, *, sloped: bool = True) -> tuple[Array, ...]:
    """Value and slopes of the point with probability u of at most it."""
    defined = positive(xp, df) & valid(xp, loc, scale) & (u >= 0) & (u <= 1)
    df, v = xp.where(defined, df, 1.0), xp.where(defined, u, 0.5)
    low, sign = xp.minimum(v, 1 - v), xp.sign(v - 0.5)
    share, rest = beta_quantile(xp, df / 2, xp.asarray(0.5), 2 * low, 1 - 2 * low)
    z = xp.where(low == 0, xp.inf, xp.sqrt(df) * xp.sqrt(rest) / xp.sqrt(share))
    near, _, lag = _nearer(xp, xp.where(share > _LEAST, z, xp.inf), df)
    found = _incomplete(xp, near, df)
    lag = xp.where(lag > 0, xp.maximum(found.log_lower - log(2) - xp.log(low), xp.asarray(0.0)) / df, 0.0)
    z = xp.where((low > 0) & (lag > 0), near * xp.exp(lag), z)
    place = xp.where(z == 0, 0.0, sign * z)
    value = loc + scale * place
    if not sloped:
        return defined, value
    head, rest = _density(xp, near, df)
    shift = _shift(xp, near, df, found)
    shift = xp.where(lag > 0, xp.exp(lag) * (shift + near / found.lower_rate / 2 * lag), shift)
    # the tail is known exactly, and its rate hardly depends on how the quantile was rounded
    by_u = xp.where(z > 1, scale / (2 * found.lower_rate / z) / low, scale / head / rest)
    by_df = xp.where(low == 0, -place, -sign * scale * shift)
    return defined, value, xp.where(low == 0, xp.inf, by_u), by_df, 1.0 + 0 * low, place


cdf, sf, log_cdf, log_sf = (
    partial(probability, upper=upper, in_log=in_log) for in_log in (False, True) for upper in (False, True)
)


def _nearer(xp: Any, z: Array, df: Array) -> tuple[Array, Array, Array]:
    """A point beyond which T is a power of z, or z where that is nearer; by what it is less, and the logarithm."""
    near = xp.minimum(z, _FAR * xp.sqrt(df))
    times = xp.where(z > near, z / near, 1.0)
    return near, times, xp.log(times)


def _incomplete(xp: Any, z: Array, df: Array) -> Incomplete:
    q = (z / xp.sqrt(df)) ** 2
    return incomplete_beta(xp, df / 2, xp.asarray(0.5), 1 / (1 + q), _share(xp, q))


def _share(xp: Any, q: Array) -> Array:
    """``q / (1 + q)``."""
    return xp.where(q > 1, 1 / (1 + 1 / q), q / (1 + q))


def _density(xp: Any, z: Array, df: Array) -> tuple[Array, Array]:
    """Two factors of the standard density."""
    product, top = _student.product(xp, df / 2)
    q = (z / xp.sqrt(df)) ** 2
    root = xp.exp(-df / 4 * xp.log1p(q))
    return xp.exp(_student.rest(xp, top)) / xp.sqrt(2 * pi * product * (1 + q)) * root, root


def _shift(xp: Any, z: Array, df: Array, found: Incomplete) -> Array:
    """K: how fast z falls with the degrees of freedom at a fixed probability."""
    slope, _ = _student.slope(xp, df / 2)
    size = xp.sqrt(df)
    r = z / size
    inner = _score(xp, df, slope, r) > 0
    start, rise = xp.where(inner, 0.0, r), xp.where(inner, 0.0, xp.sqrt(_share(xp, r * r)))
    fall = xp.expm1(_DEPTH / df)
    fall = fall * (2 + fall) / (xp.sqrt(rise * rise + fall * (2 + fall)) + rise) + fall
    length = xp.where(inner, xp.asinh(r), xp.log1p(fall / (1 + rise)))
    high = xp.hypot(xp.asarray(1.0), start)
    total = 0.0 * r
    for t, share in zip(POINTS, WEIGHTS, strict=True):
        w = t * length
        sinh, half = xp.sinh(w), xp.sinh(w / 2)
        growth = 2 * half * half
        point = start * (1 + growth) + high * sinh
        density = xp.exp(-df * xp.log1p(growth + rise * sinh))
        total = total + share * density * xp.abs(_score(xp, df, slope, point))
    lift = xp.where(inner, xp.exp((df + 1) / 2 * xp.log1p(r * r)), high)
    few = df < xp.where(inner, xp.asarray(_INNER), _OUTER)
    return xp.where(few, -z * (found.drifts[0] / 2 + 1 / df) / 2, size * length * lift * total)


def _score(xp: Any, df: Array, slope: Array, r: Array) -> Array:
    """The derivative of the log density to the degrees of freedom at ``r = z / sqrt(df)``."""
    q = r * r
    share = _share(xp, q)
    curve = xp.where(share <= 0.5, log1p_minus(xp, -share), share - xp.log1p(q))
    return (slope + (curve + share / df)) / 2
