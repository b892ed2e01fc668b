r"""Logistic distribution, :math:`f(x; m, s) = \operatorname{sech}^2(z/2) / (4 s), z = (x - m)/s`."""

from __future__ import annotations

from math import pi
from typing import Any

from refengine.distributions import _maximum_likelihood
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
    r"""Logarithm of the logistic density.

    .. math:: \log f(x; m, s) = -z - 2 \log(1 + e^{-z}) - \log s, \qquad z = \frac{x - m}{s}

    x, loc, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x = -inf, inf: -inf with zero gradients;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1995), chapter 23.

    >>> float(log_prob(3.0, 3.0, 0.25))  # 1 / (4 s) is 1
    0.0
    """
    return log_density(_log_density, x, loc, scale)


def log_prob_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and scale.

    .. math:: \partial_x = -\frac{\tanh(z/2)}{s}, \qquad \partial_m = \frac{\tanh(z/2)}{s}, \qquad
        \partial_s = \frac{z \tanh(z/2) - 1}{s}
    """
    return log_density_vjp(_log_density_slope, g, x, loc, scale)


def log_prob_value_and_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dscale) = log_prob_value_and_vjp(1.0, 3.0, 3.0, 0.25)
    >>> float(dscale)
    -4.0
    """
    return log_prob(x, loc, scale), log_prob_vjp(g, x, loc, scale)


def cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; m, s) = \frac{1}{1 + e^{-z}}

    x, loc, scale: broadcast together. 0 at -inf, 1 at inf. Johnson et al. (1995), chapter 23.

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

    .. math:: \log F(x; m, s) = -\log(1 + e^{-z})

    x, loc, scale: broadcast together. -inf at -inf, 0 at inf. Johnson et al. (1995), chapter 23.

    >>> float(log_cdf(-1e100, 0.0, 1.0))
    -1e+100
    """
    return of_z(_log_cdf, x, loc, scale)


def log_cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`1/(1 + e^{z})`, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(_log_cdf_slope, g, x, loc, scale)


def sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; m, s) = \frac{1}{1 + e^{z}}

    x, loc, scale: broadcast together. 1 at -inf, 0 at inf. Johnson et al. (1995), chapter 23.

    >>> float(sf(3.0, 3.0, 2.0))
    0.5
    """
    return of_z(mirrored(_cdf), x, loc, scale)


def sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, f, z f`."""
    return of_z_vjp(mirrored_slope(density(_root_density)), g, x, loc, scale)


def log_sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; m, s)) = -\log(1 + e^{z})

    x, loc, scale: broadcast together. 0 at -inf, -inf at inf. Johnson et al. (1995), chapter 23.

    >>> float(log_sf(1e100, 0.0, 1.0))
    -1e+100
    """
    return of_z(mirrored(_log_cdf), x, loc, scale)


def log_sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`-1/(1 + e^{-z})`, times :math:`1/s, -1/s, -z/s`."""
    return of_z_vjp(mirrored_slope(_log_cdf_slope), g, x, loc, scale)


def icdf(u: Unit, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; m, s) = m + s \log\frac{u}{1-u}

    u, loc, scale: broadcast together. -inf at 0, inf at 1, nan outside. Johnson et al. (1995), chapter 23.

    >>> float(icdf(0.5, 3.0, 2.0))
    3.0
    """
    return quantile(_icdf, loc, scale, u=u)


def icdf_vjp(g: Array, u: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc and scale, with q the standard quantile: :math:`s q'(u), 1, q`.

    .. math:: q'(u) = \frac{1}{u (1-u)}

    At u = 0 and 1 they are the limits: inf, 1, and -inf or inf.
    """
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, u=u)


def entropy(loc: Real, scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log s + 2

    loc, scale: broadcast together. Johnson et al. (1995), chapter 23.

    >>> float(entropy(0.0, 1.0))
    2.0
    """
    return logarithm(2.0, loc, scale)


