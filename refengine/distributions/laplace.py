r"""Laplace distribution, :math:`f(x; m, s) = e^{-|z|} / (2 s), z = (x - m)/s`."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import numpy as np

from refengine._arrays import check_shape, elementwise, unbroadcast
from refengine.distributions._divergence import excess, excess_minus_log, expm1_minus, less_one
from refengine.distributions._location_scale import (
    Parameters,
    affine,
    affine_vjp,
    density,
    log_density,
    log_density_vjp,
    logarithm,
    logarithm_vjp,
    mirrored,
    mirrored_slope,
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

_LOG_2 = log(2)


def log_prob(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the Laplace density.

    .. math:: \log f(x; m, s) = -|z| - \log 2s, \qquad z = \frac{x - m}{s}

    x, loc, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x = -inf, inf: -inf with zero gradients;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1995), chapter 24.

    >>> float(log_prob(3.0, 1.0, 0.5))  # -4
    -4.0
    """
    return log_density(_log_density, x, loc, scale)


def log_prob_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and scale.

    .. math:: \partial_x = -\frac{\operatorname{sign} z}{s}, \qquad \partial_m = \frac{\operatorname{sign} z}{s}, \qquad
        \partial_s = \frac{|z| - 1}{s}

    At the kink x = m the slopes to x and m are 0, the middle of the one-sided ones.
    """
    return log_density_vjp(_log_density_slope, g, x, loc, scale)


def log_prob_value_and_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dscale) = log_prob_value_and_vjp(1.0, 3.0, 1.0, 0.5)
    >>> float(dx), float(dloc), float(dscale)
    (-2.0, 2.0, 6.0)
    """
    return log_prob(x, loc, scale), log_prob_vjp(g, x, loc, scale)


def cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; m, s) = \tfrac12 e^{z} \text{ for } z < 0, \qquad 1 - \tfrac12 e^{-z} \text{ above}

    x, loc, scale: broadcast together. 0 at -inf, 1 at inf. Johnson et al. (1995), chapter 24.

    >>> float(cdf(3.0, 3.0, 2.0))
    0.5
    """
    return of_z(_cdf, x, loc, scale)


def cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_m = -f, \partial_s = -z f`, with f the density at x.

    The density is the square of its root, so that it may be divided by a small scale before it underflows.
    """
    return of_z_vjp(density(_root_density), g, x, loc, scale)


def log_cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; m, s) = z - \log 2 \text{ for } z < 0, \qquad \log(1 - \tfrac12 e^{-z}) \text{ above}

    x, loc, scale: broadcast together. -inf at -inf, 0 at inf. Johnson et al. (1995), chapter 24.

    >>> float(log_cdf(-1e100, 0.0, 1.0))
    -1e+100
    """
    return of_z(_log_cdf, x, loc, scale)


def log_cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: 1 below the location, :math:`f s / F` above, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(_log_cdf_slope, g, x, loc, scale)


def sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; m, s) = 1 - \tfrac12 e^{z} \text{ for } z < 0, \qquad \tfrac12 e^{-z} \text{ above}

    x, loc, scale: broadcast together. 1 at -inf, 0 at inf. Johnson et al. (1995), chapter 24.

    >>> float(sf(3.0, 3.0, 2.0))
    0.5
    """
    return of_z(mirrored(_cdf), x, loc, scale)


def sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, f, z f`."""
    return of_z_vjp(mirrored_slope(density(_root_density)), g, x, loc, scale)


def log_sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; m, s)) = \log(1 - \tfrac12 e^{z}) \text{ for } z < 0, \qquad -z - \log 2 \text{ above}

    x, loc, scale: broadcast together. 0 at -inf, -inf at inf. Johnson et al. (1995), chapter 24.

    >>> float(log_sf(1e100, 0.0, 1.0))
    -1e+100
    """
    return of_z(mirrored(_log_cdf), x, loc, scale)


def log_sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: -1 above the location, :math:`-f s / (1 - F)` below, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(mirrored_slope(_log_cdf_slope), g, x, loc, scale)


def icdf(u: Unit, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; m, s) = m + s \log 2u \text{ for } u < \tfrac12, \qquad m - s \log 2(1-u) \text{ above}

    u, loc, scale: broadcast together. -inf at 0, inf at 1, nan outside. Johnson et al. (1995), chapter 24.

    >>> float(icdf(0.5, 3.0, 2.0))
    3.0
    """
    return quantile(_icdf, loc, scale, u=u)


def icdf_vjp(g: Array, u: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc and scale, with q the standard quantile: :math:`s q'(u), 1, q`.

    .. math:: q'(u) = \frac{1}{\min(u, 1-u)}

    At u = 0 and 1 they are the limits: inf, 1, and -inf or inf.
    """
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, u=u)


def entropy(loc: Real, scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log 2s + 1

    loc, scale: broadcast together. Johnson et al. (1995), chapter 24.

    >>> round(float(entropy(0.0, 0.5)), 12)
    1.0
    """
    return logarithm(1 + _LOG_2, loc, scale)


