r"""What the gamma and the inverse gamma distribution share, as cores of `refengine.distributions._pointwise`.

With t = rate x the mass :math:`x f(x) = t^a e^{-t} / \Gamma(a)` is Loader's saddle point (2000): a weight of a, times
the exponential of :math:`a (\log(1+e/a) - e/a)` with e = t - a, minus Stirling's error.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.distributions._pointwise import flat, positive
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._incomplete import incomplete_gamma
from refengine.special._incomplete_inverse import gamma_quantile, gamma_remainder
from refengine.special._saddle_point import (
    excess_trigamma,
    log1p_minus,
    log_minus_digamma,
    log_quotient,
    product_minus,
    remainder,
    stirling_error,
    stirling_fall,
    weight,
)
from refengine.special.digamma_difference import digamma_difference

_STEPS = 10
_HALF_LOG_2PI = log(2 * pi) / 2


def log_density(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """The logarithm of the density of a gamma variate; its slopes to x, a and b."""
    defined, inside = positive(xp, a, b), (x > 0) & (x < xp.inf)
    a, b = (xp.where(defined, z, 1.0) for z in (a, b))
    z = xp.where(inside, x, 1.0)
    t = z * b
    fits = (t > 1e-290) & (t < 1e290) & (z < 1e290) & (b < 1e290)
    e = xp.where(fits, product_minus(xp, xp.where(fits, z, 1.0), xp.where(fits, b, 1.0), a), t - a)
    log_ratio, scale = _near_mode(xp, t, e, xp.log(z) + xp.log(b), a)
    value = scale + log_quotient(xp, weight(xp, a), z, xp.ones_like(scale))
    slopes = -(e + 1) / z, log_ratio + log_minus_digamma(xp, a), -e / b
    results = flat(xp, ~inside, -xp.inf, (value, *slopes))
    return defined, *(xp.where(x == 0, s, r) for s, r in zip(_at_zero(xp, a, b), results, strict=True))


def inverse_log_density(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """The logarithm of the density of an inverse gamma variate; its slopes to x, a and b."""
    defined, inside = positive(xp, a, b), (x > 0) & (x < xp.inf)
    a, b = (xp.where(defined, z, 1.0) for z in (a, b))
    z = xp.where(inside, x, 1.0)
    t = b / z
    fits = (z * a > 1e-290) & (z < 1e290) & (a < 1e290) & (z * a < 1e290) & (t < 1e290)
    less = product_minus(xp, xp.where(fits, z, 1.0), xp.where(fits, a, 1.0), xp.where(fits, b, 1.0))
    e = xp.where(fits, -less / z, t - a)
    log_ratio, scale = _near_mode(xp, t, e, xp.log(b) - xp.log(z), a)
    value = scale + log_quotient(xp, weight(xp, a), z, xp.ones_like(scale))
    slopes = (e - 1) / z, log_ratio + log_minus_digamma(xp, a), -e / b
    results = flat(xp, ~inside, -xp.inf, (value, *slopes))
    limits = (-xp.inf, xp.inf, xp.inf, -xp.inf)
    return defined, *(xp.where(x == 0, s, r) for s, r in zip(limits, results, strict=True))


def _near_mode(xp: Any, t: Array, e: Array, log_t: Array, a: Array) -> tuple[Array, Array]:
    """``log(t / a)`` and the logarithm of the mass without the weight of a, given ``e = t - a``."""
    share, quotient = e / a, t / a
    fits = (quotient > 1e-290) & (quotient < 1e290)
    log_ratio = xp.where(share > -0.5, xp.log1p(xp.where(share > -0.5, share, 0.0)), xp.log(quotient))
    log_ratio = xp.where(fits, log_ratio, log_t - xp.log(a))
    near = xp.abs(share) <= 0.5
    scale = xp.where(near, a * log1p_minus(xp, xp.where(near, share, 0.0)), a * log_ratio - e)
    return log_ratio, scale - remainder(xp, a)


def _at_zero(xp: Any, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """Value and slopes at x = 0, from inside."""
    sign = xp.sign(a - 1)
    value = xp.where(a == 1, xp.log(b), -sign * xp.inf)
    return value, xp.where(a == 1, -b, sign * xp.inf), xp.full_like(value, -xp.inf), a / b


def probability(side: str) -> Any:
    """The core of a distribution function of a gamma variate: one of the first four fields of `Incomplete`."""

    def core(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
        defined = positive(xp, a, b)
        b = xp.where(defined, b, 1.0)
        found = incomplete_gamma(xp, a, xp.where(x > 0, x * b, 0.0))
        slope = found.slope(side)
        dx = xp.where(x == 0, _density_at_zero(xp, side, a, b), slope / x)
        dx = xp.where((x < 0) | (x == xp.inf), 0.0, dx)
        return defined, getattr(found, side), dx, slope * found.drifts[0], slope / b

    return core


def _density_at_zero(xp: Any, side: str, a: Array, b: Array) -> Array:
    """The slope to x at 0, from inside; none for the logarithm of nothing."""
    density = xp.where(a < 1, xp.inf, xp.where(a > 1, 0.0, b))
    return {"lower": density, "upper": -density, "log_lower": xp.zeros_like(density), "log_upper": -density}[side]


def inverse_probability(side: str) -> Any:
    """The same of an inverse gamma variate, of whose inverse this is the other side."""

    def core(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
        defined = positive(xp, a, b)
        b = xp.where(defined, b, 1.0)
        found = incomplete_gamma(xp, a, xp.where(x > 0, b / x, xp.inf))
        slope = found.slope(side)
        dx = xp.where((x <= 0) | (x == xp.inf), 0.0, -slope / x)
        return defined, getattr(found, side), dx, slope * found.drifts[0], slope / b

    return core


def _quantile(xp: Any, a: Array, lower: Array, upper: Array) -> tuple[Array, Array, Array]:
    """The quantile, and the mass and the drift there, the mass where the quantile is before it is rounded."""
    t = gamma_quantile(xp, a, lower, upper)
    found = incomplete_gamma(xp, a, t)
    rest, left = gamma_remainder(xp, found, lower, upper), lower < upper
    tilt = a - t + xp.where(left, -found.lower_rate, found.upper_rate)  # the slope of the rate to log t, over the rate
    mass = xp.where(left, lower * found.lower_rate, upper * found.upper_rate)
    return t, mass * xp.exp(xp.where(xp.abs(rest) < 1e-9, tilt * rest, 0.0)), found.drifts[0]


def quantile(xp: Any, u: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """The quantile of a gamma variate; its slopes to u, a and b."""
    defined = positive(xp, a, b) & (u >= 0) & (u <= 1)
    a, b = (xp.where(defined, z, 1.0) for z in (a, b))
    t, mass, drift = _quantile(xp, a, u, 1 - u)
    x, low, high = t / b, t == 0, t == xp.inf
    by_u = xp.where(low, xp.where(a < 1, 0.0, xp.where(a > 1, xp.inf, 1 / b)), xp.where(high, xp.inf, x / mass))
    by_a = xp.where(low, 0.0, xp.where(high, xp.inf, -x * drift))
    return defined, x, by_u, by_a, -x / b


def inverse_quantile(xp: Any, u: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """The quantile of an inverse gamma variate; its slopes to u, a and b."""
    defined = positive(xp, a, b) & (u >= 0) & (u <= 1)
    a, b = (xp.where(defined, z, 1.0) for z in (a, b))
    t, mass, drift = _quantile(xp, a, 1 - u, u)
    x, low, high = b / t, t == xp.inf, t == 0
    by_u = xp.where(low | high, xp.inf, x / mass)
    by_a = xp.where(low, 0.0, xp.where(high, -xp.inf, x * drift))
    return defined, x, by_u, by_a, x / b


def entropy(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    """The entropy of a gamma variate, whose large terms Stirling's series has cancelled; its slopes."""
    unit = log_quotient(xp, xp.sqrt(a), b, xp.ones_like(a * b))
    value = unit + (_HALF_LOG_2PI + stirling_error(xp, a)) + (a - 1) * log_minus_digamma(xp, a)
    return positive(xp, a, b), value, 1 / a + (1 - a) * excess_trigamma(xp, a), -1 / b


