r"""Normal distribution, :math:`f(x; m, s) = e^{-z^2/2} / (s \sqrt{2\pi}), z = (x - m)/s`."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import numpy as np

from refengine._arrays import check_shape, elementwise, special_functions, unbroadcast
from refengine.distributions._divergence import excess, excess_minus_log, expm1_minus, expm1_over, less_one
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
from refengine.distributions._noise import normal as noise
from refengine.distributions._standard_normal import HALF_LOG_2PI
from refengine.distributions._standard_normal import cdf as _cdf
from refengine.distributions._standard_normal import icdf as _icdf
from refengine.distributions._standard_normal import icdf_divisors as _icdf_divisors
from refengine.distributions._standard_normal import log_cdf as _log_cdf
from refengine.distributions._standard_normal import log_cdf_slope as _log_cdf_slope
from refengine.distributions._standard_normal import log_density as _log_density
from refengine.distributions._standard_normal import log_density_slope as _log_density_slope
from refengine.distributions._standard_normal import root_density as _root_density
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
    "kl_divergence_gumbel",
    "kl_divergence_gumbel_vjp",
    "kl_divergence_laplace",
    "kl_divergence_laplace_vjp",
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
    r"""Logarithm of the normal density.

    .. math:: \log f(x; m, s) = -\frac{z^2}{2} - \log s - \frac{\log 2\pi}{2}, \qquad z = \frac{x - m}{s}

    x, loc, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x = -inf, inf: -inf with zero gradients;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1994), chapter 13.

    >>> round(float(log_prob(2.0, 0.0, 2.0) - log_prob(0.0, 0.0, 2.0)), 15)
    -0.5
    """
    return log_density(_log_density, x, loc, scale)


def log_prob_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and scale.

    .. math:: \partial_x = -\frac{z}{s}, \qquad \partial_m = \frac{z}{s}, \qquad \partial_s = \frac{z^2 - 1}{s}
    """
    return log_density_vjp(_log_density_slope, g, x, loc, scale)


def log_prob_value_and_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dscale) = log_prob_value_and_vjp(1.0, 5.0, 1.0, 2.0)
    >>> float(dx), float(dloc), float(dscale)
    (-1.0, 1.0, 1.5)
    """
    return log_prob(x, loc, scale), log_prob_vjp(g, x, loc, scale)


def cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; m, s) = \Phi(z) = \tfrac12 \operatorname{erfc}(-z/\sqrt2)

    x, loc, scale: broadcast together. 0 at -inf, 1 at inf. Johnson et al. (1994), chapter 13.

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

    .. math:: \log F(x; m, s) = \log\Phi(z)

    x, loc, scale: broadcast together. -inf at -inf, 0 at inf. Johnson et al. (1994), chapter 13.

    >>> float(log_cdf(-1e100, 0.0, 1.0))  # about -z^2 / 2
    -5e+199
    """
    return of_z(_log_cdf, x, loc, scale)


def log_cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\varphi(z)/\Phi(z)`, which grows as -z in the lower tail, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(_log_cdf_slope, g, x, loc, scale)


def sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; m, s) = \Phi(-z)

    x, loc, scale: broadcast together. 1 at -inf, 0 at inf. Johnson et al. (1994), chapter 13.

    >>> float(sf(3.0, 3.0, 2.0))
    0.5
    """
    return of_z(mirrored(_cdf), x, loc, scale)


def sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, f, z f`."""
    return of_z_vjp(mirrored_slope(density(_root_density)), g, x, loc, scale)


def log_sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; m, s)) = \log\Phi(-z)

    x, loc, scale: broadcast together. 0 at -inf, -inf at inf. Johnson et al. (1994), chapter 13.

    >>> float(log_sf(1e100, 0.0, 1.0))
    -5e+199
    """
    return of_z(mirrored(_log_cdf), x, loc, scale)


