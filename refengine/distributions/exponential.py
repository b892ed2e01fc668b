r"""Exponential distribution, :math:`f(x; \lambda) = \lambda e^{-\lambda x}` for x >= 0."""

from __future__ import annotations

import math
from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_shape, elementwise, special_functions, unbroadcast
from refengine.distributions._divergence import EULER, excess_minus_log, expm1_over, less_one, log_gamma_excess
from refengine.distributions._half_line import defined, linear, linear_vjp
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, NonNegative, Positive, Real, Unit
from refengine.special._saddle_point import log1p_minus, log_minus_digamma, log_quotient, stirling_error

__all__ = [
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
    "kl_divergence",
    "kl_divergence_gamma",
    "kl_divergence_gamma_vjp",
    "kl_divergence_gumbel",
    "kl_divergence_gumbel_vjp",
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

_SMALL = 1e-9


def log_prob(x: NonNegative, rate: Positive) -> Array:
    r"""Logarithm of the exponential density.

    .. math:: \log f(x; \lambda) = \log\lambda - \lambda x

    x, rate: broadcast together, as the arguments of all functions here; the result has the broadcast shape. float32
    when every floating array is, else float64, and float64 inside. x < 0, x = inf: -inf and zero gradients; at 0 the
    limits from inside; a rate that is not positive and finite, and nan: nan, here and in all functions below.
    Johnson et al. (1994), chapter 19.

    >>> float(log_prob(3.0, 1.0))
    -3.0
    """
    return _pointwise(lambda xp, x, rate: xp.log(rate) - rate * x, -math.inf, x, rate)


def log_prob_vjp(g: Array, x: NonNegative, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and the rate: :math:`-\lambda, 1/\lambda - x`."""
    return _pointwise_vjp(lambda xp, x, rate: (-rate, 1 / rate - x), g, x, rate)


def log_prob_value_and_vjp(g: Array, x: NonNegative, rate: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, drate) = log_prob_value_and_vjp(1.0, 3.0, 1.0)
    >>> float(value), float(dx), float(drate)
    (-3.0, -1.0, -2.0)
    """
    return log_prob(x, rate), log_prob_vjp(g, x, rate)


def cdf(x: NonNegative, rate: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy for small ones.

    .. math:: F(x; \lambda) = 1 - e^{-\lambda x}

    x, rate: broadcast together. 0 for x <= 0, 1 at inf. Johnson et al. (1994), chapter 19.

    >>> round(float(cdf(1.0, np.log(2.0))), 12)
    0.5
    """
    return _pointwise(lambda xp, x, rate: -xp.expm1(-rate * x), 0.0, x, rate)


def cdf_vjp(g: Array, x: NonNegative, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and the rate: :math:`\lambda e^{-\lambda x}, x e^{-\lambda x}`; 0 for x < 0."""
    return _pointwise_vjp(lambda xp, x, rate: _times_exponential(xp, rate, x), g, x, rate)


def log_cdf(x: NonNegative, rate: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; \lambda) = \log(1 - e^{-\lambda x})

    x, rate: broadcast together. -inf with zero gradients for x <= 0, 0 at inf. Johnson et al. (1994), chapter 19.

    >>> round(float(log_cdf(1.0, np.log(2.0))), 12)
    -0.69314718056
    """
    return _pointwise(_log_cdf, -math.inf, x, rate)


def log_cdf_vjp(g: Array, x: NonNegative, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and the rate: :math:`\lambda / (e^{\lambda x} - 1), x / (e^{\lambda x} - 1)`; 0 for x <= 0."""
    return _pointwise_vjp(_log_cdf_slopes, g, x, rate, least=5e-324)


def sf(x: NonNegative, rate: Positive) -> Array:
    r"""Probability of a value above x.

    .. math:: 1 - F(x; \lambda) = e^{-\lambda x}

    x, rate: broadcast together. 1 for x <= 0, 0 at inf. Johnson et al. (1994), chapter 19.

    >>> float(sf(0.0, 3.0))
    1.0
    """
    return _pointwise(lambda xp, x, rate: xp.exp(-rate * x), 1.0, x, rate)


def sf_vjp(g: Array, x: NonNegative, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and the rate: :math:`-\lambda e^{-\lambda x}, -x e^{-\lambda x}`; 0 for x < 0."""
    return _pointwise_vjp(lambda xp, x, rate: tuple(-s for s in _times_exponential(xp, rate, x)), g, x, rate)


def log_sf(x: NonNegative, rate: Positive) -> Array:
    r"""Logarithm of the probability of a value above x.

    .. math:: \log(1 - F(x; \lambda)) = -\lambda x

    x, rate: broadcast together. 0 for x <= 0, -inf at inf. Johnson et al. (1994), chapter 19.

    >>> float(log_sf(3.0, 2.0))
    -6.0
    """
    return _pointwise(lambda xp, x, rate: 0.0 - rate * x, 0.0, x, rate)


def log_sf_vjp(g: Array, x: NonNegative, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and the rate: :math:`-\lambda, -x`; 0 for x < 0."""
    return _pointwise_vjp(lambda xp, x, rate: (-rate, -x), g, x, rate)


def icdf(u: Unit, rate: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; \lambda) = -\log(1 - u) / \lambda

    u, rate: broadcast together. 0 at 0, inf at 1, nan outside. Johnson et al. (1994), chapter 19.

    >>> float(icdf(0.5, np.log(2.0)))
    1.0
    """
    return _quantile(rate, u=u)


def icdf_vjp(g: Array, u: Unit, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of u and the rate: :math:`1 / (\lambda (1 - u)), \log(1 - u) / \lambda^2`."""
    return _quantile_vjp(g, rate, u=u)


def entropy(rate: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = 1 - \log\lambda

    rate: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 19.

    >>> float(entropy(1.0))
    1.0
    """
    return _of_rate(lambda xp, rate: 1 - xp.log(rate), rate)


def entropy_vjp(g: Array, rate: Positive) -> tuple[Array]:
    r"""Cotangent of the rate: :math:`-1/\lambda`."""
    return _of_rate_vjp(lambda rate: -1 / rate, g, rate)


def mean(rate: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = 1/\lambda

    rate: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 19.

    >>> float(mean(4.0))
    0.25
    """
    return _of_rate(lambda xp, rate: 1 / rate, rate)


def mean_vjp(g: Array, rate: Positive) -> tuple[Array]:
    r"""Cotangent of the rate: :math:`-1/\lambda^2`."""
    return _of_rate_vjp(lambda rate: -1 / rate / rate, g, rate)


def variance(rate: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - E x)^2] = 1/\lambda^2

    rate: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 19.

    >>> float(variance(4.0))
    0.0625
    """
    return _of_rate(lambda xp, rate: 1 / rate / rate, rate)


def variance_vjp(g: Array, rate: Positive) -> tuple[Array]:
    r"""Cotangent of the rate: :math:`-2/\lambda^3`."""
    return _of_rate_vjp(lambda rate: -2 / rate / rate / rate, g, rate)


def mode(rate: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; \lambda) = 0

    rate: any shape, which the result has (nothing to broadcast). Johnson et al. (1994), chapter 19.

    >>> float(mode(2.0))
    0.0
    """
    elementwise(rate=rate)  # errors name the rate
    return linear(0.0, rate)


def mode_vjp(g: Array, rate: Positive) -> tuple[Array]:
    r"""Cotangent of the rate: :math:`0`."""
    return linear_vjp(0.0, g, rate)


def sample(noise: Unit, rate: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = F^{-1}(u; \lambda)

    noise: uniform on (0, 1), as from `noise`. Broadcast with the rate. Johnson et al. (1994), chapter 19.

    noise and the parameters: broadcast together.

    >>> float(sample(0.5, np.log(2.0)))
    1.0
    """
    return _quantile(rate, noise=noise)


def sample_vjp(g: Array, noise: Unit, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of noise and the rate: those of the quantile at :math:`u` = noise."""
    return _quantile_vjp(g, rate, noise=noise)


def kl_divergence(rate_p: Positive, rate_q: Positive) -> Array:
    r"""Divergence of an exponential distribution q from p, without cancellation where they are close.

    .. math:: D(p \| q) = e - \log(1 + e), \qquad e = \frac{\lambda_q - \lambda_p}{\lambda_p}

    rate_p, rate_q: broadcast together. Gil (2011).

    >>> float(kl_divergence(2.0, 2.0)), round(float(kl_divergence(1.0, 2.0)), 12)  # 1 - log(2)
    (0.0, 0.30685281944)
    """
    xp, dtype, p, q = elementwise(rate_p=rate_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        value = excess_minus_log(xp, (q - p) / p, q, p)
        return xp.astype(xp.where(defined(xp, p, p) & defined(xp, q, q), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(g: Array, rate_p: Positive, rate_q: Positive) -> tuple[Array, Array]:
    r"""Cotangents of the two rates: :math:`-e/\lambda_p, \; e/\lambda_q`."""
    xp, dtype, g, p, q = elementwise(g=g, rate_p=rate_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        g = xp.where(defined(xp, p, p) & defined(xp, q, q), g, xp.nan)
        dq = xp.where(q / p > 1e300, 1 / p, (q - p) / p / q)
        return unbroadcast(g * ((p - q) / p / p), rate_p, dtype), unbroadcast(g * dq, rate_q, dtype)


def kl_divergence_gamma(rate_p: Positive, concentration_q: Positive, rate_q: Positive) -> Array:
    r"""Divergence of a gamma distribution q from this one.

    .. math:: D(p \| q) = (r - 1 - \log r) + (\log\Gamma(a) + \gamma (a - 1)) - (a - 1) \log r, \qquad
              r = \frac{\lambda_q}{\lambda_p}

    rate_p, concentration_q (a), rate_q: broadcast together. For a > 8 Stirling's series is cancelled against the
    logarithms: a log(a/r) - a + r is small where r is near a. Gil (2011).

    >>> float(kl_divergence_gamma(2.0, 1.0, 2.0))
    0.0
    """
    xp, dtype, p, a, q = elementwise(rate_p=rate_p, concentration_q=concentration_q, rate_q=rate_q)
    with np.errstate(all="ignore"):
        valid = defined(xp, p, p) & defined(xp, q, q) & defined(xp, a, a)
        a, r, one = xp.where(valid, a, 1.0), q / p, xp.ones_like(p * q)
        log_r = log_quotient(xp, q, p, one)
        near = excess_minus_log(xp, (q - p) / p, q, p) + log_gamma_excess(xp, a) - (a - 1) * log_r
        e = (r - a) / a
        deviance = xp.where(xp.abs(e) <= 0.5, -a * log1p_minus(xp, e), (r - a) - a * (log_r - xp.log(a)))
        far = deviance + EULER * (a - 1) - 1 + (log(2 * pi) - xp.log(a)) / 2 + stirling_error(xp, a)
        return xp.astype(xp.where(valid, xp.where(a > 8, far, near), xp.nan), dtype, copy=False)


def kl_divergence_gamma_vjp(
    g: Array, rate_p: Positive, concentration_q: Positive, rate_q: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of the rate, of the concentration a and of the other rate.

    .. math:: \partial_{\lambda_p} = \frac{a - r}{\lambda_p}, \quad \partial_a = \psi(a) + \gamma - \log r, \quad
              \partial_{\lambda_q} = \frac{r - a}{\lambda_q}
    """
    xp, dtype, g, p, a, q = elementwise(g=g, rate_p=rate_p, concentration_q=concentration_q, rate_q=rate_q)
    with np.errstate(all="ignore"):
        g = xp.where(defined(xp, p, p) & defined(xp, q, q) & defined(xp, a, a), g, xp.nan)
        r = q / p
        log_r = log_quotient(xp, q, p, xp.ones_like(r))
        digamma = special_functions(xp).digamma(a) - log_r
        da = xp.where(a > 8, (xp.log(a) - log_r) - log_minus_digamma(xp, xp.maximum(a, 8.0 + 0.0 * a)), digamma)
        dq = xp.where(r > 1e300, 1 / p, (r - a) / q)
        return (
            unbroadcast(g * ((a - r) / p), rate_p, dtype),
            unbroadcast(g * (da + EULER), concentration_q, dtype),
            unbroadcast(g * dq, rate_q, dtype),
        )


def kl_divergence_gumbel(rate_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Gumbel distribution q from this one.

    .. math:: D(p \| q) = \log c - 1 + \frac1c - m + e^m \frac{c}{1 + c}, \qquad c = \lambda s, \quad m = \frac{m_q}{s}

    rate_p, loc_q, scale_q (s): broadcast together. From the mean of exp(-x/s): Johnson et al. (1994), chapter 19.

    >>> float(kl_divergence_gumbel(1.0, 0.0, 1.0))
    0.5
    """
    xp, dtype, p, loc, s = elementwise(rate_p=rate_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        c, m = p * s, loc / s
        log_c = xp.where((c > 1e-290) & (c < 1e290), xp.log(c), xp.log(p) + xp.log(s))
        value = log_c - 1 + 1 / p / s - m + xp.exp(m + _log_share(xp, p, s))
        value = xp.where(m > 1e300, xp.inf, value)
        valid = defined(xp, p, p) & defined(xp, s, s) & (xp.abs(loc) < xp.inf)
        return xp.astype(xp.where(valid, value, xp.nan), dtype, copy=False)


def kl_divergence_gumbel_vjp(g: Array, rate_p: Positive, loc_q: Real, scale_q: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of the rate, the location and the scale, with :math:`E = e^m c / (1 + c)`.

    .. math:: \partial_\lambda = \frac{1 - 1/c + E/(1 + c)}{\lambda}, \quad \partial_m = \frac{E - 1}{s}, \quad
              \partial_s = \frac{1 - 1/c + m (1 - E) + E/(1 + c)}{s}
    """
    xp, dtype, g, p, loc, s = elementwise(g=g, rate_p=rate_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(defined(xp, p, p) & defined(xp, s, s) & (xp.abs(loc) < xp.inf), g, xp.nan)
        c, m, r = p * s, loc / s, 1 / p / s
        w = m + _log_share(xp, p, s)
        bend = xp.where(w > 690, 0.0, 1 - r) + xp.exp(w - xp.log1p(c))
        half, tilt = xp.exp(w / 2), 1 / (1 + c) - m
        ds = xp.where(w > 690, half * (tilt / s) * half, (bend - m * xp.expm1(w)) / s)
        return (
            unbroadcast(g * (bend / p), rate_p, dtype),
            unbroadcast(g * expm1_over(xp, w, s), loc_q, dtype),
            unbroadcast(g * ds, scale_q, dtype),
        )


def _log_share(xp: Any, rate: Array, scale: Array) -> Array:
    """``log(c / (1 + c))`` for the product c, which may underflow."""
    c = rate * scale
    return xp.where(c > 1e-290, -xp.log1p(1 / c), xp.log(rate) + xp.log(scale))


def kl_divergence_normal(rate_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a normal distribution q from this one.

    .. math:: D(p \| q) = \log c + \tfrac12 \log 2\pi - 1 + \frac{1}{2 c^2} + \frac{d^2}{2}, \qquad c = \lambda s, \quad
              d = \frac{1/\lambda - m_q}{s}

    rate_p, loc_q, scale_q (s): broadcast together. From mean and variance: Johnson et al. (1994), chapter 19.

    >>> round(float(kl_divergence_normal(1.0, 1.0, 1.0)), 12)  # log(2 pi) / 2 - 1/2
    0.418938533205
    """
    xp, dtype, p, loc, s = elementwise(rate_p=rate_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        c, r, d = p * s, 1 / p / s, (1 / p - loc) / s
        log_c = xp.where((c > 1e-290) & (c < 1e290), xp.log(c), xp.log(p) + xp.log(s))
        value = log_c + (log(2 * pi) / 2 - 1) + (r * r + d * d) / 2
        valid = defined(xp, p, p) & defined(xp, s, s) & (xp.abs(loc) < xp.inf)
        return xp.astype(xp.where(valid, value, xp.nan), dtype, copy=False)


def kl_divergence_normal_vjp(g: Array, rate_p: Positive, loc_q: Real, scale_q: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of the rate, the location and the scale.

    .. math:: \partial_\lambda = \frac{1 - 1/c^2 - d/c}{\lambda}, \quad \partial_m = -\frac{d}{s}, \quad
              \partial_s = \frac{1 - 1/c^2 - d^2}{s}
    """
    xp, dtype, g, p, loc, s = elementwise(g=g, rate_p=rate_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(defined(xp, p, p) & defined(xp, s, s) & (xp.abs(loc) < xp.inf), g, xp.nan)
        r, d, both = 1 / p / s, (1 / p - loc) / s, (2 / p - loc) / s
        return (
            unbroadcast(-g * less_one(xp, r * both, r * (both / p), p), rate_p, dtype),
            unbroadcast(-g * (d / s), loc_q, dtype),
            unbroadcast(-g * less_one(xp, r * r + d * d, r * (r / s) + d * (d / s), s), scale_q, dtype),
        )


def maximum_likelihood(data: NonNegative) -> Array:
    r"""One over the mean.

    .. math:: \hat\lambda = N / \sum_i x_i

    data: (N,). All data 0, no data, and data that are negative or not finite: nan. Johnson et al. (1994), chapter 19.

    >>> float(maximum_likelihood([1.0, 3.0]))
    0.5
    """
    xp, dtype, x = elementwise(data=data)
    with np.errstate(all="ignore"):
        return xp.astype(1 / _mean(xp, x), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data: :math:`-\hat\lambda^2 / N` each."""
    xp, dtype, g, x = elementwise(g=g, data=data)
    with np.errstate(all="ignore"):
        mean = _mean(xp, x)
        slope = xp.zeros_like(x) - 1 / mean / mean / max(x.shape[0], 1)
        return (xp.astype(g * slope, dtype, copy=False),)


def _mean(xp: Any, x: Array) -> Array:
    check_shape("data", x, ("N",))
    if x.shape[0] == 0:
        return xp.asarray(xp.nan, dtype=xp.float64)
    exists = (xp.min(x) >= 0) & (xp.max(x) > 0) & (xp.max(x) < xp.inf)
    return xp.where(exists, xp.sum(x / x.shape[0]), xp.nan)


def _pointwise(f: Any, below: float, x: Array, rate: Array) -> Array:
    """``f(x, rate)`` for x >= 0; the infinities are the ends of the support."""
    xp, dtype, x, rate = elementwise(x=x, rate=rate)
    with np.errstate(all="ignore"):
        value = xp.where(x < 0, below, f(xp, xp.where(x < 0, 0.0, x), rate))
        return xp.astype(xp.where(defined(xp, x, rate), value, xp.nan), dtype, copy=False)


def _pointwise_vjp(slopes: Any, g: Array, x: Array, rate: Array, least: float = 0.0) -> tuple[Array, Array]:
    """Cotangents, given the derivatives; 0 below ``least`` and at infinity."""
    xp, dtype, g, x1, rate1 = elementwise(g=g, x=x, rate=rate)
    with np.errstate(all="ignore"):
        inside = (x1 >= least) & (x1 < xp.inf)
        dx, drate = (xp.where(inside, s, 0.0) for s in slopes(xp, xp.where(inside, x1, 1.0), rate1))
        g = xp.where(defined(xp, x1, rate1), g, xp.nan)
        return unbroadcast(g * dx, x, dtype), unbroadcast(g * drate, rate, dtype)


def _times_exponential(xp: Any, rate: Array, x: Array) -> tuple[Array, Array]:
    """Rate and x times exp(-rate x), by its root, which keeps its digits where the square has lost them."""
    root = xp.exp(-rate * x / 2)
    return rate * root * root, x * root * root


def _log_cdf(xp: Any, x: Array, rate: Array) -> Array:
    """The product may be subnormal, its factors' logarithms never cancel then."""
    z = rate * x
    near = xp.where(z < 0.7, xp.log(-xp.expm1(-z)), xp.log1p(-xp.exp(-z)))
    return xp.where(z < 1e-290, xp.log(x) + xp.log(rate), near)


def _log_cdf_slopes(xp: Any, x: Array, rate: Array) -> tuple[Array, Array]:
    z = rate * x
    dx, drate = (s / -xp.expm1(-z) for s in _times_exponential(xp, rate, x))
    return xp.where(z < _SMALL, 1 / x - rate / 2, dx), xp.where(z < _SMALL, 1 / rate - x / 2, drate)


def _of_rate(f: Any, rate: Array) -> Array:
    xp, dtype, rate = elementwise(rate=rate)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(defined(xp, rate, rate), f(xp, rate), xp.nan), dtype, copy=False)


def _of_rate_vjp(slope: Any, g: Array, rate: Array) -> tuple[Array]:
    xp, dtype, g, rate1 = elementwise(g=g, rate=rate)
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(defined(xp, rate1, rate1), slope(rate1), xp.nan), rate, dtype),)


def _quantile(rate: Array, **noise: Array) -> Array:
    xp, dtype, u, rate = elementwise(**noise, rate=rate)
    with np.errstate(all="ignore"):
        value = xp.where(u >= 0, -xp.log1p(-u) / rate + 0.0, xp.nan)
        return xp.astype(xp.where(defined(xp, rate, rate), value, xp.nan), dtype, copy=False)


def _quantile_vjp(g: Array, rate: Array, **noise: Array) -> tuple[Array, Array]:
    (name,) = noise
    xp, dtype, g, u, rate1 = elementwise(g=g, **noise, rate=rate)
    with np.errstate(all="ignore"):
        g = xp.where(defined(xp, rate1, rate1) & (u >= 0) & (u <= 1), g, xp.nan)
        du, drate = 1 / rate1 / (1 - u), xp.log1p(-u) / rate1 / rate1
        return unbroadcast(g * du, noise[name], dtype), unbroadcast(g * drate, rate, dtype)
