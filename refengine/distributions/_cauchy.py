r"""The Cauchy distribution in its deviation ``d = x - loc`` and its scale s, of which either may be the smaller by far.

With :math:`w = s/d` the density is :math:`s / (\pi (d^2 + s^2)) = w / (\pi d (1 + w^2))`: beyond one scale from the
location, where z = d/s may overflow, the functions here are of w.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

from refengine.distributions._location_scale import standardised
from refengine.domains import Array
from refengine.special._saddle_point import log_quotient

_SMALL, _LARGE = 1e-290, 1e290
_TINY, _FAR, _UP = 2.0**-900, 2.0**-800, 2.0**100


def log_density(xp: Any, x: Array, loc: Array, scale: Array) -> Array:
    """One logarithm of the inverse density where that is a normal number: those of its factors may cancel."""
    z, half = standardised(xp, x, loc, scale), x / 2 - loc / 2
    d = xp.abs(xp.where(xp.isinf(x - loc), half, x - loc))
    far = xp.abs(z) > 1e150
    inverse = xp.where(far, d / scale * d, scale * (1 + z * z)) * pi
    logs = xp.where(far, 2 * xp.log(d) - xp.log(scale), xp.log(scale) + xp.log1p(z * z)) + log(pi)
    fits = (inverse > _SMALL) & (inverse < _LARGE) & (d < xp.inf) & ~xp.isinf(x - loc)
    value = -xp.where(fits, xp.log(xp.where(fits, inverse, 1.0)), logs)
    return xp.where(xp.isinf(x - loc) & far, value - 2 * log(2), value)


def log_density_slopes(xp: Any, x: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """The derivatives to x and to the scale."""
    z, half, far = _deviation(xp, x, loc, scale)
    w = scale / half / 2
    dx = xp.where(far, -1 / (half * (1 + w * w)), -2 * z / (1 + z * z) / scale)
    dscale = xp.where(far, (1 - w * w) / (1 + w * w), (z * z - 1) / (z * z + 1)) / scale
    return dx, dscale


def tail(xp: Any, x: Array, loc: Array, scale: Array, side: int) -> Array:
    """The probability below x (side -1) or above it (side 1): the angle under which the scale is seen from there."""
    big = xp.isinf(x - loc)
    d = xp.where(big, x / 2 - loc / 2, x - loc)
    return xp.atan2(xp.where(big, scale / 2, scale), side * d) / pi


def log_tail(xp: Any, x: Array, loc: Array, scale: Array, side: int) -> Array:
    """The logarithm of `tail`: of its ratio where that is small, of its complement where it is nearly 1."""
    z, half, _ = _deviation(xp, x, loc, scale)
    tiny = side * z > 1e10
    ratio = log_quotient(xp, scale, xp.where(tiny, xp.abs(half), 1.0), xp.ones_like(z)) - log(2 * pi)
    value = xp.where(side * z > 0, xp.log(tail(xp, x, loc, scale, side)), xp.log1p(-tail(xp, x, loc, scale, -side)))
    return xp.where(tiny, ratio, value)


def rates(xp: Any, x: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """The density at x and z times it."""
    z, half, far = _deviation(xp, x, loc, scale)
    tiny = (scale < _TINY) & (xp.abs(half) > _FAR)  # the quotient of the two is subnormal
    t, up = xp.where(tiny, scale * _UP, scale), xp.where(tiny, xp.asarray(_UP), 1.0)
    w = scale / half / 2
    density = xp.where(far, t / half / half / 4 / (1 + w * w) / up, 1 / (1 + z * z) / scale) / pi
    return density, xp.where(far, 1 / (half * (1 + w * w)) / 2, z / (1 + z * z) / scale) / pi


def log_tail_rates(xp: Any, x: Array, loc: Array, scale: Array, side: int) -> tuple[Array, Array]:
    """Density over tail, and z times it."""
    z, half, _ = _deviation(xp, x, loc, scale)
    outer = side * z > 1
    w = xp.where(outer, scale / xp.abs(half) / 2, 1.0)
    ratio = xp.where(w < 1e-8, 1.0, w / xp.atan(w)) / (1 + w * w)
    dx, z_dx = (rate / tail(xp, x, loc, scale, side) for rate in rates(xp, x, loc, scale))
    return xp.where(outer, ratio / xp.abs(half) / 2, dx), xp.where(outer, side * ratio / scale, z_dx)


def quantile(xp: Any, u: Array, scale: Array) -> Array:
    """Minus the scale times the cotangent of pi u."""
    rest = xp.minimum(u, 1 - u)
    size = xp.where(rest < 0.25, scale / xp.tan(pi * rest), scale * xp.tan(pi * (0.5 - rest)))
    size = xp.where(rest < 1e-200, scale / rest / pi, size)
    return xp.where((u >= 0) & (u <= 1), xp.where(u < 0.5, -size, size), xp.nan)


def quantile_slope(xp: Any, u: Array, scale: Array) -> Array:
    """The derivative to u: the scale times pi over the squared sine of pi u."""
    rest = xp.minimum(u, 1 - u)
    sine = xp.where(rest < 1e-9, rest, xp.sin(pi * rest) / pi)
    return scale / sine / sine / pi


def _deviation(xp: Any, x: Array, loc: Array, scale: Array) -> tuple[Array, Array, Array]:
    """z, half of x - loc, and whether x is more than one scale away."""
    d, z = x - loc, standardised(xp, x, loc, scale)
    return z, xp.where(xp.isinf(d), x / 2 - loc / 2, d / 2), xp.abs(z) > 1