def entropy_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 1/s`."""
    return logarithm_vjp(2.0, g, loc, scale)


def mean(loc: Real, scale: Positive) -> Array:
    r"""Mean.

    .. math:: E[x] = m

    loc, scale: broadcast together. Johnson et al. (1995), chapter 23.

    >>> float(mean(3.0, 2.0))
    3.0
    """
    return affine(0.0, loc, scale)


def mean_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`1, 0`."""
    return affine_vjp(0.0, g, loc, scale)


def variance(loc: Real, scale: Positive) -> Array:
    r"""Variance.

    .. math:: E[(x - m)^2] = \frac{\pi^2}{3} s^2

    loc, scale: broadcast together. Johnson et al. (1995), chapter 23.

    >>> round(float(variance(0.0, 3**0.5)) / pi**2, 12)
    1.0
    """
    return square(pi * pi / 3, loc, scale)


def variance_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 2 \pi^2 s / 3`."""
    return square_vjp(pi * pi / 3, g, loc, scale)


def mode(loc: Real, scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; m, s) = m

    loc, scale: broadcast together. Johnson et al. (1995), chapter 23.

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

    noise: uniform on (0, 1), as from `noise`. Broadcast with loc and scale. Johnson et al. (1995), chapter 23.

    noise and the parameters: broadcast together.

    >>> float(sample(0.5, 3.0, 2.0))
    3.0
    """
    return quantile(_icdf, loc, scale, noise=noise)


def sample_vjp(g: Array, noise: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, loc and scale: those of the quantile at :math:`u = \text{noise}`."""
    return quantile_vjp(_icdf, _icdf_divisors, g, loc, scale, noise=noise)


def maximum_likelihood(data: Real) -> Parameters:
    r"""Location and scale of largest likelihood, by Newton's method on a problem with one solution.

    .. math:: \sum_i \tanh\frac{z_i}{2} = 0, \qquad \sum_i z_i \tanh\frac{z_i}{2} = N, \qquad z_i = \frac{x_i - m}{s}

    data: (N,). The log likelihood is concave in 1/s and m/s, so the estimate is unique; it exists unless all data are
    equal. Otherwise, for no data and for data that are not finite: nan. Johnson et al. (1995),
    chapter 23.

    >>> float(maximum_likelihood([1.0, 2.0, 3.0]).loc)
    2.0
    """
    return _maximum_likelihood.fit(_log_density, _score, data)


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With :math:`\psi = \tanh(z/2)`, :math:`w = \psi'` and :math:`\bar z = \sum w z / \sum w`

    .. math:: \partial_i s = \frac{\psi_i + (z_i - \bar z) w_i}{N + \sum_j w_j (z_j - \bar z)^2}, \qquad
              \partial_i m = \frac{w_i}{\sum_j w_j} - \bar z \, \partial_i s
    """
    return _maximum_likelihood.fit_vjp(_log_density, _score, g, data)


def _log_density(xp: Any, z: Array) -> Array:
    return -xp.abs(z) - 2 * xp.log1p(xp.exp(-xp.abs(z)))


def _log_density_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    return -xp.tanh(z / 2), xp.ones_like(z)


def _score(xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Minus the slope of the log density, its derivative, and that of z times it."""
    e = xp.exp(-xp.abs(z))
    psi, w = xp.tanh(z / 2), 2 * e / (1 + e) ** 2
    return psi, w, psi + z * w


def _root_density(xp: Any, z: Array) -> Array:
    half = xp.exp(-xp.abs(z) / 2)
    return half / (1 + half * half)


def _cdf(xp: Any, z: Array) -> Array:
    e = xp.exp(-xp.abs(z))
    return xp.where(z < 0, e, 1.0) / (1 + e)


def _log_cdf(xp: Any, z: Array) -> Array:
    return xp.minimum(z, xp.zeros_like(z)) - xp.log1p(xp.exp(-xp.abs(z)))


def _log_cdf_slope(xp: Any, z: Array) -> tuple[Array, Array]:
    half = xp.exp(-xp.abs(z) / 2)
    return xp.where(z < 0, 1.0, half), xp.where(z < 0, 1.0, half) / (1 + half * half)


def _icdf(xp: Any, u: Array) -> Array:
    return xp.log(u) - xp.log1p(-u)


def _icdf_divisors(xp: Any, u: Array) -> tuple[Array, Array]:
    return u, 1 - u
