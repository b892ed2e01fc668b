r"""Log-normal distribution, :math:`f(x; m, s) = e^{-z^2/2} / (x s \sqrt{2\pi}), z = (\log x - m)/s`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refengine._arrays import check_shape, elementwise, unbroadcast
from refengine.distributions import _standard_normal as standard
from refengine.distributions import normal
from refengine.distributions._location_scale import (
    Function,
    Parameters,
    Slope,
    density,
    log_density_slopes,
    mirrored,
    mirrored_slope,
    slopes,
    standardised,
    valid,
)
from refengine.distributions._noise import normal as noise
from refengine.distributions._standard_normal import HALF_LOG_2PI
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


def log_prob(x: Positive, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the log-normal density.

    .. math:: \log f(x; m, s) = -\frac{z^2}{2} - \log x - \log s - \frac{\log 2\pi}{2}, \qquad z = \frac{\log x - m}{s}

    x, loc, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x <= 0, x = inf: -inf with zero gradients;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1994), chapter 14.

    >>> float(log_prob(1.0, 0.0, 1.0)) == float(-np.log(2 * np.pi) / 2)
    True
    """
    return _of_log(_log_density, x, loc, scale)


def log_prob_vjp(g: Array, x: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and scale.

    .. math:: \partial_x = -\frac{1 + z/s}{x}, \qquad \partial_m = \frac{z}{s}, \qquad \partial_s = \frac{z^2 - 1}{s}
    """
    return _of_log_vjp(_log_density_slopes, g, x, loc, scale)


def log_prob_value_and_vjp(
    g: Array, x: Positive, loc: Real, scale: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dscale) = log_prob_value_and_vjp(1.0, 1.0, 2.0, 1.0)
    >>> float(dx), float(dloc), float(dscale)
    (1.0, -2.0, 3.0)
    """
    return log_prob(x, loc, scale), log_prob_vjp(g, x, loc, scale)


def cdf(x: Positive, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; m, s) = \Phi(z), \qquad z = \frac{\log x - m}{s}

    x, loc, scale: broadcast together. 0 for x <= 0, 1 at inf. Johnson et al. (1994), chapter 14.

    >>> float(cdf(1.0, 0.0, 2.0))
    0.5
    """
    return _of_log(_plain(standard.cdf), x, loc, scale)


def cdf_vjp(g: Array, x: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_m = -x f, \partial_s = -z x f`, with f the density at x.

    The density is the square of its root, so that it may be divided by a small scale before it underflows.
    """
    return _of_log_vjp(_plain_slopes(density(standard.root_density)), g, x, loc, scale)


def log_cdf(x: Positive, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; m, s) = \log\Phi(z)

    x, loc, scale: broadcast together. -inf for x <= 0, 0 at inf. Johnson et al. (1994), chapter 14.

    >>> round(float(log_cdf(1.0, 0.0, 2.0)), 12)
    -0.69314718056
    """
    return _of_log(_plain(standard.log_cdf), x, loc, scale)


def log_cdf_vjp(g: Array, x: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\varphi(z)/\Phi(z)`, times :math:`1/(x s), -1/s, -z/s`."""
    return _of_log_vjp(_plain_slopes(standard.log_cdf_slope), g, x, loc, scale)


def sf(x: Positive, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; m, s) = \Phi(-z)

    x, loc, scale: broadcast together. 1 for x <= 0, 0 at inf. Johnson et al. (1994), chapter 14.

    >>> float(sf(1.0, 0.0, 2.0))
    0.5
    """
    return _of_log(_plain(mirrored(standard.cdf)), x, loc, scale)


def sf_vjp(g: Array, x: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, x f, z x f`."""
    return _of_log_vjp(_plain_slopes(mirrored_slope(density(standard.root_density))), g, x, loc, scale)


def log_sf(x: Positive, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; m, s)) = \log\Phi(-z)

    x, loc, scale: broadcast together. 0 for x <= 0, -inf at inf. Johnson et al. (1994), chapter 14.

    >>> round(float(log_sf(1.0, 0.0, 2.0)), 12)
    -0.69314718056
    """
    return _of_log(_plain(mirrored(standard.log_cdf)), x, loc, scale)


def log_sf_vjp(g: Array, x: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`-\varphi(z)/\Phi(-z)`, times :math:`1/(x s), -1/s, -z/s`."""
    return _of_log_vjp(_plain_slopes(mirrored_slope(standard.log_cdf_slope)), g, x, loc, scale)


