r"""Uniform distribution on the closed interval [a, b], :math:`f(x; a, b) = 1 / (b - a)`. Every point is a mode."""

from __future__ import annotations

import math
from math import e, log, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise, unbroadcast
from refengine.distributions import _uniform
from refengine.distributions._divergence import excess, excess_minus_log, expm1_minus, expm1_over, less_one
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import cotangents
from refengine.distributions._pointwise import value as value_of
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log1p_minus, log_quotient

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
    "kl_divergence",
    "kl_divergence_beta",
    "kl_divergence_beta_vjp",
    "kl_divergence_exponential",
    "kl_divergence_exponential_vjp",
    "kl_divergence_gamma",
    "kl_divergence_gamma_vjp",
    "kl_divergence_gumbel",
    "kl_divergence_gumbel_vjp",
    "kl_divergence_normal",
    "kl_divergence_normal_vjp",
    "kl_divergence_pareto",
    "kl_divergence_pareto_vjp",
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
    "noise",
    "sample",
    "sample_vjp",
    "sf",
    "sf_vjp",
    "variance",
    "variance_vjp",
]


class Parameters(NamedTuple):
    """The two ends, as `maximum_likelihood` estimates them."""

    low: Real
    high: Real


def log_prob(x: Real, low: Real, high: Real) -> Array:
    r"""Logarithm of the uniform density.

    .. math:: \log f(x; a, b) = -\log(b - a), \qquad a \le x \le b

    x, low (a), high (b): broadcast together, as the arguments of all functions here; the result has the broadcast
    shape. float32 when every floating array is, else float64, and float64 inside. Both ends belong to the support; x
    outside it: -inf with zero gradients. Ends that are not finite or not in order, and nan: nan, here and in all
    functions below. Johnson et al. (1995), chapter 26.

    >>> float(log_prob(2.0, 1.0, 2.0)), float(log_prob(2.5, 1.0, 2.0))
    (0.0, -inf)
    """
    return _inside(lambda xp, x, a, b: 0.0 - _log_width(xp, a, b) + 0.0 * x, -math.inf, -math.inf, x, low, high)


