r"""What families of a location and a scale share: their functions are functions of ``z = (x - loc) / scale``.

A distribution's file holds those functions as ``f(xp, z)``, and their slopes as ``f(xp, z) -> (a, b)``, two factors of
the derivative to z: a density of 1e-320 has lost its digits, and divided by a scale of 1e-300 it shows; its square root
has them all. For all functions here: loc that is not finite, a scale that is not positive and finite, and nan give nan;
at x = -inf and inf all slopes are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Positive, Real

Function: TypeAlias = Callable[[Any, Array], Array]
Slope: TypeAlias = Callable[[Any, Array], tuple[Array, Array]]
Divisors: TypeAlias = Callable[[Any, Array], tuple[Array, ...]]

_TINY, _UP = 2.0**-900, 2.0**100
_HUGE = 1e100


class Parameters(NamedTuple):
    """The two parameters, as `maximum_likelihood` estimates them."""

    loc: Real
    scale: Positive


def of_z(f: Function, x: Array, loc: Array, scale: Array) -> Array:
    """``f((x - loc) / scale)``."""
    xp, dtype, x, loc, scale = elementwise(x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = f(xp, standardised(xp, x, loc, scale))
        return xp.astype(xp.where(valid(xp, loc, scale) & ~xp.isnan(x), value, xp.nan), dtype, copy=False)


def of_z_vjp(slope: Slope, g: Array, x: Array, loc: Array, scale: Array) -> tuple[Array, Array, Array]:
    r"""Cotangents of `of_z`: :math:`\partial_x = f'(z)/s, \partial_m = -\partial_x, \partial_s = -z f'(z)/s`."""
    xp, dtype, g, x1, loc1, scale1 = elementwise(g=g, x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        z = standardised(xp, x1, loc1, scale1)
        dx, z_dx = slopes(xp, slope(xp, z), z, scale1)
        g = _masked(xp, g, x1, loc1, scale1)
        dx, z_dx = (xp.where(xp.isinf(x1), 0.0, part) for part in (dx, z_dx))
        return unbroadcast(g * dx, x, dtype), unbroadcast(-g * dx, loc, dtype), unbroadcast(-g * z_dx, scale, dtype)


def log_density(f: Function, x: Array, loc: Array, scale: Array) -> Array:
    """``f((x - loc) / scale) - log(scale)``, where f is the logarithm of the standard density."""
    xp, dtype, x, loc, scale = elementwise(x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = f(xp, standardised(xp, x, loc, scale)) - xp.log(scale)
        value = xp.where(xp.isinf(x), -xp.inf, value)
        return xp.astype(xp.where(valid(xp, loc, scale) & ~xp.isnan(x), value, xp.nan), dtype, copy=False)


def log_density_vjp(slope: Slope, g: Array, x: Array, loc: Array, scale: Array) -> tuple[Array, Array, Array]:
    r"""Cotangents of `log_density`: as those of `of_z`, but :math:`\partial_s = -(z f'(z) + 1)/s`."""
    xp, dtype, g, x1, loc1, scale1 = elementwise(g=g, x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        z = standardised(xp, x1, loc1, scale1)
        dx, dscale = log_density_slopes(xp, slope(xp, z), z, scale1)
        g = _masked(xp, g, x1, loc1, scale1)
        dx, dscale = (xp.where(xp.isinf(x1), 0.0, part) for part in (dx, dscale))
        return unbroadcast(g * dx, x, dtype), unbroadcast(-g * dx, loc, dtype), unbroadcast(g * dscale, scale, dtype)


def quantile(f: Function, loc: Array, scale: Array, **noise: Array) -> Array:
    """``loc + scale * f(u)`` for the one array u in ``noise``, by which name errors call it."""
    xp, dtype, u, loc, scale = elementwise(**noise, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = loc + scale * f(xp, u)
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def quantile_vjp(
    f: Function, divisors: Divisors, g: Array, loc: Array, scale: Array, **noise: Array
) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc, scale: :math:`s f'(u), 1, f(u)`, where f' is one over the product of the ``divisors``."""
    (name,) = noise
    xp, dtype, g, u, loc1, scale1 = elementwise(g=g, **noise, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        q, du = f(xp, u), scale1 + xp.zeros_like(u)
        for divisor in divisors(xp, u):
            du = du / divisor
        g = xp.where(valid(xp, loc1, scale1) & ~xp.isnan(q), g, xp.nan)
        dloc = g + xp.zeros_like(du)
        return unbroadcast(g * du, noise[name], dtype), unbroadcast(dloc, loc, dtype), unbroadcast(g * q, scale, dtype)


def mirrored(f: Function) -> Function:
    """The function of -z: the upper tail of a symmetric family is its lower tail seen from the other side."""
    return lambda xp, z: f(xp, -z)


def mirrored_slope(slope: Slope) -> Slope:
    """The slope of the mirrored function."""

    def of_mirrored(xp: Any, z: Array) -> tuple[Array, Array]:
        a, b = slope(xp, -z)
        return -a, b

    return of_mirrored


def density(root: Function) -> Slope:
    """The slope of a distribution function, given the square root of its density."""

    def of_cdf(xp: Any, z: Array) -> tuple[Array, Array]:
        r = root(xp, z)
        return r, r

    return of_cdf


def affine(c: float, loc: Array, scale: Array) -> Array:
    """``loc + c * scale``: mean, median and mode of every family here."""
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(valid(xp, loc, scale), loc + c * scale, xp.nan), dtype, copy=False)