def inverse_entropy(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    """The entropy of an inverse gamma variate; its slopes."""
    rest = (_HALF_LOG_2PI + stirling_error(xp, a)) + (a + 1) * log_minus_digamma(xp, a)
    usual = (a > 1e-150) & (a < 1e150)
    unit = log_quotient(xp, b, xp.where(usual, a * xp.sqrt(a), 1.0), xp.ones_like(a * b))
    return (
        positive(xp, a, b),
        rest + xp.where(usual, unit, xp.log(b) - 1.5 * xp.log(a)),
        -1 / a - (1 + a) * excess_trigamma(xp, a),
        1 / b,
    )


def divergence(xp: Any, a: Array, b: Array, c: Array, d: Array) -> tuple[Array, ...]:
    r"""The divergence of Gamma(c, d) from Gamma(a, b), a sum of two non-negative terms; its slopes.

    .. math:: c (\rho - 1 - \log \rho) + \int_a^c (c - s) \left(\psi'(s) - \frac1s\right) ds,
        \qquad \rho = \frac{a d}{c b}

    Far from a = c the integral is :math:`-\frac12 \log(c/a) + (c-a)(\log a - \psi(a)) + S(c) - S(a)`.
    """
    defined = positive(xp, a, b, c, d)
    a, b, c, d = (xp.where(defined, z, 1.0) for z in (a, b, c, d))
    r = d / b
    excess = product_minus(xp, r, a, c) + a * (_quotient_error(xp, d, b, r) / b)
    rho, log_r, log_s = excess / c, _log_quotient(xp, d, b), _log_quotient(xp, c, a)
    near = xp.abs(rho) <= 0.5
    first = xp.where(near, -c * log1p_minus(xp, xp.where(near, rho, 0.0)), excess - c * (log_r - log_s))
    far = -log_s / 2 + (c - a) * log_minus_digamma(xp, a) + (stirling_error(xp, c) - stirling_error(xp, a))
    value = first + xp.where(xp.abs(log_s) > 1.4, far, _near_shapes(xp, a, c))
    by_a = excess / a + (a - c) * excess_trigamma(xp, a)
    low, high = xp.minimum(a, c), xp.maximum(a, c)
    by_c = xp.sign(c - a) * digamma_difference(low, high - low) - log_r
    return defined, value, by_a, -excess / b, by_c, excess / d


def _quotient_error(xp: Any, x: Array, y: Array, quotient: Array) -> Array:
    """``x - quotient * y``."""
    return -product_minus(xp, quotient, y, x)


def _log_quotient(xp: Any, x: Array, y: Array) -> Array:
    t = (x - y) / y
    near = xp.abs(t) <= 0.5
    return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), log_quotient(xp, x, y, xp.ones_like(t)))


