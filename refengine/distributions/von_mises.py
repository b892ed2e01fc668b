r"""Von Mises distribution on the circle, :math:`f(x; \mu, \kappa) \propto e^{\kappa \cos(x - \mu)}`."""

from __future__ import annotations

from math import pi

import numpy as np

from refengine._arrays import elementwise, special_functions, unbroadcast
from refengine.domains import Array, NonNegative, Real
from refengine.special._bessel import Pieces
from refengine.special._saddle_point import sum_error

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(x: Real, loc: Real, concentration: NonNegative) -> Array:
    r"""Logarithm of the von Mises density, which has the period 2 pi and integrates to 1 over one period.

    .. math:: \log f(x; \mu, \kappa) = \kappa \cos(x - \mu) - \log(2 \pi I_0(\kappa))

    x, loc, concentration: broadcast together; the result has the broadcast shape. float32 when every floating array
    is, else float64, and float64 inside. Any real x, taken modulo 2 pi as it is given. Concentration 0 is the uniform
    distribution. A negative or infinite concentration, an infinite x or loc, and nan: nan.

    Computed as :math:`-2 \kappa \sin^2((x - \mu)/2) - \log(2 \pi e^{-\kappa} I_0(\kappa))`, x - loc with twice the
    digits. Mardia and Jupp, Directional Statistics (2000), eq. 3.5.17.

    >>> round(float(log_prob(1.0, 0.0, 0.0)), 12)  # -log(2 pi)
    -1.837877066409
    """
    xp, dtype, x, loc, kappa = elementwise(x=x, loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        sine, _ = half_angle(xp, x, loc)
        k = xp.where(_valid(xp, kappa), kappa, xp.nan)
        value = -2 * (k * sine) * sine - log_scaled_normaliser(xp, k)
        return xp.astype(value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, loc: Real, concentration: NonNegative) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and concentration.

    .. math:: \partial_\mu = \kappa \sin(x - \mu) = -\partial_x, \qquad
              \partial_\kappa = \cos(x - \mu) - A(\kappa) = (1 - A(\kappa)) - 2 \sin^2 \frac{x - \mu}{2},

    where :math:`A = I_1 / I_0`, and :math:`1 - A = (A' + A/\kappa) / (1 + A)` by its Riccati equation
    :math:`A' = 1 - A^2 - A/\kappa`: all terms are positive.
    """
    xp, dtype, g, x1, loc1, kappa = elementwise(g=g, x=x, loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        sine, cosine = half_angle(xp, x1, loc1)
        k = xp.where(_valid(xp, kappa), kappa, xp.nan)
        slope = 2 * (k * sine) * cosine
        dk = complement(xp, k) - 2 * sine * sine
        return (
            unbroadcast(-g * slope, x, dtype),
            unbroadcast(g * slope, loc, dtype),
            unbroadcast(g * dk, concentration, dtype),
        )


def log_prob_value_and_vjp(
    g: Array, x: Real, loc: Real, concentration: NonNegative
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dconcentration) = log_prob_value_and_vjp(1.0, 0.5, 0.5, 0.0)
    >>> float(dx), float(dloc), float(dconcentration)
    (-0.0, 0.0, 1.0)
    """
    return log_prob(x, loc, concentration), log_prob_vjp(g, x, loc, concentration)


def _valid(xp: Array, kappa: Array) -> Array:
    return (kappa >= 0) & (kappa < xp.inf)


def half_angle(xp: Array, x: Array, loc: Array) -> tuple[Array, Array]:
    """Sine and cosine of ``(x - loc) / 2``, whose rounding is put back."""
    half, rest = (x - loc) / 2, sum_error(x, -loc) / 2
    sine, cosine = xp.sin(half), xp.cos(half)
    by_sine, by_cosine = xp.sin(rest), -2 * xp.sin(rest / 2) ** 2
    return sine + (sine * by_cosine + cosine * by_sine), cosine + (cosine * by_cosine - sine * by_sine)


def log_scaled_normaliser(xp: Array, kappa: Array) -> Array:
    r""":math:`\log(2 \pi e^{-\kappa} I_0(\kappa))`."""
    return xp.log(2 * pi * special_functions(xp).i0e(kappa))


def complement(xp: Array, kappa: Array) -> Array:
    r""":math:`1 - I_1(\kappa) / I_0(\kappa)`."""
    pieces = Pieces(xp, kappa, xp.zeros_like(kappa))
    ratio, slope = pieces.ratio(), pieces.ratio_slope()
    return (slope + xp.where(kappa > 1e-300, ratio / kappa, 0.5)) / (1 + ratio)
