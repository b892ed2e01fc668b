r"""Von Mises distribution on the circle, :math:`f(x; \mu, \kappa) \propto e^{\kappa \cos(x - \mu)}`."""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss

from refengine._arrays import as_float64, check_shape, elementwise, promote, special_functions, unbroadcast
from refengine.distributions._angle import Family, Half
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import cotangents
from refengine.distributions._pointwise import value as value_of
from refengine.domains import Array, NonNegative, Real, Unit
from refengine.special._bessel import Pieces
from refengine.special._saddle_point import sum_error

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "kl_divergence",
    "kl_divergence_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
    "variance",
    "variance_vjp",
]

NEWTON_STEPS = 8
_NODES, _WEIGHTS = leggauss(14)
NODES, WEIGHTS = ((_NODES + 1) / 2).tolist(), (_WEIGHTS / 2).tolist()


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


def cdf(x: Real, loc: Real, concentration: NonNegative) -> Array:
    r"""Probability of an angle from loc - pi up to x, where x is taken to (loc - pi, loc + pi] by whole turns.

    .. math:: F(x; \mu, \kappa) = \frac1{2 \pi I_0(\kappa)} \int_{-\pi}^{\delta} e^{\kappa \cos t} \, dt, \qquad
              \delta = x - \mu \bmod 2 \pi \in (-\pi, \pi]

    x, loc, concentration: broadcast together; the result has the broadcast shape. It falls back to 0 once a turn,
    opposite to loc; other libraries add the whole turns. A negative or infinite concentration, an infinite x or loc,
    and nan: nan. Tested for concentrations to 1e6. Gauss-Legendre sums of a tail. Mardia and Jupp (2000), eq. 3.5.17,
    integrated.

    >>> round(float(cdf(pi / 2, 0.0, 0.0)), 12)
    0.75
    """
    return value_of(_cdf, x=x, loc=loc, concentration=concentration)


def cdf_vjp(g: Array, x: Real, loc: Real, concentration: NonNegative) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and concentration.

    .. math:: \partial_x F = f(x) = -\partial_\mu F, \qquad
              \partial_\kappa F = \int_{-\pi}^{\delta} (\cos t - A(\kappa)) f(\mu + t) \, dt
    """
    return cotangents(_cdf, g, x=x, loc=loc, concentration=concentration)


def sample(noise: Unit, loc: Real, concentration: NonNegative) -> Array:
    r"""A random angle from loc - pi to loc + pi, made of a uniform number by the inverse of `cdf`.

    .. math:: F(x; \mu, \kappa) = u

    noise, loc, concentration: broadcast together; noise is uniform on (0, 1). A negative or infinite concentration, an
    infinite loc, noise not in (0, 1), and nan: nan. Tested for concentrations to 1e6. Mardia and Jupp (2000), section
    3.5.4, with a quantile in place of rejection.

    >>> round(float(sample(0.75, 0.0, 0.0)), 12)  # pi / 2
    1.570796326795
    """
    return value_of(_sample, noise=noise, loc=loc, concentration=concentration)


def sample_vjp(g: Array, noise: Unit, loc: Real, concentration: NonNegative) -> tuple[Array, Array, Array]:
    r"""Pathwise cotangents, by the implicit function theorem: :math:`\partial_u x = 1 / f(x)`,
    :math:`\partial_\mu x = 1` and :math:`\partial_\kappa x = -\partial_\kappa F / f(x)`.
    """
    return cotangents(_sample, g, noise=noise, loc=loc, concentration=concentration)


def kl_divergence(loc_p: Real, concentration_p: NonNegative, loc_q: Real, concentration_q: NonNegative) -> Array:
    r"""Kullback-Leibler divergence of q from p.

    .. math:: D(p \| q) = \log\frac{I_0(\kappa_q)}{I_0(\kappa_p)}
              + A(\kappa_p) (\kappa_p - \kappa_q \cos(\mu_p - \mu_q))

    loc_p, concentration_p, loc_q, concentration_q: broadcast together; the result has the broadcast shape. Nothing
    cancels for nearly equal distributions: there the convex part, which does not depend on the angle, is an integral of
    A' (Gauss-Legendre). A concentration that is negative or infinite, an infinite loc, and nan: nan. The mean of the
    difference of two log densities, Mardia and Jupp (2000), eq. 3.5.17.

    >>> float(kl_divergence(0.5, 3.0, 0.5, 3.0))
    0.0
    """
    xp, dtype, p, kp, q, kq = elementwise(
        loc_p=loc_p, concentration_p=concentration_p, loc_q=loc_q, concentration_q=concentration_q
    )
    with np.errstate(all="ignore"):
        kp, kq = _known(xp, p, kp), _known(xp, q, kq)
        sine, _ = half_angle(xp, p, q)
        turned = 2 * (kq * sine) * (sine * Pieces(xp, kp, xp.zeros_like(kp)).ratio())
        return xp.astype(_bregman(xp, kp + 0.0 * kq, kq + 0.0 * kp) + turned, dtype, copy=False)


def kl_divergence_vjp(
    g: Array, loc_p: Real, concentration_p: NonNegative, loc_q: Real, concentration_q: NonNegative
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents in the order of the arguments, with :math:`\delta = \mu_p - \mu_q`.

    .. math::
        \partial_{\mu_p} = \kappa_q A_p \sin\delta = -\partial_{\mu_q}, \quad
        \partial_{\kappa_p} = A_p' (\kappa_p - \kappa_q \cos\delta), \quad
        \partial_{\kappa_q} = A_q - A_p \cos\delta

    each with the versine 2 sin^2(delta/2) in place of the cosine; the difference of A is an integral of A' where
    the concentrations are nearly equal.
    """
    xp, dtype, g, p, kp, q, kq = elementwise(
        g=g, loc_p=loc_p, concentration_p=concentration_p, loc_q=loc_q, concentration_q=concentration_q
    )
    with np.errstate(all="ignore"):
        kp, kq = _known(xp, p, kp), _known(xp, q, kq)
        sine, cosine = half_angle(xp, p, q)
        versine = 2 * sine * sine
        pieces = Pieces(xp, kp, xp.zeros_like(kp))
        ratio = pieces.ratio()
        dp = pieces.ratio_slope() * ((kp - kq) + kq * versine)
        dq = _rise(xp, kp + 0.0 * kq, kq + 0.0 * kp) + ratio * versine
        turn = g * (2 * (kq * sine) * (cosine * ratio))
        return (
            unbroadcast(turn, loc_p, dtype),
            unbroadcast(g * dp, concentration_p, dtype),
            unbroadcast(-turn, loc_q, dtype),
            unbroadcast(g * dq, concentration_q, dtype),
        )


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    loc: Real
    concentration: NonNegative