def _near_shapes(xp: Any, a: Array, c: Array) -> Array:
    total = 0.0 * (a + c)
    c = xp.where(xp.abs(c - a) < 4 * a, c, a)
    for point, w in zip(POINTS, WEIGHTS, strict=True):
        total = total + w * (1 - point) * excess_trigamma(xp, a + point * (c - a))
    return (c - a) * (c - a) * total


def divergence_exponential(xp: Any, a: Array, b: Array, d: Array) -> tuple[Array, ...]:
    """`divergence` for c = 1."""
    defined, value, by_a, by_b, _, by_d = divergence(xp, a, b, 1 + 0.0 * a, d)
    return defined, value, by_a, by_b, by_d


def divergence_normal(xp: Any, a: Array, b: Array, m: Array, s: Array) -> tuple[Array, ...]:
    r"""The divergence of a normal distribution from Gamma(a, b), a sum of three positive terms; its slopes.

    .. math:: \tfrac12 (v - 1 - \log v) + \tfrac12 d^2 + \kappa(a), \qquad v = \frac{a}{b^2 s^2}, \quad
        d = \frac{a/b - m}{s}, \quad \kappa(a) = \tfrac12 + (1 - a)(\log a - \psi(a)) - S(a)
    """
    defined = positive(xp, a, b, s) & xp.isfinite(m)
    root, d = xp.sqrt(a) / b / s, (a / b - m) / s
    fall = stirling_fall(xp, a)
    kappa = (0.5 / a + fall) - a * fall - stirling_error(xp, a)
    u = (root - 1) * (root + 1)
    near = xp.abs(u) <= 0.5
    first = xp.where(near, -log1p_minus(xp, xp.where(near, u, 0.0)) / 2, u / 2 - xp.log(root))
    by_a = d / b / s + root * root / a / 2 - (1 / a + (1 - a) * excess_trigamma(xp, a))
    by_b = -(u + d * (a / b / s)) / b
    return defined, first + d * d / 2 + kappa, by_a, by_b, -d / s, -(u + d * d) / s


