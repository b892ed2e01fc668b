r"""Gumbel distribution of maxima, :math:`f(x; m, s) = \exp(-z - e^{-z}) / s, z = (x - m)/s`."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import numpy as np

from refengine._arrays import elementwise, special_functions, unbroadcast
from refengine.distributions import _maximum_likelihood
from refengine.distributions._divergence import EULER as _EULER
from refengine.distributions._divergence import (
    excess,
    excess_minus_log,
    expm1_minus,
    expm1_over,
    less_one,
    log_gamma1p,
    log_gamma_excess,
)
from refengine.distributions._location_scale import (
    Parameters,
    affine,
    affine_vjp,
    density,
    log_density,
    log_density_vjp,
    logarithm,
    logarithm_vjp,
    of_z,
    of_z_vjp,
    quantile,
    quantile_vjp,
    square,
    square_vjp,
    standardised,
    valid,
)
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log_quotient

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
    "kl_divergence",
    "kl_divergence_normal",
    "kl_divergence_normal_vjp",
    "kl_divergence_vjp",
    "log_cdf",
    "log_cdf_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "log_sf",
    "log_sf_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
    "sf",
    "sf_vjp",
    "variance",
    "variance_vjp",
]


def log_prob(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the Gumbel density.

    .. math:: \log f(x; m, s) = -z - e^{-z} - \log s, \qquad z = \frac{x - m}{s}

    x, loc, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x = -inf, inf: -inf with zero gradients;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1995), chapter 22.

    >>> float(log_prob(3.0, 3.0, 1.0))
    -1.0
    """
    return log_density(_log_density, x, loc, scale)


def log_prob_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and scale.

    .. math:: \partial_x = \frac{e^{-z} - 1}{s}, \qquad \partial_m = \frac{1 - e^{-z}}{s}, \qquad
        \partial_s = \frac{z (1 - e^{-z}) - 1}{s}

    For z < 0 the difference is :math:`2 \sinh(-z/2) e^{-z/2}`, which overflows only where the result does.
    """
    return log_density_vjp(_log_density_slope, g, x, loc, scale)


def log_prob_value_and_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dscale) = log_prob_value_and_vjp(1.0, 3.0, 3.0, 0.5)
    >>> float(dscale)
    -2.0
    """
    return log_prob(x, loc, scale), log_prob_vjp(g, x, loc, scale)


def cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; m, s) = \exp(-e^{-z})

    x, loc, scale: broadcast together. 0 at -inf, 1 at inf. Johnson et al. (1995), chapter 22.

    >>> round(float(cdf(3.0, 3.0, 2.0)), 12)  # 1/e
    0.367879441171
    """
    return of_z(_cdf, x, loc, scale)


def cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_m = -f, \partial_s = -z f`, with f the density at x.

    The density is the square of its root, so that it may be divided by a small scale before it underflows.
    """
    return of_z_vjp(density(_root_density), g, x, loc, scale)


def log_cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; m, s) = -e^{-z}

    x, loc, scale: broadcast together. -inf at -inf, 0 at inf. Johnson et al. (1995), chapter 22.

    >>> float(log_cdf(3.0, 3.0, 2.0))
    -1.0
    """
    return of_z(_log_cdf, x, loc, scale)


def log_cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`e^{-z}`, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(_log_cdf_slope, g, x, loc, scale)


def sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; m, s) = 1 - \exp(-e^{-z})

    x, loc, scale: broadcast together. 1 at -inf, 0 at inf. Johnson et al. (1995), chapter 22.

    >>> round(float(sf(3.0, 3.0, 2.0)), 12)
    0.632120558829
    """
    return of_z(_sf, x, loc, scale)


def sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, f, z f`."""
    return of_z_vjp(_sf_slope, g, x, loc, scale)


def log_sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; m, s)) = \log(1 - \exp(-e^{-z}))

    x, loc, scale: broadcast together. 0 at -inf, -inf at inf. Johnson et al. (1995), chapter 22.

    >>> float(log_sf(1e100, 0.0, 1.0))
    -1e+100
    """
    return of_z(_log_sf, x, loc, scale)


def log_sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`-y / (e^y - 1)` for :math:`y = e^{-z}`, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(_log_sf_slope, g, x, loc, scale)


def icdf(u: Unit, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; m, s) = m - s \log(-\log u)

    u, loc, scale: broadcast together. -inf at 0, inf at 1, nan outside. Johnson et al. (1995), chapter 22.

    >>> round(float(icdf(0.36787944117144233, 3.0, 2.0)), 12)
    3.0
    """
    return quantile(_icdf, loc, scale, u=u)


def icdf_vjp(g: Array, u: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc and scale, with q the standard quantile: :math:`s q'(u), 1, q`.

    .. math:: q'(u) = \frac{1}{-u \log u}

    At u = 0 and 1 they are the limits: inf, 1, and -inf or inf.
    """
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, u=u)


def entropy(loc: Real, scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log s + \gamma + 1

    loc, scale: broadcast together. Johnson et al. (1995), chapter 22.

    >>> round(float(entropy(0.0, 1.0)), 12)
    1.577215664902
    """
    return logarithm(_EULER + 1, loc, scale)


