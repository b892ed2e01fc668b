r"""Beta distribution on (0, 1), :math:`f(x; a, b) = x^{a-1} (1-x)^{b-1} / B(a, b)`."""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise, promote, unbroadcast
from refengine.distributions import _beta
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import cotangents
from refengine.distributions._pointwise import value as value_of
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import (
    deviance,
    log_minus_digamma,
    log_product,
    log_quotient,
    product_minus,
    remainder,
    stirling_error,
    sum_error,
    weight,
)
from refengine.special.digamma_difference import digamma_difference

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
    "kl_divergence_uniform",
    "kl_divergence_uniform_vjp",
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
    """The two shapes."""

    a: Positive
    b: Positive


def log_prob(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the beta density, accurate to a few ulp for shapes of any size.

    .. math:: \log f(x; a, b) = (a-1) \log x + (b-1) \log(1-x) - \log B(a, b)

    x, a, b: broadcast together; the result has the broadcast shape. float32 when every floating array is, else
    float64, and float64 inside. On the edges 0 and 1 value and gradients are the limits from inside the support: at 0
    the value is -inf, log b or inf for a above, at or below 1; at 1 likewise with a and b exchanged. x outside [0, 1]:
    -inf and zero gradients. Shapes that are not positive and finite, and nan: nan.

    For shapes from 1/2 to 2 the definition is computed as it stands; elsewhere Loader's saddle point (2000), her
    binomial with real counts, from which the large terms have been cancelled on paper. Definition: the integrand of
    NIST DLMF 5.12.1, normalised.

    >>> round(float(np.exp(log_prob(0.25, 2.0, 1.0))), 15)  # 2 x
    0.5
    >>> float(log_prob(0.0, 1.0, 8.0))  # log(8)
    2.0794415416798357
    """
    xp, dtype, x, a, b = elementwise(x=x, a=a, b=b)
    with np.errstate(all="ignore"):
        inside = (x > 0) & (x < 1)
        z, p, q = xp.where(inside, x, 0.5), xp.where(_valid(xp, a), a, 1.0), xp.where(_valid(xp, b), b, 1.0)
        plain = (xp.minimum(p, q) >= 0.5) & (xp.maximum(p, q) <= 2)
        value = xp.where(plain, _plain(xp, z, p, q), _saddle_point(xp, z, p, q))
        value = xp.where(inside, value, -xp.inf)
        value = xp.where(x == 0, _edge(xp, a, b), xp.where(x == 1, _edge(xp, b, a), value))
        return xp.astype(xp.where(_defined(xp, x, a, b), value, xp.nan), dtype, copy=False)


def log_prob_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b.

    .. math::
        \partial_x = \frac{a-1}{x} - \frac{b-1}{1-x} = \frac{2x - 1 - e}{x (1-x)}, \quad e = x(a+b) - a, \qquad
        \partial_a = \log x + \psi(a+b) - \psi(a), \qquad \partial_b = \log(1-x) + \psi(a+b) - \psi(b)

    e is computed as if with twice the digits. The derivative to b is a sum of terms that the input's own rounding
    covers; in that to a, log x cancels the digammas near a small mode, hence with :math:`h(a) = \log a - \psi(a)`

    .. math:: \partial_a = \log(x (a+b) / a) + h(a) - h(a+b),

    where for a < 1 first :math:`\psi(a) = \psi(a+1) - 1/a` and :math:`\psi(a+b) = \psi(a+b+1) - 1/(a+b)`.
    From x = 1/2 on, log x is small and the difference of digammas is taken whole. On the edge x = 0 the limits are
    inf, 1 - b or -inf to x for a above, at or below 1, -inf to a, and the difference of digammas to b; 1 mirrors it.
    """
    xp, dtype, g, x1, a1, b1 = elementwise(g=g, x=x, a=a, b=b)
    with np.errstate(all="ignore"):
        slopes = _slopes(xp, x1, a1, b1)
        off = (x1 < 0) | (x1 > 1)
        defined = _defined(xp, x1, a1, b1)
        dx, da, db = (g * xp.where(defined, xp.where(off, 0.0, slope), xp.nan) for slope in slopes)
        return unbroadcast(dx, x, dtype), unbroadcast(da, a, dtype), unbroadcast(db, b, dtype)


def log_prob_value_and_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dx, da, db) = log_prob_value_and_vjp(1.0, 0.5, 1.0, 1.0)
    >>> float(value), float(dx), round(float(da), 12)  # da is 1 - log(2)
    (0.0, 0.0, 0.30685281944)
    """
    return log_prob(x, a, b), log_prob_vjp(g, x, a, b)


def cdf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Probability of at most x.

    .. math:: F(x; a, b) = I_x(a, b) = \frac{1}{B(a, b)} \int_0^x t^{a-1} (1-t)^{b-1} dt

    x, a, b: broadcast together. 0 below the support, 1 above it. NIST DLMF 8.17.2, see
    `refengine.special.regularized_beta`.

    >>> round(float(cdf(0.25, 2.0, 1.0)), 12)  # x^2
    0.0625
    """
    return value_of(_beta.cdf, x=x, a=a, b=b)


