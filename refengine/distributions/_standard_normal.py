"""The standard normal distribution: what normal, log-normal and half-normal share, as functions of (xp, z)."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

from refengine._arrays import special_functions
from refengine.domains import Array
from refengine.special.log_ndtr import log_ndtr

HALF_LOG_2PI = log(2 * pi) / 2


def log_density(xp: Any, z: Array) -> Array:
    return -z * z / 2 - HALF_LOG_2PI


def log_density_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    return -z, xp.ones_like(z)


def root_density(xp: Any, z: Array) -> Array:
    return xp.exp(-z * z / 4) / (2 * pi) ** 0.25


def cdf(xp: Any, z: Array) -> Array:
    return special_functions(xp).erfc(-z / sqrt(2)) / 2


def log_cdf(xp: Any, z: Array) -> Array:
    return log_ndtr(z)


def log_cdf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    far = z < -1
    r = root_density(xp, z)
    return xp.where(far, 1.0, r), xp.where(far, hazard(xp, xp.where(far, z, -1.0)), r / cdf(xp, z))


def hazard(xp: Any, z: Array) -> Array:
    """The density over the distribution function for z <= 0, about -z."""
    return sqrt(2 / pi) / special_functions(xp).erfcx(-z / sqrt(2))


def icdf(xp: Any, u: Array) -> Array:
    return special_functions(xp).ndtri(u)


def icdf_divisors(xp: Any, u: Array) -> tuple[Array, Array]:
    """The density at the quantile: u times the hazard, which is better known than the exponential of -z^2/2."""
    rest = xp.minimum(u, 1 - u)
    up = xp.where(rest < 2.0**-960, xp.asarray(2.0**64), 1.0)  # a scale over u alone may overflow
    return rest * up, xp.where(rest > 0, hazard(xp, -xp.abs(icdf(xp, u))) / up, 1.0)
