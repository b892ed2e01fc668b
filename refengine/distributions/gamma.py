r"""Gamma distribution with shape and rate, :math:`f(x; a, b) = b^a x^{a-1} e^{-b x} / \Gamma(a)` for x >= 0.

t = b x; P and Q are the regularised incomplete gamma functions; :math:`h(a) = \log a - \psi(a)` and
:math:`m(a) = \psi'(a) - 1/a`, both positive sums; S is Stirling's error.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside.
Parameters that are not positive and finite, and nan: nan, with nan gradients.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine._arrays import elementwise
from refengine.distributions import _gamma
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import both, cotangents, flat, positive, value
from refengine.domains import Array, NonNegative, Positive, Real, Unit

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


class Parameters(NamedTuple):
    """The two parameters, as `maximum_likelihood` estimates them."""

    concentration: Positive
    rate: Positive


def log_prob(x: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Logarithm of the density, accurate to a few ulp for parameters of any size.

    .. math:: \log f(x; a, b) = a \log b - \log\Gamma(a) + (a-1) \log x - b x

    x, concentration, rate: broadcast together; the result has the broadcast shape. Certified for concentrations up to
    1e15. At x = 0 value and gradients are the limits from inside: the value is inf, log b or -inf for a below, at or
    above 1; x < 0 and x = inf: -inf and zero gradients. Loader's saddle point (2000), where b x - a is computed as if
    with twice the digits.

    >>> float(log_prob(3.0, 1.0, 1.0))
    -3.0
    >>> float(log_prob(0.0, 1.0, 2.0))  # log(2)
    0.6931471805599453
    """
    return value(_gamma.log_density, x=x, concentration=concentration, rate=rate)


