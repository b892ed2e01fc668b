r"""Normal distribution cut off outside [low, high], :math:`f(x) = \phi(z) / (\sigma (\Phi(\beta) - \Phi(\alpha)))`.

:math:`z = (x-\mu)/\sigma, \alpha = (\mathrm{low}-\mu)/\sigma, \beta = (\mathrm{high}-\mu)/\sigma`. Distances s are
measured from the point of the interval next to the mode, at distance r from it: from low if alpha > 0, from high if
beta < 0, else from the mode with r = 0. With :math:`\phi(z) = \phi(r) e^{-s (s + 2r)/2}` nothing that is large cancels:
the normaliser is :math:`\phi(r) G, G = \int e^{-s(s+2r)/2} ds`, and every gradient is a difference from a moment of s.
G and the moments are Gauss-Legendre sums over the part of the interval that matters, whose terms are positive.

A point x of the interval cuts it into a part that reaches to the mode, the near one with mass N and share q = N/T, and
the far one with mass :math:`e M, e = e^{-d(d+2r)/2}`, and share p = e M/T, in units of :math:`\phi(r)` with T = N + e M
and d the distance s of x. With the differences :math:`m` of the means of z and :math:`D` of the means of z^2 of the
parts, sums of positive terms, :math:`\partial_\mu p = \pm p q m/\sigma, \partial_\sigma p = p q D/\sigma`.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside. low may
be -inf and high inf, with zero gradients. A loc that is not finite, a scale that is not positive and finite, low >=
high and nan: nan, with nan gradients.

The distances of x and of finite ends must neither overflow nor underflow in units of the scale.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise
from refengine.distributions import _truncated_normal
from refengine.distributions._location_scale import Parameters
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import both, cotangents, flat, value
from refengine.distributions._truncated_normal import Frame, ends, frame, log_product, mass_from, moments, reach_of
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._gauss_legendre import POINTS, WEIGHTS

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

_STEPS = 8  # of Newton, enough for every distance


def log_prob(x: Real, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x) = -\frac{z^2}{2} - \frac{\log(2\pi)}{2} - \log\sigma - \log(\Phi(\beta) - \Phi(\alpha))
              = -\frac{s (s + 2r)}{2} - \log(\sigma G)

    x, loc, scale, low, high: broadcast together. -inf outside [low, high], on its ends the limit from inside. Johnson,
    Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(log_prob(0.0, 0.0, 1.0, 0.0, float("inf"))), 12)  # log(2 / sqrt(2 pi))
    -0.225791352645
    >>> round(float(log_prob(1e8, 0.0, 1.0, 1e8, float("inf"))), 12)  # log(1e8)
    18.420680743952
    """
    return value(_log_prob, x=x, loc=loc, scale=scale, low=low, high=high)


def log_prob_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale, low and high.

    .. math:: \partial_x = -\frac{z}{\sigma}, \quad \partial_\mu = \frac{z - E[z]}{\sigma}, \quad
              \partial_\sigma = \frac{z^2 - E[z^2]}{\sigma}, \quad
              \partial_{\mathrm{low}} = f(\mathrm{low}), \quad \partial_{\mathrm{high}} = -f(\mathrm{high})

    where z - E[z] is plus or minus s - E[s], and z^2 - E[z^2] is s^2 - E[s^2] + 2 r (s - E[s]).
    """
    return cotangents(_log_prob, g, x=x, loc=loc, scale=scale, low=low, high=high)


def log_prob_value_and_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, tuple[Array, Array, Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, *_) = log_prob_value_and_vjp(1.0, 1.0, 1.0, 1.0, 0.0, 2.0)
    >>> abs(float(dx)), float(dloc)
    (0.0, 0.0)
    """
    return both(_log_prob, g, x=x, loc=loc, scale=scale, low=low, high=high)