def entropy_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 1/s`."""
    return logarithm_vjp(_EULER + 1, g, loc, scale)


def mean(loc: Real, scale: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = m + \gamma s

    loc, scale: broadcast together. Johnson et al. (1995), chapter 22.

    >>> round(float(mean(0.0, 1.0)), 12)
    0.577215664902
    """
    return affine(_EULER, loc, scale)


def mean_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, \gamma`."""
    return affine_vjp(_EULER, g, loc, scale)


def variance(loc: Real, scale: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - E x)^2] = \frac{\pi^2}{6} s^2

    loc, scale: broadcast together. Johnson et al. (1995), chapter 22.

    >>> round(float(variance(0.0, 6**0.5)) / pi**2, 12)
    1.0
    """
    return square(pi * pi / 6, loc, scale)


def variance_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, \pi^2 s / 3`."""
    return square_vjp(pi * pi / 6, g, loc, scale)


def mode(loc: Real, scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; m, s) = m

    loc, scale: broadcast together. Johnson et al. (1995), chapter 22.

    >>> float(mode(3.0, 2.0))
    3.0
    """
    return affine(0.0, loc, scale)


def mode_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, 0`."""
    return affine_vjp(0.0, g, loc, scale)


def sample(noise: Unit, loc: Real, scale: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = F^{-1}(u; m, s)

    noise: uniform on (0, 1), as from `noise`. Broadcast with loc and scale. Johnson et al. (1995), chapter 22.

    noise and the parameters: broadcast together.

    >>> round(float(sample(0.36787944117144233, 3.0, 2.0)), 12)
    3.0
    """
    return quantile(_icdf, loc, scale, noise=noise)


