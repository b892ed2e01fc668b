r"""Half-normal distribution, that of a normal number's size: :math:`f(x; s) = \sqrt{2/\pi} \, e^{-x^2/(2 s^2)} / s`."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import numpy as np

from refengine._arrays import check_shape, elementwise, special_functions, unbroadcast
from refengine.distributions import _standard_normal
from refengine.distributions._divergence import excess, excess_minus_log
from refengine.distributions._half_line import (
    defined,
    linear,
    linear_vjp,
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
)
from refengine.distributions._half_line import log_cdf as log_cdf_from_0
from refengine.distributions._half_line import log_cdf_vjp as log_cdf_from_0_vjp
from refengine.distributions._location_scale import density
from refengine.distributions._noise import normal as noise
from refengine.domains import Array, NonNegative, Positive, Real, Unit

__all__ = [
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
    "kl_divergence",
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

_HALF_LOG = log(pi / 2) / 2


def log_prob(x: NonNegative, scale: Positive) -> Array:
    r"""Logarithm of the half-normal density.

    .. math:: \log f(x; s) = -\frac{z^2}{2} - \log s + \tfrac12 \log\tfrac2\pi, \qquad z = \frac{x}{s}

    x, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x < 0, x = inf: -inf and
    zero gradients; at 0 the limits from inside;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1994), chapter 13.

    >>> round(float(log_prob(2.0, 1.0) - log_prob(0.0, 1.0)), 12)
    -2.0
    """
    return log_density(_log_density, x, scale)


def log_prob_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and scale.

    .. math:: \partial_x = -\frac{z}{s}, \qquad \partial_s = \frac{z^2 - 1}{s}
    """
    return log_density_vjp(_log_density_slope, g, x, scale)


def log_prob_value_and_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dscale) = log_prob_value_and_vjp(1.0, 4.0, 2.0)
    >>> float(dx), float(dscale)
    (-1.0, 1.5)
    """
    return log_prob(x, scale), log_prob_vjp(g, x, scale)


def cdf(x: NonNegative, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; s) = \operatorname{erf}(z/\sqrt2)

    x, scale: broadcast together. 0 for x <= 0, 1 at inf. Johnson et al. (1994), chapter 13.

    >>> float(cdf(0.0, 2.0))
    0.0
    """
    return of_z(_cdf, x, scale)


def cdf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_s = -z f`, with f the density at x.

    The density is the square of its root, so that it may be divided by a small scale before it underflows.
    """
    return of_z_vjp(density(_root_density), g, x, scale)


def log_cdf(x: NonNegative, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; s) = \log\operatorname{erf}(z/\sqrt2)

    x, scale: broadcast together. -inf with zero gradients for x <= 0, 0 at inf. Johnson et al. (1994), chapter 13.

    >>> float(log_cdf(0.0, 2.0))
    -inf
    """
    return log_cdf_from_0(_log_cdf, -_HALF_LOG, x, scale)


def log_cdf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: :math:`f s / F`, times :math:`1/s, -z/s`."""
    return log_cdf_from_0_vjp(_log_cdf_slope, g, x, scale)


def sf(x: NonNegative, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; s) = \operatorname{erfc}(z/\sqrt2)

    x, scale: broadcast together. 1 for x <= 0, 0 at inf. Johnson et al. (1994), chapter 13.

    >>> float(sf(0.0, 2.0))
    1.0
    """
    return of_z(_sf, x, scale)


def sf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, z f`."""
    return of_z_vjp(_sf_slope, g, x, scale)


def log_sf(x: NonNegative, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; s)) = \log\operatorname{erfc}(z/\sqrt2)

    x, scale: broadcast together. 0 for x <= 0, -inf at inf. Johnson et al. (1994), chapter 13.

    >>> float(log_sf(1e100, 1.0))
    -5e+199
    """
    return of_z(_log_sf, x, scale)