def log_sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`-\varphi(z)/\Phi(-z)`, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(mirrored_slope(_log_cdf_slope), g, x, loc, scale)


def icdf(u: Unit, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; m, s) = m + s \, \Phi^{-1}(u)

    u, loc, scale: broadcast together. -inf at 0, inf at 1, nan outside. Johnson et al. (1994), chapter 13.

    >>> float(icdf(0.5, 3.0, 2.0))
    3.0
    """
    return quantile(_icdf, loc, scale, u=u)


def icdf_vjp(g: Array, u: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc and scale, with q the standard quantile: :math:`s q'(u), 1, q`.

    .. math:: q'(u) = \frac{1}{\varphi(q)}, \qquad \varphi(q) = u \, \frac{\varphi(q)}{\Phi(q)}

    At u = 0 and 1 they are the limits: inf, 1, and -inf or inf.
    """
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, u=u)


def entropy(loc: Real, scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log s + \tfrac12 (1 + \log 2\pi)

    loc, scale: broadcast together. Johnson et al. (1994), chapter 13.

    >>> round(float(entropy(0.0, 1.0)), 12)
    1.418938533205
    """
    return logarithm(0.5 + HALF_LOG_2PI, loc, scale)


def entropy_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 1/s`."""
    return logarithm_vjp(0.5 + HALF_LOG_2PI, g, loc, scale)


def mean(loc: Real, scale: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = m

    loc, scale: broadcast together. Johnson et al. (1994), chapter 13.

    >>> float(mean(3.0, 2.0))
    3.0
    """
    return affine(0.0, loc, scale)


def mean_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, 0`."""
    return affine_vjp(0.0, g, loc, scale)


def variance(loc: Real, scale: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - m)^2] = s^2

    loc, scale: broadcast together. Johnson et al. (1994), chapter 13.

    >>> float(variance(3.0, 2.0))
    4.0
    """
    return square(1.0, loc, scale)


def variance_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 2 s`."""
    return square_vjp(1.0, g, loc, scale)


def mode(loc: Real, scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; m, s) = m

    loc, scale: broadcast together. Johnson et al. (1994), chapter 13.

    >>> float(mode(3.0, 2.0))
    3.0
    """
    return affine(0.0, loc, scale)


def mode_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, 0`."""
    return affine_vjp(0.0, g, loc, scale)


def sample(noise: Real, loc: Real, scale: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = m + s \, \varepsilon

    noise: standard normal, as from `noise`. Broadcast with loc and scale. Johnson et al. (1994), chapter 13.

    noise and the parameters: broadcast together.

    >>> float(sample(-0.5, 3.0, 2.0))
    2.0
    """
    return quantile(_noise, loc, scale, noise=noise)


def sample_vjp(g: Array, noise: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, loc and scale: :math:`s, 1, \varepsilon`."""
    return quantile_vjp(_noise, _no_divisors, g, loc, scale, noise=noise)


def kl_divergence(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a normal distribution q from p, without cancellation where they are close.

    .. math:: D(p \| q) = \tfrac12 (e - \log(1 + e)) + \tfrac12 d^2, \qquad e = \frac{s_p^2 - s_q^2}{s_q^2}, \quad
              d = \frac{m_p - m_q}{s_q}

    loc_p, scale_p, loc_q, scale_q: broadcast together. Both terms are positive, and a small one is a series.
    Kullback (1959), chapter 9, eq. 1.4 in one dimension.

    >>> float(kl_divergence(1.0, 2.0, 1.0, 2.0)), float(kl_divergence(5.0, 2.0, 1.0, 2.0))
    (0.0, 2.0)
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        d = standardised(xp, m, n, t)
        value = (excess_minus_log(xp, excess(s, t), s, t, power=2) + d * d) / 2
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math:: \partial_{m_p} = -\partial_{m_q} = \frac{d}{s_q}, \quad \partial_{s_p} = \frac{e}{s_p}, \quad
              \partial_{s_q} = -\frac{e + d^2}{s_q}
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        d, r, e = standardised(xp, m, n, t), s / t, excess(s, t)
        huge = e + d * d > 1e300
        dt = xp.where(huge, -(r * (r / t) + d * (d / t)), -(e + d * d) / t)
        return (
            unbroadcast(g * (d / t), loc_p, dtype),
            unbroadcast(g * xp.where(e > 1e300, r / t, e / s), scale_p, dtype),
            unbroadcast(-g * (d / t), loc_q, dtype),
            unbroadcast(g * dt, scale_q, dtype),
        )


def kl_divergence_gumbel(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Gumbel distribution q from this one.

    .. math:: D(p \| q) = d + e^{r^2/2 - d} - \log r - \tfrac12 (1 + \log 2\pi), \qquad r = \frac{s_p}{s_q}, \quad
              d = \frac{m_p - m_q}{s_q}

    loc_p, scale_p, loc_q, scale_q: broadcast together. Computed as a sum of positive terms, with w = r^2/2 - d:
    e^w - 1 - w, half of r^2 - 1 - log r^2, and a constant. From the moment generating function: Johnson et al.
    (1994), chapter 13.

    >>> round(float(kl_divergence_gumbel(0.5, 1.0, 0.0, 1.0)), 12)  # 1 - log(2 pi) / 2
    0.081061466795
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        d, r = standardised(xp, m, n, t), s / t
        value = expm1_minus(xp, r * r / 2 - d) + excess_minus_log(xp, excess(s, t), s, t, power=2) / 2
        value = xp.where((xp.abs(d) < xp.inf) & (r < xp.inf), value + (1 - HALF_LOG_2PI), xp.inf)
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_gumbel_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters, with :math:`w = r^2/2 - d`.

    .. math::
        \partial_{m_p} = -\partial_{m_q} = \frac{1 - e^w}{s_q}, \quad \partial_{s_p} = \frac{r^2 e^w - 1}{s_p}, \quad
        \partial_{s_q} = \frac{1 - d (1 - e^w) - r^2 e^w}{s_q}
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        d, r = standardised(xp, m, n, t), s / t
        w = r * r / 2 - d
        root = r * xp.exp(w / 2)
        dm = -expm1_over(xp, w, t)
        square = root * root
        ds = less_one(xp, square, root / t * xp.exp(w / 2), s)
        half = xp.exp(w / 2)
        dt = -less_one(xp, square - d * xp.expm1(w), xp.where(w > 0, half * ((r * r - d) / t) * half, d / t), t)
        return (
            unbroadcast(g * dm, loc_p, dtype),
            unbroadcast(g * ds, scale_p, dtype),
            unbroadcast(-g * dm, loc_q, dtype),
            unbroadcast(g * dt, scale_q, dtype),
        )


def kl_divergence_laplace(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Laplace distribution q from this one.

    .. math:: D(p \| q) = \frac{\sqrt{2/\pi} \, s_p \, e^{-h^2/2} + (m_p - m_q) \operatorname{erf}(h/\sqrt2)}{s_q}
              - \log\frac{s_p}{s_q} - \tfrac12 \left(1 + \log\tfrac{\pi}{2}\right), \qquad h = \frac{m_p - m_q}{s_p}

    loc_p, scale_p, loc_q, scale_q: broadcast together. The fraction is the mean distance from loc_q, that of a folded
    normal distribution: Leone, Nelson and Nottingham (1961). Computed as a sum of positive terms.

    >>> round(float(kl_divergence_laplace(0.0, 1.0, 0.0, (2 / pi) ** 0.5)), 12)  # 1/2 - log(pi / 2)
    0.048417294711
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        h, d, c = standardised(xp, m, n, s), standardised(xp, m, n, t), sqrt(2 / pi)
        bend = c * (s / t) * xp.expm1(-h * h / 2) + d * special_functions(xp).erf(h / sqrt(2))
        value = excess_minus_log(xp, (c * s - t) / t, s, t, factor=c) + bend + (0.5 - log(pi / 2))
        value = xp.where((xp.abs(d) < xp.inf) & (s / t < xp.inf), value, xp.inf)
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_laplace_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters; the fraction above is D.

    .. math::
        \partial_{m_p} = -\partial_{m_q} = \frac{\operatorname{erf}(h/\sqrt2)}{s_q}, \quad
        \partial_{s_p} = \sqrt{\frac2\pi} \frac{e^{-h^2/2}}{s_q} - \frac{1}{s_p}, \quad
        \partial_{s_q} = \frac{1 - D}{s_q}
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        h = standardised(xp, m, n, s)
        dm = special_functions(xp).erf(h / sqrt(2)) / t
        bell = sqrt(2 / pi) * xp.exp(-h * h / 2)
        ds = less_one(xp, xp.where(bell > 0, s / t * bell, 0.0), bell / t, s)
        return (
            unbroadcast(g * dm, loc_p, dtype),
            unbroadcast(g * ds, scale_p, dtype),
            unbroadcast(-g * dm, loc_q, dtype),
            unbroadcast(g * ((1 - _mean_distance(xp, m, s, n, t)) / t), scale_q, dtype),
        )


def _mean_distance(xp: Any, m: Array, s: Array, n: Array, t: Array) -> Array:
    """The mean of abs(x - n) / t."""
    h = standardised(xp, m, n, s)
    return sqrt(2 / pi) * (s / t) * xp.exp(-h * h / 2) + standardised(xp, m, n, t) * special_functions(xp).erf(
        h / sqrt(2)
    )


def maximum_likelihood(data: Real) -> Parameters:
    r"""The mean and the standard deviation about it.

    .. math:: \hat m = \frac1N \sum_i x_i, \qquad \hat s^2 = \frac1N \sum_i (x_i - \hat m)^2

    data: (N,). The divisor is N, not N - 1. All data equal, no data, and data that are not finite: nan. Johnson et al.
    (1994), chapter 13.

    >>> loc, scale = maximum_likelihood([1.0, 5.0])
    >>> float(loc), float(scale)
    (3.0, 2.0)
    """
    xp, dtype, x = elementwise(data=data)
    return Parameters(*(xp.astype(v, dtype, copy=False) for v in moments(xp, x)[:2]))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \partial_i \hat m = \frac1N, \qquad \partial_i \hat s = \frac{x_i - \hat m}{N \hat s}
    """
    xp, dtype, g_loc, g_scale, x = elementwise(g=g[0], g_scale=g[1], data=data)
    with np.errstate(all="ignore"):
        _, scale, z = moments(xp, x)
        slope = (g_loc + g_scale * z) / max(x.shape[0], 1)
        return (xp.astype(xp.where(xp.isnan(scale), xp.nan, slope), dtype, copy=False),)


def moments(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    """Mean, standard deviation and the standardised data; nan where they are no estimate."""
    check_shape("data", x, ("N",))
    nan = xp.asarray(xp.nan, dtype=xp.float64)
    if x.shape[0] == 0:
        return nan, nan, x
    with np.errstate(all="ignore"):
        y = x - x[0]  # the rounding of a large mean would spoil the deviations from it
        middle = xp.sum(y / x.shape[0])
        far = xp.max(xp.abs(y - middle))
        z = (y - middle) / far
        unit = xp.sqrt(xp.sum(z * z) / x.shape[0])
        exists = (xp.min(x) < xp.max(x)) & (far < xp.inf)
        return xp.where(exists, x[0] + middle, nan), xp.where(exists, far * unit, nan), z / unit


def _noise(xp: Any, noise: Array) -> Array:
    return noise


def _no_divisors(xp: Any, noise: Array) -> tuple[()]:
    return ()
