r"""Power spherical distribution on the unit sphere, :math:`f(x; \mu, \kappa) \propto (1 + \mu \cdot x)^\kappa`.

With :math:`\beta = (D-1)/2` and :math:`\alpha = \beta + \kappa`, :math:`(1 + \mu \cdot x)/2` has the distribution
Beta(:math:`\alpha, \beta`).
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_shape, promote, unbroadcast
from refengine.distributions import _directions, _power_spherical_fit
from refengine.distributions._directions import Noise, Turned, arguments, back, cotangent, log_area, noise
from refengine.domains import Array, NonNegative, Real
from refengine.special._incomplete import incomplete_beta
from refengine.special._incomplete_inverse import beta_quantile
from refengine.special._saddle_point import log_minus_digamma
from refengine.special.digamma_difference import digamma_difference, digamma_difference_vjp
from refengine.special.stirling_error import stirling_error

__all__ = [
    "Noise",
    "Parameters",
    "entropy",
    "entropy_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
]

_STEPS = 40


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    mean_direction: Real
    concentration: NonNegative


def log_prob(x: Real, mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Logarithm of the power spherical density with respect to the area of the sphere.

    .. math:: \log f(x; \mu, \kappa) = \kappa \log(1 + \mu \cdot x) - (\alpha + \beta) \log 2 - \beta \log\pi
              + \log\frac{\Gamma(\alpha + \beta)}{\Gamma(\alpha)}

    x, mean_direction: (..., D) with D >= 2, concentration: (...); the axes before the last broadcast together and are
    those of the result. float32 when every floating array is, else float64, and float64 inside. Unit vectors are taken
    as they come: the formula is evaluated off the sphere too, and nothing is normalised. Concentration 0 is the
    uniform distribution. Opposite to the mean direction, where the cosine is -1, the value is -inf and so is the slope
    to the concentration; a cosine below -1 has the density 0 and no slope. A negative or infinite concentration, and
    nan: nan. Other shapes are a ValueError. Computed as the uniform density times what the concentration changes, by
    Stirling's formula with the large terms cancelled on paper. De Cao and Aziz, "The Power Spherical Distribution"
    (2020), eq. 1 and 2.

    >>> x, mu = np.array([0.6, 0.8, 0.0]), np.array([0.0, 1.0, 0.0])
    >>> round(float(log_prob(x, mu, 0.0)), 12)  # -log(4 pi)
    -2.531024246969
    """
    xp, dtype, x, mu, kappa = arguments(x=x, mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k, beta = _defined(xp, kappa), (x.shape[-1] - 1) / 2
        cosine = xp.sum(x * mu, axis=-1)
        power = xp.where(k == 0, 0.0 * cosine, k * _log_share(xp, cosine))
        value = power + log_gamma_ratios(xp, k, beta) - log_area(x.shape[-1])
        value = xp.where(cosine < -1, xp.where(xp.isnan(k), k, -xp.inf), value)
        return xp.astype(value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean_direction and concentration.

    .. math:: \partial_x = \frac{\kappa}{1 + \mu \cdot x} \mu, \qquad
              \partial_\mu = \frac{\kappa}{1 + \mu \cdot x} x, \qquad
              \partial_\kappa = \log\frac{1 + \mu \cdot x}{2} + \psi(\alpha + \beta) - \psi(\alpha)

    the derivatives of the formula in all of space (ambient); the tangent convention is their part across the vector.
    """
    like = (x, mean_direction, concentration)
    xp, dtype, x1, mu, kappa = arguments(x=x, mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k, beta = _defined(xp, kappa), (x1.shape[-1] - 1) / 2
        cosine = xp.sum(x1 * mu, axis=-1)
        g = cotangent(g, cosine, k)
        off = xp.where(xp.isnan(k), k, 0.0)  # no slope beyond the sphere
        dk = _log_share(xp, cosine) + digamma_difference(beta + k, beta)
        weight = xp.where(k == 0, 0.0 * cosine, k / (1 + cosine))
        dk, weight = (g * xp.where(cosine < -1, off, slope) for slope in (dk, weight))
        return back(weight, mu, like[0], dtype), back(weight, x1, like[1], dtype), unbroadcast(dk, like[2], dtype)


def log_prob_value_and_vjp(
    g: Array, x: Real, mean_direction: Real, concentration: NonNegative
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dmu, dk) = log_prob_value_and_vjp(1.0, np.array([0.0, 1.0]), np.array([0.0, 1.0]), 3.0)
    >>> dx.tolist()
    [0.0, 1.5]
    """
    return (
        log_prob(x, mean_direction, concentration),
        log_prob_vjp(g, x, mean_direction, concentration),
    )


def entropy(mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Differential entropy with respect to the area of the sphere; at concentration 0 the logarithm of the area.

    .. math:: H = (\alpha + \beta) \log 2 + \beta \log\pi + \log\frac{\Gamma(\alpha)}{\Gamma(\alpha + \beta)}
              - \kappa (\log 2 + \psi(\alpha) - \psi(\alpha + \beta))

    mean_direction: (..., D) with D >= 2, which only says D; concentration: (...); the result has the shape of the axes
    before the last, broadcast. A negative or infinite concentration, and nan: nan. De Cao and Aziz, "The Power
    Spherical Distribution" (2020), section 3.

    >>> round(float(entropy(np.array([0.0, 0.0, 1.0]), 0.0)), 12)  # log(4 pi)
    2.531024246969
    """
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k, beta = _defined(xp, kappa), (mu.shape[-1] - 1) / 2
        part = log_area(mu.shape[-1]) + _entropy_part(xp, k, beta)
        return xp.astype(part + 0.0 * xp.sum(mu, axis=-1), dtype, copy=False)


def entropy_vjp(g: Array, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: 0 to mean_direction, :math:`\kappa (\psi'(\alpha + \beta) - \psi'(\alpha))` to the concentration."""
    like = (mean_direction, concentration)
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k, beta, nothing = _defined(xp, kappa), (mu.shape[-1] - 1) / 2, 0.0 * xp.sum(mu, axis=-1)
        slope, _ = digamma_difference_vjp(xp.ones_like(k), beta + k, xp.full_like(k, beta))
        dk = cotangent(g, nothing, k) * (nothing + k * slope)
        return back(0.0 * dk, xp.ones_like(mu), like[0], dtype), unbroadcast(dk, like[1], dtype)


def mean(mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Mean of x in space, shorter than a unit vector.

    .. math:: E[x] = \frac{\alpha - \beta}{\alpha + \beta} \mu = \frac{\kappa}{\kappa + D - 1} \mu

    mean_direction: (..., D) with D >= 2, concentration: (...), broadcast; the result is (..., D). A negative or
    infinite concentration, and nan: nan. De Cao and Aziz, "The Power Spherical Distribution" (2020), section 3.

    >>> mean(np.array([0.0, 1.0]), 1.0).tolist()
    [0.0, 0.5]
    """
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _defined(xp, kappa) + 0.0 * xp.sum(mu, axis=-1)
        return xp.astype((k / (k + (mu.shape[-1] - 1)))[..., None] * mu, dtype, copy=False)


def mean_vjp(g: Array, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\bar\mu = \frac{\kappa}{\kappa + D - 1} g`, and
    :math:`\bar\kappa = \frac{D - 1}{(\kappa + D - 1)^2} \mu \cdot g`.
    """
    like = (mean_direction, concentration)
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        rest = mu.shape[-1] - 1
        k = _defined(xp, kappa) + 0.0 * xp.sum(mu, axis=-1)
        g = cotangent(g, k[..., None] + mu)
        dk = xp.sum(g * mu, axis=-1) * (rest / (k + rest) / (k + rest))
        return unbroadcast(g * (k / (k + rest))[..., None], like[0], dtype), unbroadcast(dk, like[1], dtype)


def mode(mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Where the density is largest, the mean direction; at concentration 0 that is everywhere: nan.

    .. math:: \arg\max_x \mu \cdot x = \mu

    mean_direction: (..., D) with D >= 2, concentration: (...), broadcast; the result is (..., D), the mean direction as
    it comes. A concentration that is negative or infinite, and nan: nan. De Cao and Aziz,
    "The Power Spherical Distribution" (2020), section 3.

    >>> mode(np.array([0.6, 0.8]), 2.0).tolist()
    [0.6, 0.8]
    """
    return _directions.mode(mean_direction, concentration)


def mode_vjp(g: Array, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\bar\mu = g, \bar\kappa = 0`, nan where there is no mode."""
    return _directions.mode_vjp(g, mean_direction, concentration)


def sample(noise: Noise, mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Unit vectors from uniform and normal noise.

    .. math:: x = t \mu + \sqrt{1 - t^2} \, v, \qquad I_{(1+t)/2}(\alpha, \beta) = u, \qquad
              v = \frac{z - (\mu \cdot z) \mu}{\|z - (\mu \cdot z) \mu\|}

    noise: uniform u, (...), and standard normals z, (..., D); mean_direction: (..., D) with D >= 2; concentration:
    (...); the axes before the last broadcast together, and the result is (..., D). The mean direction is taken as it
    comes. A negative or infinite concentration, noise that is infinite or not in (0, 1), and nan: nan. Tested for D to
    32. De Cao and Aziz, "The Power Spherical Distribution" (2020), section 3.2, with a quantile for the cosine.

    >>> sample(Noise(0.5, [3.0, 4.0]), [1.0, 0.0], 0.0).round(12).tolist()
    [0.0, 1.0]
    """
    return _directions.sample(_turned, noise, mean_direction, concentration)


def sample_vjp(g: Array, noise: Noise, mean_direction: Real, concentration: NonNegative) -> tuple[Noise, Array, Array]:
    r"""Pathwise cotangents of noise, mean_direction and concentration.

    By the implicit function theorem for the quantile y = (1 + t)/2 of the beta distribution function F with density f,

    .. math:: \partial_u t = \frac2{f(y)}, \qquad \partial_\kappa t = -\frac{2 \, \partial_\alpha F(y)}{f(y)},

    both carried on as in `refengine.distributions.von_mises_fisher.sample_vjp`.
    """
    return _directions.sample_vjp(g, _turned, noise, mean_direction, concentration)


def maximum_likelihood(data: Real) -> Parameters:
    r"""Mean direction and concentration of largest likelihood.

    .. math:: \hat\mu = \arg\max_{\|\mu\| = 1} \sum_n \log(1 + \mu \cdot x_n), \qquad
              \psi(2\beta + \hat\kappa) - \psi(\beta + \hat\kappa)
              = -\frac1N \sum_n \log\frac{1 + \hat\mu \cdot x_n}2

    data: (N, D) with D >= 2, unit vectors, taken as they come. The direction does not depend on the concentration. It
    is given where it is the largest in the whole ball too, that is where :math:`\lambda = \sum_n c_n / (1 + c_n) > 0`
    for the cosines c; then it is unique, and :math:`\hat\kappa > 0`, as the mean of :math:`-\log((1 + c)/2)` lies
    below :math:`\log 2 < \psi(2\beta) - \psi(\beta)`. For data so scattered that
    :math:`\sum_n x_n / (1 + \mu \cdot x_n)` vanishes inside the ball, as many data of a concentration below 1 are,
    the likelihood may have several maxima (on the circle as many as there are different points), and the estimate is
    nan; likewise for no data, data that are all equal or not finite, and where the right side is not positive. Newton's
    method for both. Other shapes are a ValueError. The score equations of De Cao and Aziz, "The Power Spherical
    Distribution" (2020), eq. 1 and 2.

    >>> found = maximum_likelihood(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> round(float(found.concentration), 12)  # 1 / log(2 / (1 + 1 / sqrt(3))) - 1
    3.212285966742
    """
    xp, dtype, _, found, kappa = _fitted(data)
    return Parameters(xp.astype(found.mu, dtype, copy=False), xp.astype(kappa, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With :math:`P = I - \hat\mu \hat\mu^\top`, :math:`A = \sum_n x_n x_n^\top / (1 + c_n)^2`, v across the direction
    such that :math:`(P A P + \lambda) v = P g_\mu`, and q the left side of the equation for the concentration,

    .. math:: \bar x_n = \frac{v}{1 + c_n} - \left( \frac{x_n \cdot v}{(1 + c_n)^2}
              + \frac{g_\kappa}{q'(\hat\kappa)} \frac1{N (1 + c_n)} \right) \hat\mu
    """
    xp, dtype, x, found, kappa = _fitted(data)
    with np.errstate(all="ignore"):
        g_mu, g_kappa = as_float64(xp, "g", g.mean_direction), as_float64(xp, "g", g.concentration)
        across = g_mu - xp.sum(g_mu * found.mu) * found.mu
        v = _power_spherical_fit.solved(xp, found.factor, across)
        w = 1 / (1 + found.cosines)
        along = w * w * xp.sum(x * v, axis=-1) + w * (g_kappa / _score(xp, kappa, x)[1] / max(x.shape[0], 1))
        return (xp.astype(w[:, None] * v - along[:, None] * found.mu, dtype, copy=False),)


def _fitted(data: Array) -> tuple[Any, ...]:
    """``xp, dtype, data``, the direction and the concentration; Newton's steps on 1/q, which is nearly linear."""
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "D"))
    if x.shape[1] < 2:
        raise ValueError(f"data must have shape (N, D) with D >= 2, got {tuple(x.shape)}")
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        found = _power_spherical_fit.direction(xp, x)
        q = -xp.sum(_log_share(xp, found.cosines)) / max(x.shape[0], 1)
        q = xp.where((q > 0) & xp.isfinite(found.mu[0]), q, xp.nan)
        kappa = (x.shape[1] - 1) / 2 / q
        for _ in range(_STEPS):
            value, slope = _score(xp, kappa, x)
            step = (value / q - 1) * (value / -slope)
            kappa = xp.maximum(kappa + step, kappa / 4)
            if not bool(xp.abs(step) > 1e-15 * kappa):
                break
        return xp, dtype, x, found._replace(mu=found.mu + 0.0 * kappa), kappa


def _score(xp: Any, kappa: Array, x: Array) -> tuple[Array, Array]:
    """``psi(2 beta + kappa) - psi(beta + kappa)`` and its derivative."""
    beta = (x.shape[1] - 1) / 2
    slope, _ = digamma_difference_vjp(xp.ones_like(kappa), beta + kappa, xp.full_like(kappa, beta))
    return digamma_difference(beta + kappa, beta), slope


def _turned(xp: Any, u: Array, kappa: Array, dimensions: int) -> Turned:
    a, b = (dimensions - 1) / 2 + kappa, (dimensions - 1) / 2 + 0.0 * kappa
    x, y = beta_quantile(xp, a, b, u, 1 - u)
    found = incomplete_beta(xp, a, b, x, y)
    # the rate with the given probability: the rounding of the quantile does not show in it
    mass = xp.where(u < 0.5, found.lower_rate * u, found.upper_rate * (1 - u))
    half_sine = xp.sqrt(x) * xp.sqrt(y)
    return Turned(xp.sqrt(y), xp.sqrt(x), -half_sine / mass, half_sine * found.drifts[0])


def _defined(xp: Array, kappa: Array) -> Array:
    return xp.where((kappa >= 0) & (kappa < xp.inf), kappa, xp.nan)


def _log_share(xp: Array, cosine: Array) -> Array:
    """``log((1 + cosine) / 2)``, small next to the mean direction."""
    return xp.where(cosine > 0, xp.log1p((cosine - 1) / 2), xp.log1p(cosine) - log(2))


def _entropy_part(xp: Array, kappa: Array, beta: float) -> Array:
    """What the concentration takes from the entropy: Stirling's linear terms cancel those of the digammas."""
    powers = (beta - 0.5) * xp.log1p(kappa / (2 * beta + kappa)) - beta * xp.log1p(kappa / beta / 2)
    falls = log_minus_digamma(xp, beta + kappa) - log_minus_digamma(xp, 2 * beta + kappa)
    return powers + (kappa * falls - _stirling_errors(kappa, beta))


def _stirling_errors(kappa: Array, beta: float) -> Array:
    """What Stirling's errors make of the `log_gamma_ratios`."""
    errors = stirling_error(2 * beta + kappa) - float(stirling_error(2 * beta))
    return errors - (stirling_error(beta + kappa) - float(stirling_error(beta)))


def log_gamma_ratios(xp: Array, kappa: Array, beta: float) -> Array:
    """``log Gamma(2 beta + kappa) / Gamma(2 beta)`` less ``log Gamma(beta + kappa) / Gamma(beta)``."""
    powers = (2 * beta - 0.5) * xp.log1p(kappa / beta / 2) - (beta - 0.5) * xp.log1p(kappa / beta)
    powers = powers + kappa * xp.log1p(beta / (beta + kappa))
    return powers + _stirling_errors(kappa, beta)
