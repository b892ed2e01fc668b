r"""Half-Cauchy distribution of the size of a Cauchy number, :math:`f(x; s) = 2 / (\pi s (1 + z^2)), z = x/s`."""

from __future__ import annotations

from math import inf, log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_shape, elementwise, unbroadcast
from refengine.distributions import _cauchy
from refengine.distributions._half_line import (
    defined,
    linear,
    linear_vjp,
    logarithm,
    logarithm_vjp,
    quantile,
    quantile_vjp,
)
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, NonNegative, Positive, Unit
from refengine.special._saddle_point import log_quotient

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
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
    "sf",
    "sf_vjp",
]


def log_prob(x: NonNegative, scale: Positive) -> Array:
    r"""Logarithm of the half-Cauchy density.

    .. math:: \log f(x; s) = -\log\left(\tfrac\pi2 s (1 + z^2)\right), \qquad z = \frac{x}{s}

    x, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x < 0, x = inf: -inf and
    zero gradients; at 0 the limits from inside;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1994), chapter 16.

    >>> round(float(log_prob(1.0, 1.0)), 12)  # 1 / pi
    -1.144729885849
    """
    return _on_half_line(_log_density, -inf, x, scale)


def log_prob_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and scale.

    .. math:: \partial_x = -\frac{2 z}{s (1 + z^2)}, \qquad \partial_s = \frac{z^2 - 1}{s (1 + z^2)}
    """
    return _on_half_line_vjp(_log_density_slopes, 0.0, g, x, scale)


def log_prob_value_and_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dscale) = log_prob_value_and_vjp(1.0, 1.0, 1.0)
    >>> float(dx), float(dscale)
    (-1.0, 0.0)
    """
    return log_prob(x, scale), log_prob_vjp(g, x, scale)


def cdf(x: NonNegative, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; s) = \frac2\pi \arctan z

    x, scale: broadcast together. 0 for x <= 0, 1 at inf. Johnson et al. (1994), chapter 16.

    >>> float(cdf(2.0, 2.0))
    0.5
    """
    return _on_half_line(_cdf, 0.0, x, scale)


def cdf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_s = -z f`, with f the density at x.

    Beyond one scale from 0 z f is a function of s/x, as in the Cauchy distribution.
    """
    return _on_half_line_vjp(_cdf_slopes, 0.0, g, x, scale)


def log_cdf(x: NonNegative, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; s) = \log\left(\frac2\pi \arctan z\right)

    x, scale: broadcast together. -inf with zero gradients for x <= 0, 0 at inf. Johnson et al. (1994), chapter 16.

    >>> float(log_cdf(0.0, 2.0))
    -inf
    """
    return _on_half_line(_log_cdf, -inf, x, scale)


def log_cdf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: :math:`f s / F`, times :math:`1/s, -z/s`."""
    return _on_half_line_vjp(_log_cdf_slopes, 5e-324, g, x, scale)


def sf(x: NonNegative, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; s) = \frac2\pi \operatorname{atan2}(s, x)

    x, scale: broadcast together. 1 for x <= 0, 0 at inf. Johnson et al. (1994), chapter 16.

    >>> float(sf(2.0, 2.0))
    0.5
    """
    return _on_half_line(_sf, 1.0, x, scale)


def sf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, z f`."""
    return _on_half_line_vjp(_sf_slopes, 0.0, g, x, scale)


def log_sf(x: NonNegative, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; s)) = \log\left(\frac2\pi \operatorname{atan2}(s, x)\right)

    x, scale: broadcast together. 0 for x <= 0, -inf at inf. Johnson et al. (1994), chapter 16.

    >>> round(float(log_sf(1.0, 1.0)), 12)  # log(1/2)
    -0.69314718056
    """
    return _on_half_line(_log_sf, 0.0, x, scale)


def log_sf_vjp(g: Array, x: NonNegative, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents: :math:`-f s / (1 - F)`, times :math:`1/s, -z/s`."""
    return _on_half_line_vjp(_log_sf_slopes, 0.0, g, x, scale)


def icdf(u: Unit, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; s) = s \tan(\pi u / 2)

    u, scale: broadcast together. 0 at 0, inf at 1, nan outside. Johnson et al. (1994), chapter 16.

    >>> round(float(icdf(0.5, 2.0)), 12)
    2.0
    """
    return quantile(_icdf, pi / 2, scale, u=u)


def icdf_vjp(g: Array, u: Unit, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of u and scale, with q the standard quantile: :math:`s q'(u), q`.

    .. math:: q'(u) = \frac{\pi/2}{\cos^2(\pi u / 2)}

    At u = 1 both are inf.
    """
    return quantile_vjp(_icdf, _icdf_divisors, g, scale, u=u)