def cdf(x: Real, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Probability of at most x.

    .. math:: F(x) = \frac{\Phi(z) - \Phi(\alpha)}{\Phi(\beta) - \Phi(\alpha)}

    x, loc, scale, low, high: broadcast together. 0 below low, 1 above high, without slopes; on the ends the limits from
    inside. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> float(cdf(1.0, 1.0, 2.0, 0.0, 2.0))
    0.5
    """
    return value(_cdf, x=x, loc=loc, scale=scale, low=low, high=high)


def cdf_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale, low and high.

    .. math:: \partial_x = f(x), \quad \partial_\mu = \frac{F (1-F)}{\sigma} (E_-[z] - E_+[z]), \quad
              \partial_\sigma = \frac{F (1-F)}{\sigma} (E_-[z^2] - E_+[z^2]), \quad
              \partial_{\mathrm{low}} = -f(\mathrm{low}) (1-F), \quad \partial_{\mathrm{high}} = -f(\mathrm{high}) F

    with the means over the parts below and above x: the logarithm of the mass of a part has the slopes
    :math:`E[z]/\sigma, E[z^2]/\sigma`, and :math:`E = F E_- + (1-F) E_+`.
    """
    return cotangents(_cdf, g, x=x, loc=loc, scale=scale, low=low, high=high)


def log_cdf(x: Real, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Logarithm of the probability of at most x, with relative accuracy in both tails.

    .. math:: \log F(x) = \log\frac{\Phi(z) - \Phi(\alpha)}{\Phi(\beta) - \Phi(\alpha)}

    x, loc, scale, low, high: broadcast together. -inf below low, 0 above high, without slopes; on the ends the limits
    from inside. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(log_cdf(-1e3, 0.0, 1.0, float("-inf"), 0.0) - log_cdf(-1e3, 0.0, 1.0, float("-inf"), 1e9)), 9)
    0.693147181
    """
    return value(_log_cdf, x=x, loc=loc, scale=scale, low=low, high=high)


def log_cdf_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale, low and high: those of the cdf over F, the quotients taken on paper.

    At low: inf to x, -inf to low, and the limits :math:`(\alpha - E[z])/\sigma, (\alpha^2 - E[z^2])/\sigma,
    -f(\mathrm{high})` to the others.
    """
    return cotangents(_log_cdf, g, x=x, loc=loc, scale=scale, low=low, high=high)


def sf(x: Real, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Probability of more than x.

    .. math:: 1 - F(x) = \frac{\Phi(\beta) - \Phi(z)}{\Phi(\beta) - \Phi(\alpha)}

    x, loc, scale, low, high: broadcast together. 1 below low, 0 above high, without slopes; on the ends the limits from
    inside. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(sf(1e8 + 2.0**-26, 0.0, 1.0, 1e8, float("inf"))), 6)  # about exp(-1e8 / 2^26)
    0.225346
    """
    return value(_sf, x=x, loc=loc, scale=scale, low=low, high=high)


def sf_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale, low and high: :math:`\partial (1 - F) = -\partial F`."""
    return cotangents(_sf, g, x=x, loc=loc, scale=scale, low=low, high=high)


def log_sf(x: Real, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Logarithm of the probability of more than x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x)) = \log\frac{\Phi(\beta) - \Phi(z)}{\Phi(\beta) - \Phi(\alpha)}

    x, loc, scale, low, high: broadcast together. 0 below low, -inf above high, without slopes; on the ends the limits
    from inside. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(log_sf(1.0, 1.0, 2.0, 0.0, 2.0)), 12)  # log(1/2)
    -0.69314718056
    """
    return value(_log_sf, x=x, loc=loc, scale=scale, low=low, high=high)


def log_sf_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale, low and high: :math:`-\partial F / (1 - F)`, the quotients taken on paper.

    At high: -inf to x, inf to high, and the limits :math:`(\beta - E[z])/\sigma, (\beta^2 - E[z^2])/\sigma,
    f(\mathrm{low})` to the others.
    """
    return cotangents(_log_sf, g, x=x, loc=loc, scale=scale, low=low, high=high)