def log_sf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: :math:`-f s / (1 - F)`, times :math:`1/s, -z/s`."""
    return of_z_vjp(_log_sf_slope, g, x, scale)


def icdf(u: Unit, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; s) = s \sqrt2 \operatorname{erf}^{-1}(u)

    u, scale: broadcast together. 0 at 0, inf at 1, nan outside. Johnson et al. (1994), chapter 13.

    >>> float(icdf(0.0, 2.0))
    0.0
    """
    return quantile(_icdf, sqrt(pi / 2), scale, u=u)


def icdf_vjp(g: Array, u: Unit, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of u and scale, with q the standard quantile: :math:`s q'(u), q`.

    .. math:: q'(u) = \sqrt{\tfrac{\pi}{2}} \, e^{q^2/2} = \frac{1}{(1 - u) \lambda(q)}, \quad \lambda = \frac{f}{1 - F}

    At u = 1 both are inf.
    """
    return quantile_vjp(_icdf, _icdf_divisors, g, scale, u=u)


def entropy(scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log s + \tfrac12 (1 + \log\tfrac\pi2)

    scale: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 13.

    >>> round(float(entropy(1.0)), 12)
    0.725791352645
    """
    return logarithm(0.5 + _HALF_LOG, scale)


def entropy_vjp(g: Array, scale: Positive) -> tuple[Array]:
    r"""Cotangent of the scale: :math:`1/s`."""
    return logarithm_vjp(0.5 + _HALF_LOG, g, scale)


def mean(scale: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = s \sqrt{2/\pi}

    scale: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 13.

    >>> round(float(mean(1.0)) ** 2 * np.pi, 12)
    2.0
    """
    return linear(sqrt(2 / pi), scale)


def mean_vjp(g: Array, scale: Positive) -> tuple[Array]:
    r"""Cotangent of the scale: :math:`\sqrt{2/\pi}`."""
    return linear_vjp(sqrt(2 / pi), g, scale)


def variance(scale: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - E x)^2] = s^2 (1 - 2/\pi)

    scale: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 13.

    >>> round(float(variance(1.0)), 12)
    0.363380227632
    """
    return square(1 - 2 / pi, scale)


def variance_vjp(g: Array, scale: Positive) -> tuple[Array]:
    r"""Cotangent of the scale: :math:`2 s (1 - 2/\pi)`."""
    return square_vjp(1 - 2 / pi, g, scale)


def mode(scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; s) = 0

    scale: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 13.

    >>> float(mode(2.0))
    0.0
    """
    return linear(0.0, scale)


def mode_vjp(g: Array, scale: Positive) -> tuple[Array]:
    r"""Cotangent of the scale: :math:`0`."""
    return linear_vjp(0.0, g, scale)


def sample(noise: Real, scale: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = s \, |\varepsilon|

    noise: standard normal, as from `noise`. Broadcast with the scale. Johnson et al. (1994), chapter 13.

    noise and the parameters: broadcast together.

    >>> float(sample(-1.5, 2.0))
    3.0
    """
    return quantile(_noise, 1.0, scale, noise=noise)


def sample_vjp(g: Array, noise: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of noise and scale: :math:`s \operatorname{sign} \varepsilon, |\varepsilon|`, 0 at the kink."""
    return quantile_vjp(_noise, _noise_divisors, g, scale, noise=noise)


def kl_divergence(scale_p: Positive, scale_q: Positive) -> Array:
    r"""Divergence of a half-normal distribution q from p, without cancellation where they are close.

    .. math:: D(p \| q) = \tfrac12 (e - \log(1 + e)), \qquad e = \frac{s_p^2 - s_q^2}{s_q^2}

    scale_p, scale_q: broadcast together. That of the normal distributions: Kullback (1959), chapter 9, eq. 1.4.

    >>> float(kl_divergence(2.0, 2.0)), round(float(kl_divergence(2.0, 1.0)), 12)  # 3/2 - log(2)
    (0.0, 0.80685281944)
    """
    xp, dtype, s, t = elementwise(scale_p=scale_p, scale_q=scale_q)
    with np.errstate(all="ignore"):
        value = excess_minus_log(xp, excess(s, t), s, t, power=2) / 2
        return xp.astype(xp.where(defined(xp, s, s) & defined(xp, t, t), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(g: Array, scale_p: Positive, scale_q: Positive) -> tuple[Array, Array]:
    r"""Cotangents of the two scales: :math:`e/s_p, -e/s_q`."""
    xp, dtype, g, s, t = elementwise(g=g, scale_p=scale_p, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g, e, r = xp.where(defined(xp, s, s) & defined(xp, t, t), g, xp.nan), excess(s, t), s / t
        ds, dt = xp.where(e > 1e300, r / t, e / s), xp.where(e > 1e300, r * (r / t), e / t)
        return unbroadcast(g * ds, scale_p, dtype), unbroadcast(-g * dt, scale_q, dtype)


def maximum_likelihood(data: NonNegative) -> Array:
    r"""The root of the mean square.

    .. math:: \hat s^2 = \frac1N \sum_i x_i^2

    data: (N,). All data 0, no data, and data that are negative or not finite: nan. Johnson et al. (1994), chapter 13.

    >>> float(maximum_likelihood([1.0, 7.0]))
    5.0
    """
    xp, dtype, x = elementwise(data=data)
    with np.errstate(all="ignore"):
        return xp.astype(_root_mean_square(xp, x), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \partial_i \hat s = \frac{x_i}{N \hat s}
    """
    xp, dtype, g, x = elementwise(g=g, data=data)
    with np.errstate(all="ignore"):
        slope = x / _root_mean_square(xp, x) / max(x.shape[0], 1)
        return (xp.astype(g * slope, dtype, copy=False),)


def _root_mean_square(xp: Any, x: Array) -> Array:
    check_shape("data", x, ("N",))
    if x.shape[0] == 0:
        return xp.asarray(xp.nan, dtype=xp.float64)
    largest = xp.max(x)
    value = largest * xp.sqrt(xp.sum((x / largest) ** 2) / x.shape[0])
    return xp.where((xp.min(x) >= 0) & (largest > 0) & (largest < xp.inf), value, xp.nan)


def _log_density(xp: Any, z: Array) -> Array:
    return -z * z / 2 - _HALF_LOG


def _log_density_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    return -z, xp.ones_like(z)


def _root_density(xp: Any, z: Array) -> Array:
    return sqrt(sqrt(2 / pi)) * xp.exp(-z * z / 4)


def _cdf(xp: Any, z: Array) -> Array:
    return special_functions(xp).erf(z / sqrt(2))


def _log_cdf(xp: Any, z: Array) -> Array:
    special = special_functions(xp)
    return xp.where(z < 0.7, xp.log(special.erf(z / sqrt(2))), xp.log1p(-special.erfc(z / sqrt(2))))


def _log_cdf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    r = _root_density(xp, z)
    return r, r / _cdf(xp, z)


def _sf(xp: Any, z: Array) -> Array:
    return special_functions(xp).erfc(z / sqrt(2))


def _sf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    r = _root_density(xp, z)
    return -r, r


def _log_sf(xp: Any, z: Array) -> Array:
    special = special_functions(xp)
    far = xp.log(special.erfcx(z / sqrt(2))) - z * z / 2
    return xp.where(z < 0.7, xp.log1p(-special.erf(z / sqrt(2))), far)


def _log_sf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    return -xp.ones_like(z), _standard_normal.hazard(xp, -z)


def _icdf(xp: Any, u: Array) -> Array:
    special = special_functions(xp)
    value = xp.where(u < 0.5, sqrt(2) * special.erfinv(u), -special.ndtri((1 - u) / 2))
    return xp.where((u >= 0) & (u <= 1), value, xp.nan)


def _icdf_divisors(xp: Any, u: Array) -> tuple[Array, Array]:
    """The density at the quantile, as the probability above it times the hazard."""
    return 1 - u, xp.where(u < 1, _standard_normal.hazard(xp, -_icdf(xp, u)), 1.0)


def _noise(xp: Any, noise: Array) -> Array:
    return xp.abs(noise)


def _noise_divisors(xp: Any, noise: Array) -> tuple[Array]:
    return (xp.where(noise == 0, xp.inf, xp.sign(noise)),)