def entropy(scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log 2 \pi s

    scale: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 16.

    >>> round(float(entropy(0.5 / np.pi)), 12)
    0.0
    """
    return logarithm(log(2 * pi), scale)


def entropy_vjp(g: Array, scale: Positive) -> tuple[Array]:
    r"""Cotangent of the scale: :math:`1/s`."""
    return logarithm_vjp(log(2 * pi), g, scale)


def mode(scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; s) = 0

    scale: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 16.

    >>> float(mode(2.0))
    0.0
    """
    return linear(0.0, scale)


def mode_vjp(g: Array, scale: Positive) -> tuple[Array]:
    r"""Cotangent of the scale: :math:`0`."""
    return linear_vjp(0.0, g, scale)


def sample(noise: Unit, scale: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = F^{-1}(u; s)

    noise: uniform on (0, 1), as from `noise`. Broadcast with the scale. Johnson et al. (1994), chapter 16.

    noise and the parameters: broadcast together.

    >>> round(float(sample(0.5, 2.0)), 12)
    2.0
    """
    return quantile(_icdf, pi / 2, scale, noise=noise)


def sample_vjp(g: Array, noise: Unit, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of noise and scale: those of the quantile at :math:`u = \text{noise}`."""
    return quantile_vjp(_icdf, _icdf_divisors, g, scale, noise=noise)


def kl_divergence(scale_p: Positive, scale_q: Positive) -> Array:
    r"""Divergence of a half-Cauchy distribution q from p, which is that of p from q, without cancellation.

    .. math:: D(p \| q) = \log\frac{(s_p + s_q)^2}{4 s_p s_q} = \log\left(1 + \frac{(s_p - s_q)^2}{4 s_p s_q}\right)

    scale_p, scale_q: broadcast together. That of the Cauchy distributions: Chyzak and Nielsen (2019).

    >>> float(kl_divergence(2.0, 2.0)), round(float(kl_divergence(4.0, 1.0)), 12)  # log(25 / 16)
    (0.0, 0.446287102628)
    """
    xp, dtype, s, t = elementwise(scale_p=scale_p, scale_q=scale_q)
    with np.errstate(all="ignore"):
        low, high = xp.minimum(s, t), xp.maximum(s, t)
        ratio = (high - low) / low / 4 * ((high - low) / high)
        value = xp.where(ratio < 1e100, xp.log1p(ratio), log_quotient(xp, high, low, xp.zeros_like(ratio) + 0.25))
        return xp.astype(xp.where(defined(xp, s, s) & defined(xp, t, t), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(g: Array, scale_p: Positive, scale_q: Positive) -> tuple[Array, Array]:
    r"""Cotangents of the two scales.

    .. math:: \partial_{s_p} = \frac{s_p - s_q}{s_p (s_p + s_q)}, \quad
              \partial_{s_q} = \frac{s_q - s_p}{s_q (s_p + s_q)}
    """
    xp, dtype, g, s, t = elementwise(g=g, scale_p=scale_p, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(defined(xp, s, s) & defined(xp, t, t), g, xp.nan)
        high = xp.maximum(s, t)
        tilt = (s - t) / high / (s / high + t / high)
        return unbroadcast(g * (tilt / s), scale_p, dtype), unbroadcast(-g * (tilt / t), scale_q, dtype)


def maximum_likelihood(data: NonNegative) -> Array:
    r"""The scale of largest likelihood, by Newton's method in log s between bounds that close in.

    .. math:: \sum_i \frac{x_i^2}{\hat s^2 + x_i^2} = \frac N2

    data: (N,). The sum falls with the scale, so there is one solution, unless half of the data or more are 0: then,
    for no data, and for data that are negative or not finite: nan. The score equation of Copas (1975) with a location
    of 0.

    >>> round(float(maximum_likelihood([2.0, 8.0])), 12)
    4.0
    """
    xp, dtype, x = elementwise(data=data)
    with np.errstate(all="ignore"):
        return xp.astype(_estimate(xp, x), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    .. math:: \partial_i \hat s = \frac{\hat s}{x_i} \frac{w_i}{\sum_j w_j}, \qquad
              w = \frac{\hat s^2 x^2}{(\hat s^2 + x^2)^2}
    """
    xp, dtype, g, x = elementwise(g=g, data=data)
    with np.errstate(all="ignore"):
        z = x / _estimate(xp, x)
        share = z / (1 + z * z) ** 2
        share = xp.where(z > 1e100, 0.0, share)
        return (xp.astype(g * (share / xp.sum(share * z)), dtype, copy=False),)


def _estimate(xp: Any, x: Array) -> Array:
    check_shape("data", x, ("N",))
    nan = xp.asarray(xp.nan, dtype=xp.float64)
    zeros = int(xp.sum(xp.astype(x == 0, xp.int64)))
    if 2 * zeros >= x.shape[0] or not bool(xp.all((x >= 0) & (x < xp.inf))):
        return nan
    logs = xp.log(x[x > 0])
    low, high = xp.min(logs), xp.max(logs)
    middle = (low + high) / 2
    for _ in range(100):
        share = 1 / (1 + xp.exp(2 * (middle - logs)))
        excess = xp.sum(share) - x.shape[0] / 2
        low, high = xp.where(excess > 0, middle, low), xp.where(excess > 0, high, middle)
        step = excess / (2 * xp.sum(share * (1 - share)))
        middle = middle + step
        if bool(xp.abs(step) < 1e-9):
            break
        middle = xp.where((low < middle) & (middle < high), middle, (low + high) / 2)
    return _polished(xp, x, xp.exp(middle))


def _polished(xp: Any, x: Array, scale: Array) -> Array:
    """One more step, of the scale itself: its logarithm, if large, is known to fewer digits."""
    z = x / scale
    share = xp.where(z > 1, 1 / (1 + (1 / z) ** 2), z * z / (1 + z * z))
    return scale * (1 + (xp.sum(share) - x.shape[0] / 2) / (2 * xp.sum(share * (1 - share))))


def _log_density(xp: Any, x: Array, scale: Array) -> Array:
    return _cauchy.log_density(xp, x, xp.zeros_like(x), scale) + log(2)


def _icdf(xp: Any, u: Array) -> Array:
    rest = 1 - u
    value = xp.where(u < 0.5, xp.tan(pi * u / 2), 1 / xp.tan(pi * rest / 2))
    return xp.where((u >= 0) & (u <= 1), xp.where(rest == 0, xp.inf, value), xp.nan)


def _icdf_divisors(xp: Any, u: Array) -> tuple[Array, Array, float]:
    cosine = xp.where(u < 0.5, xp.cos(pi * u / 2), xp.sin(pi * (1 - u) / 2))
    return cosine, cosine, 2 / pi


def _on_half_line(f: Any, below: float, x: Array, scale: Array) -> Array:
    """``f(x, scale)`` for x >= 0."""
    xp, dtype, x, scale = elementwise(x=x, scale=scale)
    with np.errstate(all="ignore"):
        value = xp.where(x < 0, below, f(xp, xp.where(x < 0, 0.0, x), scale))
        return xp.astype(xp.where(defined(xp, x, scale), value, xp.nan), dtype, copy=False)


def _on_half_line_vjp(slopes: Any, least: float, g: Array, x: Array, scale: Array) -> tuple[Array, Array]:
    """Cotangents, given the derivatives; 0 below ``least``."""
    xp, dtype, g, x1, scale1 = elementwise(g=g, x=x, scale=scale)
    with np.errstate(all="ignore"):
        inside = (x1 >= least) & (x1 < xp.inf)
        dx, dscale = (xp.where(inside, d, 0.0) for d in slopes(xp, xp.where(inside, x1, 1.0), scale1))
        g = xp.where(defined(xp, x1, scale1), g, xp.nan)
        return unbroadcast(g * dx, x, dtype), unbroadcast(g * dscale, scale, dtype)


def _log_density_slopes(xp: Any, x: Array, scale: Array) -> tuple[Array, Array]:
    return _cauchy.log_density_slopes(xp, x, xp.zeros_like(x), scale)


def _cdf(xp: Any, x: Array, scale: Array) -> Array:
    return 2 * xp.atan2(x, scale) / pi


def _sf(xp: Any, x: Array, scale: Array) -> Array:
    return 2 * _cauchy.tail(xp, x, xp.zeros_like(x), scale, 1)


def _cdf_slopes(xp: Any, x: Array, scale: Array) -> tuple[Array, Array]:
    density, z_density = _cauchy.rates(xp, x, xp.zeros_like(x), scale)
    return 2 * density, -2 * z_density


def _sf_slopes(xp: Any, x: Array, scale: Array) -> tuple[Array, Array]:
    density, z_density = _cauchy.rates(xp, x, xp.zeros_like(x), scale)
    return -2 * density, 2 * z_density


def _log_cdf(xp: Any, x: Array, scale: Array) -> Array:
    """The logarithm of the ratio where that is small, else of the angle or of its complement."""
    small = x / scale < 1e-9
    ratio = log_quotient(xp, xp.where(small & (x > 0), x, 1.0), scale, xp.ones_like(x)) + log(2 / pi)
    value = xp.where(x < scale, xp.log(_cdf(xp, x, scale)), xp.log1p(-_sf(xp, x, scale)))
    return xp.where(x > 0, xp.where(small, ratio, value), -xp.inf)


def _log_cdf_slopes(xp: Any, x: Array, scale: Array) -> tuple[Array, Array]:
    z = x / scale
    dx, dscale = (slope / _cdf(xp, x, scale) for slope in _cdf_slopes(xp, x, scale))
    ratio = xp.where(z < 1e-8, 1.0, z / xp.atan2(x, scale)) / (1 + z * z)
    return xp.where(z < 1, ratio / x, dx), xp.where(z < 1, -ratio / scale, dscale)


def _log_sf(xp: Any, x: Array, scale: Array) -> Array:
    far = _cauchy.log_tail(xp, x, xp.zeros_like(x), scale, 1) + log(2)
    return xp.where(x < scale, xp.log1p(-_cdf(xp, x, scale)), far)


def _log_sf_slopes(xp: Any, x: Array, scale: Array) -> tuple[Array, Array]:
    rate, z_rate = _cauchy.log_tail_rates(xp, x, xp.zeros_like(x), scale, 1)
    return -rate, z_rate