def sample_vjp(g: Array, noise: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, loc and scale: those of the quantile at :math:`u = \text{noise}`."""
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, noise=noise)


def kl_divergence(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Gumbel distribution q from p, without cancellation where they are close.

    .. math:: D(p \| q) = (e^w - 1 - w) + (\log\Gamma(r) + \gamma (r - 1)), \qquad w = \log\Gamma(1 + r) - d, \quad
              r = \frac{s_p}{s_q}, \quad d = \frac{m_p - m_q}{s_q}

    loc_p, scale_p, loc_q, scale_q: broadcast together. Both terms are positive, and small ones are series. Gil (2011).

    >>> float(kl_divergence(1.0, 2.0, 1.0, 2.0))
    0.0
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        r = s / t
        w = log_gamma1p(xp, r) - standardised(xp, m, n, t)
        log_r = log_quotient(xp, s, t, xp.ones_like(r))
        first = xp.where(r < 1e-300, -log_r - _EULER, log_gamma_excess(xp, r))
        value = xp.where(xp.isinf(r), xp.inf, expm1_minus(xp, w) + first)
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math::
        \partial_{m_p} = -\partial_{m_q} = \frac{1 - e^w}{s_q}, \quad
        \partial_{s_p} = \frac{R}{s_p}, \quad \partial_{s_q} = -\frac{d (1 - e^w) + R}{s_q}, \qquad
        R = r (\gamma + \psi(1 + r) e^w) - 1
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        special = special_functions(xp)
        d, r = standardised(xp, m, n, t), s / t
        w = log_gamma1p(xp, r) - d
        half = xp.exp(w / 2)
        dm = -expm1_over(xp, w, t)
        tilt = _EULER + special.digamma(1 + r) * half * half
        ds = less_one(xp, r * tilt, tilt / t, s)
        over = xp.where(w > 0, half * ((special.digamma(1 + r) * r - d) / t) * half, (_EULER * r + d) / t)
        dt = -less_one(xp, r * tilt - d * xp.expm1(w), over, t)
        return (
            unbroadcast(g * dm, loc_p, dtype),
            unbroadcast(g * ds, scale_p, dtype),
            unbroadcast(-g * dm, loc_q, dtype),
            unbroadcast(g * dt, scale_q, dtype),
        )


def kl_divergence_normal(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a normal distribution q from this one.

    .. math:: D(p \| q) = \tfrac12 \left(\tfrac{\pi^2}{6} r^2 + d^2\right) - \log r + \tfrac12 \log 2\pi - 1 - \gamma,
              \qquad r = \frac{s_p}{s_q}, \quad d = \frac{m_p + \gamma s_p - m_q}{s_q}

    loc_p, scale_p, loc_q, scale_q: broadcast together; q has mean loc_q and standard deviation scale_q. From mean,
    variance and entropy: Johnson et al. (1995), chapter 22.

    >>> float(kl_divergence_normal(0.0, 1.0, 0.0, 1.0)) > 0
    True
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        d = standardised(xp, m + _EULER * s, n, t)
        c = pi / sqrt(6)  # the standard deviation of a scale of 1
        value = (excess_minus_log(xp, excess(c * s, t), s, t, power=2, factor=c) + d * d) / 2
        value = value + (log(pi**3 / 3) / 2 - 0.5 - _EULER)
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_normal_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math:: \partial_{m_p} = -\partial_{m_q} = \frac{d}{s_q}, \quad
              \partial_{s_p} = \frac{\pi^2 r / 6 + \gamma d}{s_q} - \frac{1}{s_p}, \quad
              \partial_{s_q} = \frac{1 - \pi^2 r^2 / 6 - d^2}{s_q}
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        r = s / t
        d = standardised(xp, m + _EULER * s, n, t)
        tilt = pi * pi / 6 * r + _EULER * d
        ds = less_one(xp, r * tilt, tilt / t, s)
        dt = -less_one(xp, pi * pi / 6 * r * r + d * d, pi * pi / 6 * r * (r / t) + d * (d / t), t)
        return (
            unbroadcast(g * (d / t), loc_p, dtype),
            unbroadcast(g * ds, scale_p, dtype),
            unbroadcast(-g * (d / t), loc_q, dtype),
            unbroadcast(g * dt, scale_q, dtype),
        )


def maximum_likelihood(data: Real) -> Parameters:
    r"""Location and scale of largest likelihood, by Newton's method on a problem with one solution.

    .. math:: \sum_i e^{-z_i} = N, \qquad \sum_i z_i (1 - e^{-z_i}) = N, \qquad z_i = \frac{x_i - m}{s}

    data: (N,). The log likelihood is concave in 1/s and m/s, so the estimate is unique; it exists unless all data are
    equal. Otherwise, for no data and for data that are not finite: nan. Johnson et al. (1995),
    chapter 22.

    >>> loc, scale = maximum_likelihood([0.0, 1.0])
    >>> round(float(sum(np.exp((loc - x) / scale) for x in (0.0, 1.0))), 12)
    2.0
    """
    return _maximum_likelihood.fit(_log_density, _score, data)


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With :math:`\psi = 1 - e^{-z}`, :math:`w = e^{-z}`, whose sum is N, and :math:`\bar z = \sum w z / N`

    .. math:: \partial_i s = \frac{\psi_i + (z_i - \bar z) w_i}{N + \sum_j w_j (z_j - \bar z)^2}, \qquad
              \partial_i m = \frac{w_i}{N} - \bar z \, \partial_i s
    """
    return _maximum_likelihood.fit_vjp(_log_density, _score, g, data)


def _log_density(xp: Any, z: Array) -> Array:
    return -z - xp.exp(-z)


def _log_density_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    left = z < 0
    y = xp.where(left, z, 0.0) / 2
    return xp.where(left, -2 * xp.sinh(y), xp.expm1(-xp.abs(z))), xp.exp(-y)


def _score(xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Minus the slope of the log density, its derivative, and that of z times it."""
    psi, w = -xp.expm1(-z), xp.exp(-z)
    return psi, w, psi + z * w


def _root_density(xp: Any, z: Array) -> Array:
    return xp.where(z > -50, xp.exp(-(z + xp.exp(-z)) / 2), 0.0)


def _cdf(xp: Any, z: Array) -> Array:
    return xp.exp(-xp.exp(-z))


def _log_cdf(xp: Any, z: Array) -> Array:
    return -xp.exp(-z)


def _log_cdf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    half = xp.exp(-z / 2)
    return half, half


def _sf(xp: Any, z: Array) -> Array:
    return -xp.expm1(-xp.exp(-z))


def _sf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    r = _root_density(xp, z)
    return -r, r


def _log_sf(xp: Any, z: Array) -> Array:
    """Three forms: beyond z = 37 the sf is exp(-z) to the last bit, below z = 0 it is nearly 1."""
    y = xp.exp(-z)
    value = xp.where(z < 0, xp.log1p(-xp.exp(-y)), xp.log(-xp.expm1(-y)))
    return xp.where(z > 37, -z, value)


def _log_sf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    y = xp.exp(-z)
    half = xp.where(y < 1500, xp.exp(-y / 2), 0.0)
    low = z < 0
    return (
        xp.where(low, -xp.where(half > 0, y, 0.0) * half, -1.0),
        xp.where(low, half / (1 - half * half), xp.where(z > 37, 1.0, y / xp.expm1(y))),
    )


def _icdf(xp: Any, u: Array) -> Array:
    return -xp.log(-xp.log(u))


def _icdf_divisors(xp: Any, u: Array) -> tuple[Array, Array]:
    return xp.where(u > 0, xp.abs(xp.log(u)), 1.0), u