def icdf(u: Unit, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""The quantile: where the cdf is u, with relative accuracy of its distance from an end and from loc.

    .. math:: F^{-1}(u) = \mu + \sigma \, \Phi^{-1}((1-u) \Phi(\alpha) + u \Phi(\beta))

    u, loc, scale, low, high: broadcast together. low at 0, high at 1, nan outside. Newton's steps on the logarithm of
    the smaller share, from a side from which they cannot overshoot. Johnson, Kotz and Balakrishnan (1994), section
    10.1.

    >>> float(icdf(0.5, 1.0, 2.0, 0.0, 2.0))
    1.0
    >>> round(float(icdf(0.75, 0.0, 1e8, 1.0, 2.0)), 12)  # nearly uniform
    1.75
    """
    return value(_icdf, u=u, loc=loc, scale=scale, low=low, high=high)


def icdf_vjp(
    g: Array, u: Unit, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of u, loc, scale, low and high.

    .. math:: \partial_u = \frac{1}{f(x)}, \qquad \partial_\theta = -\frac{\partial_\theta F(x)}{f(x)}

    the quotients taken on paper. At u = 0 with low = -inf and at u = 1 with high = inf the limits: inf to u, 1 to loc,
    -inf or inf to scale.
    """
    return cotangents(_icdf, g, u=u, loc=loc, scale=scale, low=low, high=high)


def sample(noise: Unit, loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""A draw as a function of its noise, differentiable along its path.

    .. math:: x = F^{-1}(u)

    noise, loc, scale, low, high: broadcast together. The noise is uniform, as from `noise`. Johnson, Kotz and
    Balakrishnan (1994), section 10.1.

    >>> float(sample(0.5, 1.0, 2.0, 0.0, 2.0))
    1.0
    """
    return value(_icdf, noise=noise, loc=loc, scale=scale, low=low, high=high)


def sample_vjp(
    g: Array, noise: Unit, loc: Real, scale: Positive, low: Real, high: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of noise, loc, scale, low and high: those of `icdf`, :math:`1/f(x), -\partial_\theta F(x) / f(x)`."""
    return cotangents(_icdf, g, noise=noise, loc=loc, scale=scale, low=low, high=high)


def mean(loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Expectation.

    .. math:: E[x] = \mu + \sigma \frac{\phi(\alpha) - \phi(\beta)}{\Phi(\beta) - \Phi(\alpha)}

    loc, scale, low, high: broadcast together. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(mean(0.0, 1.0, 0.0, float("inf"))) ** 2, 12)  # 2 / pi
    0.636619772368
    """
    return value(_truncated_normal.mean, loc=loc, scale=scale, low=low, high=high)


def mean_vjp(g: Array, loc: Real, scale: Positive, low: Real, high: Real) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of loc, scale, low and high.

    .. math:: \partial_\mu = \operatorname{Var}(z), \quad \partial_\sigma = \operatorname{Cov}(z, z^2), \quad
              \partial_{\mathrm{low}} = f(\mathrm{low}) (E[x] - \mathrm{low}), \quad
              \partial_{\mathrm{high}} = f(\mathrm{high}) (\mathrm{high} - E[x])
    """
    return cotangents(_truncated_normal.mean, g, loc=loc, scale=scale, low=low, high=high)


def variance(loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}(x) = \sigma^2 \left(1 + \frac{\alpha \phi(\alpha) - \beta \phi(\beta)}
              {\Phi(\beta) - \Phi(\alpha)} - \left(\frac{\phi(\alpha) - \phi(\beta)}
              {\Phi(\beta) - \Phi(\alpha)}\right)^2\right)

    loc, scale, low, high: broadcast together. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(variance(0.0, 1.0, 0.0, float("inf"))), 12)  # 1 - 2 / pi
    0.363380227632
    """
    return value(_truncated_normal.variance, loc=loc, scale=scale, low=low, high=high)


def variance_vjp(g: Array, loc: Real, scale: Positive, low: Real, high: Real) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of loc, scale, low and high, with y = z - E[z] and m the mean.

    .. math:: \partial_\mu = \sigma E[y^3], \quad \partial_\sigma = \sigma \operatorname{Cov}(y^2, z^2), \quad
              \partial_{\mathrm{low}} = f(\mathrm{low}) (\operatorname{Var}(x) - (m - \mathrm{low})^2), \quad
              \partial_{\mathrm{high}} = f(\mathrm{high}) ((\mathrm{high} - m)^2 - \operatorname{Var}(x))

    The end next to the mode takes minus what loc and the other end have: a shift of all changes nothing.
    """
    return cotangents(_truncated_normal.variance, g, loc=loc, scale=scale, low=low, high=high)


def entropy(loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Differential entropy.

    .. math:: H = \log(\sqrt{2 \pi} \, \sigma (\Phi(\beta) - \Phi(\alpha))) + \frac{E[z^2]}{2}
              = \log(\sigma G) + \frac{E[s (s + 2r)]}{2}

    loc, scale, low, high: broadcast together. The mean of minus the logarithm of the density of Johnson, Kotz and
    Balakrishnan (1994), section 10.1.

    >>> round(float(entropy(0.0, 1.0, 0.0, float("inf"))), 12)  # log(pi e / 2) / 2
    0.725791352645
    """
    return value(_truncated_normal.entropy, loc=loc, scale=scale, low=low, high=high)


def entropy_vjp(g: Array, loc: Real, scale: Positive, low: Real, high: Real) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of loc, scale, low and high.

    .. math:: \partial_\mu = \frac{\operatorname{Cov}(z, z^2)}{2 \sigma}, \quad
              \partial_\sigma = \frac{\operatorname{Var}(z^2)}{2 \sigma}, \quad
              \partial_{\mathrm{low}} = f(\mathrm{low}) (H + \log f(\mathrm{low}) - 1), \quad
              \partial_{\mathrm{high}} = -f(\mathrm{high}) (H + \log f(\mathrm{high}) - 1)

    in which, by parts, :math:`1 - E[s (s + r)]` is the sum over the ends of their distances times the densities there.
    """
    return cotangents(_truncated_normal.entropy, g, loc=loc, scale=scale, low=low, high=high)


def kl_divergence(
    loc_p: Real,
    scale_p: Positive,
    low_p: Real,
    high_p: Real,
    loc_q: Real,
    scale_q: Positive,
    low_q: Real,
    high_q: Real,
) -> Array:
    r"""Kullback-Leibler divergence of q from p; inf with zero gradients where q does not reach all over p.

    .. math:: D(p \| q) = E_p[\log p - \log q] = \log E_p[e^u] - \log Q([\mathrm{low}_p, \mathrm{high}_p]), \qquad
              u = \frac{z_p^2 - z_q^2}{2} - E_p\left[\frac{z_p^2 - z_q^2}{2}\right]

    All broadcast together; the support of p may be a part of that of q. Neither term is negative: the first is the
    mean of e^u - 1 - u where the distributions are close, the second is made of the masses of q outside. The
    definition integrated, with the density of Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(kl_divergence(0.0, 1.0, 0.0, 1.0, 0.0, 1.0, -1.0, 1.0)), 12)  # log 2
    0.69314718056
    >>> float(kl_divergence(0.0, 1.0, -1.0, 1.0, 0.0, 1.0, 0.0, 1.0))
    inf
    """
    p = {"loc_p": loc_p, "scale_p": scale_p, "low_p": low_p, "high_p": high_p}
    return value(_truncated_normal.kl, **p, loc_q=loc_q, scale_q=scale_q, low_q=low_q, high_q=high_q)


def kl_divergence_vjp(
    g: Array,
    loc_p: Real,
    scale_p: Positive,
    low_p: Real,
    high_p: Real,
    loc_q: Real,
    scale_q: Positive,
    low_q: Real,
    high_q: Real,
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array]:
    r"""Cotangents of all eight; the ends have slopes from the side on which the divergence is finite.

    .. math:: \partial_{\mu_p} = -\frac{\operatorname{Cov}_p(u, z_p)}{\sigma_p}, \quad
              \partial_{\sigma_p} = -\frac{\operatorname{Cov}_p(u, z_p^2)}{\sigma_p}, \quad
              \partial_{\mathrm{low}_p} = p(\mathrm{low}_p) (1 + u(\mathrm{low}_p)), \quad
              \partial_{\mathrm{high}_p} = -p(\mathrm{high}_p) (1 + u(\mathrm{high}_p))

    .. math:: \partial_{\mu_q} = \frac{E_q[z_q] - E_p[z_q]}{\sigma_q}, \quad
              \partial_{\sigma_q} = \frac{E_q[z_q^2] - E_p[z_q^2]}{\sigma_q}, \quad
              \partial_{\mathrm{low}_q} = -q(\mathrm{low}_q), \quad \partial_{\mathrm{high}_q} = q(\mathrm{high}_q)
    """
    p = {"loc_p": loc_p, "scale_p": scale_p, "low_p": low_p, "high_p": high_p}
    return cotangents(_truncated_normal.kl, g, **p, loc_q=loc_q, scale_q=scale_q, low_q=low_q, high_q=high_q)


def maximum_likelihood(data: Real, low: Real, high: Real) -> Parameters:
    r"""The loc and scale of largest likelihood between known ends.

    .. math:: E[x] = \bar x, \qquad \operatorname{Var}(x) = \frac1N \sum_i (x_i - \bar x)^2

    data: (N,); low, high: one number each. The log likelihood is concave in :math:`\mu/\sigma^2` and
    :math:`1/\sigma^2`, so the estimate is unique. nan where there is none: fewer than two distinct numbers, one outside
    [low, high], or a variance as large as that of the exponential density on [low, high] with the mean of the data, or
    larger: the likelihood grows towards it and beyond. Tested where loc is within 30 standard deviations of the data.
    Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> found = maximum_likelihood([1.0, 1.5, 2.0], 0.0, 3.0)
    >>> round(float(found.loc), 12)
    1.5
    """
    xp, dtype, x, low, high = _data(data, low, high)
    with np.errstate(all="ignore"):
        fit = _truncated_normal.fit(xp, x, low, high)
        nothing = xp.asarray(xp.nan, dtype=xp.float64)
        found = (
            (nothing, nothing) if fit is None else (fit.middle + (fit.rest + fit.unit * fit.loc), fit.unit * fit.scale)
        )
        return Parameters(*(xp.astype(v, dtype, copy=False) for v in found))


def maximum_likelihood_vjp(g: Parameters, data: Real, low: Real, high: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of the data and of both ends, by the implicit function theorem.

    With y = z - E[z], c = E[z] and :math:`\det = E[y^2] \operatorname{Var}(y^2) - E[y^3]^2`, in units of the data,

    .. math::
        \bar m = \frac{g_\mu \operatorname{Cov}(y^2, z^2) - g_\sigma E[y^3]}{\det}, \quad
        \bar v = \frac{g_\sigma E[y^2] - g_\mu \operatorname{Cov}(y, z^2)}{\sigma \det}, \quad
        \bar x_i = \frac{\bar m + 2 (x_i - \bar x) \bar v}{N}

    and to an end minus :math:`\bar m, \bar v` times the slopes of mean and variance to it.
    """
    xp, dtype, x, a, b, to_loc, to_scale = _data(data, low, high, g[0], g[1])
    with np.errstate(all="ignore"):
        fit = _truncated_normal.fit(xp, x, a, b)
        if fit is None:
            found = x * xp.nan, a * xp.nan, b * xp.nan
        else:
            found = _truncated_normal.fit_slopes(xp, fit, x, to_loc, to_scale)
        by_data, by_low, by_high = (xp.astype(v, dtype, copy=False) for v in found)
        return by_data, by_low, by_high


def _data(data: Array, low: Array, high: Array, *others: Array) -> tuple[Any, ...]:
    names = {"data": data, "low": low, "high": high} | {f"g{i}": v for i, v in enumerate(others)}
    xp, dtype, *arrays = elementwise(**names)
    for name, array, shape in zip(names, arrays, (("N",), (), ()), strict=False):
        check_shape(name, array, shape)
    return xp, dtype, *arrays


def mode(loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Where the density is largest.

    .. math:: \min(\max(\mu, \mathrm{low}), \mathrm{high})

    loc, scale, low, high: broadcast together. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> float(mode(0.0, 1.0, 2.0, 3.0))
    2.0
    """
    return value(_mode, loc=loc, scale=scale, low=low, high=high)


def mode_vjp(g: Array, loc: Real, scale: Positive, low: Real, high: Real) -> tuple[Array, Array, Array, Array]:
    """Cotangents of loc, scale, low, high: :math:`1` to the one that is the mode, to loc where it equals an end."""
    return cotangents(_mode, g, loc=loc, scale=scale, low=low, high=high)


def _log_prob(xp: Any, x: Array, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = frame(xp, loc, scale, low, high)
    mass, first, second = moments(xp, f)
    beyond = ~((x >= low) & (x <= high)) | xp.isinf(x)
    d = f.sign * (xp.where(beyond, f.origin, x) - f.origin) / f.scale
    found = -d * (d + 2 * f.r) / 2 - log_product(xp, f.scale, mass)
    by_loc, by_scale = f.sign * (d - first), (d * d - second) + 2 * f.r * (d - first)
    at_low, at_high = ends(xp, f, mass)
    results = found, -f.sign * (f.r + d) / f.scale, by_loc / f.scale, by_scale / f.scale, at_low, -at_high
    return f.defined, *flat(xp, beyond, -xp.inf, results)


def _mode(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = frame(xp, loc, scale, low, high)
    above, below = xp.astype(low > loc, xp.float64), xp.astype(high < loc, xp.float64)
    return f.defined, f.origin, 1 - above - below, 0.0 * scale, above, below


class _Parts(NamedTuple):
    """The two parts of an interval around a point, on an axis from the mode to the point."""

    near: Array  # mass of the part that reaches to the mode
    far: Array  # mass of the other over the density at the point
    exponent: Array  # the density at the point is exp(-exponent), densities and masses being over that at the origin
    root: Array  # of that density
    total: Array
    means: Array  # how much further out the far part is: the difference of the means of z
    squares: Array  # and of z^2
    near_end: Array  # density at the end of the near part
    far_end: Array  # that of the far part over the density at the point


def _parts(xp: Any, r: Array, d: Array, behind: Array, ahead: Array) -> _Parts:
    """Parts [-behind, d] and [d, d + ahead] for d >= 0; behind is 0 unless r is."""
    out = r + d
    end, onward = reach_of(xp, r), reach_of(xp, out)
    sums = [0.0 * end] * 6
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        for k, start, reach, side in (
            (0, r, xp.minimum(d, end), 1.0),
            (0, r, xp.minimum(behind, end), -1.0),
            (3, out, xp.minimum(ahead, onward), 1.0),
        ):
            s = reach * point
            mass = share * reach * xp.exp(-s * (s + 2 * start) / 2)
            step = s if k else d - side * s
            terms = mass, mass * step, mass * step * (2 * out + s if k else out + (r + side * s))
            sums[k : k + 3] = [t + x for t, x in zip(sums[k : k + 3], terms, strict=True)]
    near, near_mean, near_square, far, far_mean, far_square = sums
    over, under = xp.where(near > 0, near, 1.0), xp.where(far > 0, far, 1.0)
    exponent = d * (d + 2 * r) / 2
    root = xp.exp(-exponent / 2)
    return _Parts(
        near,
        far,
        exponent,
        root,
        near + root * (root * far),
        near_mean / over + far_mean / under,
        near_square / over + far_square / under,
        xp.exp(-behind * behind / 2),
        xp.exp(-ahead * (ahead + 2 * out) / 2),
    )


def _split(xp: Any, f: Frame, x: Array, low: Array, high: Array) -> tuple[Array, _Parts]:
    """The direction of the axis from the mode to x, and the parts around x; the origin where x is outside."""
    within = f.defined & (x >= low) & (x <= high) & ~xp.isinf(x)
    y = xp.where(within, x, f.origin)
    o = xp.where(f.r > 0, f.sign, xp.where(y < f.origin, xp.asarray(-1.0), 1.0))
    low, high = (xp.where(f.defined, e, y) for e in (low, high))
    ahead = xp.where(o > 0, high - y, y - low) / f.scale
    behind = xp.where(f.r > 0, 0.0, xp.where(o > 0, f.left, f.right))
    return o, _parts(xp, f.r, xp.abs(y - f.origin) / f.scale, behind, ahead)


def _share(upper: bool, logarithm: bool) -> Any:
    """The core of the share of the part above or below x, or of its logarithm."""

    def core(xp: Any, x: Array, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
        f = frame(xp, loc, scale, low, high)
        o, a = _split(xp, f, x, low, high)
        far = o > 0 if upper else o < 0
        p, q = a.root * (a.root * (a.far / a.total)), a.near / a.total
        here = a.root * (a.root / a.total / f.scale)
        pair = here * a.far * q
        if logarithm:
            small = xp.where(far, xp.log(a.far / a.total) - a.exponent, xp.log(q))
            found = xp.where(xp.where(far, p, q) < 0.5, small, xp.log1p(-xp.where(far, q, p)))
            at_x = xp.where(far, 1 / a.far / f.scale, a.root * (a.root / a.near / f.scale))
            weight = xp.where(far, q / f.scale, here * a.far)
            at_near = a.near_end * xp.where(far, 1 / a.total / f.scale, at_x * (a.far / a.total))
            at_far = a.far_end * xp.where(far, at_x * q, here)
        else:
            found, at_x, weight = xp.where(far, p, q), here, pair
            at_near, at_far = a.near_end * here * (a.far / a.total), a.far_end * here * q
        turn, up = xp.where(far, xp.asarray(1.0), -1.0), o > 0
        by_low, by_high = xp.where(up, at_near, at_far), xp.where(up, at_far, at_near)
        slopes = -at_x * o, weight * a.means * o, weight * a.squares, by_low * o, by_high * o
        edge = 1.0 if upper else 0.0
        below, above = (-xp.inf if logarithm and v == 0 else 0.0 if logarithm else v for v in (edge, 1 - edge))
        level = xp.where((x < low) | (x == -xp.inf), xp.asarray(below), above)
        beyond = ~((x >= low) & (x <= high)) | xp.isinf(x)
        return f.defined, *flat(xp, beyond, level, (found, *(turn * v for v in slopes)))

    return core


_cdf, _sf = _share(False, False), _share(True, False)
_log_cdf, _log_sf = _share(False, True), _share(True, True)


def _icdf(xp: Any, u: Array, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = frame(xp, loc, scale, low, high)
    inner = (u >= 0) & (u <= 1)
    u = xp.where(inner, u, 0.5)
    left, right = mass_from(xp, f.r, f.left), mass_from(xp, f.r, f.right)
    total = left + right
    o = xp.where(f.r > 0, f.sign, xp.where(u * total < left, xp.asarray(-1.0), 1.0))
    up = o > 0
    behind = xp.where(f.r > 0, 0.0, xp.where(up, f.left, f.right))
    length = xp.where((f.r > 0) | up, f.right, f.left)
    p, q = xp.where(up, 1 - u, u), xp.where(up, u, 1 - u)
    d, ahead = _distances(xp, f.r, behind, length, xp.where(f.r > 0, 0.0, xp.where(up, left, right)), total, p, q)
    a = _parts(xp, f.r, d, behind, ahead)
    from_end = ahead < d
    x = xp.where(from_end, xp.where(up, high, low) - o * f.scale * ahead, f.origin + o * f.scale * d)
    tail = (p < q) & (p > 0)  # e = p T / M is better known than the exponential
    here = xp.where(tail, a.far / xp.where(tail, p, 1.0) * f.scale, a.total / a.root * (f.scale / a.root))
    by_near, by_far = a.near_end * (a.far / a.total), a.far_end * q
    by_low, by_high = xp.where(up, by_near, by_far), xp.where(up, by_far, by_near)
    results = x, here, q * a.far * a.means, o * (q * a.far) * a.squares, by_low, by_high
    limits = o * xp.inf, xp.inf, 1.0, o * xp.inf, 0.0, 0.0
    lost = (p == 0) & xp.isinf(length)
    return f.defined & inner, *(xp.where(lost, e, v) for e, v in zip(limits, results, strict=True))


def _distances(
    xp: Any, r: Array, behind: Array, length: Array, back: Array, total: Array, p: Array, q: Array
) -> tuple[Array, Array]:
    """How far from the origin and from the far end the point lies beyond which there is the share p."""
    # next to the origin: log of the mass from there to the point, which is concave in log d, from the left
    aim = xp.maximum(q * total - back, 0.0 * q)
    some = aim > 0
    near = xp.where(some, aim, 1.0)
    for _ in range(_STEPS):
        mass = mass_from(xp, r, near)
        density = xp.exp(-near * (near + 2 * r) / 2)
        near = near * xp.exp(xp.log(xp.where(some, aim, mass) / mass) * (mass / near / density))
    near = xp.minimum(xp.where(some, near, 0.0), length)
    # in the tail and nearer to the origin: log of the mass beyond the point, concave in d, from the right
    up = xp.where(p < 2.0**-960, xp.asarray(2.0**64), 1.0)  # a mass over p alone may overflow
    aim, log_up = xp.where(p > 0, p, 1.0) * up * total, xp.log(up)
    log_aim = xp.log(aim) - log_up
    fall = xp.maximum(xp.log(mass_from(xp, r, length)) - log_aim, 0.0 * p)
    tail = xp.minimum(2 * fall / (r + xp.sqrt(r * r + 2 * fall)), length / 2)
    for _ in range(_STEPS):
        mass = mass_from(xp, r + tail, length - tail)
        tail = xp.minimum(
            xp.maximum(tail + mass * (xp.log(mass / aim) + log_up - tail * (tail + 2 * r) / 2), 0.0 * p), length
        )
    # nearer to the far end: the same in the distance from there, from what an exponential density would have
    bounded = length < xp.inf
    reach = xp.where(bounded, length, 1.0)
    rise, out = reach * (reach + 2 * r) / 2, r + reach
    ratio = log_aim + rise
    big = ratio + xp.log(out) > 30
    rest = xp.where(big, ratio + xp.log(out), xp.log1p(out * xp.exp(xp.where(big, 0.0, ratio)))) / out
    rest = xp.minimum(rest, reach / 2)
    for _ in range(_STEPS):
        start = out - rest
        mass = mass_from(xp, start, rest)
        rest = rest - mass * (xp.log(mass / aim) + log_up - (reach - rest) * (reach - rest + 2 * r) / 2)
    rest = xp.where(p > 0, rest, 0.0)
    close = bounded & (rest <= reach / 2)
    tail = xp.where(close, reach - rest, tail)
    d = xp.where(p < q, tail, near)
    return d, xp.where((p < q) & close, rest, length - d)