def cdf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`f(x)`, the integrals of :math:`\partial_a f, \partial_b f` from 0 to x."""
    return cotangents(_beta.cdf, g, x=x, a=a, b=b)


def log_cdf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the probability of at most x.

    .. math:: \log F(x; a, b) = \log I_x(a, b)

    x, a, b: broadcast together. -inf up to 0, 0 from 1 on. See `refengine.special.regularized_beta`. NIST DLMF 8.17.2.

    >>> round(float(log_cdf(1e-300, 2.0, 1.0)) / 2)  # log of x^2
    -691
    """
    return value_of(_beta.log_cdf, x=x, a=a, b=b)


def log_cdf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`\partial F / F`."""
    return cotangents(_beta.log_cdf, g, x=x, a=a, b=b)


def sf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Probability of more than x.

    .. math:: 1 - F(x; a, b) = I_{1-x}(b, a)

    x, a, b: broadcast together. 1 below the support, 0 above it. NIST DLMF 8.17.2, see
    `refengine.special.regularized_beta`.

    >>> round(float(sf(0.75, 1.0, 2.0)), 12)  # (1 - x)^2
    0.0625
    """
    return value_of(_beta.sf, x=x, a=a, b=b)


def sf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`-\partial F`."""
    return cotangents(_beta.sf, g, x=x, a=a, b=b)


def log_sf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the probability of more than x.

    .. math:: \log(1 - F(x; a, b)) = \log I_{1-x}(b, a)

    x, a, b: broadcast together. 0 below the support, -inf from 1 on. NIST DLMF 8.17.2, see
    `refengine.special.regularized_beta`.

    >>> round(float(log_sf(0.75, 1.0, 2.0)), 12)  # -log 16
    -2.77258872224
    """
    return value_of(_beta.log_sf, x=x, a=a, b=b)


def log_sf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`-\partial F / (1 - F)`."""
    return cotangents(_beta.log_sf, g, x=x, a=a, b=b)


def icdf(u: Unit, a: Positive, b: Positive) -> Array:
    r"""The point with probability u of at most it.

    .. math:: I_x(a, b) = u

    u, a, b: broadcast together. 0 and 1 at u = 0 and 1, nan outside [0, 1]. SciPy's guess, then Newton's steps on the
    logarithm of the smaller tail. NIST DLMF 8.17.2, inverted.

    >>> round(float(icdf(0.25, 2.0, 1.0)), 12)
    0.5
    """
    return value_of(_beta.icdf, u=u, a=a, b=b)


def icdf_vjp(g: Array, u: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, a and b, by the implicit function theorem: :math:`(1, -\partial_a F, -\partial_b F) / f(x)`.

    On the edges u = 0 and u = 1 the limits: 0 to the shapes.
    """
    return cotangents(_beta.icdf, g, u=u, a=a, b=b)


def sample(noise: Unit, a: Positive, b: Positive) -> Array:
    r"""A random number made of a uniform one: `icdf` of the noise.

    .. math:: I_x(a, b) = u

    noise, a, b: broadcast together; noise is uniform on (0, 1). Figurnov, Mohamed and Mnih (2018).

    >>> round(float(sample(0.25, 2.0, 1.0)), 12)
    0.5
    """
    elementwise(noise=noise, a=a, b=b)  # errors name the noise
    return icdf(noise, a, b)


