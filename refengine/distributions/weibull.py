r"""Weibull distribution on [0, inf), :math:`F(x; k, \lambda) = 1 - e^{-w}, w = (x/\lambda)^k`.

k is the concentration, lambda the scale. With :math:`t = \log w = k \log(x/\lambda)` every derivative goes through
:math:`\partial_x t = k/x, \partial_k t = \log(x/\lambda), \partial_\lambda t = -k/\lambda`.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside.
Parameters that are not positive and finite, and nan: nan, with nan gradients. x = 0 has the limits from inside; x < 0
and x = inf lie outside the support.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise, promote, special_functions
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import both, cotangents, flat, positive, value
from refengine.distributions._tails import (
    EULER,
    expm1_minus,
    lgamma1p_rest,
    log1mexp,
    log_ratio,
    over_expm1,
    power,
)
from refengine.domains import Array, NonNegative, Positive, Unit
from refengine.special._saddle_point import log1p_minus
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
    """Concentration and scale."""

    concentration: Positive
    scale: Positive


def log_prob(x: NonNegative, concentration: Positive, scale: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x; k, \lambda) = \log(k/x) + t - e^t, \qquad t = k \log(x/\lambda)

    x, concentration, scale: broadcast together. At x = 0: inf, -log(scale) or -inf for a concentration below, at or
    above 1. Weibull (1951).

    >>> round(float(log_prob(2.0, 1.0, 0.5)), 12)  # exponential with rate 2: log 2 - 4
    -3.30685281944
    """
    return value(_log_prob, x=x, concentration=concentration, scale=scale)