def log_prob_vjp(g: Array, x: NonNegative, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, concentration and rate, with e = t - a as if with twice the digits.

    .. math:: \partial_x = -\frac{e + 1}{x}, \qquad \partial_a = \log(t/a) + h(a), \qquad \partial_b = -\frac{e}{b}

    At x = 0 the limits are -inf, -b or inf to x for a below, at or above 1, -inf to a, and a/b to b.
    """
    return cotangents(_gamma.log_density, g, x=x, concentration=concentration, rate=rate)


def log_prob_value_and_vjp(
    g: Array, x: NonNegative, concentration: Positive, rate: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, da, db) = log_prob_value_and_vjp(1.0, 3.0, 1.0, 1.0)
    >>> float(value), float(dx), float(db)
    (-3.0, -1.0, -2.0)
    """
    return both(_gamma.log_density, g, x=x, concentration=concentration, rate=rate)


def cdf(x: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; a, b) = P(a, b x)

    x, concentration, rate: broadcast together. 0 for x <= 0, 1 at inf. Certified for concentrations from 1e-8 to 1e12,
    as the functions below. NIST DLMF 8.2.4.

    >>> round(float(cdf(1.0, 1.0, 2.0)), 12)  # 1 - exp(-2)
    0.864664716763
    """
    return value(_gamma.probability("lower"), x=x, concentration=concentration, rate=rate)


def cdf_vjp(g: Array, x: NonNegative, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_a = \partial_a P, \partial_b = f x / b`.

    The derivative of P is that of `refengine.special.regularized_gamma_p`. At x = 0 the density is its limit.
    """
    return cotangents(_gamma.probability("lower"), g, x=x, concentration=concentration, rate=rate)


def log_cdf(x: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; a, b) = \log P(a, b x)

    x, concentration, rate: broadcast together. -inf with zero gradients for x <= 0, 0 at inf. NIST DLMF 8.2.4.

    >>> round(float(log_cdf(1e-100, 1.0, 1.0)), 9)  # log(1e-100)
    -230.258509299
    """
    return value(_gamma.probability("log_lower"), x=x, concentration=concentration, rate=rate)


def log_cdf_vjp(g: Array, x: NonNegative, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of `cdf` over F, :math:`\partial_x = f / F`, divided before anything underflows."""
    return cotangents(_gamma.probability("log_lower"), g, x=x, concentration=concentration, rate=rate)


def sf(x: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; a, b) = Q(a, b x)

    x, concentration, rate: broadcast together. 1 for x <= 0, 0 at inf. NIST DLMF 8.2.4.

    >>> round(float(sf(1.0, 1.0, 2.0)), 12)  # exp(-2)
    0.135335283237
    """
    return value(_gamma.probability("upper"), x=x, concentration=concentration, rate=rate)


def sf_vjp(g: Array, x: NonNegative, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of `cdf` with the other sign, :math:`\partial_x = -f`."""
    return cotangents(_gamma.probability("upper"), g, x=x, concentration=concentration, rate=rate)


def log_sf(x: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log (1 - F(x; a, b)) = \log Q(a, b x)

    x, concentration, rate: broadcast together. 0 for x <= 0, -inf at inf. NIST DLMF 8.2.4.

    >>> round(float(log_sf(1000.0, 1.0, 1.0)), 9)
    -1000.0
    """
    return value(_gamma.probability("log_upper"), x=x, concentration=concentration, rate=rate)


def log_sf_vjp(g: Array, x: NonNegative, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of `sf` over 1 - F, :math:`\partial_x = -f / (1 - F)`, divided before anything underflows."""
    return cotangents(_gamma.probability("log_upper"), g, x=x, concentration=concentration, rate=rate)


def icdf(u: Unit, concentration: Positive, rate: Positive) -> Array:
    r"""Quantile: the x with probability u up to it.

    .. math:: F(x; a, b) = u

    u, concentration, rate: broadcast together. 0 at u = 0, inf at 1, nan outside [0, 1]; at either end the slopes are
    the limits from inside. Newton's method on the logarithm of the smaller tail. NIST DLMF 8.2.4.

    >>> round(float(icdf(0.6321205588285577, 1.0, 2.0)), 12)
    0.5
    """
    return value(_gamma.quantile, u=u, concentration=concentration, rate=rate)


def icdf_vjp(g: Array, u: Unit, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, concentration and rate, through the equation: what keeps F constant.

    .. math:: \partial_u = \frac{1}{f(x)}, \qquad \partial_a = -\frac{\partial_a F}{f(x)}, \qquad
        \partial_b = -\frac{x}{b}

    The quotient is formed before numerator and denominator underflow.
    """
    return cotangents(_gamma.quantile, g, u=u, concentration=concentration, rate=rate)


def sample(noise: Unit, concentration: Positive, rate: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = F^{-1}(u; a, b)

    noise: uniform on (0, 1), as from `noise`. Broadcast with the parameters. Figurnov et al. (2018), equation 5.

    noise and the parameters: broadcast together.

    >>> round(float(sample(0.6321205588285577, 1.0, 2.0)), 12)
    0.5
    """
    return value(_gamma.quantile, noise=noise, concentration=concentration, rate=rate)


def sample_vjp(g: Array, noise: Unit, concentration: Positive, rate: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, concentration and rate: implicitly :math:`\partial_a = -\partial_a F / f`, as `icdf`."""
    return cotangents(_gamma.quantile, g, noise=noise, concentration=concentration, rate=rate)


def entropy(concentration: Positive, rate: Positive) -> Array:
    r"""Differential entropy.

    .. math:: H = a - \log b + \log\Gamma(a) + (1 - a) \psi(a)
              = \tfrac12 \log(2 \pi a) + S(a) + (a - 1) h(a) - \log b

    concentration, rate: broadcast together. Johnson et al. (1994), chapter 17.

    >>> round(float(entropy(1.0, 1.0)), 12)
    1.0
    """
    return value(_gamma.entropy, concentration=concentration, rate=rate)


def entropy_vjp(g: Array, concentration: Positive, rate: Positive) -> tuple[Array, Array]:
    """Cotangents of concentration and rate: :math:`1/a + (1 - a) m(a), -1/b`."""
    return cotangents(_gamma.entropy, g, concentration=concentration, rate=rate)


def mean(concentration: Positive, rate: Positive) -> Array:
    r"""Expectation.

    .. math:: E[x] = \frac{a}{b}

    concentration, rate: broadcast together. Johnson et al. (1994), chapter 17.

    >>> float(mean(3.0, 2.0))
    1.5
    """
    return value(_mean, concentration=concentration, rate=rate)


def mean_vjp(g: Array, concentration: Positive, rate: Positive) -> tuple[Array, Array]:
    """Cotangents of concentration and rate: :math:`1/b, -a/b^2`."""
    return cotangents(_mean, g, concentration=concentration, rate=rate)


def variance(concentration: Positive, rate: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}[x] = \frac{a}{b^2}

    concentration, rate: broadcast together. Johnson et al. (1994), chapter 17.

    >>> float(variance(3.0, 2.0))
    0.75
    """
    return value(_variance, concentration=concentration, rate=rate)


def variance_vjp(g: Array, concentration: Positive, rate: Positive) -> tuple[Array, Array]:
    """Cotangents of concentration and rate: :math:`1/b^2, -2 a/b^3`."""
    return cotangents(_variance, g, concentration=concentration, rate=rate)


def mode(concentration: Positive, rate: Positive) -> Array:
    r"""Where the density is largest: 0 up to a = 1, where it falls from there on.

    .. math:: \max\left(\frac{a - 1}{b}, 0\right)

    concentration, rate: broadcast together. At a = 1 the slopes are those from below. Johnson et al. (1994),
    chapter 17.

    >>> float(mode(3.0, 2.0)), float(mode(0.5, 2.0))
    (1.0, 0.0)
    """
    return value(_mode, concentration=concentration, rate=rate)


def mode_vjp(g: Array, concentration: Positive, rate: Positive) -> tuple[Array, Array]:
    """Cotangents of concentration and rate: :math:`1/b, -(a-1)/b^2` for a > 1, else 0."""
    return cotangents(_mode, g, concentration=concentration, rate=rate)


def kl_divergence(concentration_p: Positive, rate_p: Positive, concentration_q: Positive, rate_q: Positive) -> Array:
    r"""Divergence of a gamma distribution q from p, without cancellation where they are close.

    .. math:: D(p \| q) = (a_p - a_q) \psi(a_p) - \log\frac{\Gamma(a_p)}{\Gamma(a_q)} + a_q \log\frac{b_p}{b_q}
              + a_p \frac{b_q - b_p}{b_p}
              = a_q (\rho - 1 - \log\rho) + \int_{a_p}^{a_q} (a_q - s) m(s) ds, \qquad \rho = \frac{a_p b_q}{a_q b_p}

    concentration_p, rate_p, concentration_q, rate_q: broadcast together. Neither term is negative. Gil (2011).

    >>> float(kl_divergence(1.0, 2.0, 1.0, 2.0))
    0.0
    """
    return value(
        _gamma.divergence,
        concentration_p=concentration_p,
        rate_p=rate_p,
        concentration_q=concentration_q,
        rate_q=rate_q,
    )


def kl_divergence_vjp(
    g: Array, concentration_p: Positive, rate_p: Positive, concentration_q: Positive, rate_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math:: \partial_{a_p} = \frac{b_q}{b_p} - 1 + (a_p - a_q) \psi'(a_p), \quad
        \partial_{a_q} = \psi(a_q) - \psi(a_p) - \log\frac{b_q}{b_p}, \quad
        \partial_{b_p} = \frac{a_q - r}{b_p}, \quad \partial_{b_q} = \frac{r - a_q}{b_q}, \qquad
        r = \frac{a_p b_q}{b_p}
    """
    return cotangents(
        _gamma.divergence,
        g,
        concentration_p=concentration_p,
        rate_p=rate_p,
        concentration_q=concentration_q,
        rate_q=rate_q,
    )


def kl_divergence_exponential(concentration_p: Positive, rate_p: Positive, rate_q: Positive) -> Array:
    r"""Divergence of an exponential distribution q from p: q is the gamma distribution of concentration 1.

    .. math:: D(p \| q) = (a - 1) \psi(a) - \log\Gamma(a) + \log\frac{b_p}{b_q} + a \frac{b_q - b_p}{b_p}

    concentration_p, rate_p, rate_q: broadcast together. Gil (2011).

    >>> float(kl_divergence_exponential(1.0, 2.0, 2.0))
    0.0
    """
    return value(_gamma.divergence_exponential, concentration_p=concentration_p, rate_p=rate_p, rate_q=rate_q)


def kl_divergence_exponential_vjp(
    g: Array, concentration_p: Positive, rate_p: Positive, rate_q: Positive
) -> tuple[Array, Array, Array]:
    """Cotangents of the three parameters: those of `kl_divergence_vjp` for :math:`a_q = 1`."""
    return cotangents(_gamma.divergence_exponential, g, concentration_p=concentration_p, rate_p=rate_p, rate_q=rate_q)


def kl_divergence_gumbel(concentration_p: Positive, rate_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Gumbel distribution q from p.

    .. math:: D(p \| q) = -H(p) + \log s + d + e^w, \qquad d = \frac{a/b - m}{s}, \quad
        w = \frac{m}{s} - a \log\left(1 + \frac{1}{b s}\right)

    concentration_p, rate_p, loc_q, scale_q: broadcast together. :math:`e^w` is :math:`E e^{-z}`, from the gamma
    distribution's Laplace transform: Johnson et al. (1994), chapter 17.

    >>> round(float(kl_divergence_gumbel(1.0, 1.0, 0.0, 1.0)), 12)
    0.5
    """
    return value(_gamma.divergence_gumbel, concentration_p=concentration_p, rate_p=rate_p, loc_q=loc_q, scale_q=scale_q)


def kl_divergence_gumbel_vjp(
    g: Array, concentration_p: Positive, rate_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters, with :math:`c = a / (b s + 1)`.

    .. math:: \partial_a = \frac{1}{b s} - \partial_a H - e^w \log(1 + \tfrac{1}{b s}), \quad
        \partial_b = \frac{1 - a/(b s) + c e^w}{b}, \quad \partial_m = \frac{e^w - 1}{s}, \quad
        \partial_s = \frac{1 - d + e^w (c - m/s)}{s}
    """
    return cotangents(
        _gamma.divergence_gumbel, g, concentration_p=concentration_p, rate_p=rate_p, loc_q=loc_q, scale_q=scale_q
    )


def kl_divergence_normal(concentration_p: Positive, rate_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a normal distribution q from p, a sum of three positive terms.

    .. math:: D(p \| q) = -H(p) + \tfrac12 \log(2 \pi s^2) + \tfrac12 (v + d^2)
              = \tfrac12 (v - 1 - \log v) + \tfrac12 d^2 + \tfrac12 + (1 - a) h(a) - S(a),
              \qquad v = \frac{a}{b^2 s^2}, \quad d = \frac{a/b - m}{s}

    concentration_p, rate_p, loc_q, scale_q: broadcast together; q has mean loc_q and standard deviation scale_q.
    From mean, variance and entropy: Johnson et al. (1994), chapter 17.

    >>> round(float(kl_divergence_normal(1.0, 1.0, 1.0, 1.0)), 12)  # (log(2 pi) - 1) / 2
    0.418938533205
    """
    return value(_gamma.divergence_normal, concentration_p=concentration_p, rate_p=rate_p, loc_q=loc_q, scale_q=scale_q)


def kl_divergence_normal_vjp(
    g: Array, concentration_p: Positive, rate_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters.

    .. math:: \partial_a = \frac{d}{b s} + \frac{v}{2 a} - \partial_a H, \quad
        \partial_b = -\frac{v - 1 + d a / (b s)}{b}, \quad \partial_m = -\frac{d}{s}, \quad
        \partial_s = -\frac{v - 1 + d^2}{s}
    """
    return cotangents(
        _gamma.divergence_normal, g, concentration_p=concentration_p, rate_p=rate_p, loc_q=loc_q, scale_q=scale_q
    )


def maximum_likelihood(data: Positive) -> Parameters:
    r"""Concentration and rate of largest likelihood, by Newton's method.

    .. math:: \log a - \psi(a) = \log \bar x - \overline{\log x}, \qquad b = a / \bar x

    data: (N,). The right-hand side is a sum of positive terms. All data equal, fewer than two, and data that are not
    positive and finite: nan. Minka (2002).

    >>> estimate = maximum_likelihood([1.0, 2.0, 4.0])
    >>> round(float(estimate.concentration / estimate.rate), 12)
    2.333333333333
    """
    xp, dtype, _, a, mean = _gamma.fit(data, 1)
    return Parameters(xp.astype(a, dtype, copy=False), xp.astype(a / mean, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Positive) -> tuple[Array]:
    r"""Cotangent of the data, through the two equations.

    .. math:: \frac{\partial a}{\partial x_i} = -\frac{x_i / \bar x - 1}{N x_i \, m(a)}, \qquad
        \frac{\partial b}{\partial x_i} = \frac{1}{\bar x} \frac{\partial a}{\partial x_i} - \frac{a}{N \bar x^2}
    """
    xp, dtype, x, a, mean = _gamma.fit(data, 1)
    _, _, g_a, g_b = elementwise(concentration=g[0], rate=g[1])
    by_a, by_b = _gamma.fit_slopes(xp, x, a, mean)
    return (xp.astype(g_a * by_a + g_b * by_b, dtype, copy=False),)


def _mean(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    return positive(xp, a, b), a / b, 1 / b + 0 * a, -a / b / b


def _variance(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    return positive(xp, a, b), a / b / b, 1 / b / b + 0 * a, -2 * (a / b / b / b)


def _mode(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    found = (a - 1) / b
    return positive(xp, a, b), *flat(xp, a <= 1, 0.0, (found, 1 / b + 0 * a, -found / b))