def entropy(loc: Real, concentration: NonNegative) -> Array:
    r"""Differential entropy over one period; log(2 pi) at concentration 0.

    .. math:: H = \log(2 \pi I_0(\kappa)) - \kappa A(\kappa), \qquad A = I_1 / I_0

    loc, concentration: broadcast together; the result has the broadcast shape. A concentration that is negative or
    infinite, an infinite loc, and nan: nan. The linear terms are cancelled on paper. Mardia and Jupp (2000),
    eq. 3.5.17.

    >>> round(float(entropy(0.0, 0.0)), 12)
    1.837877066409
    """
    xp, dtype, loc, kappa = elementwise(loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _known(xp, loc, kappa)
        return xp.astype(_entropy(xp, k), dtype, copy=False)


def entropy_vjp(g: Array, loc: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: 0 to loc, and :math:`\partial_\kappa H = -\kappa A'(\kappa)`."""
    xp, dtype, g, loc1, kappa = elementwise(g=g, loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _known(xp, loc1, kappa)
        dk = g * (0.0 - k * Pieces(xp, k, xp.zeros_like(k)).ratio_slope())
        return unbroadcast(0.0 * dk, loc, dtype), unbroadcast(dk, concentration, dtype)


def mean(loc: Real, concentration: NonNegative) -> Array:
    r"""Mean direction, the angle of the mean of :math:`e^{ix}`; at concentration 0 there is none: nan.

    .. math:: \arg E[e^{ix}] = \mu

    loc, concentration: broadcast together; the result has the broadcast shape and is loc as it was given, not modulo
    2 pi. A concentration that is not positive and finite, an infinite loc, and nan: nan. Mardia and Jupp (2000),
    section 3.4.2.

    >>> float(mean(0.5, 2.0))
    0.5
    """
    xp, dtype, loc, kappa = elementwise(loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(_known(xp, loc, kappa) > 0, loc, xp.nan), dtype, copy=False)


def mean_vjp(g: Array, loc: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\partial_\mu = 1, \partial_\kappa = 0`, nan where there is no mean direction."""
    xp, dtype, g, loc1, kappa = elementwise(g=g, loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        g = xp.where(_known(xp, loc1, kappa) > 0, g, xp.nan)
        return unbroadcast(g, loc, dtype), unbroadcast(0.0 * g, concentration, dtype)


def mode(loc: Real, concentration: NonNegative) -> Array:
    r"""Where the density is largest; at concentration 0 that is everywhere: nan.

    .. math:: \arg\max_x \cos(x - \mu) = \mu

    loc, concentration: broadcast together; the result has the broadcast shape and is loc as it was given. Otherwise as
    `mean`. Mardia and Jupp (2000), section 3.5.4.

    >>> float(mode(0.5, 2.0))
    0.5
    """
    return mean(loc, concentration)


def mode_vjp(g: Array, loc: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\partial_\mu = 1, \partial_\kappa = 0`, nan where there is no mode."""
    return mean_vjp(g, loc, concentration)


def variance(loc: Real, concentration: NonNegative) -> Array:
    r"""Circular variance: one minus the length of the mean of :math:`e^{ix}`, from 0 to 1.

    .. math:: V = 1 - |E[e^{ix}]| = 1 - A(\kappa), \qquad A = I_1 / I_0

    loc, concentration: broadcast together; the result has the broadcast shape. This is the definition of Mardia and
    Jupp (2000), eq. 2.3.5 and 3.4.8; others take :math:`2 (1 - A)` or :math:`-2 \log A`. A concentration that is
    negative or infinite, an infinite loc, and nan: nan.

    >>> float(variance(0.0, 0.0))
    1.0
    """
    xp, dtype, loc, kappa = elementwise(loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        return xp.astype(complement(xp, _known(xp, loc, kappa)), dtype, copy=False)


def variance_vjp(g: Array, loc: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: 0 to loc, and :math:`\partial_\kappa V = -A'(\kappa)`."""
    xp, dtype, g, loc1, kappa = elementwise(g=g, loc=loc, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _known(xp, loc1, kappa)
        dk = -g * Pieces(xp, k, xp.zeros_like(k)).ratio_slope()
        return unbroadcast(0.0 * dk, loc, dtype), unbroadcast(dk, concentration, dtype)


def maximum_likelihood(data: Real) -> Parameters:
    r"""The estimates that maximise the likelihood of angles.

    .. math:: \hat\mu = \operatorname{atan2}(\bar S, \bar C), \quad A(\hat\kappa) = \sqrt{\bar C^2 + \bar S^2}, \quad
              \bar C + i \bar S = \tfrac1N \sum_j e^{i x_j}

    data: (N,); loc comes from (-pi, pi]. nan where there is no estimate: no data, a resultant of length 0 or 1 (all
    angles equal), infinities. Newton's iteration for the concentration. Mardia and Jupp (2000), eq. 5.3.2 to 5.3.5.

    >>> found = maximum_likelihood(np.array([0.0, pi / 2]))
    >>> round(float(found.loc), 12), round(float(found.concentration), 12)
    (0.785398163397, 2.058215395908)
    """
    xp, dtype, _, _, loc, kappa = _fitted(data)
    return Parameters(xp.astype(loc, dtype, copy=False), xp.astype(kappa, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, with R the length of the resultant and the implicit function theorem for kappa.

    .. math:: \bar x_j = \frac1N \left(\frac{\cos(x_j - \hat\mu)}{R} g_\mu
              - \frac{\sin(x_j - \hat\mu)}{A'(\hat\kappa)} g_\kappa\right)
    """
    xp, dtype, x, length, loc, kappa = _fitted(data)
    with np.errstate(all="ignore"):
        g_loc, g_kappa = as_float64(xp, "g", g.loc), as_float64(xp, "g", g.concentration)
        slope = Pieces(xp, kappa, xp.zeros_like(kappa)).ratio_slope()
        dx = xp.cos(x - loc) / length * g_loc - xp.sin(x - loc) / slope * g_kappa
        return (xp.astype(dx / max(x.shape[0], 1), dtype, copy=False),)


def _fitted(data: Array) -> tuple[Any, ...]:
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N",))
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        n = x.shape[0] or xp.nan
        loc = xp.atan2(xp.sum(xp.sin(x)), xp.sum(xp.cos(x)))
        # seen from there: the rest of the angle, and 1 - R without cancellation
        sine, lack = xp.sum(xp.sin(x - loc)) / n, 2 * xp.sum(xp.sin((x - loc) / 2) ** 2) / n
        length = xp.hypot(1 - lack, sine)
        lack = lack - sine * sine / (1 + length)
        good = (length > 0) & (lack > 0)
        length, lack = xp.where(good, length, xp.nan), xp.where(good, lack, xp.nan)
        loc = xp.where(good, loc + xp.atan2(sine, 1 - lack), xp.nan)
        kappa = length * (2 - length * length) / (lack * (1 + length))
        for _ in range(NEWTON_STEPS):
            slope = Pieces(xp, kappa, xp.zeros_like(kappa)).ratio_slope()
            kappa = xp.maximum(kappa - (lack - complement(xp, kappa)) / slope, kappa / 2)
        return xp, dtype, x, length, loc, kappa


def _cdf(xp: Any, x: Array, loc: Array, kappa: Array) -> tuple[Array, ...]:
    x, loc, kappa = xp.broadcast_arrays(x, loc, kappa)
    known = _valid(xp, kappa) & xp.isfinite(x) & xp.isfinite(loc)
    sine, cosine = half_angle(xp, xp.where(known, x, 0.0), xp.where(known, loc, 0.0))
    turned = xp.where(cosine < 0, -sine, sine)
    k = xp.where(known, kappa, 1.0)
    s, c = xp.reshape(xp.abs(turned), (-1,)), xp.reshape(xp.abs(cosine), (-1,))
    found = Family(xp, xp.reshape(k, (-1,)), 2).tail(Half(s, c))
    lower, part, _, total, drift = (xp.reshape(a, k.shape) for a in found)
    below = turned < 0  # half of the upper tail of the size of the angle
    density = 1 / total / 2
    outer = xp.where(lower, 0.5 - part / 2, part / 2)
    value = xp.where(below, outer, xp.where(lower, 0.5 + part / 2, 1 - part / 2))
    by_kappa = xp.where(below, -drift, drift) * density
    return known, value, density, -density, by_kappa


def _sample(xp: Any, u: Array, loc: Array, kappa: Array) -> tuple[Array, ...]:
    u, loc, kappa = xp.broadcast_arrays(u, loc, kappa)
    known = _valid(xp, kappa) & xp.isfinite(loc) & (u > 0) & (u < 1)
    below = u < 0.5
    tail = xp.where(known & (u != 0.5), 2 * xp.where(below, u, 1 - u), 0.25)
    flat = xp.reshape(tail, (-1,))
    family = Family(xp, xp.reshape(xp.where(known, kappa, 1.0), (-1,)), 2)
    half, by_tail, by_kappa = family.quantile(flat)
    angle = 2 * xp.atan2(half.sine, half.cosine)
    centre = family.tail(Half(0.0 * flat, 0.0 * flat + 1))
    middle = u == 0.5
    angle, by_tail, by_kappa = (xp.reshape(a, u.shape) for a in (angle, by_tail, by_kappa))
    sign = 1 - 2 * xp.astype(below, xp.float64)
    return (
        known,
        loc + xp.where(middle, 0.0, sign * angle),
        xp.where(middle, 2 * xp.reshape(centre.total, u.shape), -2 * by_tail),
        xp.ones_like(u),
        xp.where(middle, 0.0, sign * by_kappa),
    )


def _entropy(xp: Array, kappa: Array) -> Array:
    small = log(2 * pi) + Pieces(xp, xp.minimum(kappa, 1.0), xp.zeros_like(kappa)).entropy_part(0.0)
    return xp.where(kappa < 1, small, log_scaled_normaliser(xp, kappa) + kappa * complement(xp, kappa))


def _rise(xp: Array, p: Array, q: Array) -> Array:
    """``A(q) - A(p)``."""
    gap, integral = q - p, 0.0 * (q - p)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        integral = integral + weight * Pieces(xp, p + node * gap, xp.zeros_like(p)).ratio_slope()
    small = (p < 1) & (q < 1)
    zero = xp.zeros_like(p)
    plain = complement(xp, p) - complement(xp, q)
    plain = xp.where(small, Pieces(xp, q, zero).ratio() - Pieces(xp, p, zero).ratio(), plain)
    return xp.where(xp.abs(gap) < 0.5 * p, gap * integral, plain)


def _bregman(xp: Array, p: Array, q: Array) -> Array:
    r""":math:`\log I_0(q) - \log I_0(p) - A(p) (q - p) = (q-p)^2 \int_0^1 (1-u) A'(p + u (q-p)) \, du \ge 0`."""
    gap = q - p
    special = special_functions(xp)
    plain = xp.log(special.i0e(q) / special.i0e(p)) + gap * complement(xp, p)
    a, b = (Pieces(xp, xp.minimum(k, 1.0), xp.zeros_like(k)) for k in (p, q))
    below = b.log_series() - a.entropy_part(0.0) - q * a.ratio()
    plain = xp.where((p < 1) & (q < 1), below, plain)
    integral = 0.0 * gap
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        slope = Pieces(xp, p + node * gap, xp.zeros_like(p)).ratio_slope()
        integral = integral + weight * (1 - node) * slope
    return xp.where(xp.abs(gap) < 0.5 * p, gap * integral * gap, plain)


def _known(xp: Array, loc: Array, kappa: Array) -> Array:
    return xp.where(_valid(xp, kappa), kappa, xp.nan) + 0.0 * loc


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