def log_prob_vjp(g: Array, x: NonNegative, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, concentration and scale.

    .. math:: \partial_x = -\frac{1 + k (e^t - 1)}{x}, \quad \partial_k = \frac1k - (e^t - 1) \log\frac{x}{\lambda},
              \quad \partial_\lambda = \frac{k}{\lambda} (e^t - 1)

    At x = 0: to x -inf, -1/scale or inf for a concentration below, at or above 1; -inf to the concentration.
    """
    return cotangents(_log_prob, g, x=x, concentration=concentration, scale=scale)


def log_prob_value_and_vjp(
    g: Array, x: NonNegative, concentration: Positive, scale: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dk, ds) = log_prob_value_and_vjp(1.0, 1.0, 1.0, 1.0)
    >>> float(value), float(dx), float(dk), float(ds)
    (-1.0, -1.0, 1.0, 0.0)
    """
    return both(_log_prob, g, x=x, concentration=concentration, scale=scale)


def cdf(x: NonNegative, concentration: Positive, scale: Positive) -> Array:
    r"""Probability of at most x.

    .. math:: F(x; k, \lambda) = 1 - e^{-w}, \qquad w = (x/\lambda)^k

    x, concentration, scale: broadcast together. 0 below the support, 1 at inf. Weibull (1951).

    >>> round(float(cdf(1.0, 3.0, 1.0)), 12)  # 1 - 1/e
    0.632120558829
    """
    return value(_cdf, x=x, concentration=concentration, scale=scale)


def cdf_vjp(g: Array, x: NonNegative, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, concentration and scale: :math:`w e^{-w} \, (k/x, \log(x/\lambda), -k/\lambda)`."""
    return cotangents(_cdf, g, x=x, concentration=concentration, scale=scale)


def log_cdf(x: NonNegative, concentration: Positive, scale: Positive) -> Array:
    r"""Logarithm of the probability of at most x.

    .. math:: \log F(x; k, \lambda) = \log(1 - e^{-w}), \qquad w = (x/\lambda)^k

    x, concentration, scale: broadcast together. -inf up to 0, 0 at inf. Weibull (1951).

    >>> round(float(log_cdf(1e-300, 2.0, 1.0)) / 2)  # log of x^2
    -691
    """
    return value(_log_cdf, x=x, concentration=concentration, scale=scale)


def log_cdf_vjp(g: Array, x: NonNegative, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, concentration, scale: :math:`\frac{w}{e^w - 1} (k/x, \log(x/\lambda), -k/\lambda)`."""
    return cotangents(_log_cdf, g, x=x, concentration=concentration, scale=scale)


def sf(x: NonNegative, concentration: Positive, scale: Positive) -> Array:
    r"""Probability of more than x.

    .. math:: 1 - F(x; k, \lambda) = e^{-w}, \qquad w = (x/\lambda)^k

    x, concentration, scale: broadcast together. 1 below the support, 0 at inf. Weibull (1951).

    >>> round(float(sf(1.0, 3.0, 1.0)), 12)  # 1/e
    0.367879441171
    """
    return value(_sf, x=x, concentration=concentration, scale=scale)


def sf_vjp(g: Array, x: NonNegative, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, concentration and scale: :math:`-w e^{-w} \, (k/x, \log(x/\lambda), -k/\lambda)`."""
    return cotangents(_sf, g, x=x, concentration=concentration, scale=scale)


def log_sf(x: NonNegative, concentration: Positive, scale: Positive) -> Array:
    r"""Logarithm of the probability of more than x.

    .. math:: \log(1 - F(x; k, \lambda)) = -(x/\lambda)^k

    x, concentration, scale: broadcast together. 0 below the support, -inf at inf. Weibull (1951).

    >>> round(float(log_sf(2.0, 3.0, 1.0)), 12)
    -8.0
    """
    return value(_log_sf, x=x, concentration=concentration, scale=scale)


def log_sf_vjp(g: Array, x: NonNegative, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, concentration and scale: :math:`-w \, (k/x, \log(x/\lambda), -k/\lambda)`."""
    return cotangents(_log_sf, g, x=x, concentration=concentration, scale=scale)


def icdf(u: Unit, concentration: Positive, scale: Positive) -> Array:
    r"""The point with probability u of at most it.

    .. math:: F^{-1}(u; k, \lambda) = \lambda q^{1/k}, \qquad q = -\log(1 - u)

    u, concentration, scale: broadcast together. 0 and inf at u = 0 and 1, nan outside [0, 1]. Weibull (1951).

    >>> round(float(icdf(0.75, 2.0, 3.0)) ** 2, 9)  # 9 log 4
    12.47664925
    """
    return value(_icdf, u=u, concentration=concentration, scale=scale)


def icdf_vjp(g: Array, u: Unit, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, concentration and scale.

    .. math:: \partial_u = \frac{x}{k q (1-u)}, \qquad \partial_k = -\frac{x \log q}{k^2},
              \qquad \partial_\lambda = \frac{x}{\lambda}
    """
    return cotangents(_icdf, g, u=u, concentration=concentration, scale=scale)


def sample(noise: Unit, concentration: Positive, scale: Positive) -> Array:
    r"""A random number made of a uniform one: `icdf` of the noise.

    .. math:: x = \lambda (-\log(1 - u))^{1/k}

    noise, concentration, scale: broadcast together; noise is uniform on (0, 1). Weibull (1951).

    >>> round(float(sample(0.75, 1.0, 1.0)), 12)  # log 4
    1.38629436112
    """
    elementwise(noise=noise, concentration=concentration, scale=scale)  # errors name the noise
    return icdf(noise, concentration, scale)


def sample_vjp(g: Array, noise: Unit, concentration: Positive, scale: Positive) -> tuple[Array, Array, Array]:
    """Cotangents of noise, concentration and scale along the path, those of `icdf`: :math:`x` moves with each."""
    elementwise(noise=noise, concentration=concentration, scale=scale)  # errors name the noise
    return icdf_vjp(g, noise, concentration, scale)


def entropy(concentration: Positive, scale: Positive) -> Array:
    r"""Differential entropy.

    .. math:: H = \gamma (1 - 1/k) + \log(\lambda/k) + 1

    concentration, scale: broadcast together; gamma is Euler's constant. Weibull (1951), integrated.

    >>> float(entropy(1.0, 1.0))  # exponential
    1.0
    """
    return value(_entropy, concentration=concentration, scale=scale)


def entropy_vjp(g: Array, concentration: Positive, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of concentration and scale: :math:`(\gamma/k - 1)/k` and :math:`1/\lambda`."""
    return cotangents(_entropy, g, concentration=concentration, scale=scale)


def mean(concentration: Positive, scale: Positive) -> Array:
    r"""Expectation.

    .. math:: E[x] = \lambda \Gamma(1 + 1/k)

    concentration, scale: broadcast together. Weibull (1951).

    >>> float(mean(0.5, 3.0))  # 3 Gamma(3)
    6.0
    """
    return value(_mean, concentration=concentration, scale=scale)


def mean_vjp(g: Array, concentration: Positive, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of concentration and scale: :math:`-E[x] \psi(1 + 1/k) / k^2` and :math:`\Gamma(1 + 1/k)`."""
    return cotangents(_mean, g, concentration=concentration, scale=scale)


def variance(concentration: Positive, scale: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}[x] = \lambda^2 (\Gamma(1 + 2/k) - \Gamma(1 + 1/k)^2) = E[x]^2 (e^D - 1)

    concentration, scale: broadcast together. For large concentrations the difference is cancelled in the series of
    :math:`D = \log\Gamma(1 + 2/k) - 2 \log\Gamma(1 + 1/k)` (NIST DLMF 5.7.3).

    >>> round(float(variance(1.0, 3.0)), 12)
    9.0
    """
    return value(_variance, concentration=concentration, scale=scale)


def variance_vjp(g: Array, concentration: Positive, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of concentration and scale, with :math:`\psi_n = \psi(1 + n/k)`.

    .. math:: \partial_k = -\frac{2 E[x]^2}{k^2} ((e^D - 1) \psi_2 + (\psi_2 - \psi_1)),
              \qquad \partial_\lambda = 2 \operatorname{Var}[x] / \lambda
    """
    return cotangents(_variance, g, concentration=concentration, scale=scale)


def mode(concentration: Positive, scale: Positive) -> Array:
    r"""Where the density is largest.

    .. math:: \lambda \left(\frac{k - 1}{k}\right)^{1/k} \text{ for } k > 1, \text{ else } 0

    concentration, scale: broadcast together. Weibull (1951).

    >>> round(float(mode(2.0, 3.0)) ** 2, 12)  # 9/2
    4.5
    """
    return value(_mode, concentration=concentration, scale=scale)


def mode_vjp(g: Array, concentration: Positive, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of concentration and scale, 0 up to k = 1; :math:`m` is the mode.

    .. math:: \partial_k = \frac{m}{k^2} \left(\frac{1}{k-1} - \log\frac{k-1}{k}\right),
              \qquad \partial_\lambda = \frac{m}{\lambda}
    """
    return cotangents(_mode, g, concentration=concentration, scale=scale)


def kl_divergence(concentration_p: Positive, scale_p: Positive, concentration_q: Positive, scale_q: Positive) -> Array:
    r"""Kullback-Leibler divergence between two Weibull distributions.

    .. math:: -\log r - s - \gamma + \gamma r + e^s \Gamma(1 + r) - 1,
              \qquad r = k_q / k_p, \quad s = k_q \log(\lambda_p / \lambda_q)

    All four broadcast together. Computed as two terms that are never negative,
    :math:`e^v - 1 - v` with :math:`v = s + \log\Gamma(1+r)` and :math:`\log\Gamma(r) + \gamma (r-1)`.
    Bauckhage, "Computing the Kullback-Leibler divergence between two Weibull distributions" (2013).

    >>> round(float(kl_divergence(1.0, 2.0, 1.0, 1.0)), 12)  # 2 - 1 - log 2
    0.30685281944
    """
    return value(
        _kl, concentration_p=concentration_p, scale_p=scale_p, concentration_q=concentration_q, scale_q=scale_q
    )


def kl_divergence_vjp(
    g: Array, concentration_p: Positive, scale_p: Positive, concentration_q: Positive, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of all four, through r and s.

    .. math:: \partial_s = e^v - 1, \qquad \partial_r = (e^v - 1) \psi(1 + r) + \psi(r) - \psi(1)

    and :math:`k_p \partial_{k_p} = -r \partial_r, k_q \partial_{k_q} = r \partial_r + s \partial_s,
    \lambda_p \partial_{\lambda_p} = k_q \partial_s = -\lambda_q \partial_{\lambda_q}`.
    """
    return cotangents(
        _kl, g, concentration_p=concentration_p, scale_p=scale_p, concentration_q=concentration_q, scale_q=scale_q
    )


def maximum_likelihood(data: Positive) -> Parameters:
    r"""The parameters that make the data most probable.

    .. math:: \frac{\sum_i x_i^k \log x_i}{\sum_i x_i^k} - \frac1k = \frac1N \sum_i \log x_i,
              \qquad \lambda^k = \frac1N \sum_i x_i^k

    data: (N,). The first equation increases in k and has one root, found by Newton's method inside a bracket. nan where
    there is no estimate: all data equal, fewer than two, one not positive and finite. Cohen (1965).

    >>> k, scale = maximum_likelihood([0.5, 1.0, 1.5, 2.0])
    >>> round(float(cdf(scale, k, scale)), 6)  # 1 - 1/e
    0.632121
    """
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N",))
    with np.errstate(all="ignore"):
        *_, k, scale = _fit(xp, xp.astype(x, xp.float64, copy=False))
        return Parameters(xp.astype(k, dtype, copy=False), xp.astype(scale, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Positive) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With :math:`y = \log x`, weights :math:`w_i \propto x_i^k`, mean A and variance V of y under them,

    .. math:: \partial_{y_i} k = \frac{1/N - w_i (1 + k (y_i - A))}{V + 1/k^2}, \qquad
              \partial_{y_i} \log\lambda = w_i + \frac{A - \log\lambda}{k} \partial_{y_i} k
    """
    xp, dtype, x, dk, ds = promote(data=data, concentration=g[0], scale=g[1])
    check_shape("data", x, ("N",))
    x, dk, ds = (xp.astype(a, xp.float64, copy=False) for a in (x, dk, ds))
    with np.errstate(all="ignore"):
        y, w, centre, level, k, scale = _fit(xp, x)
        off = y - centre
        slope = (1 / x.shape[0] - w * (1 + k * off)) / (xp.sum(w * off * off) + 1 / (k * k)) if x.shape[0] else x
        total = dk * slope + ds * scale * (w + (centre - level) / k * slope)
        return (xp.astype(total / x, dtype, copy=False),)


def _scaled(xp: Any, x: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    """Where defined and where in the support, x or 1, log(x / scale), t."""
    inside = (x >= 0) & (x < xp.inf)
    point = xp.where(inside, x, 1.0)
    ratio = log_ratio(xp, point, xp.where(scale > 0, scale, 1.0))
    return positive(xp, k, scale), inside, point, ratio, k * ratio


def _along(xp: Any, t: Array, w: Array, x: Array, k: Array, scale: Array, ratio: Array) -> tuple[Array, ...]:
    """``exp(t - w)`` times the slopes of t."""
    half = xp.exp(xp.minimum(t, xp.asarray(1417.0)) / 2) * xp.exp(-w / 2)  # whose square overflows before it does
    dx = xp.where(half == 0, 0.0, k * half / x * half)
    dx = xp.where(x == 0, xp.where(k > 1, 0.0, xp.where(k < 1, xp.inf, 1 / scale)), dx)
    dk = xp.where((x == 0) | (half == 0), 0.0, half * ratio * half)
    return dx, dk, xp.where(half == 0, 0.0, -k * half / scale * half)


def _log_prob(xp: Any, x: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    defined, inside, x, ratio, t = _scaled(xp, x, k, scale)
    found = log_ratio(xp, k, x) + t - xp.exp(t)
    rise = xp.expm1(t)
    dx = xp.where(t > 300, -power(xp, t, k / x), -(1 + k * rise) / x)
    results = found, dx, 1 / k - rise * ratio, k / scale * rise
    edge = xp.sign(1 - k) * xp.inf
    ends = xp.where(k == 1, -xp.log(scale), edge), xp.where(k == 1, -1 / scale, -edge), -xp.inf, -k / scale
    results = tuple(xp.where(x == 0, e, r) for e, r in zip(ends, results, strict=True))
    return defined, *flat(xp, ~inside, -xp.inf, results)


def _cdf(xp: Any, x: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    top = x == xp.inf
    defined, inside, x, ratio, t = _scaled(xp, x, k, scale)
    w = xp.exp(t)
    slopes = _along(xp, t, w, x, k, scale, ratio)
    return defined, *flat(xp, ~inside, xp.where(top, xp.asarray(1.0), 0.0), (-xp.expm1(-w), *slopes))


def _sf(xp: Any, x: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    top = x == xp.inf
    defined, inside, x, ratio, t = _scaled(xp, x, k, scale)
    w = xp.exp(t)
    slopes = (-slope for slope in _along(xp, t, w, x, k, scale, ratio))
    return defined, *flat(xp, ~inside, xp.where(top, xp.asarray(0.0), 1.0), (xp.exp(-w), *slopes))


def _log_sf(xp: Any, x: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    top = x == xp.inf
    defined, inside, x, ratio, t = _scaled(xp, x, k, scale)
    slopes = (-slope for slope in _along(xp, t, xp.zeros_like(t), x, k, scale, ratio))
    return defined, *flat(xp, ~inside, xp.where(top, xp.asarray(-xp.inf), 0.0), (0.0 - xp.exp(t), *slopes))


def _log_cdf(xp: Any, x: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    top = x == xp.inf
    defined, inside, x, ratio, t = _scaled(xp, x, k, scale)
    w = xp.exp(t)
    share = over_expm1(xp, w)
    results = log1mexp(xp, w, t), share * k / x, share * ratio, -(share * k) / scale
    return defined, *flat(xp, ~inside, xp.where(top, xp.asarray(0.0), -xp.inf), results)


def _icdf(xp: Any, u: Array, k: Array, scale: Array) -> tuple[Array, ...]:
    q = -xp.log1p(-u)
    low, high = u == 0, u == 1
    log_q = xp.log(xp.where(low | high, 1.0, q))
    half = xp.exp(log_q / k / 2)
    x = half * (scale * half)
    small = (k <= 1) | (x < 1e-290)  # then half / q does not overflow
    du = xp.where(small, half * (scale / k * (half / q)), x / k / q) / (1 - u)
    results = x, du, -half * (scale * (half * log_q) / k / k), half * half
    lower = 0.0 * x, xp.where(k > 1, xp.inf, xp.where(k < 1, 0.0, scale)), 0.0 * x, 0.0 * x
    results = tuple(xp.where(low, e, r) for e, r in zip(lower, results, strict=True))
    results = tuple(xp.where(high, e, r) for e, r in zip((xp.inf, xp.inf, -xp.inf, xp.inf), results, strict=True))
    return positive(xp, k, scale) & (u >= 0) & (u <= 1), *results


def _entropy(xp: Any, k: Array, scale: Array) -> tuple[Array, ...]:
    found = EULER * (1 - 1 / k) + log_ratio(xp, scale, k) + 1
    return positive(xp, k, scale), found, (EULER / k - 1) / k, 1 / scale + 0 * k


def _mean(xp: Any, k: Array, scale: Array) -> tuple[Array, ...]:
    special, y = special_functions(xp), 1 + 1 / k
    gamma = special.gamma(y)
    dk = xp.where(xp.isinf(gamma), -xp.inf, -scale * gamma * (special.digamma(y) / k / k))
    return positive(xp, k, scale), scale * gamma, dk, gamma + 0 * scale


def _variance(xp: Any, k: Array, scale: Array) -> tuple[Array, ...]:
    special, r = special_functions(xp), 1 / k
    near = xp.where(r <= 0.25, r, 0.0)
    series = lgamma1p_rest(xp, 2 * near) - 2 * lgamma1p_rest(xp, near)
    rise = xp.expm1(xp.where(r <= 0.25, series, special.gammaln(1 + 2 * r) - 2 * special.gammaln(1 + r)))
    gamma = special.gamma(1 + r)
    found = gamma * gamma * rise
    step = rise * special.digamma(1 + 2 * r) + digamma_difference(1 + r, r)
    dk = xp.where(xp.isinf(found), -xp.inf, -2 * (scale * gamma * r) ** 2 * step)
    dk, found = (xp.where(xp.isinf(gamma), f, e) for f, e in ((-xp.inf, dk), (xp.inf, found)))
    return positive(xp, k, scale), scale * (scale * found), dk, 2 * scale * found


def _mode(xp: Any, k: Array, scale: Array) -> tuple[Array, ...]:
    peak = k > 1
    h = xp.where(peak, k, 2.0)
    log_share = xp.where(h < 2, xp.log((h - 1) / h), xp.log1p(-1 / h))
    unit = xp.exp(log_share / h)
    results = scale * unit, scale * unit * ((1 / (h - 1) - log_share) / h / h), unit + 0 * scale
    return positive(xp, k, scale), *flat(xp, ~peak, 0.0, results)


def _kl(xp: Any, k_p: Array, scale_p: Array, k_q: Array, scale_q: Array) -> tuple[Array, ...]:
    special, r = special_functions(xp), k_q / k_p
    s = k_q * log_ratio(xp, scale_p, scale_q)
    rho = r - 1
    near = xp.abs(rho) <= 0.5
    rest = lgamma1p_rest(xp, xp.where(near, rho, 0.0))
    log_gamma = (log1p_minus(xp, xp.where(near, rho, 0.0)) + rest) + (1 - EULER) * rho  # of 1 + r near r = 1
    small = r < 0.5
    below = lgamma1p_rest(xp, xp.where(small, r, 0.0)) - EULER * r
    v = s + xp.where(near, log_gamma, xp.where(small, below, special.gammaln(1 + r)))
    rise = xp.expm1(v)
    found = expm1_minus(xp, v) + xp.where(near, rest, special.gammaln(r) + EULER * rho)
    gap = xp.where(r >= 1, xp.asarray(1.0), -1.0) * digamma_difference(xp.where(r >= 1, 1.0, r), xp.abs(rho))
    by_r = rise * special.digamma(1 + r) + gap
    by_r = xp.where(v < -1, xp.exp(v) * special.digamma(1 + r) + (EULER - 1 / r), by_r)
    by_q = rise * (r * special.digamma(1 + r) + s) + r * gap
    slopes = -r * by_r / k_p, _quotient(xp, k_q, rise, scale_p), by_q / k_q, -_quotient(xp, k_q, rise, scale_q)
    return positive(xp, k_p, scale_p, k_q, scale_q), found, *slopes


def _quotient(xp: Any, x: Array, y: Array, z: Array) -> Array:
    """``x * y / z`` by the division that does not overflow before the result does."""
    return xp.where(xp.abs(y) < 1, y / z * x, x / z * y)


def _fit(xp: Any, x: Array) -> tuple[Array, ...]:
    """Log x - M, weights, their mean, log(scale) - M, concentration, scale, where exp(M) is the largest of x."""
    size = x.shape[0]
    if size < 2 or not bool(xp.all((x > 0) & (x < xp.inf))) or not bool(xp.min(x) < xp.max(x)):
        none = xp.asarray(xp.nan)
        return x * xp.nan, x * xp.nan, none, none, none, none
    top = xp.max(x)
    y = log_ratio(xp, x, top)
    mean_y = xp.mean(y)
    low, high = xp.asarray(0.0), xp.asarray(xp.inf)
    k = 1.28 / xp.sqrt(xp.mean((y - mean_y) ** 2))  # log x is a Gumbel variable with variance (pi / k)^2 / 6
    for _ in range(200):
        w, centre = _weights(xp, y, k)
        score = centre - mean_y - 1 / k
        low, high = (k, high) if bool(score < 0) else (low, k)
        step = score / (xp.sum(w * (y - centre) ** 2) + 1 / (k * k))
        trial = k - step
        if not bool((trial > low) & (trial < high)):
            trial = xp.minimum((low + high) / 2, 2 * k)
        moved, k = xp.abs(trial - k), trial
        if bool(moved <= 2e-16 * k):
            break
    w, centre = _weights(xp, y, k)
    level = xp.log(xp.mean(xp.exp(k * y))) / k
    return y, w, centre, level, k, top * xp.exp(level)


def _weights(xp: Any, y: Array, k: Array) -> tuple[Array, Array]:
    w = xp.exp(k * y)
    w = w / xp.sum(w)
    return w, xp.sum(w * y)
