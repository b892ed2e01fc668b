r"""Cauchy distribution, :math:`f(x; m, s) = 1 / (\pi s (1 + z^2)), z = (x - m)/s`. It has no mean and no variance."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.distributions import _cauchy, _maximum_likelihood
from refengine.distributions import _twice as twice
from refengine.distributions._location_scale import (
    Parameters,
    affine,
    affine_vjp,
    logarithm,
    logarithm_vjp,
    valid,
)
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log_quotient, sum_error

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
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
    "sf",
    "sf_vjp",
]


def log_prob(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the Cauchy density.

    .. math:: \log f(x; m, s) = -\log(\pi s (1 + z^2)), \qquad z = \frac{x - m}{s}

    x, loc, scale: broadcast together, as the arguments of all functions here; the result has the broadcast shape.
    float32 when every floating array is, else float64, and float64 inside. x = -inf, inf: -inf with zero gradients;
    parameters outside their domain, infinite ones and nan: nan, here and in all functions below.
    Johnson et al. (1994), chapter 16.

    >>> round(float(log_prob(5.0, 4.0, 1.0) - log_prob(4.0, 4.0, 1.0)), 12)  # log(1/2)
    -0.69314718056
    """
    return _on_line(_cauchy.log_density, x, loc, scale)


def log_prob_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, loc and scale.

    .. math:: \partial_x = -\frac{2 z}{s (1 + z^2)} = -\partial_m, \qquad \partial_s = \frac{z^2 - 1}{s (1 + z^2)}
    """
    return _on_line_vjp(_cauchy.log_density_slopes, g, x, loc, scale)


def log_prob_value_and_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dloc, dscale) = log_prob_value_and_vjp(1.0, 5.0, 4.0, 1.0)
    >>> float(dx), float(dloc), float(dscale)
    (-1.0, 1.0, 0.0)
    """
    return log_prob(x, loc, scale), log_prob_vjp(g, x, loc, scale)


def cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value up to x, with relative accuracy in the lower tail.

    .. math:: F(x; m, s) = \frac12 + \frac1\pi \arctan z = \frac1\pi \operatorname{atan2}(s, m - x)

    x, loc, scale: broadcast together. 0 at -inf, 1 at inf. Johnson et al. (1994), chapter 16.

    >>> float(cdf(5.0, 4.0, 1.0))
    0.75
    """
    return _on_line(_cauchy.tail, x, loc, scale, -1)


def cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\partial_x = f, \partial_m = -f, \partial_s = -z f`, with f the density at x.

    Beyond one scale from the location z f is :math:`1/(\pi d (1 + w^2))`, with d = x - m and w = s/d.
    """
    return _on_line_vjp(_tail_slopes(_cauchy.rates), g, x, loc, scale, -1)


def log_cdf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value up to x, with relative accuracy in both tails.

    .. math:: \log F(x; m, s) = \log\left(\frac12 + \frac1\pi \arctan z\right)

    x, loc, scale: broadcast together. -inf at -inf, 0 at inf. Johnson et al. (1994), chapter 16.

    >>> float(log_cdf(4.0, 4.0, 1.0)) == float(np.log(0.5))
    True
    """
    return _on_line(_cauchy.log_tail, x, loc, scale, -1)


def log_cdf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`f s / F`, times :math:`1/s, -1/s, -z/s`."""
    return _on_line_vjp(_tail_slopes(_cauchy.log_tail_rates), g, x, loc, scale, -1)


def sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Probability of a value above x, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; m, s) = \frac12 - \frac1\pi \arctan z = \frac1\pi \operatorname{atan2}(s, x - m)

    x, loc, scale: broadcast together. 1 at -inf, 0 at inf. Johnson et al. (1994), chapter 16.

    >>> float(sf(5.0, 4.0, 1.0))
    0.25
    """
    return _on_line(_cauchy.tail, x, loc, scale, 1)


def sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of the cdf with the other sign, :math:`-f, f, z f`."""
    return _on_line_vjp(_tail_slopes(_cauchy.rates), g, x, loc, scale, 1)


def log_sf(x: Real, loc: Real, scale: Positive) -> Array:
    r"""Logarithm of the probability of a value above x, with relative accuracy in both tails.

    .. math:: \log(1 - F(x; m, s)) = \log\left(\frac12 - \frac1\pi \arctan z\right)

    x, loc, scale: broadcast together. 0 at -inf, -inf at inf. Johnson et al. (1994), chapter 16.

    >>> float(log_sf(4.0, 4.0, 1.0)) == float(np.log(0.5))
    True
    """
    return _on_line(_cauchy.log_tail, x, loc, scale, 1)