def affine_vjp(c: float, g: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents of `affine`: 1 and c."""
    xp, dtype, g, loc1, scale1 = elementwise(g=g, loc=loc, scale=scale)
    g = xp.where(valid(xp, loc1, scale1), g, xp.nan)
    return unbroadcast(g, loc, dtype), unbroadcast(g * c, scale, dtype)


def square(c: float, loc: Array, scale: Array) -> Array:
    """``c * scale^2``: a variance."""
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(valid(xp, loc, scale), c * scale * scale, xp.nan), dtype, copy=False)


def square_vjp(c: float, g: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents of `square`: 0 and twice c times the scale."""
    xp, dtype, g, loc1, scale1 = elementwise(g=g, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, loc1, scale1), g, xp.nan)
        return unbroadcast(0.0 * g, loc, dtype), unbroadcast(g * (2 * c * scale1), scale, dtype)


def logarithm(c: float, loc: Array, scale: Array) -> Array:
    """``log(scale) + c``: an entropy."""
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(valid(xp, loc, scale), xp.log(scale) + c, xp.nan), dtype, copy=False)


def logarithm_vjp(c: float, g: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents of `logarithm`: 0 and one over the scale."""
    xp, dtype, g, loc1, scale1 = elementwise(g=g, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, loc1, scale1), g, xp.nan)
        return unbroadcast(0.0 * g, loc, dtype), unbroadcast(g / scale1, scale, dtype)


def valid(xp: Any, loc: Array, scale: Array) -> Array:
    """Whether the parameters are a finite location and a positive finite scale."""
    return (xp.abs(loc) < xp.inf) & (scale > 0) & (scale < xp.inf)


def standardised(xp: Any, x: Array, loc: Array, scale: Array) -> Array:
    """``(x - loc) / scale``, also where the difference of finite numbers overflows."""
    d = x - loc
    return xp.where(xp.isinf(d), (x / 2 - loc / 2) / scale * 2, d / scale)


def slopes(xp: Any, factors: tuple[Array, Array], z: Array, scale: Array, per: Array | float = 1.0) -> Any:
    """``f'(z) / scale / per`` and ``z f'(z) / scale``, without overflow or underflow on the way."""
    a, b = factors
    tiny = scale < _TINY
    t, up = xp.where(tiny, scale * _UP, scale), xp.where(tiny, xp.asarray(_UP), 1.0)
    dx, z_dx = a / t / per * b * up, z / t * a * b * up
    return dx, xp.where(a * b == 0, 0.0, z_dx)  # z may be infinite where the slope has vanished


def log_density_slopes(xp: Any, factors: tuple[Array, Array], z: Array, scale: Array) -> tuple[Array, Array]:
    """``f'(z) / scale`` and ``-(z f'(z) + 1) / scale``."""
    dx, z_dx = slopes(xp, factors, z, scale)
    product = z * factors[0] * factors[1]
    near = xp.abs(product) < _HUGE
    return dx, xp.where(near, -(xp.where(near, product, 0.0) + 1) / scale, -z_dx)


def _masked(xp: Any, g: Array, x: Array, loc: Array, scale: Array) -> Array:
    return xp.where(valid(xp, loc, scale) & ~xp.isnan(x), g, xp.nan)