def icdf(u: Unit, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; m, s) = \exp(m + s \, \Phi^{-1}(u))

    u, loc, scale: broadcast together. 0 at 0, inf at 1, nan outside. Johnson et al. (1994), chapter 14.

    >>> float(icdf(0.5, 0.0, 2.0))
    1.0
    """
    xp, dtype, u, loc, scale = elementwise(u=u, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = xp.exp(loc + scale * standard.icdf(xp, u))
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def icdf_vjp(g: Array, u: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc and scale, with q the standard quantile: x times :math:`s q'(u), 1, q`.

    .. math:: q'(u) = \frac{1}{\varphi(q)}

    At u = 0 they are the limits inf, 0, 0; at 1 all are inf.
    """
    xp, dtype, g, u1, m, s = elementwise(g=g, u=u, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g, q = xp.where(valid(xp, m, s), g, xp.nan), standard.icdf(xp, u1)
        root = xp.exp((m + s * q) / 2)
        rest, hazard = standard.icdf_divisors(xp, u1)
        up = xp.where(s < 2.0**-900, xp.asarray(2.0**100), 1.0)  # a subnormal scale has few digits to lose
        du = xp.where(rest == 0, xp.inf, root * (s * up) / rest / hazard * root / up)
        dscale = xp.where(u1 == 0, 0.0, root * q * root)
        g = xp.where(xp.isnan(q), xp.nan, g)
        dloc = g * (root * root)
        return unbroadcast(g * du, u, dtype), unbroadcast(dloc, loc, dtype), unbroadcast(g * dscale, scale, dtype)


def entropy(loc: Real, scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = m + \log s + \tfrac12 (1 + \log 2\pi)

    loc, scale: broadcast together. Johnson et al. (1994), chapter 14.

    >>> round(float(entropy(0.0, 1.0)), 12)
    1.418938533205
    """
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = loc + (xp.log(scale) + (0.5 + HALF_LOG_2PI))
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def entropy_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, 1/s`."""
    xp, dtype, g, m, s = elementwise(g=g, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s), g, xp.nan)
        return unbroadcast(g + 0.0 * s, loc, dtype), unbroadcast(g / s, scale, dtype)


def mean(loc: Real, scale: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = e^{m + s^2/2}

    loc, scale: broadcast together. Johnson et al. (1994), chapter 14.

    >>> round(float(mean(-2.0, 2.0)), 12)
    1.0
    """
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = xp.exp(loc + scale * scale / 2)
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def mean_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: the mean times :math:`1, s`."""
    xp, dtype, g, m, s = elementwise(g=g, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s), g, xp.nan)
        root = xp.exp((m + s * s / 2) / 2)
        return unbroadcast(g * (root * root), loc, dtype), unbroadcast(g * (root * s * root), scale, dtype)


def variance(loc: Real, scale: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - E x)^2] = (e^{s^2} - 1) e^{2 m + s^2}

    loc, scale: broadcast together. Johnson et al. (1994), chapter 14.

    >>> round(float(variance(-0.5, 1.0)), 12)  # e - 1
    1.718281828459
    """
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = _variance(xp, loc, scale)
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def variance_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`2 V` and :math:`2 s (2 - e^{-s^2}) e^{2 (m + s^2)}`, with V the variance."""
    xp, dtype, g, m, s = elementwise(g=g, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s), g, xp.nan)
        dm, second = 2 * _variance(xp, m, s), xp.exp(2 * (m + s * s))
        ds = 2 * s * (2 - xp.exp(-s * s)) * second
        return unbroadcast(g * dm, loc, dtype), unbroadcast(g * ds, scale, dtype)


