r"""Pareto distribution on [m, inf), :math:`1 - F(x; m, \alpha) = (m/x)^\alpha = e^{-w}, w = \alpha \log(x/m)`.

m is the scale. Every derivative of w is :math:`\partial_x w = \alpha/x, \partial_m w = -\alpha/m,
\partial_\alpha w = \log(x/m)`.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside.
Parameters that are not positive and finite, and nan: nan, with nan gradients. x = m belongs to the support and has the
limits from inside; x < m and x = inf lie outside.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise, promote
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import both, cotangents, flat, positive, value
from refengine.distributions._tails import log1mexp, log_ratio, minus_log, over_expm1
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log1p_minus, log_minus_digamma, product_minus, remainder, weight

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
    "kl_divergence",
    "kl_divergence_exponential",
    "kl_divergence_exponential_vjp",
    "kl_divergence_gamma",
    "kl_divergence_gamma_vjp",
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


class Parameters(NamedTuple):
    """Scale and exponent."""

    scale: Positive
    alpha: Positive


def log_prob(x: Positive, scale: Positive, alpha: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x; m, \alpha) = \log(\alpha/x) - \alpha \log(x/m), \qquad x \ge m

    x, scale, alpha: broadcast together. -inf below the scale, the limit from inside at it. Johnson, Kotz and
    Balakrishnan (1994), chapter 20.

    >>> round(float(log_prob(2.0, 1.0, 3.0)), 12)  # log(3/16)
    -1.673976433572
    """
    return value(_log_prob, x=x, scale=scale, alpha=alpha)