def divergence_gumbel(xp: Any, a: Array, b: Array, m: Array, s: Array) -> tuple[Array, ...]:
    r"""The divergence of a Gumbel distribution from Gamma(a, b); its slopes.

    .. math:: -H(a, b) + \log s + d + e^w, \qquad d = \frac{a/b - m}{s}, \quad
        w = \frac{m}{s} - a \log(1 + \frac{1}{b s})
    """
    defined = positive(xp, a, b, s) & xp.isfinite(m)
    _, h, h_a, _ = entropy(xp, a, b)
    bend = xp.log1p(1 / b / s)
    d, w = (a / b - m) / s, m / s - a * bend
    e = xp.exp(w)
    pull = a / (b * s + 1)
    by_b = (1 - a / b / s + e * pull) / b
    by_s = (1 - d + e * (pull - m / s)) / s
    return defined, xp.log(s) - h + d + e, 1 / b / s - h_a - e * bend, by_b, xp.expm1(w) / s, by_s


def fit(data: Array, power: int) -> tuple[Any, Any, Array, Array, Array]:
    """``xp, dtype, y, a, mean``: the estimate for y = data^power; nan where there is none."""
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N",))
    with np.errstate(all="ignore"):
        y = xp.astype(x, xp.float64, copy=False) ** power
        exists = y.shape[0] > 1 and bool(xp.all((y > 0) & (y < xp.inf))) and bool(xp.any(y != y[0]))
        if not exists:
            nothing = xp.asarray(xp.nan, dtype=xp.float64)
            return xp, dtype, y * xp.nan, nothing, nothing
        mean = xp.mean(y)
        t = (y - mean) / mean
        gap = -xp.mean(xp.where(t > -0.5, log1p_minus(xp, t), log_quotient(xp, y, mean, xp.ones_like(t)) - t))
        root = xp.sqrt((gap - 3) ** 2 + 24 * gap)  # a guess, after Minka's (2002)
        a = xp.where(gap < 3, (root + (3 - gap)) / (12 * gap), 2 / (root + (gap - 3)))
        for _ in range(_STEPS):
            a = a * xp.exp((log_minus_digamma(xp, a) - gap) / (a * excess_trigamma(xp, a)))
        return xp, dtype, y, a, mean


def fit_slopes(xp: Any, y: Array, a: Array, mean: Array) -> tuple[Array, Array]:
    """The derivatives of the estimates of concentration and rate to each of the data."""
    with np.errstate(all="ignore"):
        count = y.shape[0]
        by_a = -(y - mean) / mean / y / (count * excess_trigamma(xp, a))
        return by_a, by_a / mean - a / mean / mean / count