def sample_vjp(g: Array, noise: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents along the path, implicit as in `icdf_vjp`: :math:`-\partial_a F / f` to the shape a."""
    elementwise(noise=noise, a=a, b=b)  # errors name the noise
    return icdf_vjp(g, noise, a, b)


def entropy(a: Positive, b: Positive) -> Array:
    r"""Differential entropy.

    .. math:: H = \log B(a, b) - (a-1) \psi(a) - (b-1) \psi(b) + (a+b-2) \psi(a+b)

    a, b: broadcast together. For shapes from 1 on the linear terms of Stirling's series are cancelled on paper. Next to
    the uniform distribution, where it vanishes with its slopes, only the absolute accuracy is that of the terms.
    Johnson, Kotz and Balakrishnan (1995), chapter 25.

    >>> round(float(entropy(2.0, 1.0)), 12)  # 1/2 - log 2
    -0.19314718056
    """
    return value_of(_beta.entropy, a=a, b=b)


def entropy_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b: with :math:`r(x) = x \psi'(x) - 1` and c = a + b,
    :math:`\partial_a = (c-2) \psi'(c) - (a-1) \psi'(a) = r(c) - r(a) + \psi'(a) - 2 \psi'(c)`.
    """
    return cotangents(_beta.entropy, g, a=a, b=b)


def mean(a: Positive, b: Positive) -> Array:
    r"""Expectation.

    .. math:: E[x] = \frac{a}{a + b}

    a, b: broadcast together. Johnson, Kotz and Balakrishnan (1995), chapter 25.

    >>> float(mean(1.0, 3.0))
    0.25
    """
    return value_of(_beta.mean, a=a, b=b)


def mean_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b: :math:`b/(a+b)^2` and :math:`-a/(a+b)^2`."""
    return cotangents(_beta.mean, g, a=a, b=b)


def variance(a: Positive, b: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}[x] = \frac{a b}{(a+b)^2 (a+b+1)}

    a, b: broadcast together. Johnson, Kotz and Balakrishnan (1995), chapter 25.

    >>> round(float(variance(1.0, 1.0)) * 12, 12)
    1.0
    """
    return value_of(_beta.variance, a=a, b=b)


def variance_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b:
    :math:`\partial_a = \frac{\operatorname{Var}}{a} \left(\frac{b-a}{c} - \frac{a}{c+1}\right)` for c = a + b, and
    :math:`\partial_b` likewise.
    """
    return cotangents(_beta.variance, g, a=a, b=b)


def mode(a: Positive, b: Positive) -> Array:
    r"""Where the density is largest.

    .. math:: \frac{a - 1}{a + b - 2} \text{ for } a, b \ge 1

    a, b: broadcast together. nan where a or b is below 1 or both are 1: at an edge, at both, or everywhere. Johnson,
    Kotz and Balakrishnan (1995), chapter 25.

    >>> float(mode(2.0, 4.0))
    0.25
    """
    return value_of(_beta.mode, a=a, b=b)


def mode_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b: :math:`(b-1)/(a+b-2)^2` and :math:`-(a-1)/(a+b-2)^2`."""
    return cotangents(_beta.mode, g, a=a, b=b)


def kl_divergence(a_p: Positive, b_p: Positive, a_q: Positive, b_q: Positive) -> Array:
    r"""Kullback-Leibler divergence between two beta distributions.

    .. math:: \log\frac{B(a_q, b_q)}{B(a_p, b_p)} + (a_p - a_q) \psi(a_p) + (b_p - b_q) \psi(b_p)
              + (a_q - a_p + b_q - b_p) \psi(a_p + b_p)

    All four broadcast together. A sum of two terms that do not cancel: the binomial deviance of a and b, which is what
    x log x leaves of log Gamma, and the second order rest of Stirling's error. Rauber, Braun and Berns (2008).

    >>> round(float(kl_divergence(2.0, 1.0, 1.0, 1.0)), 12)  # log 2 - 1/2
    0.19314718056
    """
    return value_of(_beta.kl, a_p=a_p, b_p=b_p, a_q=a_q, b_q=b_q)


def kl_divergence_vjp(
    g: Array, a_p: Positive, b_p: Positive, a_q: Positive, b_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four.

    .. math:: \partial_{a_q} = \psi(a_q) - \psi(a_p) - (\psi(c_q) - \psi(c_p)), \qquad
              \partial_{a_p} = -(a_q - a_p) \psi'(a_p) + (c_q - c_p) \psi'(c_p), \qquad c = a + b
    """
    return cotangents(_beta.kl, g, a_p=a_p, b_p=b_p, a_q=a_q, b_q=b_q)


def kl_divergence_exponential(a_p: Positive, b_p: Positive, rate_q: Positive) -> Array:
    r"""Kullback-Leibler divergence to an exponential distribution.

    .. math:: -H - \log\lambda + \lambda \frac{a}{a + b}

    All broadcast together. The definition integrated, as in torch (2026).

    >>> float(kl_divergence_exponential(1.0, 1.0, 1.0))
    0.5
    """
    return value_of(_beta.kl_exponential, a_p=a_p, b_p=b_p, rate_q=rate_q)


def kl_divergence_exponential_vjp(
    g: Array, a_p: Positive, b_p: Positive, rate_q: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of all three: :math:`\lambda` times those of the mean less those of the entropy, and
    :math:`E[x] - 1/\lambda`.
    """
    return cotangents(_beta.kl_exponential, g, a_p=a_p, b_p=b_p, rate_q=rate_q)


def kl_divergence_gamma(a_p: Positive, b_p: Positive, concentration_q: Positive, rate_q: Positive) -> Array:
    r"""Kullback-Leibler divergence to a gamma distribution.

    .. math:: -H + \log\Gamma(k) - k \log\lambda - (k - 1) E[\log x] + \lambda E[x],
              \qquad E[\log x] = \psi(a) - \psi(a + b)

    All broadcast together; k and lambda are the concentration and rate of q. The definition integrated, as in torch
    (2026); Stirling's leading terms cancel on paper.

    >>> round(float(kl_divergence_gamma(1.0, 1.0, 1.0, 1.0)), 12)
    0.5
    """
    return value_of(_beta.kl_gamma, a_p=a_p, b_p=b_p, concentration_q=concentration_q, rate_q=rate_q)


def kl_divergence_gamma_vjp(
    g: Array, a_p: Positive, b_p: Positive, concentration_q: Positive, rate_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four: those of the terms; :math:`\psi(k) - \log\lambda - E[\log x]` to k,
    :math:`E[x] - k/\lambda` to the rate.
    """
    return cotangents(_beta.kl_gamma, g, a_p=a_p, b_p=b_p, concentration_q=concentration_q, rate_q=rate_q)


def kl_divergence_normal(a_p: Positive, b_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Kullback-Leibler divergence to a normal distribution.

    .. math:: -H + \tfrac12 \log(2 \pi \sigma^2) + \frac{\operatorname{Var}[x] + (E[x] - \mu)^2}{2 \sigma^2}

    All broadcast together. The definition integrated, as in torch (2026).

    >>> round(float(kl_divergence_normal(1.0, 1.0, 0.5, 1.0)) - 1 / 24, 12)  # log(2 pi) / 2
    0.918938533205
    """
    return value_of(_beta.kl_normal, a_p=a_p, b_p=b_p, loc_q=loc_q, scale_q=scale_q)


def kl_divergence_normal_vjp(
    g: Array, a_p: Positive, b_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four, through entropy, mean and variance of p; :math:`-(E[x] - \mu)/\sigma^2` to loc."""
    return cotangents(_beta.kl_normal, g, a_p=a_p, b_p=b_p, loc_q=loc_q, scale_q=scale_q)


def kl_divergence_uniform(a_p: Positive, b_p: Positive, low_q: Real, high_q: Real) -> Array:
    r"""Kullback-Leibler divergence to a uniform distribution.

    .. math:: -H + \log(h - l) \text{ for } l \le 0 \text{ and } h \ge 1, \text{ else } \infty

    All broadcast together; where it is infinite it has no slopes, and low >= high is nan. The definition, as in torch
    (2026).

    >>> round(float(kl_divergence_uniform(1.0, 1.0, -1.0, 1.0)), 12)  # log 2
    0.69314718056
    >>> float(kl_divergence_uniform(1.0, 1.0, 0.5, 1.0))
    inf
    """
    return value_of(_beta.kl_uniform, a_p=a_p, b_p=b_p, low_q=low_q, high_q=high_q)


def kl_divergence_uniform_vjp(
    g: Array, a_p: Positive, b_p: Positive, low_q: Real, high_q: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four: minus those of the entropy, :math:`-1/(h - l)` and :math:`1/(h - l)`."""
    return cotangents(_beta.kl_uniform, g, a_p=a_p, b_p=b_p, low_q=low_q, high_q=high_q)


def maximum_likelihood(data: Unit) -> Parameters:
    r"""The shapes that make the data most probable.

    .. math:: \psi(a) - \psi(a+b) = \overline{\log x}, \qquad \psi(b) - \psi(a+b) = \overline{\log(1-x)}

    data: (N,). Newton's method on log a and log b with shortened steps; the log likelihood is concave. nan where
    there is no estimate: all data equal, fewer than two, one outside (0, 1). Minka, "Estimating a Dirichlet
    distribution" (2000).

    >>> a, b = maximum_likelihood([0.25, 0.5, 0.75])
    >>> round(float(a - b), 9)
    0.0
    """
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N",))
    with np.errstate(all="ignore"):
        found = _beta.fit(xp, xp.astype(x, xp.float64, copy=False))
        return Parameters(*(xp.astype(p, dtype, copy=False) for p in found))


def maximum_likelihood_vjp(g: Parameters, data: Unit) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    .. math:: \begin{pmatrix} \psi'(a) - \psi'(c) & -\psi'(c) \\ -\psi'(c) & \psi'(b) - \psi'(c) \end{pmatrix}
              \begin{pmatrix} da \\ db \end{pmatrix}
              = \frac1N \begin{pmatrix} dx/x \\ -dx/(1-x) \end{pmatrix}, \qquad c = a + b
    """
    xp, dtype, x, da, db = promote(data=data, a=g[0], b=g[1])
    check_shape("data", x, ("N",))
    x, da, db = (xp.astype(v, xp.float64, copy=False) for v in (x, da, db))
    with np.errstate(all="ignore"):
        by_a, by_b = _beta.path(xp, x, *_beta.fit(xp, x))
        return (xp.astype((da * by_a + db * by_b) / max(x.shape[0], 1), dtype, copy=False),)


def _valid(xp: Array, shape: Array) -> Array:
    return (shape > 0) & (shape < xp.inf)


def _defined(xp: Array, x: Array, a: Array, b: Array) -> Array:
    return _valid(xp, a) & _valid(xp, b) & ~xp.isnan(x)


def _edge(xp: Array, a: Array, b: Array) -> Array:
    return xp.where(a == 1, xp.log(xp.where(b > 0, b, 1.0)), xp.sign(1 - a) * xp.inf)


def _plain(xp: Array, x: Array, a: Array, b: Array) -> Array:
    a, b = xp.clip(a, 0.5, 2.0), xp.clip(b, 0.5, 2.0)
    c = a + b
    errors = stirling_error(xp, a) + stirling_error(xp, b) - stirling_error(xp, c)
    log_beta = errors - ((a - 0.5) * xp.log(c / a) + (b - 0.5) * xp.log(c / b) + xp.log(c / (2 * pi)) / 2)
    log_beta = xp.where((a == 1) & (b == 1), 0.0, log_beta)  # the uniform density is 1 to the last bit
    return (a - 1) * xp.log(x) + (b - 1) * xp.log1p(-x) - log_beta + 0.0


def _saddle_point(xp: Array, x: Array, a: Array, b: Array) -> Array:
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    density = log_quotient(xp, weight(xp, low), x, weight(xp, high) / weight(xp, low + high) / (1 - x))
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    return deviance(xp, x, a, b, _excess(xp, x, a, b)) + density - errors


def _excess(xp: Array, x: Array, a: Array, b: Array) -> Array:
    """``x (a + b) - a``, rounded about once."""
    return product_minus(xp, x, a + b, a) + x * sum_error(a, b)


def _slopes(xp: Array, x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    dx = (2 * x - 1 - _excess(xp, x, a, b)) / (1 - x) / x
    dx = xp.where(x == 0, xp.where(a == 1, 1 - b, xp.sign(a - 1) * xp.inf), dx)
    dx = xp.where(x == 1, xp.where(b == 1, a - 1, xp.sign(1 - b) * xp.inf), dx)
    steep = a < 1
    p = xp.where(steep, a + 1, a)
    da = log_product(xp, x, (p + b) / p) + (log_minus_digamma(xp, p) - log_minus_digamma(xp, p + b))
    da = da + xp.where(steep, b / (a + b) / a, 0.0)
    da = xp.where(x < 0.5, da, xp.log(x) + digamma_difference(a, b))
    return dx, da, xp.log1p(-x) + digamma_difference(b, a)