def log_sf_vjp(g: Array, x: Real, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`-f s / (1 - F)`, times :math:`1/s, -1/s, -z/s`."""
    return _on_line_vjp(_tail_slopes(_cauchy.log_tail_rates), g, x, loc, scale, 1)


def icdf(u: Unit, loc: Real, scale: Positive) -> Array:
    r"""The quantile: where the cdf is u.

    .. math:: F^{-1}(u; m, s) = m + s \tan(\pi (u - \tfrac12))

    u, loc, scale: broadcast together. -inf at 0, inf at 1, nan outside. Johnson et al. (1994), chapter 16.

    >>> round(float(icdf(0.75, 4.0, 1.0)), 12)
    5.0
    """
    return _quantile(loc, scale, u=u)


def icdf_vjp(g: Array, u: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, loc and scale, with q the standard quantile: :math:`s q'(u), 1, q`.

    .. math:: q'(u) = \frac{\pi}{\sin^2 \pi u}

    At u = 0 and 1 they are the limits: inf, 1, and -inf or inf.
    """
    return _quantile_vjp(g, loc, scale, u=u)


def entropy(loc: Real, scale: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log 4 \pi s

    loc, scale: broadcast together. Johnson et al. (1994), chapter 16.

    >>> round(float(entropy(0.0, 0.25 / np.pi)), 12)
    0.0
    """
    return logarithm(log(4 * pi), loc, scale)


def entropy_vjp(g: Array, loc: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of loc and scale: :math:`0, 1/s`."""
    return logarithm_vjp(log(4 * pi), g, loc, scale)


def mode(loc: Real, scale: Positive) -> Array:
    r"""The point of largest density.

    .. math:: \arg\max_x f(x; m, s) = m

    loc, scale: broadcast together. Johnson et al. (1994), chapter 16.

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

    noise: uniform on (0, 1), as from `noise`. Broadcast with loc and scale. Johnson et al. (1994), chapter 16.

    noise and the parameters: broadcast together.

    >>> round(float(sample(0.75, 4.0, 1.0)), 12)
    5.0
    """
    return _quantile(loc, scale, noise=noise)


def sample_vjp(g: Array, noise: Unit, loc: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, loc and scale: those of the quantile at :math:`u = \text{noise}`."""
    return _quantile_vjp(g, loc, scale, noise=noise)


def kl_divergence(loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive) -> Array:
    r"""Divergence of a Cauchy distribution q from p, which is that of p from q, without cancellation.

    .. math:: D(p \| q) = \log\frac{(s_p + s_q)^2 + (m_p - m_q)^2}{4 s_p s_q}
              = \log\left(1 + \frac{(s_p - s_q)^2 + (m_p - m_q)^2}{4 s_p s_q}\right)

    loc_p, scale_p, loc_q, scale_q: broadcast together. Chyzak and Nielsen (2019).

    >>> float(kl_divergence(1.0, 2.0, 1.0, 2.0)), float(kl_divergence(0.0, 1.0, 2.0, 1.0)) == float(np.log(2.0))
    (0.0, True)
    """
    xp, dtype, m, s, n, t = elementwise(loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        low, high, d = xp.minimum(s, t), xp.maximum(s, t), xp.abs(m / 2 - n / 2)
        gap, width = (high - low) / 2, xp.maximum(high, d)
        ratio = gap / low * (gap / high) + d / low * (d / high)
        # 4 s t (1 + ratio) is about the square of the width
        square = (low / width / 2 + high / width / 2) ** 2 + (d / width) ** 2
        far = log_quotient(xp, width, low, square) + log_quotient(xp, width, high, xp.ones_like(square))
        value = xp.where(ratio < 1e100, xp.log1p(ratio), far)
        return xp.astype(xp.where(valid(xp, m, s) & valid(xp, n, t), value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(
    g: Array, loc_p: Real, scale_p: Positive, loc_q: Real, scale_q: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the four parameters, with d = m_p - m_q.

    .. math::
        \partial_{m_p} = -\partial_{m_q} = \frac{2 d}{H}, \quad
        \partial_{s_p} = \frac{s_p^2 - s_q^2 - d^2}{s_p H}, \quad
        \partial_{s_q} = \frac{s_q^2 - s_p^2 - d^2}{s_q H}, \qquad H = (s_p + s_q)^2 + d^2
    """
    xp, dtype, g, m, s, n, t = elementwise(g=g, loc_p=loc_p, scale_p=scale_p, loc_q=loc_q, scale_q=scale_q)
    with np.errstate(all="ignore"):
        g = xp.where(valid(xp, m, s) & valid(xp, n, t), g, xp.nan)
        half = m / 2 - n / 2
        width = xp.maximum(xp.maximum(s, t), xp.abs(half))
        a, b, d = s / width, t / width, half / width * 2
        h, difference = (a + b) ** 2 + d * d, (s - t) / width * (a + b)
        dm = 2 * d / h / width
        return (
            unbroadcast(g * dm, loc_p, dtype),
            unbroadcast(g * ((difference - d * d) / h / s), scale_p, dtype),
            unbroadcast(-g * dm, loc_q, dtype),
            unbroadcast(g * ((-difference - d * d) / h / t), scale_q, dtype),
        )


def maximum_likelihood(data: Real) -> Parameters:
    r"""Location and scale of largest likelihood, by Newton's method on a problem with one solution.

    .. math:: \sum_i \frac{2 z_i}{1 + z_i^2} = 0, \qquad \sum_i \frac{2 z_i^2}{1 + z_i^2} = N, \qquad
              z_i = \frac{x_i - m}{s}

    data: (N,). For a known scale the likelihood of the location may have many maxima; the one of both has exactly one
    stationary point, its maximum, unless half of the data or more are one number (Copas 1975). Then, for no data and
    for data that are not finite: nan. Copas (1975).

    >>> loc, scale = maximum_likelihood([-1.0, 0.0, 1.0])
    >>> float(loc), round(float(scale * scale), 12)  # sum 2 z^2 / (1 + z^2) = 3 for s^2 = 1/3
    (0.0, 0.333333333333)
    """
    return _maximum_likelihood.fit(_log_density, _score, data, most=0.5, residuals=_residuals)


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With :math:`\psi = 2 z / (1 + z^2)`, :math:`w = \psi'` and :math:`\bar z = \sum w z / \sum w`

    .. math:: \partial_i s = \frac{\psi_i + (z_i - \bar z) w_i}{N + \sum_j w_j (z_j - \bar z)^2}, \qquad
              \partial_i m = \frac{w_i}{\sum_j w_j} - \bar z \, \partial_i s
    """
    return _maximum_likelihood.fit_vjp(_log_density, _score, g, data, most=0.5, residuals=_residuals)


def _on_line(f: Callable[..., Array], x: Array, loc: Array, scale: Array, *side: int) -> Array:
    xp, dtype, x, loc, scale = elementwise(x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = f(xp, x, loc, scale, *side)
        return xp.astype(xp.where(valid(xp, loc, scale) & ~xp.isnan(x), value, xp.nan), dtype, copy=False)


def _on_line_vjp(
    slopes: Callable[..., tuple[Array, Array]], g: Array, x: Array, loc: Array, scale: Array, *side: int
) -> tuple[Array, Array, Array]:
    """Cotangents, given the derivatives to x and to the scale."""
    xp, dtype, g, x1, loc1, scale1 = elementwise(g=g, x=x, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        dx, dscale = (xp.where(xp.isinf(x1), 0.0, part) for part in slopes(xp, x1, loc1, scale1, *side))
        g = xp.where(valid(xp, loc1, scale1) & ~xp.isnan(x1), g, xp.nan)
        return unbroadcast(g * dx, x, dtype), unbroadcast(-g * dx, loc, dtype), unbroadcast(g * dscale, scale, dtype)


def _tail_slopes(rates: Callable[..., tuple[Array, Array]]) -> Callable[..., tuple[Array, Array]]:
    """Of a density and z times it the derivatives of the tail on one side."""

    def slopes(xp: Any, x: Array, loc: Array, scale: Array, side: int) -> tuple[Array, Array]:
        sides = () if rates is _cauchy.rates else (side,)
        dx, z_dx = rates(xp, x, loc, scale, *sides)
        return -side * dx, side * z_dx

    return slopes


def _quantile(loc: Array, scale: Array, **noise: Array) -> Array:
    xp, dtype, u, loc, scale = elementwise(**noise, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        value = loc + _cauchy.quantile(xp, u, scale)
        return xp.astype(xp.where(valid(xp, loc, scale), value, xp.nan), dtype, copy=False)


def _quantile_vjp(g: Array, loc: Array, scale: Array, **noise: Array) -> tuple[Array, Array, Array]:
    (name,) = noise
    xp, dtype, g, u, loc1, scale1 = elementwise(g=g, **noise, loc=loc, scale=scale)
    with np.errstate(all="ignore"):
        q, du = _cauchy.quantile(xp, u, xp.ones_like(u)), _cauchy.quantile_slope(xp, u, scale1)
        g = xp.where(valid(xp, loc1, scale1) & ~xp.isnan(q), g, xp.nan)
        return unbroadcast(g * du, noise[name], dtype), unbroadcast(g, loc, dtype), unbroadcast(g * q, scale, dtype)


def _residuals(xp: Any, y: Array, m: Array, s: Array) -> tuple[Array, Array]:
    """``sum 2 s d / (d^2 + s^2)`` and ``sum (d^2 - s^2) / (d^2 + s^2)`` for d = y - m, with twice the digits.

    Scores of different signs cancel in them, and where their slopes to the data vanish nothing else covers that.
    """
    d, one = twice.settled(y - m, sum_error(y, -m)), y * 0 + s
    squares = twice.add(twice.square(d), twice.product(one, one))
    difference = twice.add(twice.square(d), tuple(-part for part in twice.product(one, one)))
    down = twice.total(xp, twice.quotient(twice.scaled(d, 2 * one), squares))
    narrow = twice.total(xp, twice.quotient(difference, squares))
    plain = _maximum_likelihood.sums(_score)(xp, y, m, s)  # squares of far data overflow
    exact = xp.isfinite(down[0][0]) & xp.isfinite(narrow[0][0])
    return xp.where(exact, down[0][0], plain[0]), xp.where(exact, narrow[0][0], plain[1])


def _log_density(xp: Any, z: Array) -> Array:
    return -xp.log1p(z * z)


def _score(xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Minus the slope of the log density, its derivative, and that of z times it."""
    r = 1 / (1 + z * z)
    return 2 * z * r, 2 * (1 - z * z) * r * r, 4 * z * r * r
