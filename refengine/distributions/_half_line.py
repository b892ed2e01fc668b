r"""What families of a scale on x >= 0 share: their functions are functions of ``z = x / scale``.

As in `refengine.distributions._location_scale`, whose functions serve with a location of 0; here x < 0 lies outside the
support. A scale that is not positive and finite, and nan, give nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.distributions import _location_scale as line
from refengine.distributions._location_scale import Divisors, Function, Slope
from refengine.domains import Array
from refengine.special._saddle_point import log_quotient

_SMALL = 1e-9


def of_z(f: Function, x: Array, scale: Array) -> Array:
    """``f(x / scale)``; at x <= 0 it is f(0)."""
    return line.of_z(lambda xp, z: f(xp, xp.where(z < 0, 0.0, z)), x, 0.0, scale)


def of_z_vjp(slope: Slope, g: Array, x: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents of `of_z`; 0 for x < 0."""
    xp, dtype, g, x1, scale1 = elementwise(g=g, x=x, scale=scale)
    with np.errstate(all="ignore"):
        inside = (x1 >= 0) & (x1 < xp.inf)
        z = xp.where(inside, x1, 0.0) / scale1
        dx, z_dx = (xp.where(inside, part, 0.0) for part in line.slopes(xp, slope(xp, z), z, scale1))
        g = xp.where(defined(xp, x1, scale1), g, xp.nan)
        return unbroadcast(g * dx, x, dtype), unbroadcast(-g * z_dx, scale, dtype)


def log_density(f: Function, x: Array, scale: Array) -> Array:
    """``f(x / scale) - log(scale)``; -inf for x < 0."""
    xp, dtype, x, scale = elementwise(x=x, scale=scale)
    with np.errstate(all="ignore"):
        value = xp.where((x >= 0) & (x < xp.inf), f(xp, x / scale) - xp.log(scale), -xp.inf)
        return xp.astype(xp.where(defined(xp, x, scale), value, xp.nan), dtype, copy=False)


def log_density_vjp(slope: Slope, g: Array, x: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents of `log_density`; 0 for x < 0."""
    xp, dtype, g, x1, scale1 = elementwise(g=g, x=x, scale=scale)
    with np.errstate(all="ignore"):
        z = x1 / scale1
        dx, dscale = line.log_density_slopes(xp, slope(xp, z), z, scale1)
        g = xp.where(defined(xp, x1, scale1), g, xp.nan)
        inside = (x1 >= 0) & (x1 < xp.inf)
        dx, dscale = (xp.where(inside, part, 0.0) for part in (dx, dscale))
        return unbroadcast(g * dx, x, dtype), unbroadcast(g * dscale, scale, dtype)


def log_cdf(f: Function, at_0: float, x: Array, scale: Array) -> Array:
    """``f(x / scale)``, but for small quotients their own logarithm and that of the standard density at 0."""
    xp, dtype, x, scale = elementwise(x=x, scale=scale)
    with np.errstate(all="ignore"):
        z, y = x / scale, xp.where(x > 0, x, 1.0)
        small = log_quotient(xp, y, scale, xp.ones_like(z)) + at_0
        value = xp.where(x > 0, xp.where(z < _SMALL, small, f(xp, z)), -xp.inf)
        return xp.astype(xp.where(defined(xp, x, scale), value, xp.nan), dtype, copy=False)


def log_cdf_vjp(slope: Slope, g: Array, x: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents of `log_cdf`: 1/x and -1/scale for small quotients; 0 for x <= 0, which has no probability."""
    xp, dtype, g, x1, scale1 = elementwise(g=g, x=x, scale=scale)
    with np.errstate(all="ignore"):
        z = x1 / scale1
        dx, z_dx = line.slopes(xp, slope(xp, z), z, scale1)
        dx, z_dx = xp.where(z < _SMALL, 1 / x1, dx), xp.where(z < _SMALL, 1 / scale1, z_dx)
        g = xp.where(defined(xp, x1, scale1), g, xp.nan)
        inside = (x1 > 0) & (x1 < xp.inf)
        dx, z_dx = (xp.where(inside, part, 0.0) for part in (dx, z_dx))
        return unbroadcast(g * dx, x, dtype), unbroadcast(-g * z_dx, scale, dtype)


def quantile(f: Function, slope: float, scale: Array, **noise: Array) -> Array:
    """``scale * f(u)``, which for subnormal u is the product with the slope at 0, rounded last."""
    xp, dtype, u, scale = elementwise(**noise, scale=scale)
    with np.errstate(all="ignore"):
        tiny = (u >= 0) & (u < 1e-290)
        value = xp.where(tiny, scale * u * slope, scale * f(xp, xp.where(tiny, 0.0, u)))
        return xp.astype(xp.where((scale > 0) & (scale < xp.inf), value, xp.nan), dtype, copy=False)


def quantile_vjp(f: Function, divisors: Divisors, g: Array, scale: Array, **noise: Array) -> tuple[Array, Array]:
    """Cotangents of u and scale."""
    du, _, dscale = line.quantile_vjp(f, divisors, g, 0.0, scale, **noise)
    return du, dscale


def defined(xp: Any, x: Array, scale: Array) -> Array:
    """Whether the scale is positive and finite and x a number."""
    return (scale > 0) & (scale < xp.inf) & ~xp.isnan(x)


def linear(c: float, scale: Array) -> Array:
    """``c * scale``."""
    return line.affine(c, 0.0, scale)


def linear_vjp(c: float, g: Array, scale: Array) -> tuple[Array]:
    """Cotangent of `linear`."""
    return line.affine_vjp(c, g, 0.0, scale)[1:]


def square(c: float, scale: Array) -> Array:
    """``c * scale^2``."""
    return line.square(c, 0.0, scale)


def square_vjp(c: float, g: Array, scale: Array) -> tuple[Array]:
    """Cotangent of `square`."""
    return line.square_vjp(c, g, 0.0, scale)[1:]


def logarithm(c: float, scale: Array) -> Array:
    """``log(scale) + c``."""
    return line.logarithm(c, 0.0, scale)


def logarithm_vjp(c: float, g: Array, scale: Array) -> tuple[Array]:
    """Cotangent of `logarithm`."""
    return line.logarithm_vjp(c, g, 0.0, scale)[1:]