def mode(loc: Real, scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; m, s) = e^{m - s^2}

    loc, scale: broadcast together. Johnson et al. (1994), chapter 14.

    >>> float(mode(4.0, 2.0))
    1.0
    """
    xp, dtype, loc, scale = elementwise(loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = xp.exp(loc - scale * scale)
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def mode_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: the mode times :math:`1, -2 s`."""
    xp, dtype, g, m, s = elementwise(g=g, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s), g, xp.nan)
        root = xp.exp((m - s * s) / 2)
        return unbroadcast(g * (root * root), loc, dtype), unbroadcast(g * (-2 * s * root * root), scale, dtype)


def sample(noise: Real, loc: Real, scale: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = \exp(m + s \, \varepsilon)

    noise: standard normal, as from `noise`. Broadcast with loc and scale. Johnson et al. (1994), chapter 14.

    noise and the parameters: broadcast together.

    >>> float(sample(-2.0, 4.0, 2.0))
    1.0
    """
    xp, dtype, e, loc, scale = elementwise(noise=noise, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = xp.exp(loc + scale * e)
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def sample_vjp(g: Array, noise: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, loc and scale: x times :math:`s, 1, \varepsilon`."""
    xp, dtype, g, e, m, s = elementwise(g=g, noise=noise, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        g, root = xp.where(valid(xp, m, s), g, xp.nan), xp.exp((m + s * e) / 2)
        return (
            unbroadcast(g * (root * s * root), noise, dtype),
            unbroadcast(g * (root * root), loc, dtype),
            unbroadcast(g * (root * e * root), scale, dtype),
        )


def kl_divergence(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a log-normal distribution q from p: that of their normal distributions, without cancellation.

    .. math:: D(p \| q) = \tfrac12 (e - \log(1 + e)) + \tfrac12 d^2, \qquad e = \frac{s_p^2 - s_q^2}{s_q^2}, \quad
              d = \frac{m_p - m_q}{s_q}

    loc_p, scale_p, loc_q, scale_q: broadcast together. The divergence does not change with the variable: Kullback
    (1959), chapter 2, and chapter 9, eq. 1.4 in one dimension.

    >>> float(kl_divergence(5.0, 2.0, 1.0, 2.0))
    2.0
    """
    return normal.kl_divergence(loc_p, scale_p, loc_q, scale_q)


def kl_divergence_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters: :math:`d/s_q, \; e/s_p, \; -d/s_q, \; -(e + d^2)/s_q`."""
    return normal.kl_divergence_vjp(g, loc_p, scale_p, loc_q, scale_q)


def maximum_likelihood(data: Positive) -> Parameters:
    r"""The mean and the standard deviation of the logarithms.

    .. math:: \hat m = \frac1N \sum_i \log x_i, \qquad \hat s^2 = \frac1N \sum_i (\log x_i - \hat m)^2

    data: (N,). The divisor is N, not N - 1. All data equal, no data, and data that are not positive and finite: nan.
    Johnson et al. (1994), chapter 14.

    >>> loc, scale = maximum_likelihood([0.5, 2.0])
    >>> float(loc), round(float(scale), 12)  # log(2)
    (0.0, 0.69314718056)
    """
    xp, dtype, x = elementwise(data=data)
    with np.errstate(all="ignore"):
        loc, scale, _ = _moments(xp, x)
        return Parameters(xp.astype(loc, dtype, copy=False), xp.astype(scale, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Positive) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \partial_i \hat m = \frac{1}{N x_i}, \qquad \partial_i \hat s = \frac{\log x_i - \hat m}{N \hat s x_i}
    """
    xp, dtype, g_loc, g_scale, x = elementwise(g=g[0], g_scale=g[1], data=data)
    with np.errstate(all="ignore"):
        _, scale, z = _moments(xp, x)
        slope = (g_loc + g_scale * z) / max(x.shape[0], 1) / x
        return (xp.astype(xp.where(xp.isnan(scale), xp.nan, slope), dtype, copy=False),)


def _moments(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    """Moments of log(x), by way of the ratios to the first observation, whose logarithms are better known."""
    check_shape("data", x, ("N",))
    first = x[0] if x.shape[0] else xp.asarray(1.0)
    away = (x - first) / first
    logs = log_quotient(xp, x, xp.zeros_like(x) + first, xp.ones_like(x))
    loc, scale, z = normal.moments(xp, xp.where(xp.abs(away) < 0.5, xp.log1p(away), logs))
    return xp.log(first) + loc, scale, z


def _of_log(f: Callable[..., Array], x: Array, loc: Array, scale: Array) -> Array:
    """``f(z, y, scale)`` for ``z = (log y - loc) / scale``, where y is x or, outside the support, its near end."""
    xp, dtype, x, loc, scale = elementwise(x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        y = xp.where(x < 0, 0.0, x)
        value = f(xp, standardised(xp, xp.log(y), loc, scale), y, scale)
        return xp.astype(xp.where(valid(xp, loc, scale) & ~xp.isnan(x), value, xp.nan), dtype, copy=False)


def _of_log_vjp(
    slopes: Callable[..., tuple[Array, Array, Array]], g: Array, x: Array, loc: Array, scale: Array
) -> tuple[Array, Array, Array]:
    """Cotangents of x, loc and scale, given the derivatives; 0 outside the support."""
    xp, dtype, g, x1, loc1, scale1 = elementwise(g=g, x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        inside = (x1 > 0) & (x1 < xp.inf)
        y = xp.where(inside, x1, 1.0)
        found = slopes(xp, standardised(xp, xp.log(y), loc1, scale1), y, scale1)
        dx, dloc, dscale = (xp.where(inside, part, 0.0) for part in found)
        g = xp.where(valid(xp, loc1, scale1) & ~xp.isnan(x1), g, xp.nan)
        return unbroadcast(g * dx, x, dtype), unbroadcast(g * dloc, loc, dtype), unbroadcast(g * dscale, scale, dtype)


def _plain(f: Function) -> Callable[..., Array]:
    return lambda xp, z, x, scale: f(xp, z)


def _plain_slopes(slope: Slope) -> Callable[..., tuple[Array, Array, Array]]:
    def of_z(xp: Any, z: Array, x: Array, scale: Array) -> tuple[Array, Array, Array]:
        factors = slope(xp, z)
        dlog, z_dx = slopes(xp, factors, z, scale)
        return slopes(xp, factors, z, scale, x)[0], -dlog, -z_dx

    return of_z


def _log_density(xp: Any, z: Array, x: Array, scale: Array) -> Array:
    product = x * scale
    fits = (product > 1e-290) & (product < 1e290)
    logs = xp.where(fits, xp.log(product), xp.log(x) + xp.log(scale))
    return xp.where((x > 0) & (x < xp.inf), -z * z / 2 - logs - HALF_LOG_2PI, -xp.inf)


def _log_density_slopes(xp: Any, z: Array, x: Array, scale: Array) -> tuple[Array, Array, Array]:
    dlog, dscale = log_density_slopes(xp, (-z, xp.ones_like(z)), z, scale)
    return xp.where(xp.abs(dlog) < 1e300, (dlog - 1) / x, -z / x / scale), -dlog, dscale


def _variance(xp: Any, m: Array, s: Array) -> Array:
    second = xp.exp(2 * (m + s * s))
    return xp.where(s < 1e-9, second * s * s, -xp.expm1(-s * s) * second)