def entropy_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 1/s`."""
    return logarithm_vjp(1 + _LOG_2, g, loc, scale)


def mean(loc: Real, scale: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = m

    loc, scale: broadcast together. Johnson et al. (1995), chapter 24.

    >>> float(mean(3.0, 2.0))
    3.0
    """
    return affine(0.0, loc, scale)


def mean_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, 0`."""
    return affine_vjp(0.0, g, loc, scale)


def variance(loc: Real, scale: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - m)^2] = 2 s^2

    loc, scale: broadcast together. Johnson et al. (1995), chapter 24.

    >>> float(variance(3.0, 2.0))
    8.0
    """
    return square(2.0, loc, scale)


def variance_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 4 s`."""
    return square_vjp(2.0, g, loc, scale)


def mode(loc: Real, scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; m, s) = m

    loc, scale: broadcast together. Johnson et al. (1995), chapter 24.

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

    noise: uniform on (0, 1), as from `noise`. Broadcast with loc and scale. Johnson et al. (1995), chapter 24.

    noise and the parameters: broadcast together.

    >>> float(sample(0.5, 3.0, 2.0))
    3.0
    """
    return quantile(_icdf, loc, scale, noise=noise)


def sample_vjp(g: Array, noise: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, loc and scale: those of the quantile at :math:`u = \text{noise}`."""
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, noise=noise)


def kl_divergence(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Laplace distribution q from p, without cancellation where they are close.

    .. math:: D(p \| q) = (r - 1 - \log r) + r (a - 1 + e^{-a}), \qquad r = \frac{s_p}{s_q}, \quad
              a = \frac{|m_p - m_q|}{s_p}

    loc_p, scale_p, loc_q, scale_q: broadcast together. Both terms are positive, and small ones are series. Gil (2011).

    >>> float(kl_divergence(1.0, 2.0, 1.0, 2.0))
    0.0
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        a, y, r = xp.abs(standardised(xp, m, n, s)), xp.abs(standardised(xp, m, n, t)), s / t
        bend = xp.where(a < 0.5, r * expm1_minus(xp, -a), y + r * xp.expm1(-a))
        value = excess_minus_log(xp, (s - t) / t, s, t) + bend
        value = xp.where((r < xp.inf) & (y < xp.inf), value, xp.inf)
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math::
        \partial_{m_p} = -\partial_{m_q} = \frac{1 - e^{-a}}{s_q} \operatorname{sign}(m_p - m_q), \quad
        \partial_{s_p} = \frac{r (1 + a) e^{-a} - 1}{s_p}, \quad \partial_{s_q} = \frac{1 - r (a + e^{-a})}{s_q}
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        a, y, r = xp.abs(standardised(xp, m, n, s)), xp.abs(standardised(xp, m, n, t)), s / t
        e = xp.exp(-a)
        dm = -xp.sign(m - n) * xp.expm1(-a) / t
        near = xp.where(a < 800, (1 + a) * e, 0.0)
        ds = less_one(xp, xp.where(near > 0, r * near, 0.0), near / t, s)
        dt = -less_one(xp, y + xp.where(e > 0, r * e, 0.0), y / t + e / t * r, t)
        return (
            unbroadcast(g * dm, loc_p, dtype),
            unbroadcast(g * ds, scale_p, dtype),
            unbroadcast(-g * dm, loc_q, dtype),
            unbroadcast(g * dt, scale_q, dtype),
        )


def kl_divergence_normal(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a normal distribution q from this one.

    .. math:: D(p \| q) = r^2 + \frac{d^2}{2} - \log r + \tfrac12 \log\frac{\pi}{2} - 1, \qquad
              r = \frac{s_p}{s_q}, \quad d = \frac{m_p - m_q}{s_q}

    loc_p, scale_p, loc_q, scale_q: broadcast together; q has mean loc_q and standard deviation scale_q. From the
    variance 2 s^2 and the entropy log(2 e s): Johnson et al. (1995), chapter 24.

    >>> round(float(kl_divergence_normal(0.0, 1.0, 0.0, sqrt(2.0))), 12)  # log(pi) / 2 - 1/2
    0.072364942925
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        d, c = standardised(xp, m, n, t), sqrt(2)
        value = (excess_minus_log(xp, excess(c * s, t), s, t, power=2, factor=c) + d * d) / 2 + (log(pi) - 1) / 2
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_normal_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math:: \partial_{m_p} = -\partial_{m_q} = \frac{d}{s_q}, \quad \partial_{s_p} = \frac{2 r}{s_q} - \frac{1}{s_p},
              \quad \partial_{s_q} = \frac{1 - 2 r^2 - d^2}{s_q}
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        d, r = standardised(xp, m, n, t), s / t
        ds = less_one(xp, 2 * r * r, 2 * r / t, s)
        dt = -less_one(xp, 2 * r * r + d * d, 2 * r * (r / t) + d * (d / t), t)
        return (
            unbroadcast(g * (d / t), loc_p, dtype),
            unbroadcast(g * ds, scale_p, dtype),
            unbroadcast(-g * (d / t), loc_q, dtype),
            unbroadcast(g * dt, scale_q, dtype),
        )


def maximum_likelihood(data: Real) -> Parameters:
    r"""The median and the mean distance from it.

    .. math:: \hat m = \operatorname{median}(x), \qquad \hat s = \frac1N \sum_i |x_i - \hat m|

    data: (N,). For an even number every point between the two middle ones maximises the likelihood: the estimate is
    halfway. All data equal, no data, and data that are not finite: nan. Johnson et al. (1995),
    chapter 24.

    >>> loc, scale = maximum_likelihood([1.0, 2.0, 6.0])
    >>> float(loc), round(float(scale), 12)
    (2.0, 1.666666666667)
    """
    xp, dtype, x = elementwise(data=data)
    check_shape("data", x, ("N",))
    with np.errstate(all="ignore"):
        loc, scale = _median(xp, x), xp.asarray(xp.nan, dtype=xp.float64)
        if x.shape[0]:
            scale = xp.sum(xp.abs(x - loc) / x.shape[0])
        exists = (scale > 0) & (scale < xp.inf)
        return Parameters(*(xp.astype(xp.where(exists, v, xp.nan), dtype, copy=False) for v in (loc, scale)))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \partial_i \hat m = [i \text{ is the median}], \qquad
              \partial_i \hat s = \frac{\operatorname{sign}(x_i - \hat m)}{N}

    For an even number both middle observations get one half. Equal observations count in the order in which they
    stand. The scale has no derivative through the median, where the sum of distances is smallest and 0 is a
    subgradient; nor has an observation that lies on the median.
    """
    xp, dtype, g_loc, g_scale, x = elementwise(g=g[0], scale=g[1], data=data)
    with np.errstate(all="ignore"):
        loc, scale = (xp.astype(v, xp.float64) for v in maximum_likelihood(x))
        rank, n = xp.argsort(xp.argsort(x, stable=True)), x.shape[0]
        middle = (xp.astype(rank == n // 2, x.dtype) + xp.astype(rank == (n - 1) // 2, x.dtype)) / 2
        slope = g_loc * middle + g_scale * xp.sign(x - loc) / max(n, 1)
        return (xp.astype(xp.where(xp.isnan(scale), xp.nan, slope), dtype, copy=False),)


def _median(xp: Any, x: Array) -> Array:
    if x.shape[0] == 0:
        return xp.asarray(xp.nan, dtype=xp.float64)
    ordered, n = xp.sort(x), x.shape[0]
    return ordered[(n - 1) // 2] / 2 + ordered[n // 2] / 2


def _log_density(xp: Any, z: Array) -> Array:
    return -xp.abs(z) - _LOG_2


def _log_density_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    return -xp.sign(z), xp.ones_like(z)


def _root_density(xp: Any, z: Array) -> Array:
    return xp.exp(-xp.abs(z) / 2) / sqrt(2)


def _cdf(xp: Any, z: Array) -> Array:
    half = xp.exp(-xp.abs(z)) / 2
    return xp.where(z < 0, half, 1 - half)


def _log_cdf(xp: Any, z: Array) -> Array:
    return xp.where(z < 0, z - _LOG_2, xp.log1p(-xp.exp(-xp.abs(z)) / 2))


def _log_cdf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    r = _root_density(xp, z)
    return xp.where(z < 0, 1.0, r), xp.where(z < 0, 1.0, r / _cdf(xp, z))


def _icdf(xp: Any, u: Array) -> Array:
    return xp.where(u < 0.5, xp.log(2 * u), -xp.log(2 * (1 - u)))


def _icdf_divisors(xp: Any, u: Array) -> tuple[Array]:
    return (xp.minimum(u, 1 - u),)