def log_prob_vjp(g: Array, x: Positive, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, scale and alpha: :math:`-(\alpha + 1)/x, \alpha/m, 1/\alpha - \log(x/m)`; 0 below the scale."""
    return cotangents(_log_prob, g, x=x, scale=scale, alpha=alpha)


def log_prob_value_and_vjp(
    g: Array, x: Positive, scale: Positive, alpha: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dm, da) = log_prob_value_and_vjp(1.0, 1.0, 1.0, 1.0)
    >>> float(value), float(dx), float(dm), float(da)
    (0.0, -2.0, 1.0, 1.0)
    """
    return both(_log_prob, g, x=x, scale=scale, alpha=alpha)


def cdf(x: Positive, scale: Positive, alpha: Positive) -> Array:
    r"""Probability of at most x.

    .. math:: F(x; m, \alpha) = 1 - (m/x)^\alpha

    x, scale, alpha: broadcast together. 0 up to the scale, 1 at inf. Johnson, Kotz and Balakrishnan (1994), chapter 20.

    >>> float(cdf(2.0, 1.0, 2.0))
    0.75
    """
    return value(_cdf, x=x, scale=scale, alpha=alpha)


def cdf_vjp(g: Array, x: Positive, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, scale and alpha: :math:`e^{-w} (\alpha/x, -\alpha/m, \log(x/m))`."""
    return cotangents(_cdf, g, x=x, scale=scale, alpha=alpha)


def log_cdf(x: Positive, scale: Positive, alpha: Positive) -> Array:
    r"""Logarithm of the probability of at most x.

    .. math:: \log F(x; m, \alpha) = \log(1 - e^{-w}), \qquad w = \alpha \log(x/m)

    x, scale, alpha: broadcast together. -inf up to the scale, 0 at inf. Johnson, Kotz and Balakrishnan (1994), chapter
    20.

    >>> round(float(log_cdf(2.0, 1.0, 1.0)), 12)  # log(1/2)
    -0.69314718056
    """
    return value(_log_cdf, x=x, scale=scale, alpha=alpha)


def log_cdf_vjp(g: Array, x: Positive, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, scale and alpha: :math:`(\alpha/x, -\alpha/m, \log(x/m)) / (e^w - 1)`.

    At x = m they are inf, -inf and :math:`1/\alpha`.
    """
    return cotangents(_log_cdf, g, x=x, scale=scale, alpha=alpha)


def sf(x: Positive, scale: Positive, alpha: Positive) -> Array:
    r"""Probability of more than x.

    .. math:: 1 - F(x; m, \alpha) = (m/x)^\alpha

    x, scale, alpha: broadcast together. 1 up to the scale, 0 at inf. Johnson, Kotz and Balakrishnan (1994), chapter 20.

    >>> float(sf(2.0, 1.0, 2.0))
    0.25
    """
    return value(_sf, x=x, scale=scale, alpha=alpha)


def sf_vjp(g: Array, x: Positive, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, scale and alpha: :math:`-e^{-w} (\alpha/x, -\alpha/m, \log(x/m))`."""
    return cotangents(_sf, g, x=x, scale=scale, alpha=alpha)


def log_sf(x: Positive, scale: Positive, alpha: Positive) -> Array:
    r"""Logarithm of the probability of more than x.

    .. math:: \log(1 - F(x; m, \alpha)) = -\alpha \log(x/m)

    x, scale, alpha: broadcast together. 0 up to the scale, -inf at inf. Johnson, Kotz and Balakrishnan (1994), chapter
    20.

    >>> round(float(log_sf(2.0, 1.0, 2.0)), 12)  # -log(4)
    -1.38629436112
    """
    return value(_log_sf, x=x, scale=scale, alpha=alpha)


def log_sf_vjp(g: Array, x: Positive, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, scale and alpha: :math:`-(\alpha/x, -\alpha/m, \log(x/m))`."""
    return cotangents(_log_sf, g, x=x, scale=scale, alpha=alpha)


def icdf(u: Unit, scale: Positive, alpha: Positive) -> Array:
    r"""The point with probability u of at most it.

    .. math:: F^{-1}(u; m, \alpha) = m (1 - u)^{-1/\alpha}

    u, scale, alpha: broadcast together. The scale and inf at u = 0 and 1, nan outside [0, 1]. Johnson, Kotz and
    Balakrishnan (1994), chapter 20.

    >>> round(float(icdf(0.75, 1.0, 2.0)), 12)
    2.0
    """
    return value(_icdf, u=u, scale=scale, alpha=alpha)


def icdf_vjp(g: Array, u: Unit, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, scale and alpha: :math:`\frac{x}{\alpha (1-u)}, \frac{x}{m}, \frac{x \log(1-u)}{\alpha^2}`."""
    return cotangents(_icdf, g, u=u, scale=scale, alpha=alpha)


def sample(noise: Unit, scale: Positive, alpha: Positive) -> Array:
    r"""A random number made of a uniform one: `icdf` of the noise.

    .. math:: x = m (1 - u)^{-1/\alpha}

    noise, scale, alpha: broadcast together; noise is uniform on (0, 1). Johnson, Kotz and Balakrishnan (1994).

    >>> round(float(sample(0.75, 3.0, 2.0)), 12)
    6.0
    """
    elementwise(noise=noise, scale=scale, alpha=alpha)  # errors name the noise
    return icdf(noise, scale, alpha)


def sample_vjp(g: Array, noise: Unit, scale: Positive, alpha: Positive) -> tuple[Array, Array, Array]:
    """Cotangents of noise, scale and alpha along the path, those of `icdf`: :math:`x` moves with each."""
    elementwise(noise=noise, scale=scale, alpha=alpha)  # errors name the noise
    return icdf_vjp(g, noise, scale, alpha)


def entropy(scale: Positive, alpha: Positive) -> Array:
    r"""Differential entropy.

    .. math:: H = \log(m/\alpha) + 1 + 1/\alpha

    scale, alpha: broadcast together. Johnson, Kotz and Balakrishnan (1994), chapter 20.

    >>> float(entropy(1.0, 1.0))
    2.0
    """
    return value(_entropy, scale=scale, alpha=alpha)


def entropy_vjp(g: Array, scale: Positive, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of scale and alpha: :math:`1/m` and :math:`-(1 + 1/\alpha)/\alpha`."""
    return cotangents(_entropy, g, scale=scale, alpha=alpha)


def mean(scale: Positive, alpha: Positive) -> Array:
    r"""Expectation.

    .. math:: E[x] = \frac{\alpha m}{\alpha - 1} \text{ for } \alpha > 1, \text{ else } \infty

    scale, alpha: broadcast together. Where it is infinite it has no slopes. Johnson, Kotz and Balakrishnan (1994).

    >>> float(mean(3.0, 2.0)), float(mean(3.0, 1.0))
    (6.0, inf)
    """
    return value(_mean, scale=scale, alpha=alpha)


def mean_vjp(g: Array, scale: Positive, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of scale and alpha: :math:`\alpha/(\alpha-1)` and :math:`-m/(\alpha-1)^2`."""
    return cotangents(_mean, g, scale=scale, alpha=alpha)


def variance(scale: Positive, alpha: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}[x] = \frac{\alpha m^2}{(\alpha-1)^2 (\alpha-2)} \text{ for } \alpha > 2,
              \text{ else } \infty

    scale, alpha: broadcast together. Where it is infinite it has no slopes. Johnson, Kotz and Balakrishnan (1994).

    >>> float(variance(2.0, 3.0))
    3.0
    """
    return value(_variance, scale=scale, alpha=alpha)


def variance_vjp(g: Array, scale: Positive, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of scale and alpha.

    .. math:: \partial_m = \frac{2 \alpha m}{(\alpha-1)^2 (\alpha-2)}, \qquad
              \partial_\alpha = -\frac{2 m^2 (\alpha^2 - \alpha - 1)}{(\alpha-1)^3 (\alpha-2)^2}
    """
    return cotangents(_variance, g, scale=scale, alpha=alpha)


def mode(scale: Positive, alpha: Positive) -> Array:
    r"""Where the density is largest.

    .. math:: m

    scale, alpha: broadcast together. Johnson, Kotz and Balakrishnan (1994), chapter 20.

    >>> float(mode(3.0, 2.0))
    3.0
    """
    return value(_mode, scale=scale, alpha=alpha)


def mode_vjp(g: Array, scale: Positive, alpha: Positive) -> tuple[Array, Array]:
    """Cotangents of scale and alpha: :math:`1` and :math:`0`."""
    return cotangents(_mode, g, scale=scale, alpha=alpha)


def kl_divergence(scale_p: Positive, alpha_p: Positive, scale_q: Positive, alpha_q: Positive) -> Array:
    r"""Kullback-Leibler divergence between two Pareto distributions.

    .. math:: r - 1 - \log r + \alpha_q \log(m_p/m_q), \qquad r = \alpha_q/\alpha_p

    All four broadcast together. inf, without slopes, where p lies partly outside the support of q: m_p < m_q. Two terms
    that are never negative. Torch's registry of divergences (2026); the definition integrated.

    >>> round(float(kl_divergence(2.0, 1.0, 1.0, 1.0)), 12)  # log 2
    0.69314718056
    """
    return value(_kl, scale_p=scale_p, alpha_p=alpha_p, scale_q=scale_q, alpha_q=alpha_q)


def kl_divergence_vjp(
    g: Array, scale_p: Positive, alpha_p: Positive, scale_q: Positive, alpha_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four.

    .. math:: \partial_{m_p} = \frac{\alpha_q}{m_p}, \quad \partial_{\alpha_p} = -\frac{r - 1}{\alpha_p}, \quad
              \partial_{m_q} = -\frac{\alpha_q}{m_q}, \quad
              \partial_{\alpha_q} = \frac{r - 1}{\alpha_q} + \log\frac{m_p}{m_q}
    """
    return cotangents(_kl, g, scale_p=scale_p, alpha_p=alpha_p, scale_q=scale_q, alpha_q=alpha_q)


def kl_divergence_exponential(scale_p: Positive, alpha_p: Positive, rate_q: Positive) -> Array:
    r"""Kullback-Leibler divergence to an exponential distribution.

    .. math:: \log(\alpha/c) - 1/\alpha - 1 + \frac{c \alpha}{\alpha - 1}, \qquad c = m \lambda

    All broadcast together. inf, without slopes, for alpha up to 1. The definition integrated, as in torch (2026).

    >>> round(float(kl_divergence_exponential(1.0, 2.0, 1.0)), 12)  # log 2 + 1/2
    1.19314718056
    """
    return value(_kl_exponential, scale_p=scale_p, alpha_p=alpha_p, rate_q=rate_q)


def kl_divergence_exponential_vjp(
    g: Array, scale_p: Positive, alpha_p: Positive, rate_q: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of all three: with :math:`e = c \alpha / (\alpha - 1) - 1`,
    :math:`e/m, \; 1/\alpha + 1/\alpha^2 - c/(\alpha-1)^2, \; e/\lambda`.
    """
    return cotangents(_kl_exponential, g, scale_p=scale_p, alpha_p=alpha_p, rate_q=rate_q)


def kl_divergence_gamma(scale_p: Positive, alpha_p: Positive, concentration_q: Positive, rate_q: Positive) -> Array:
    r"""Kullback-Leibler divergence to a gamma distribution.

    .. math:: \log\alpha + \log\Gamma(a) - a (\log c + 1/\alpha) + \frac{c \alpha}{\alpha - 1} - 1, \qquad c = m \lambda

    All broadcast together; a and lambda are the concentration and rate of q. inf, without slopes, for alpha up to 1.
    Stirling's leading terms cancel on paper against a log c - c. The definition integrated, as in torch (2026).

    >>> round(float(kl_divergence_gamma(1.0, 2.0, 1.0, 1.0)), 12)  # log 2 + 1/2
    1.19314718056
    """
    return value(_kl_gamma, scale_p=scale_p, alpha_p=alpha_p, concentration_q=concentration_q, rate_q=rate_q)


def kl_divergence_gamma_vjp(
    g: Array, scale_p: Positive, alpha_p: Positive, concentration_q: Positive, rate_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four: with :math:`e = c - a + c/(\alpha - 1)`,
    :math:`e/m, \; 1/\alpha + a/\alpha^2 - c/(\alpha-1)^2, \; \psi(a) - \log c - 1/\alpha, \; e/\lambda`.
    """
    return cotangents(_kl_gamma, g, scale_p=scale_p, alpha_p=alpha_p, concentration_q=concentration_q, rate_q=rate_q)


def kl_divergence_normal(scale_p: Positive, alpha_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Kullback-Leibler divergence to a normal distribution.

    .. math:: \log\frac{\sqrt{2 \pi} \sigma \alpha}{m} - \frac1\alpha - 1
              + \frac{\operatorname{Var}[x] + (E[x] - \mu)^2}{2 \sigma^2}

    All broadcast together. inf, without slopes, for alpha up to 2. The definition integrated, as in torch (2026).

    >>> round(float(kl_divergence_normal(1.0, 3.0, 1.5, 1.0)), 6)  # log(3 sqrt(2 pi)) - 4/3 + 3/8
    1.059217
    """
    return value(_kl_normal, scale_p=scale_p, alpha_p=alpha_p, loc_q=loc_q, scale_q=scale_q)


def kl_divergence_normal_vjp(
    g: Array, scale_p: Positive, alpha_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four, through the mean E and the variance V of p, whose slopes `mean_vjp` has.

    .. math:: \partial_E = \frac{E - \mu}{\sigma^2}, \quad \partial_V = \frac{1}{2\sigma^2}, \quad
              \partial_\mu = -\partial_E, \quad
              \partial_\sigma = \frac1\sigma \left(1 - \frac{V + (E-\mu)^2}{\sigma^2}\right)
    """
    return cotangents(_kl_normal, g, scale_p=scale_p, alpha_p=alpha_p, loc_q=loc_q, scale_q=scale_q)


def maximum_likelihood(data: Positive) -> Parameters:
    r"""The parameters that make the data most probable.

    .. math:: m = \min_i x_i, \qquad \frac1\alpha = \frac1N \sum_i \log\frac{x_i}{m}

    data: (N,). nan where there is no estimate: all data equal, none, one not positive and finite. Johnson, Kotz and
    Balakrishnan (1994), chapter 20.

    >>> m, alpha = maximum_likelihood([1.0, 2.0, 4.0])
    >>> float(m), round(float(alpha) * 0.6931471805599453, 12)
    (1.0, 1.0)
    """
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N",))
    with np.errstate(all="ignore"):
        _, m, alpha = _fit(xp, xp.astype(x, xp.float64, copy=False))
        return Parameters(xp.astype(m, dtype, copy=False), xp.astype(alpha, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Positive) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \partial_{x_i} \alpha = -\frac{\alpha^2}{N x_i} \; (i \ne j), \qquad
              \partial_{x_j} \alpha = \frac{(N - 1) \alpha^2}{N x_j}, \qquad \partial_{x_j} m = 1

    where j is the first of the smallest.
    """
    xp, dtype, x, dm, da = promote(data=data, scale=g[0], alpha=g[1])
    check_shape("data", x, ("N",))
    x, dm, da = (xp.astype(a, xp.float64, copy=False) for a in (x, dm, da))
    with np.errstate(all="ignore"):
        first, m, alpha = _fit(xp, x)
        slope = xp.where(first, xp.asarray(x.shape[0] - 1.0), -1.0) * (alpha * alpha) / max(x.shape[0], 1) / x
        return (xp.astype(da * slope + xp.where(first, dm, 0.0) + 0 * m, dtype, copy=False),)


def _scaled(xp: Any, x: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    """Where defined and where in the support, the point or a point inside, w and its slopes."""
    inside = (x >= m) & (x < xp.inf) & (m > 0)
    x = xp.where(inside, x, 1.0)
    length = log_ratio(xp, x, xp.where(inside, m, 1.0))
    return positive(xp, m, alpha), inside, x, alpha * length, (alpha / x, -alpha / m, length)


def _log_prob(xp: Any, x: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    defined, inside, x, w, (_, dm, length) = _scaled(xp, x, m, alpha)
    results = log_ratio(xp, alpha, x) - w, -(alpha + 1) / x, -dm, 1 / alpha - length
    return defined, *flat(xp, ~inside, -xp.inf, results)


def _cdf(xp: Any, x: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    top = xp.where(x == xp.inf, xp.asarray(1.0), 0.0)
    defined, inside, x, w, slopes = _scaled(xp, x, m, alpha)
    rest = xp.exp(-w)
    return defined, *flat(xp, ~inside, top, (0.0 - xp.expm1(-w), *(rest * s for s in slopes)))


def _sf(xp: Any, x: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    bottom = xp.where(x == xp.inf, xp.asarray(0.0), 1.0)
    defined, inside, x, w, slopes = _scaled(xp, x, m, alpha)
    rest = xp.exp(-w)
    return defined, *flat(xp, ~inside, bottom, (rest, *(-rest * s for s in slopes)))


def _log_sf(xp: Any, x: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    bottom = xp.where(x == xp.inf, xp.asarray(-xp.inf), 0.0)
    defined, inside, x, w, slopes = _scaled(xp, x, m, alpha)
    return defined, *flat(xp, ~inside, bottom, (0.0 - w, *(0.0 - s for s in slopes)))


def _log_cdf(xp: Any, x: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    top = xp.where(x == xp.inf, xp.asarray(0.0), -xp.inf)
    defined, inside, x, w, (dx, dm, length) = _scaled(xp, x, m, alpha)
    share = over_expm1(xp, w) / alpha
    results = log1mexp(xp, w, xp.log(alpha) + xp.log(length)), dx / xp.expm1(w), dm / xp.expm1(w), share
    return defined, *flat(xp, ~inside, top, results)


def _icdf(xp: Any, u: Array, m: Array, alpha: Array) -> tuple[Array, ...]:
    top = u == 1
    q = xp.log1p(-xp.where(top, 0.5, u))
    half = xp.exp(-q / alpha / 2)
    x = half * (m * half)
    results = x, half * (m / alpha * half) / (1 - u), half * half, half * (m * (half * q / alpha / alpha))
    results = tuple(xp.where(top, e, r) for e, r in zip((xp.inf, xp.inf, xp.inf, -xp.inf), results, strict=True))
    return positive(xp, m, alpha) & (u >= 0) & (u <= 1), *results


def _entropy(xp: Any, m: Array, alpha: Array) -> tuple[Array, ...]:
    return positive(xp, m, alpha), log_ratio(xp, m, alpha) + 1 + 1 / alpha, 1 / m, -(1 + 1 / alpha) / alpha


def _mean(xp: Any, m: Array, alpha: Array) -> tuple[Array, ...]:
    rest = alpha - 1
    results = alpha / rest * m, alpha / rest, -m / rest / rest
    return positive(xp, m, alpha), *flat(xp, alpha <= 1, xp.inf, results)


def _variance(xp: Any, m: Array, alpha: Array) -> tuple[Array, ...]:
    one, two = alpha - 1, alpha - 2
    unit = m / one * (alpha / one) / two
    dalpha = -2 * (m / one) * (m / one) * ((alpha * two + one) / one / two / two)
    return positive(xp, m, alpha), *flat(xp, alpha <= 2, xp.inf, (unit * m, 2 * unit, dalpha))


def _mode(xp: Any, m: Array, alpha: Array) -> tuple[Array, ...]:
    return positive(xp, m, alpha), m + 0 * alpha, 1.0 + 0 * m, 0.0 * alpha


def _kl(xp: Any, m_p: Array, alpha_p: Array, m_q: Array, alpha_q: Array) -> tuple[Array, ...]:
    r, length = alpha_q / alpha_p, log_ratio(xp, m_p, m_q)
    found = minus_log(xp, alpha_q, alpha_p) + alpha_q * length
    slopes = alpha_q / m_p, -(r - 1) / alpha_p, -alpha_q / m_q, (r - 1) / alpha_q + length
    return positive(xp, m_p, alpha_p, m_q, alpha_q), *flat(xp, m_p < m_q, xp.inf, (found, *slopes))


def _kl_exponential(xp: Any, m: Array, alpha: Array, rate: Array) -> tuple[Array, ...]:
    c, rest = m * rate, alpha - 1
    product = c / rest * alpha
    found = log_ratio(xp, alpha / m, rate) - 1 / alpha - 1 + product
    by_alpha = (1 + 1 / alpha) / alpha - c / rest / rest
    slopes = alpha / rest * rate - 1 / m, by_alpha, alpha / rest * m - 1 / rate
    return positive(xp, m, alpha, rate), *flat(xp, alpha <= 1, xp.inf, (found, *slopes))


def _kl_gamma(xp: Any, m: Array, alpha: Array, a: Array, rate: Array) -> tuple[Array, ...]:
    c, rest = m * rate, alpha - 1
    e = product_minus(xp, m, rate, a)
    near = xp.abs(e) < a / 2
    log_c = xp.log(m) + xp.log(rate)
    deviance = xp.where(near, -a * log1p_minus(xp, xp.where(near, e / a, 0.0)), e - a * (log_c - xp.log(a)))
    excess = e / rest + a / rest / alpha
    found = log_ratio(xp, alpha, weight(xp, a)) + remainder(xp, a) - 1 + (deviance + excess)
    gap = xp.where(near, xp.log1p(e / a), log_c - xp.log(a)) + log_minus_digamma(xp, a) + 1 / alpha
    by_alpha = 1 / alpha + a / alpha / alpha - c / rest / rest
    slopes = (e + c / rest) / m, by_alpha, -gap, (e + c / rest) / rate
    return positive(xp, m, alpha, a, rate), *flat(xp, alpha <= 1, xp.inf, (found, *slopes))


def _kl_normal(xp: Any, m: Array, alpha: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    one, two = alpha - 1, alpha - 2
    off = ((m - loc) + m / one) / scale
    unit = m / scale
    spread = (unit / one) * (unit / one) * (alpha / two)
    size = spread + off * off
    found = xp.log(alpha / unit * sqrt(2 * pi)) - 1 / alpha - 1 + size / 2
    by_m = (off * (alpha / one) / scale + spread / m) - 1 / m
    by_spread = -(unit / one) * (unit / one) * ((alpha * two + one) / one / two / two)
    by_alpha = (1 + 1 / alpha) / alpha - off * (unit / one / one) + by_spread
    slopes = by_m, by_alpha, -off / scale, (1 - size) / scale
    known = positive(xp, m, alpha, scale) & xp.isfinite(loc)
    return known, *flat(xp, alpha <= 2, xp.inf, (found, *slopes))


def _fit(xp: Any, x: Array) -> tuple[Array, ...]:
    """Which is the first of the smallest, scale, exponent."""
    size = x.shape[0]
    if size < 2 or not bool(xp.all((x > 0) & (x < xp.inf))) or not bool(xp.min(x) < xp.max(x)):
        none = xp.asarray(xp.nan)
        return x != x, none, none
    m = xp.min(x)
    first = xp.arange(size) == xp.argmin(x)
    return first, m, 1 / xp.mean(log_ratio(xp, x, m))
