r"""Student's t distribution, :math:`f(x; \nu, \mu, \sigma) \propto (1 + z^2/\nu)^{-(\nu+1)/2}`; nu is df.

:math:`z = (x - \mu)/\sigma, q = z^2/\nu`, and :math:`\delta` as in `refengine.distributions._student`.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside. df and
scale that are not positive and finite, a loc that is not finite, and nan: nan, with nan gradients; x = inf and -inf lie
outside the support.
"""

from __future__ import annotations

from functools import partial
from math import log, pi, sqrt
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape, elementwise
from refengine.distributions import _maximum_likelihood, _student, _student_tail
from refengine.distributions import _twice as twice
from refengine.distributions._location_scale import Parameters
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import both, cotangents, flat, positive, value
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log1p_minus, sum_error

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
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


def log_prob(x: Real, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the density, accurate to a few ulp for any degrees of freedom and any distance.

    .. math:: \log f(x; \nu, \mu, \sigma) = \log\Gamma\tfrac{\nu+1}{2} - \log\Gamma\tfrac{\nu}{2}
              - \tfrac12 \log(\pi \nu \sigma^2) - \tfrac{\nu+1}{2} \log(1 + q)
              = \delta(\nu/2) - \tfrac12 \log(2 \pi \sigma^2) - \tfrac{\nu+1}{2} \log(1 + q)

    x, df, loc, scale: broadcast together. Certified for df from 1e-3 to 1e15. Beyond q = 1 the logarithm of q meets
    that of the scale on paper. Johnson, Kotz and Balakrishnan (1995), chapter 28; NIST DLMF 5.11.13.

    >>> round(float(log_prob(0.0, 1.0, 0.0, 1.0)), 12)  # Cauchy: -log(pi)
    -1.144729885849
    >>> round(float(log_prob(1.0, 1e15, 0.0, 1.0)), 12)  # normal
    -1.418938533205
    """
    return value(_log_prob, x=x, df=df, loc=loc, scale=scale)


def log_prob_vjp(g: Array, x: Real, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, loc and scale.

    .. math:: \partial_x = -\frac{\nu+1}{x - \mu} p = -\partial_\mu, \quad
              \partial_\nu = \tfrac12 \left(\delta'(\nu/2) + (\log(1-p) + p) + p/\nu\right), \quad
              \partial_\sigma = \frac{\nu p - (1 - p)}{\sigma}, \qquad p = \frac{q}{1+q}

    The first term of the derivative to df is positive, the second negative, and each is as small as the result:
    :math:`-\log(1 + q) = \log(1 - p)`, and the textbook's :math:`(\nu+1) z^2/(\nu (\nu + z^2))` is :math:`p + p/\nu`.
    """
    return cotangents(_log_prob, g, x=x, df=df, loc=loc, scale=scale)


def log_prob_value_and_vjp(
    g: Array, x: Real, df: Positive, loc: Real, scale: Positive
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, ddf, dloc, dscale) = log_prob_value_and_vjp(1.0, 1.0, 1.0, 0.0, 1.0)
    >>> float(dx), float(dloc), float(dscale)
    (-1.0, 1.0, 0.0)
    """
    return both(_log_prob, g, x=x, df=df, loc=loc, scale=scale)


def cdf(x: Real, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Probability of at most x, with relative accuracy in the lower tail.

    .. math:: F(x; \nu, \mu, \sigma) = \tfrac12 I_{1/(1+q)}(\tfrac\nu2, \tfrac12) \text{ for } z < 0, \quad
              1 - F(2 \mu - x; \nu, \mu, \sigma) \text{ for } z > 0

    x, df, loc, scale: broadcast together. 0 and 1 at -inf and inf. Certified, as the functions below, for df from 1e-2
    to 1e10; nan where z overflows. NIST DLMF 8.17.2; Johnson, Kotz and Balakrishnan (1995), chapter 28.

    >>> round(float(cdf(-1.0, 1.0, 0.0, 1.0)), 12)  # Cauchy
    0.25
    """
    return value(partial(_student_tail.cdf, sloped=False), x=x, df=df, loc=loc, scale=scale)


def cdf_vjp(g: Array, x: Real, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, loc and scale, with f the density of z and s its score to the degrees of freedom.

    .. math:: \partial_x = \frac{f}{\sigma} = -\partial_\mu, \qquad \partial_\sigma = -\frac{z f}{\sigma}, \qquad
              \partial_\nu = \int_0^z s f \, dt = \operatorname{sign}(z) f K,

    for K see `refengine.distributions._student_tail`.
    """
    return cotangents(_student_tail.cdf, g, x=x, df=df, loc=loc, scale=scale)


def log_cdf(x: Real, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of at most x, with relative accuracy in both tails.

    .. math:: \log F(x; \nu, \mu, \sigma)

    x, df, loc, scale: broadcast together. -inf and 0 at -inf and inf. NIST DLMF 8.17.2.

    >>> round(float(log_cdf(-1.0, 1.0, 0.0, 1.0)), 12)  # log(1/4)
    -1.38629436112
    """
    return value(partial(_student_tail.log_cdf, sloped=False), x=x, df=df, loc=loc, scale=scale)


def log_cdf_vjp(g: Array, x: Real, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, loc and scale: :math:`\partial F / F`, without underflow."""
    return cotangents(_student_tail.log_cdf, g, x=x, df=df, loc=loc, scale=scale)


def sf(x: Real, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Probability of more than x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; \nu, \mu, \sigma) = F(2 \mu - x; \nu, \mu, \sigma)

    x, df, loc, scale: broadcast together. 1 and 0 at -inf and inf. NIST DLMF 8.17.2.

    >>> round(float(sf(1.0, 1.0, 0.0, 1.0)), 12)  # Cauchy
    0.25
    """
    return value(partial(_student_tail.sf, sloped=False), x=x, df=df, loc=loc, scale=scale)


def sf_vjp(g: Array, x: Real, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, loc and scale: :math:`-\partial F`."""
    return cotangents(_student_tail.sf, g, x=x, df=df, loc=loc, scale=scale)


def log_sf(x: Real, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of more than x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; \nu, \mu, \sigma))

    x, df, loc, scale: broadcast together. 0 and -inf at -inf and inf. NIST DLMF 8.17.2.

    >>> round(float(log_sf(1.0, 1.0, 0.0, 1.0)), 12)  # log(1/4)
    -1.38629436112
    """
    return value(partial(_student_tail.log_sf, sloped=False), x=x, df=df, loc=loc, scale=scale)


def log_sf_vjp(g: Array, x: Real, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, loc and scale: :math:`-\partial F / (1 - F)`, without underflow."""
    return cotangents(_student_tail.log_sf, g, x=x, df=df, loc=loc, scale=scale)


def icdf(u: Unit, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F(x; \nu, \mu, \sigma) = u

    u, df, loc, scale: broadcast together. -inf at 0, inf at 1, nan outside. The quantile of a beta distribution, see
    `refengine.distributions.beta.icdf`. NIST DLMF 8.17.2, inverted.

    >>> round(float(icdf(0.75, 1.0, 4.0, 2.0)), 12)  # Cauchy
    6.0
    """
    return value(partial(_student_tail.quantile, sloped=False), u=u, df=df, loc=loc, scale=scale)


def icdf_vjp(g: Array, u: Unit, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of u, df, loc and scale, by the implicit function theorem.

    .. math:: \frac{\sigma}{f}, \qquad -\operatorname{sign}(z) \sigma K, \qquad 1, \qquad z

    At u = 0 and 1 the limits: inf to u, and to df and scale inf and -inf as they widen the tails.
    """
    return cotangents(_student_tail.quantile, g, u=u, df=df, loc=loc, scale=scale)


def sample(noise: Unit, df: Positive, loc: Real, scale: Positive) -> Array:
    r"""A draw as a function of its noise, differentiable along its path: `icdf` of the noise.

    .. math:: F(x; \nu, \mu, \sigma) = u

    noise, df, loc, scale: broadcast together; noise is uniform on (0, 1). Figurnov, Mohamed and Mnih
    (2018).

    >>> round(float(sample(0.75, 1.0, 4.0, 2.0)), 12)
    6.0
    """
    return value(partial(_student_tail.quantile, sloped=False), noise=noise, df=df, loc=loc, scale=scale)


def sample_vjp(g: Array, noise: Unit, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of noise, df, loc and scale, as in `icdf_vjp`: :math:`-\operatorname{sign}(z) \sigma K` to df."""
    return cotangents(_student_tail.quantile, g, noise=noise, df=df, loc=loc, scale=scale)


def entropy(df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Differential entropy.

    .. math:: H = \tfrac{\nu+1}{2} \left(\psi\tfrac{\nu+1}{2} - \psi\tfrac{\nu}{2}\right)
              + \log\left(\sqrt\nu \, B(\tfrac\nu2, \tfrac12)\right) + \log\sigma
              = \tfrac{\nu+1}{2} (\delta' + 1/\nu) - \delta + \tfrac12 \log(2 \pi \sigma^2)

    df, loc, scale: broadcast together. Johnson, Kotz and Balakrishnan (1995), chapter 28.

    >>> round(float(entropy(1.0, 0.0, 1.0)), 12)  # Cauchy: log(4 pi)
    2.531024246969
    """
    return value(_entropy, df=df, loc=loc, scale=scale)


def entropy_vjp(g: Array, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of df, loc and scale: :math:`\tfrac{\nu+1}{4} \delta'' - \tfrac{1}{2 \nu^2}`, 0, :math:`1/\sigma`."""
    return cotangents(_entropy, g, df=df, loc=loc, scale=scale)


def mean(df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Expectation.

    .. math:: E[x] = \mu \text{ for } \nu > 1, \text{ else undefined (nan)}

    df, loc, scale: broadcast together. Johnson, Kotz and Balakrishnan (1995), chapter 28.

    >>> float(mean(3.0, 2.0, 1.0)), float(mean(1.0, 2.0, 1.0))
    (2.0, nan)
    """
    return value(_mean, df=df, loc=loc, scale=scale)


def mean_vjp(g: Array, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    """Cotangents of df, loc and scale: :math:`0, 1, 0`; nan where there is no mean."""
    return cotangents(_mean, g, df=df, loc=loc, scale=scale)


def variance(df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}[x] = \frac{\sigma^2 \nu}{\nu - 2} \text{ for } \nu > 2,
              \quad \infty \text{ for } 1 < \nu \le 2, \text{ else undefined (nan)}

    df, loc, scale: broadcast together. Where it is infinite it has no slopes. Johnson, Kotz and Balakrishnan (1995),
    chapter 28.

    >>> float(variance(4.0, 0.0, 3.0)), float(variance(2.0, 0.0, 3.0))
    (18.0, inf)
    """
    return value(_variance, df=df, loc=loc, scale=scale)


def variance_vjp(g: Array, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of df, loc and scale: :math:`-2 \sigma^2/(\nu-2)^2, 0, 2 \sigma \nu/(\nu-2)`."""
    return cotangents(_variance, g, df=df, loc=loc, scale=scale)


def mode(df: Positive, loc: Real, scale: Positive) -> Array:
    r"""Where the density is largest.

    .. math:: \mu

    df, loc, scale: broadcast together. Johnson, Kotz and Balakrishnan (1995), chapter 28.

    >>> float(mode(1.0, 2.0, 1.0))
    2.0
    """
    return value(_mode, df=df, loc=loc, scale=scale)


def mode_vjp(g: Array, df: Positive, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    """Cotangents of df, loc and scale: :math:`0, 1, 0`."""
    return cotangents(_mode, g, df=df, loc=loc, scale=scale)


def _defined(xp: Any, df: Array, loc: Array, scale: Array) -> Array:
    return positive(xp, df, scale) & xp.isfinite(loc)


def maximum_likelihood(data: Real, df: Positive) -> Parameters:
    r"""Location and scale of largest likelihood for given degrees of freedom.

    .. math:: \sum_i \frac{(\nu + 1) z_i}{\nu + z_i^2} = 0, \qquad \sum_i \frac{(\nu + 1) z_i^2}{\nu + z_i^2} = N,
              \qquad z_i = \frac{x_i - \mu}{\sigma}

    data: (N,); df: one number. float32 when both are, else float64. From nu = 1 on there is exactly one stationary
    point, the maximum, if less than :math:`N \nu / (\nu + 1)` of the data are one number, after Copas (1975) for nu = 1
    and Kent and Tyler (1991), section 2; certified to a millionth of df below that. Else, for nu < 1, where there may
    be several, for no data and for data that are not finite: nan. If df were free the likelihood would have no bound:
    for a df below 1/(N-1) it is infinite at an observation and a scale of 0. Newton's method.

    >>> loc, scale = maximum_likelihood([-1.0, 0.0, 1.0], 1.0)
    >>> float(loc), round(float(scale * scale), 12)  # sum 2 z^2 / (1 + z^2) = 3 for scale^2 = 1/3
    (0.0, 0.333333333333)
    """
    xp, dtype, x, v = _observed(data, df)
    found = _maximum_likelihood.fit(partial(_log_density, v), partial(_scores, v), x, residuals=partial(_residuals, v))
    return Parameters(*(xp.astype(part, dtype, copy=False) for part in found))


def maximum_likelihood_vjp(g: Parameters, data: Real, df: Positive) -> tuple[Array, Array]:
    r"""Cotangents of data and df, by the implicit function theorem.

    With :math:`\psi = (\nu + 1) z / (\nu + z^2)`, its derivative w, :math:`\bar z = \sum w z / \sum w`,
    :math:`Q = N + \sum w (z - \bar z)^2` and :math:`e = (z^2 - 1) / (\nu + z^2)`, whose sum vanishes as that of
    :math:`\psi` does,

    .. math:: \partial_i \sigma = \frac{\psi_i + (z_i - \bar z) w_i}{Q}, \quad
              \partial_i \mu = \frac{w_i}{\sum_j w_j} - \bar z \, \partial_i \sigma, \quad
              \frac{\partial_\nu \sigma}{\sigma} = \frac{\nu \sum e^2 - \bar z \sum e \psi}{(\nu + 1) Q}, \quad
              \frac{\partial_\nu \mu}{\sigma} = \frac{\sum e \psi}{(\nu + 1) \sum w}
              - \bar z \frac{\partial_\nu \sigma}{\sigma}
    """
    xp, dtype, x, v = _observed(data, df)
    g_loc, g_scale = (as_float64(xp, "g", part) for part in g)
    with np.errstate(all="ignore"):
        family = partial(_log_density, v), partial(_scores, v)
        (_, unit), (_, s), z = _maximum_likelihood.solved(xp, *family, x, 1.0, partial(_residuals, v))
        psi, w, slope = _scores(v, xp, z)
        weight, e = xp.sum(w), (z - 1) * (z + 1) / (v + z * z)
        centre = xp.sum(w * z) / weight
        spread = z.shape[0] + xp.sum(w * (z - centre) ** 2)
        g_spread, tilt = (g_scale - g_loc * centre) / spread, xp.sum(e * psi) / (v + 1)
        by_x = g_loc * (w / weight) + g_spread * (slope - centre * w)
        by_df = g_loc * (tilt / weight) + g_spread * (xp.sum(e * e) * (v / (v + 1)) - centre * tilt)
        return xp.astype(by_x, dtype, copy=False), xp.astype(unit * s * by_df, dtype, copy=False)


def _log_prob(xp: Any, x: Array, df: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    defined, beyond = _defined(xp, df, loc, scale), xp.isinf(x)
    df, scale = xp.where(defined, df, 1.0), xp.where(defined, scale, 1.0)
    d = xp.where(beyond, 0.0, x) - loc
    far = xp.abs(d)
    root = far / scale / xp.sqrt(df)
    q, outer = root * root, root > 1
    log_root = xp.where(root < 1e300, xp.log(root), xp.log(far) - xp.log(scale) - xp.log(df) / 2)
    log_q = xp.where(root < 1e100, xp.log1p(q), 2 * log_root)
    product, top = _student.product(xp, df / 2)
    lead = _log_over(xp, xp.where(outer, xp.sqrt(df), 1.0), xp.where(outer, far, scale), xp.sqrt(2 * pi * product))
    spread = xp.where(outer, df / 2 * log_q + xp.log1p(1 / q) / 2, (df + 1) / 2 * log_q)
    found = _student.rest(xp, top) + lead - spread
    under = 1 / (1 + q)
    share = xp.where(outer, 1 / (1 + 1 / q), q * under)
    first, _ = _student.slope(xp, df / 2)
    curve = xp.where(share <= 0.5, log1p_minus(xp, -share), share - log_q)
    by_df = (first + (curve + share / df)) / 2
    by_x = xp.where(outer, -(df + 1) * share / d, -((df + 1) / df) * (d / scale / scale) * under)
    by_scale = (xp.where(outer, df * share, root * root * df * under) - under) / scale
    return defined, *flat(xp, beyond, -xp.inf, (found, by_x, by_df, -by_x, by_scale))


def _log_over(xp: Any, a: Array, b: Array, c: Array) -> Array:
    """``log(a / b / c)``, b of any size."""
    quotient = a / c / b
    fits = (quotient > 1e-290) & (quotient < 1e290)
    return xp.where(fits, xp.log(xp.where(fits, quotient, 1.0)), xp.log(a / c) - xp.log(b))


def _entropy(xp: Any, df: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    product, top = _student.product(xp, df / 2)
    first, second = _student.slope(xp, df / 2)
    normaliser = xp.log(product) / 2 - _student.rest(xp, top)
    found = ((df + 1) * first + 1 / df) / 2 + normaliser + (0.5 + log(sqrt(2 * pi)) + xp.log(scale))
    by_df = (df + 1) / 4 * second - 1 / df / df / 2
    return _defined(xp, df, loc, scale), found, by_df, 0.0 * loc, 1 / scale


def _mean(xp: Any, df: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    return _defined(xp, df, loc, scale) & (df > 1), loc + 0 * df, 0.0 * df, 1.0 + 0 * loc, 0.0 * scale


def _variance(xp: Any, df: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    rest = df - 2
    unit = df / rest * scale
    results = unit * scale, -2 * (scale / rest) * (scale / rest), 0.0 * loc, 2 * unit
    return _defined(xp, df, loc, scale) & (df > 1), *flat(xp, rest <= 0, xp.inf, results)


def _mode(xp: Any, df: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    return _defined(xp, df, loc, scale), loc + 0 * df, 0.0 * df, 1.0 + 0 * loc, 0.0 * scale


def _observed(data: Array, df: Array) -> tuple[Any, Any, Array, Array]:
    """``xp, dtype, data, df``, the data nan where the estimate does not exist."""
    xp, dtype, x, v = elementwise(data=data, df=df)
    check_shape("df", v, ())
    with np.errstate(all="ignore"):
        tie, size = _maximum_likelihood.largest_tie(xp, x) if x.shape[0] else 0, x.shape[0]
        high, low = twice.product(v, v * 0 + (size - tie))
        exists = (v >= 1) & (v < xp.inf) & ((high - tie) + low > 0)
        return xp, dtype, xp.where(exists, x, xp.nan), v


def _log_density(v: Array, xp: Any, z: Array) -> Array:
    return -(v + 1) / 2 * xp.log1p(z * z / v)


def _scores(v: Array, xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Minus the slope of the log density, its derivative, and that of z times it."""
    r, c = 1 / (1 + z * z / v), (v + 1) / v
    return c * z * r, c * (r * (2 * r - 1)), 2 * c * (z * r * r)


def _residuals(v: Array, xp: Any, y: Array, m: Array, s: Array) -> tuple[Array, Array]:
    """The sums of ``(nu+1) s d / (d^2 + nu s^2)`` and ``nu (d^2 - s^2) / (d^2 + nu s^2)`` with twice the digits."""
    d, one = twice.settled(y - m, sum_error(y, -m)), y * 0 + s
    square, unit = twice.square(d), twice.product(one, one)
    below = twice.add(square, twice.scaled(unit, v + 0 * y))
    down = twice.total(xp, twice.quotient(twice.scaled(d, one), below))
    narrow = twice.total(xp, twice.quotient(twice.add(square, (-unit[0], -unit[1])), below))
    plain = _maximum_likelihood.sums(partial(_scores, v))(xp, y, m, s)  # squares of far data overflow
    exact = xp.isfinite(down[0][0]) & xp.isfinite(narrow[0][0])
    return xp.where(exact, (v + 1) * down[0][0], plain[0]), xp.where(exact, v * narrow[0][0], plain[1])