def log_prob_vjp(g: Array, x: Real, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, low and high: :math:`0, 1/(b - a), -1/(b - a)`."""
    return _inside_vjp(
        lambda xp, x, a, b: (0.0 * x, _over_width(xp, 1.0, a, b), -_over_width(xp, 1.0, a, b)), g, x, low, high
    )


def log_prob_value_and_vjp(g: Array, x: Real, low: Real, high: Real) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dlow, dhigh) = log_prob_value_and_vjp(1.0, 2.0, 1.0, 2.0)
    >>> float(dx), float(dlow), float(dhigh)
    (0.0, 1.0, -1.0)
    """
    return log_prob(x, low, high), log_prob_vjp(g, x, low, high)


def cdf(x: Real, low: Real, high: Real) -> Array:
    r"""Probability of a value up to x.

    .. math:: F(x; a, b) = \frac{x - a}{b - a}

    x, low, high: broadcast together. 0 below the support, 1 above; on its ends the slopes from inside. Johnson et al.
    (1995), chapter 26.

    >>> float(cdf(1.25, 1.0, 2.0))
    0.25
    """
    return _inside(lambda xp, x, a, b: _share(xp, x, a, b), 0.0, 1.0, x, low, high)


def cdf_vjp(g: Array, x: Real, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, low and high, with w = b - a: :math:`1/w, -(b - x)/w^2, -(x - a)/w^2`."""
    return _inside_vjp(_share_slopes, g, x, low, high)


def log_cdf(x: Real, low: Real, high: Real) -> Array:
    r"""Logarithm of the probability of a value up to x.

    .. math:: \log F(x; a, b) = \log\frac{x - a}{b - a}

    x, low, high: broadcast together. -inf with zero gradients up to the lower end, 0 above the upper. Johnson et al.
    (1995), chapter 26.

    >>> round(float(log_cdf(1.5, 1.0, 2.0)), 12)
    -0.69314718056
    """
    return _inside(_log_share, -math.inf, 0.0, x, low, high)


def log_cdf_vjp(g: Array, x: Real, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, low and high, with w = b - a: :math:`1/(x - a), -(b - x)/((x - a) w), -1/w`."""
    return _inside_vjp(_log_share_slopes, g, x, low, high, open_low=True)


def sf(x: Real, low: Real, high: Real) -> Array:
    r"""Probability of a value above x.

    .. math:: 1 - F(x; a, b) = \frac{b - x}{b - a}

    x, low, high: broadcast together. 1 below the support, 0 above; on its ends the slopes from inside. Johnson et al.
    (1995), chapter 26.

    >>> float(sf(1.25, 1.0, 2.0))
    0.75
    """
    return _inside(lambda xp, x, a, b: _share(xp, -x, -b, -a), 1.0, 0.0, x, low, high)


def sf_vjp(g: Array, x: Real, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, low and high: those of the cdf with the other sign, :math:`-\partial F`."""
    return _inside_vjp(lambda xp, x, a, b: tuple(-s for s in _share_slopes(xp, x, a, b)), g, x, low, high)


def log_sf(x: Real, low: Real, high: Real) -> Array:
    r"""Logarithm of the probability of a value above x.

    .. math:: \log(1 - F(x; a, b)) = \log\frac{b - x}{b - a}

    x, low, high: broadcast together. 0 below the lower end, -inf with zero gradients from the upper on. Johnson et al.
    (1995), chapter 26.

    >>> round(float(log_sf(1.5, 1.0, 2.0)), 12)
    -0.69314718056
    """
    return _inside(lambda xp, x, a, b: _log_share(xp, -x, -b, -a), 0.0, -math.inf, x, low, high)


def log_sf_vjp(g: Array, x: Real, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, low and high, with w = b - a: :math:`-1/(b - x), 1/w, (x - a)/((b - x) w)`."""

    def slopes(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        dx, db, da = _log_share_slopes(xp, -x, -b, -a)
        return -dx, -da, -db

    return _inside_vjp(slopes, g, x, low, high, open_high=True)


def icdf(u: Unit, low: Real, high: Real) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; a, b) = (1 - u) a + u b

    u, low, high: broadcast together. low at 0, high at 1, nan outside. Johnson et al. (1995), chapter 26.

    >>> float(icdf(0.25, 1.0, 2.0))
    1.25
    """
    return _between(low, high, u=u)


def icdf_vjp(g: Array, u: Unit, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, low and high: :math:`b - a, 1 - u, u`."""
    return _between_vjp(g, low, high, u=u)


def entropy(low: Real, high: Real) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log(b - a)

    low, high: broadcast together. Johnson et al. (1995), chapter 26.

    >>> float(entropy(1.0, 2.0))
    0.0
    """
    return _of_ends(_log_width, low, high)


def entropy_vjp(g: Array, low: Real, high: Real) -> tuple[Array, Array]:
    r"""Cotangents of low and high: :math:`-1/(b - a), 1/(b - a)`."""
    return _of_ends_vjp(lambda xp, a, b: (-_over_width(xp, 1.0, a, b), _over_width(xp, 1.0, a, b)), g, low, high)


def mean(low: Real, high: Real) -> Array:
    r"""Mean.

    .. math:: E[x] = \frac{a + b}{2}

    low, high: broadcast together. Johnson et al. (1995), chapter 26.

    >>> float(mean(1.0, 2.0))
    1.5
    """
    return _of_ends(_middle, low, high)


def mean_vjp(g: Array, low: Real, high: Real) -> tuple[Array, Array]:
    r"""Cotangents of low and high: :math:`1/2` each."""
    return _of_ends_vjp(lambda xp, a, b: (0.5 + 0.0 * a, 0.5 + 0.0 * b), g, low, high)


def variance(low: Real, high: Real) -> Array:
    r"""Variance.

    .. math:: E[(x - E x)^2] = \frac{(b - a)^2}{12}

    low, high: broadcast together. Johnson et al. (1995), chapter 26.

    >>> float(variance(1.0, 7.0))
    3.0
    """
    return _of_ends(lambda xp, a, b: (b - a) * (b - a) / 12, low, high)


def variance_vjp(g: Array, low: Real, high: Real) -> tuple[Array, Array]:
    r"""Cotangents of low and high: :math:`-(b - a)/6, (b - a)/6`."""
    return _of_ends_vjp(lambda xp, a, b: (a / 6 - b / 6, b / 6 - a / 6), g, low, high)


def sample(noise: Unit, low: Real, high: Real) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = (1 - u) a + u b

    noise: uniform on (0, 1), as from `noise`. Broadcast with low and high. Johnson et al. (1995), chapter 26.

    noise and the parameters: broadcast together.

    >>> float(sample(0.25, 1.0, 2.0))
    1.25
    """
    return _between(low, high, noise=noise)


def sample_vjp(g: Array, noise: Unit, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, low and high: :math:`b - a, 1 - u, u`."""
    return _between_vjp(g, low, high, noise=noise)


def kl_divergence(low_p: Real, high_p: Real, low_q: Real, high_q: Real) -> Array:
    r"""Divergence of a uniform distribution q from p, inf with zero gradients where p is not inside q.

    .. math:: D(p \| q) = \log\frac{b_q - a_q}{b_p - a_p}
              = \log\left(1 + \frac{(a_p - a_q) + (b_q - b_p)}{b_p - a_p}\right)

    low_p, high_p, low_q, high_q: broadcast together. Gil (2011).

    >>> float(kl_divergence(1.0, 2.0, 1.0, 2.0)), float(kl_divergence(1.0, 2.0, 1.5, 3.0))
    (0.0, inf)
    """
    xp, dtype, a, b, c, d = elementwise(low_p=low_p, high_p=high_p, low_q=low_q, high_q=high_q)
    with np.errstate(all="ignore"):
        k = xp.where(xp.isinf(d - c), xp.asarray(0.5), 1.0)  # a width may overflow
        p, q = b * k - a * k, d * k - c * k
        ratio = ((a * k - c * k) + (d * k - b * k)) / p
        far = log_quotient(xp, q, p, xp.ones_like(ratio))
        value = xp.where((c <= a) & (b <= d), xp.where(ratio < 1, xp.log1p(ratio), far), xp.inf)
        return xp.astype(xp.where(_valid(xp, a, b) & _valid(xp, c, d), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(
    g: Array, low_p: Real, high_p: Real, low_q: Real, high_q: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four ends, with w = b - a: :math:`1/w_p, -1/w_p, -1/w_q, 1/w_q`."""
    xp, dtype, g, a, b, c, d = elementwise(g=g, low_p=low_p, high_p=high_p, low_q=low_q, high_q=high_q)
    with np.errstate(all="ignore"):
        g = xp.where(_valid(xp, a, b) & _valid(xp, c, d), g, xp.nan)
        inside = (c <= a) & (b <= d)
        p, q = (g * xp.where(inside, _over_width(xp, 1.0, *ends), 0.0) for ends in ((a, b), (c, d)))
        return (
            unbroadcast(p, low_p, dtype),
            unbroadcast(-p, high_p, dtype),
            unbroadcast(-q, low_q, dtype),
            unbroadcast(q, high_q, dtype),
        )


def kl_divergence_beta(low_p: Real, high_p: Real, a_q: Positive, b_q: Positive) -> Array:
    r"""Divergence of a beta distribution q from this one, inf with zero gradients where p is not inside [0, 1].

    .. math:: D(p \| q) = \log B(a_q, b_q) - \log(b - a) - (a_q - 1) E[\log x] - (b_q - 1) E[\log(1-x)]

    low_p (a), high_p (b), a_q, b_q: broadcast together; :math:`E[\log x] = (b \log b - a \log a)/(b - a) - 1`. The
    definition integrated, as in torch (2026), from the density in the middle of the interval.

    >>> round(float(kl_divergence_beta(0.0, 1.0, 2.0, 1.0)), 12)  # 1 - log 2
    0.30685281944
    """
    return value_of(_uniform.kl_beta, low_p=low_p, high_p=high_p, a_q=a_q, b_q=b_q)


def kl_divergence_beta_vjp(
    g: Array, low_p: Real, high_p: Real, a_q: Positive, b_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the ends and the shapes, with w = b - a and the logarithm l of the density of q.

    .. math:: \partial_a = \frac{1 + l(a) - E[l]}{w}, \qquad \partial_b = -\frac{1 + l(b) - E[l]}{w}, \qquad
              \partial_{a_q} = \psi(a_q) - \psi(a_q + b_q) - E[\log x]

    and to b_q with 1 - x. On the edges 0 and 1 the limits from inside: infinite, but where the density is not 0 or inf.
    """
    return cotangents(_uniform.kl_beta, g, low_p=low_p, high_p=high_p, a_q=a_q, b_q=b_q)


def kl_divergence_exponential(low_p: Real, high_p: Real, rate_q: Positive) -> Array:
    r"""Divergence of an exponential distribution q from this one, inf with zero gradients where low is negative.

    .. math:: D(p \| q) = -\log((b - a) \lambda) + \lambda \frac{a + b}{2}

    low_p, high_p, rate_q: broadcast together. From the mean: Johnson et al. (1995), chapter 26.

    >>> float(kl_divergence_exponential(0.0, 1.0, 1.0))
    0.5
    """
    xp, dtype, a, b, rate = elementwise(low_p=low_p, high_p=high_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        w = (b - a) * rate
        logs = xp.where((w > 1e-290) & (w < 1e290), xp.log(w), _log_width(xp, a, b) + xp.log(rate))
        value = xp.where(a >= 0, rate * _middle(xp, a, b) - logs, xp.inf)
        valid = _valid(xp, a, b) & (rate > 0) & (rate < xp.inf)
        return xp.astype(xp.where(valid, value, xp.nan), dtype, copy=False)


def kl_divergence_exponential_vjp(g: Array, low_p: Real, high_p: Real, rate_q: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of the ends and the rate: :math:`\lambda/2 + 1/(b-a), \lambda/2 - 1/(b-a), (a+b)/2 - 1/\lambda`."""
    xp, dtype, g, a, b, rate = elementwise(g=g, low_p=low_p, high_p=high_p, rate_q=rate_q)
    with np.errstate(all="ignore"):
        g = xp.where(_valid(xp, a, b) & (rate > 0) & (rate < xp.inf), g, xp.nan)
        slopes = (
            rate / 2 + _over_width(xp, 1.0, a, b),
            rate / 2 - _over_width(xp, 1.0, a, b),
            _middle(xp, a, b) - 1 / rate,
        )
        da, db, drate = (g * xp.where(a >= 0, s, 0.0) for s in slopes)
        return unbroadcast(da, low_p, dtype), unbroadcast(db, high_p, dtype), unbroadcast(drate, rate_q, dtype)


def kl_divergence_gamma(low_p: Real, high_p: Real, concentration_q: Positive, rate_q: Positive) -> Array:
    r"""Divergence of a gamma distribution q from this one, inf with zero gradients where low is negative.

    .. math:: D(p \| q) = \log\Gamma(k) - k \log\lambda - \log(b - a) - (k - 1) E[\log x] + \lambda \frac{a + b}{2}

    low_p (a), high_p (b), concentration_q (k), rate_q (lambda): broadcast together;
    :math:`E[\log x] = (b \log b - a \log a)/(b - a) - 1`. The definition integrated, as in torch (2026), from the
    density in the middle of the interval.

    >>> round(float(kl_divergence_gamma(0.0, 1.0, 2.0, 1.0)), 12)  # 3/2
    1.5
    """
    return value_of(_uniform.kl_gamma, low_p=low_p, high_p=high_p, concentration_q=concentration_q, rate_q=rate_q)


def kl_divergence_gamma_vjp(
    g: Array, low_p: Real, high_p: Real, concentration_q: Positive, rate_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the ends, the concentration and the rate, with w = b - a and the log density l of q.

    .. math::
        \partial_a = \frac{1 + l(a) - E[l]}{w}, \quad \partial_b = -\frac{1 + l(b) - E[l]}{w}, \quad
        \partial_k = \psi(k) - \log\lambda - E[\log x], \quad \partial_\lambda = \frac{a + b}{2} - \frac{k}{\lambda}

    At a = 0 the limit from inside: infinite, but for k = 1.
    """
    q = {"concentration_q": concentration_q, "rate_q": rate_q}
    return cotangents(_uniform.kl_gamma, g, low_p=low_p, high_p=high_p, **q)


def kl_divergence_normal(low_p: Real, high_p: Real, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a normal distribution q from this one.

    .. math:: D(p \| q) = \frac{d^2 + v^2/12}{2} - \log v + \tfrac12 \log 2\pi, \qquad v = \frac{b - a}{s}, \quad
              d = \frac{(a + b)/2 - m}{s}

    low_p, high_p, loc_q (m), scale_q (s): broadcast together. From mean and variance: Johnson et al. (1995),
    chapter 26.

    >>> round(float(kl_divergence_normal(-1.0, 1.0, 0.0, 1.0)), 12)  # 1/6 + log(pi / 2) / 2
    0.392458019311
    """
    xp, dtype, a, b, m, s = elementwise(low_p=low_p, high_p=high_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        d = _from_middle(xp, a, b, m) / s
        wide = (b / 2 - a / 2) / sqrt(3)  # the standard deviation
        wide = xp.where(wide > 0, wide, 1.0)
        value = (excess_minus_log(xp, excess(wide, s), wide, s, power=2) + d * d) / 2 + log(pi / 6 * e) / 2
        return xp.astype(xp.where(_valid(xp, a, b) & _scale(xp, m, s), value, xp.nan), dtype, copy=False)


def kl_divergence_normal_vjp(
    g: Array, low_p: Real, high_p: Real, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the ends, the location and the scale.

    .. math::
        \partial_a = \frac{d/2 - v/12}{s} + \frac{1}{b - a}, \quad \partial_b = \frac{d/2 + v/12}{s} - \frac{1}{b - a},
        \quad \partial_m = -\frac{d}{s}, \quad \partial_s = \frac{1 - d^2 - v^2/12}{s}
    """
    xp, dtype, g, a, b, m, s = elementwise(g=g, low_p=low_p, high_p=high_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(_valid(xp, a, b) & _scale(xp, m, s), g, xp.nan)
        w = b - a
        v, d = xp.where(w < xp.inf, w / s, b / s - a / s), _from_middle(xp, a, b, m) / s
        over_w = xp.where(w < xp.inf, 1 / w, 1 / v / s)
        third = v * v / 12
        da = xp.where(third < 1e300, (d * v / 2 - third + 1) * over_w, (d / 2 - v / 12) / s)
        db = xp.where(third < 1e300, (d * v / 2 + third - 1) * over_w, (d / 2 + v / 12) / s)
        ds = -less_one(xp, d * d + third, d * (d / s) + v / 12 * (v / s), s)
        return (
            unbroadcast(g * da, low_p, dtype),
            unbroadcast(g * db, high_p, dtype),
            unbroadcast(-g * (d / s), loc_q, dtype),
            unbroadcast(g * ds, scale_q, dtype),
        )


def kl_divergence_gumbel(low_p: Real, high_p: Real, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Gumbel distribution q from this one.

    .. math:: D(p \| q) = \frac{y_a + y_b}{2} - \log v + E, \qquad E = \frac{e^{-y_a} - e^{-y_b}}{v}, \quad
              y_x = \frac{x - m}{s}, \quad v = y_b - y_a

    low_p (a), high_p (b), loc_q (m), scale_q (s): broadcast together. From the mean of exp(-y): Johnson et al. (1995),
    chapter 26.

    >>> round(float(kl_divergence_gumbel(0.0, 1.0, 0.0, 1.0)), 12)  # 3/2 - 1/e
    1.132120558829
    """
    xp, dtype, a, b, m, s = elementwise(low_p=low_p, high_p=high_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        w, v = b - a, b / s - a / s
        log_v = xp.where(w < xp.inf, log_quotient(xp, xp.where(w > 0, w, 1.0), s, xp.ones_like(m)), xp.log(v))
        y, e = _from_middle(xp, a, b, m) / s, _mean_exponential(xp, a, b, m, s)
        value = xp.where(y == -xp.inf, xp.inf, y - log_v + e)
        return xp.astype(xp.where(_valid(xp, a, b) & _scale(xp, m, s), value, xp.nan), dtype, copy=False)


def kl_divergence_gumbel_vjp(
    g: Array, low_p: Real, high_p: Real, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the ends, the location and the scale, with w = b - a and :math:`\bar y = (y_a + y_b)/2`.

    .. math::
        \partial_a = \frac1w + \frac{1}{2 s} + E_a, \quad \partial_b = -\frac1w + \frac{1}{2 s} + E_b, \quad
        \partial_m = \frac{E - 1}{s}, \quad \partial_s = \frac{1 - \bar y + y_a E - w E_b}{s}

    :math:`E_a = (E - e^{-y_a})/w = -e^{-y_a} (e^{-v} - 1 + v)/(v w)` and :math:`E_b = (e^{-y_b} - E)/w
    = -e^{-y_b} (e^v - 1 - v)/(v w)`, series for narrow intervals.
    """
    xp, dtype, g, a, b, m, s = elementwise(g=g, low_p=low_p, high_p=high_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(_valid(xp, a, b) & _scale(xp, m, s), g, xp.nan)
        w, e = b - a, _mean_exponential(xp, a, b, m, s)
        v = xp.where(w / s < 1e300, w / s, b / s - a / s)
        ya, middle = (a - m) / s, _from_middle(xp, a, b, m) / s
        left, right = xp.exp(-ya / 2), xp.exp(-(b - m) / s)  # left is squared at last
        narrow, huge = v < 0.5, xp.isinf(e)
        u = xp.where(narrow & (v > 1e-300), v, 0.25)
        up, down = (xp.where(v > 1e-300, expm1_minus(xp, sign * u) / u, 0.0) for sign in (1, -1))
        bend = xp.where(narrow, -down, -xp.expm1(-v) / v - 1)
        we_b = xp.where(narrow, -right * up, right - e)
        # sinh(h) / h for h = v / 2 is the mean of exp(-(y - middle))
        log_e = xp.where(narrow, xp.log1p(_sinh_rest(u / 2)) - middle, xp.log(-xp.expm1(-v) / v) - ya)
        rest = xp.where(narrow, up / (1 + up), 1 - v / xp.expm1(v))  # 1 - exp(-y_b) / E
        k = xp.where(w < xp.inf, 1.0, xp.asarray(0.5))
        width, root = b * k - a * k, xp.exp(log_e / 2)  # the width may overflow
        tame = left < 1e150
        da = xp.where(tame, (1 + v / 2 + left * bend * left) / width, left * (bend / width) * left) * k
        db = xp.where(huge, root * (-rest / width) * root, (v / 2 - 1 + we_b) / width) * k
        ds = xp.where(huge, root * ((ya + rest) / s) * root, (1 - middle + (ya * e - we_b)) / s)
        return (
            unbroadcast(g * da, low_p, dtype),
            unbroadcast(g * db, high_p, dtype),
            unbroadcast(g * expm1_over(xp, log_e, s), loc_q, dtype),
            unbroadcast(g * ds, scale_q, dtype),
        )


def _sinh_rest(h: Array) -> Array:
    """``sinh(h) / h - 1`` for abs(h) <= 1/2."""
    series = 0.0 * h
    for k in range(14, 0, -2):
        series = (1 + series) * h * h / (k * (k + 1))
    return series


def kl_divergence_pareto(low_p: Real, high_p: Real, scale_q: Positive, alpha_q: Positive) -> Array:
    r"""Divergence of a Pareto distribution q from this one, inf with zero gradients where low is below its scale.

    .. math:: D(p \| q) = L - \log(b - a) - \log\alpha + \alpha (L - \log s), \qquad
              L = \frac{b \log b - a \log a}{b - a} - 1 = \log b + \frac{\log(1 + t)}{t} - 1, \quad t = \frac{b - a}{a}

    low_p (a), high_p (b), scale_q (s), alpha_q: broadcast together. L is the mean of log x: Johnson et al. (1995),
    chapter 26.

    >>> round(float(kl_divergence_pareto(1.0, 2.0, 1.0, 1.0)), 12)  # 4 log(2) - 2
    0.77258872224
    """
    xp, dtype, a, b, s, alpha = elementwise(low_p=low_p, high_p=high_p, scale_q=scale_q, alpha_q=alpha_q)
    with np.errstate(all="ignore"):
        defined, inside = _pareto(xp, a, b, s, alpha), (a >= s) & (a < b)
        a, b, s = xp.where(inside, a, 1.0), xp.where(inside, b, 2.0), xp.where(inside, s, 1.0)
        t = (b - a) / a
        rest, one = xp.log1p(t) / t - 1, xp.ones_like(t)
        value = log_quotient(xp, b, b - a, one) + rest - xp.log(alpha) + alpha * (log_quotient(xp, b, s, one) + rest)
        value = xp.where(inside, value, xp.inf)
        return xp.astype(xp.where(defined, value, xp.nan), dtype, copy=False)


def kl_divergence_pareto_vjp(
    g: Array, low_p: Real, high_p: Real, scale_q: Positive, alpha_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the ends, the scale and alpha.

    .. math:: \partial_a = \frac1w + (1 + \alpha) L_a, \quad \partial_b = -\frac1w + (1 + \alpha) L_b, \quad
              \partial_s = -\frac{\alpha}{s}, \quad \partial_\alpha = L - \log s - \frac1\alpha

    With w = b - a: :math:`L_b = (t - \log(1 + t))/(t w)`, and :math:`L_a` likewise with t = (a - b)/b and the other
    sign: series for narrow intervals.
    """
    xp, dtype, g, a, b, s, alpha = elementwise(g=g, low_p=low_p, high_p=high_p, scale_q=scale_q, alpha_q=alpha_q)
    with np.errstate(all="ignore"):
        g = xp.where(_pareto(xp, a, b, s, alpha), g, xp.nan)
        inside = (a >= s) & (a < b)
        a, b, s = xp.where(inside, a, 1.0), xp.where(inside, b, 2.0), xp.where(inside, s, 1.0)
        w = b - a
        t, u, one = w / a, -w / b, xp.ones_like(w)
        near_a = xp.where(u > -0.5, log1p_minus(xp, u), log_quotient(xp, a, b, one) - u) / u
        # 1 + (1 + alpha) near_a and its like for b, with alpha apart where the logarithm is far from its argument
        by_a = xp.where(u > -0.5, 1 + (1 + alpha) * near_a, (1 + alpha) * (near_a + 1) - alpha)
        far_b = alpha - (1 + alpha) * (xp.log1p(t) / t)
        by_b = xp.where(t < 0.5, -(1 + alpha) * log1p_minus(xp, t) / t - 1, far_b)
        dalpha = log_quotient(xp, b, s, one) + (xp.log1p(t) / t - 1) - 1 / alpha
        slopes = (
            by_a / w,
            by_b / w,
            -alpha / s,
            dalpha,
        )
        masked = (g * xp.where(inside, slope, 0.0) for slope in slopes)
        arguments = (low_p, high_p, scale_q, alpha_q)
        return tuple(unbroadcast(d, x, dtype) for d, x in zip(masked, arguments, strict=True))


def maximum_likelihood(data: Real) -> Parameters:
    r"""The smallest and the largest observation.

    .. math:: \hat a = \min_i x_i, \qquad \hat b = \max_i x_i

    data: (N,). All data equal, no data, and data that are not finite: nan. Johnson et al. (1995), chapter 26.

    >>> low, high = maximum_likelihood([2.0, 1.0, 5.0])
    >>> float(low), float(high)
    (1.0, 5.0)
    """
    xp, dtype, x = elementwise(data=data)
    check_shape("data", x, ("N",))
    ends = (xp.min(x), xp.max(x)) if x.shape[0] else (xp.asarray(xp.nan), xp.asarray(xp.nan))
    exists = (ends[0] < ends[1]) & (ends[0] > -xp.inf) & (ends[1] < xp.inf)
    return Parameters(*(xp.astype(xp.where(exists, end, xp.nan), dtype, copy=False) for end in ends))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \partial_i \hat a = [i = \arg\min_j x_j], \qquad \partial_i \hat b = [i = \arg\max_j x_j]

    Of equal observations the one with the lowest index has the slope.
    """
    xp, dtype, g_low, g_high, x = elementwise(g=g[0], g_high=g[1], data=data)
    if x.shape[0] == 0:
        return (xp.astype(x, dtype, copy=False),)
    index = xp.arange(x.shape[0])
    slope = xp.where(index == xp.argmin(x), g_low, 0.0) + xp.where(index == xp.argmax(x), g_high, 0.0)
    exists = ~xp.isnan(maximum_likelihood(x).low)
    return (xp.astype(xp.where(exists, slope, xp.nan), dtype, copy=False),)


def _valid(xp: Any, a: Array, b: Array) -> Array:
    return (a < b) & (a > -xp.inf) & (b < xp.inf)


def _scale(xp: Any, m: Array, s: Array) -> Array:
    return (xp.abs(m) < xp.inf) & (s > 0) & (s < xp.inf)


def _log_width(xp: Any, a: Array, b: Array) -> Array:
    """``log(b - a)``, also where the difference overflows."""
    w = b - a
    return xp.where(xp.isinf(w), xp.log(b / 2 - a / 2) + log(2), xp.log(w))


def _over_width(xp: Any, y: Array, a: Array, b: Array) -> Array:
    """``y / (b - a)``, also where the width overflows."""
    w = b - a
    return xp.where(xp.isinf(w), y / (b / 2 - a / 2) / 2, y / w)


def _middle(xp: Any, a: Array, b: Array) -> Array:
    """The mean of two numbers whose sum may overflow, and whose halves may underflow."""
    return xp.where(xp.abs(a + b) < xp.inf, (a + b) / 2, a / 2 + b / 2)


def _share(xp: Any, x: Array, a: Array, b: Array) -> Array:
    """``(x - a) / (b - a)``."""
    return xp.where(xp.isinf(b - a), (x / 2 - a / 2) / (b / 2 - a / 2), (x - a) / (b - a))


def _share_slopes(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    below, above = _share(xp, x, a, b), _share(xp, -x, -b, -a)
    return _over_width(xp, 1.0, a, b), -_over_width(xp, above, a, b), -_over_width(xp, below, a, b)


def _log_share(xp: Any, x: Array, a: Array, b: Array) -> Array:
    """The logarithm of the share, or of what it lacks to 1."""
    half = xp.isinf(b - a)
    d, w = xp.where(half, x / 2 - a / 2, x - a), xp.where(half, b / 2 - a / 2, b - a)
    small = log_quotient(xp, xp.maximum(d, 0.0 * d), xp.where(w > 0, w, 1.0), xp.ones_like(x))
    return xp.where(_share(xp, x, a, b) < 0.5, small, xp.log1p(-_share(xp, -x, -b, -a)))


def _log_share_slopes(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The derivatives to x, a and b."""
    return _over_width(xp, 1.0, a, x), -_over_width(xp, _share(xp, -x, -b, -a), a, x), -_over_width(xp, 1.0, a, b)


def _inside(f: Any, below: float, above: float, x: Array, low: Array, high: Array) -> Array:
    """``f(x, low, high)`` inside the support, constants on either side of it."""
    xp, dtype, x, a, b = elementwise(x=x, low=low, high=high)
    with np.errstate(all="ignore"):
        value = xp.where(x < a, below, xp.where(x > b, above, f(xp, x, a, b)))
        return xp.astype(xp.where(_valid(xp, a, b) & ~xp.isnan(x), value, xp.nan), dtype, copy=False)


def _inside_vjp(
    slopes: Any, g: Array, x: Array, low: Array, high: Array, open_low: bool = False, open_high: bool = False
) -> tuple[Array, Array, Array]:
    """Cotangents, given the derivatives; 0 outside the support, and on an end where the value is -inf."""
    xp, dtype, g, x1, a, b = elementwise(g=g, x=x, low=low, high=high)
    with np.errstate(all="ignore"):
        inside = ((x1 > a) if open_low else (x1 >= a)) & ((x1 < b) if open_high else (x1 <= b))
        dx, da, db = (xp.where(inside, slope, 0.0) for slope in slopes(xp, x1, a, b))
        g = xp.where(_valid(xp, a, b) & ~xp.isnan(x1), g, xp.nan)
        return unbroadcast(g * dx, x, dtype), unbroadcast(g * da, low, dtype), unbroadcast(g * db, high, dtype)


def _of_ends(f: Any, low: Array, high: Array) -> Array:
    xp, dtype, a, b = elementwise(low=low, high=high)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(_valid(xp, a, b), f(xp, a, b), xp.nan), dtype, copy=False)


def _of_ends_vjp(slopes: Any, g: Array, low: Array, high: Array) -> tuple[Array, Array]:
    xp, dtype, g, a, b = elementwise(g=g, low=low, high=high)
    with np.errstate(all="ignore"):
        g = xp.where(_valid(xp, a, b), g, xp.nan)
        da, db = slopes(xp, a, b)
        return unbroadcast(g * da, low, dtype), unbroadcast(g * db, high, dtype)


def _between(low: Array, high: Array, **noise: Array) -> Array:
    xp, dtype, u, a, b = elementwise(**noise, low=low, high=high)
    with np.errstate(all="ignore"):
        value = xp.where((u >= 0) & (u <= 1), (1 - u) * a + u * b, xp.nan)
        return xp.astype(xp.where(_valid(xp, a, b), value, xp.nan), dtype, copy=False)


def _between_vjp(g: Array, low: Array, high: Array, **noise: Array) -> tuple[Array, Array, Array]:
    (name,) = noise
    xp, dtype, g, u, a, b = elementwise(g=g, **noise, low=low, high=high)
    with np.errstate(all="ignore"):
        g = xp.where(_valid(xp, a, b) & (u >= 0) & (u <= 1), g, xp.nan)
        return (
            unbroadcast(g * (b - a), noise[name], dtype),
            unbroadcast(g * (1 - u), low, dtype),
            unbroadcast(g * u, high, dtype),
        )


def _from_middle(xp: Any, a: Array, b: Array, m: Array) -> Array:
    """``(a + b) / 2 - m``."""
    return xp.where(xp.abs(a + b) < xp.inf, (a + b) / 2 - m, (a / 2 - m) + b / 2)


def _mean_exponential(xp: Any, a: Array, b: Array, m: Array, s: Array) -> Array:
    """The mean of exp(-(x - m) / s) for x from a to b."""
    v = b / s - a / s
    v = xp.where((b - a) / s < 1e300, (b - a) / s, v)
    return xp.exp(-((a - m) / s)) * xp.where(v > 1e-300, -xp.expm1(-v) / v, 1.0)


def _pareto(xp: Any, a: Array, b: Array, s: Array, alpha: Array) -> Array:
    return _valid(xp, a, b) & (s > 0) & (s < xp.inf) & (alpha > 0) & (alpha < xp.inf)
