r"""Regularised incomplete gamma and beta functions with everything that distributions need, on float64 arrays.

The boundary term is taken out and the distance from the end point is measured by v in :math:`t = x e^{\mp v}`, for
the beta function :math:`\operatorname{logit} t = \operatorname{logit} x - v`. What remains is

.. math:: L = \int_0^\infty e^{-D(v)} dv, \qquad D(v) = d v + x f(\mp v) \quad\text{or}\quad
          D(v) = d v + (a+b) \log(1 + y f(x v) + x f(-y v)), \qquad f(s) = e^s - 1 - s,

with d = abs(a - x) or abs(a - (a+b) x): taken from the mode outwards D is convex and a sum of positive terms, whatever
the size of the shapes. Up to where D is 40 thirty-two Gauss-Legendre points reach the last bit once the shape
is at least 8; smaller ones are raised by 8 with the recurrence of the hypergeometric series, whose terms are positive
too. Derivatives to the shapes weight the same sum by log(t/x) and log((1-t)/y), which do not change sign. Where a shape
is below 1 and x next to 0 the other side is what a series leaves to 1 when the 1 has been subtracted on paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._saddle_point import (
    deviance,
    log1p_minus,
    log_minus_digamma,
    log_product,
    product_minus,
    remainder,
    sum_error,
    weight,
)
from refengine.special.digamma_difference import digamma_difference

_DEPTH = 40.0  # exp(-40) is below the round-off
_RAISED = 8  # shapes below are raised by as much
_BLOCK = 4096  # points at a time, so that the sums stay in cache
_SERIES = 28
# B_2k / (2k (2k - 1)): Stirling's series (NIST DLMF 5.11.1)
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_LARGE = 12


class Incomplete(NamedTuple):
    """A distribution function F, 1 - F, and their derivatives without underflow, each to a few ulp.

    ``mass`` is x dF/dx (gamma) or x (1-x) dF/dx (beta), ``lower_rate`` and ``upper_rate`` are mass / F and
    mass / (1 - F), which stay finite where all three underflow, and ``drifts`` hold dF/d(shape) / mass. So with
    w = x or x (1-x)

        dF/dx = mass / w,                 dF/da = mass * drift,
        d log F/dx = lower_rate / w,      d log F/da = lower_rate * drift,
        d log(1-F)/dx = -upper_rate / w,  d log(1-F)/da = -upper_rate * drift,
        dx/da at fixed F = -w * drift,    dx/dF = w / mass,    dx/d log F = w / lower_rate.
    """

    lower: Array
    upper: Array
    log_lower: Array
    log_upper: Array
    mass: Array
    lower_rate: Array
    upper_rate: Array
    drifts: tuple[Array, ...]

    def slope(self, side: str) -> Array:
        """What w times the derivative to x is for one of the first four fields, and that to a shape over its drift."""
        return {
            "lower": self.mass,
            "upper": -self.mass,
            "log_lower": self.lower_rate,
            "log_upper": -self.upper_rate,
        }[side]


def incomplete_gamma(xp: Any, a: Array, x: Array) -> Incomplete:
    """P(a, x) with all that belongs to it; one drift, to a.

    a, x: float64 arrays that broadcast. x <= 0 and x = inf: the step 0, 1 with zero mass, rates and drift. Shapes that
    are not positive and finite, and nan: nan.
    """
    a, x = xp.broadcast_arrays(xp.asarray(a), xp.asarray(x))
    valid = (a > 0) & (a < xp.inf) & ~xp.isnan(x)
    inside = valid & (x > 0) & (x < xp.inf)
    arguments = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
    return _with_edges(xp, _in_blocks(xp, _gamma, *arguments), valid, inside, x > 0)


def incomplete_beta(xp: Any, a: Array, b: Array, x: Array, y: Array) -> Incomplete:
    """I_x(a, b) with all that belongs to it; two drifts, to a and b.

    a, b, x, y: float64 arrays that broadcast; y = 1 - x, and whichever of x and y is smaller is taken as exact, so that
    neither tail loses digits. x <= 0 and y <= 0: the step 0, 1 with zero mass, rates and drifts. Shapes that
    are not positive and finite, and nan: nan.
    """
    a, b, x, y = xp.broadcast_arrays(*(xp.asarray(z) for z in (a, b, x, y)))
    valid = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf) & ~xp.isnan(x) & ~xp.isnan(y)
    inside = valid & (x > 0) & (y > 0)
    arguments = (xp.where(inside, z, spare) for z, spare in ((a, 1.0), (b, 1.0), (x, 0.5), (y, 0.5)))
    return _with_edges(xp, _in_blocks(xp, _beta, *arguments), valid, inside, x > 0)


def _in_blocks(xp: Any, function: Callable[..., tuple[Array, ...]], *arrays: Array) -> list[Array]:
    shape = arrays[0].shape
    flat = [xp.reshape(z, (-1,)) for z in arrays]
    with np.errstate(all="ignore"):
        size = int(flat[0].shape[0])
        starts = range(0, max(size, 1), _BLOCK)
        parts = [function(xp, *(z[i : min(i + _BLOCK, size)] for z in flat)) for i in starts]
    return [xp.reshape(xp.concat(column), shape) for column in zip(*parts, strict=True)]


def _with_edges(xp: Any, found: list[Array], valid: Array, inside: Array, high: Array) -> Incomplete:
    step = xp.astype(high, xp.float64)
    below, above = xp.where(high, xp.asarray(0.0), -xp.inf), xp.where(high, xp.asarray(-xp.inf), 0.0)
    edges = (step, 1 - step, below, above, *([xp.zeros_like(step)] * (len(found) - 4)))
    cleaned = [xp.where(inside, z, xp.where(valid, e, xp.nan)) for z, e in zip(found, edges, strict=True)]
    return Incomplete._make([*cleaned[:7], tuple(cleaned[7:])])


def _gamma(xp: Any, a: Array, x: Array) -> tuple[Array, ...]:
    below = x <= xp.maximum(a, xp.asarray(0.5))
    small = below & (a < _RAISED)
    p = xp.where(small, a + _RAISED, a)
    integral, slope = _gamma_sum(xp, xp.abs(p - x), x, 1 - 2 * xp.astype(below, xp.float64))
    for k in range(_RAISED - 1, 0, -1):
        lowered = (1 + x * integral) / (a + k)
        slope = xp.where(small, (x * slope - lowered) / (a + k), slope)
        integral = xp.where(small, lowered, integral)
    # the last step of a small shape by itself: what it adds to the slope cancels the pole of digamma
    q = xp.where(small, a + 1, a)
    log_ratio = _log_ratio(xp, x, q) + log_minus_digamma(xp, q)
    lift = 1 + x * integral
    drift = xp.where(small, (log_ratio * lift + x * slope) / a, log_ratio * integral + slope)
    integral = xp.where(small, lift / a, integral)
    scale = _gamma_scale(xp, a, x)
    w = weight(xp, a)
    mass, log_mass = w * xp.exp(scale), scale + xp.log(w)
    left = _gamma_head(xp, a, x)
    head = (a < 1) & (x <= 0.5)
    return _both_sides(xp, below, mass, log_mass, integral, head, left, xp.where(below, drift, -drift))


def _both_sides(
    xp: Any, below: Array, mass: Array, log_mass: Array, integral: Array, head: Array, left: Array, *drifts: Array
) -> tuple[Array, ...]:
    """From one side to both; ``left`` is the other side where ``head`` says so."""
    one = mass * integral
    other = xp.where(head, left, 1 - one)
    log_one = xp.where(one < 0.5, log_mass + xp.log(integral), xp.log1p(-other))
    log_other = xp.where(other < 0.5, xp.log(other), xp.log1p(-one))
    rates = 1 / integral, mass / other
    pairs = ((one, other), (log_one, log_other), rates)
    (lower, upper), (log_lower, log_upper), (lower_rate, upper_rate) = (
        (xp.where(below, s, t), xp.where(below, t, s)) for s, t in pairs
    )
    return lower, upper, log_lower, log_upper, mass, lower_rate, upper_rate, *drifts


def _log_ratio(xp: Any, x: Array, a: Array) -> Array:
    """``log(x / a)`` for positive numbers of any size."""
    t, quotient = (x - a) / a, x / a
    fits = (quotient > 1e-290) & (quotient < 1e290)
    near = xp.where(t > -0.5, xp.log1p(xp.where(t > -0.5, t, 0.0)), xp.log(quotient))
    return xp.where(fits, near, xp.log(x) - xp.log(a))


def _gamma_scale(xp: Any, a: Array, x: Array) -> Array:
    """The logarithm of ``x^a e^-x / Gamma(a)`` without the weight of a."""
    t = (x - a) / a
    near = xp.abs(t) <= 0.5
    return xp.where(near, a * log1p_minus(xp, t), a * _log_ratio(xp, x, a) - (x - a)) - remainder(xp, a)


def excess_of_exponential(xp: Any, s: Array) -> Array:
    """``exp(s) - 1 - s``."""
    near = xp.abs(s) < 0.5
    t = xp.where(near, s, 0.0)
    series = 0.0 * t
    for k in range(16, 2, -1):
        series = (1 + series) * t / k
    return xp.where(near, t * t / 2 * (1 + series), xp.expm1(s) - s)


def _gamma_sum(xp: Any, d: Array, x: Array, sign: Array) -> tuple[Array, Array]:
    """The integrals of exp(-D) and of ``sign * v * exp(-D)``."""
    end, terms = gamma_terms(xp, d, x, sign)
    return end * xp.sum(terms, axis=-1), sign * end * end * xp.sum(terms * xp.asarray(POINTS), axis=-1)


def gamma_terms(xp: Any, d: Array, x: Array, sign: Array) -> tuple[Array, Array]:
    """Where the integral of exp(-D) may end, and its terms at `POINTS` of that: (n,) and (n, points).

    Below x the sign is -1 and d = a - x, above it 1 and d = x - a.
    """
    upper = 2 * _DEPTH / (d + xp.hypot(d, xp.sqrt(2 * _DEPTH * x)))
    upper = xp.minimum(upper, xp.log1p((_DEPTH + 5) / x) + 0.3)
    m = d - _DEPTH  # where d v + x v^2 / (2 + v), which is less than D, has the depth
    root = xp.sqrt(m * m + 4 * _DEPTH * (d + x))
    lower = xp.where(m > 0, 4 * _DEPTH / (m + root), (root - m) / (d + x))
    end = xp.where(sign > 0, upper, lower)
    for _ in range(2):
        depth = d * end + x * excess_of_exponential(xp, sign * end)
        end = end * (_DEPTH / depth) ** (depth / end / (d + x * xp.abs(xp.expm1(sign * end))))
    points, weights = xp.asarray(POINTS), xp.asarray(WEIGHTS)
    v = end[:, None] * points
    terms = weights * xp.exp(-(d[:, None] * v + x[:, None] * excess_of_exponential(xp, sign[:, None] * v)))
    return end, terms


def _gamma_head(xp: Any, a: Array, x: Array) -> Array:
    r"""Q(a, x) for small a and x.

    .. math:: 1 - e^l + e^l a S, \quad l = a \log x - \log a!, \quad S = -\sum_{n \ge 1} \frac{(-x)^n}{n! (a+n)}
    """
    a, x = xp.minimum(a, xp.asarray(1.0)), xp.minimum(x, xp.asarray(0.5))
    scale, rest = _log_gamma_rise(xp, xp.ones_like(a), a)
    power = a * log_product(xp, x, 1 / scale) - rest
    term, series = xp.ones_like(x), xp.zeros_like(x)
    for n in range(1, 16):
        term = -term * x / n
        series = series - term / (a + n)
    return -xp.expm1(power) + xp.exp(power) * a * series


def _log_gamma_rise(xp: Any, x: Array, d: Array) -> tuple[Array, Array]:
    """Numbers z and r with ``log(Gamma(x + d) / Gamma(x)) = d log z + r`` for 0 < d <= 1, r as small as d."""
    small = x < _LARGE
    head = 0.0 * d
    for k in range(_LARGE):
        head = head + xp.where(small, xp.log1p(d / (x + k)), 0.0)
    z = xp.where(small, x + _LARGE, x)
    r, q = 1 / z, 1 / (z + d)
    value, slope = 0.0 * r, 0.0 * r  # of Stirling's series as a polynomial in the square, divided by the difference
    for c in reversed(_STIRLING):
        slope = value + q * q * slope
        value = c + r * r * value
    change = -(d * r * q) * (value + q * (r + q) * slope)
    return z, ((z + d - 0.5) * xp.log1p(d / z) - d) + change - head


def _beta(xp: Any, a: Array, b: Array, x: Array, y: Array) -> tuple[Array, ...]:
    excess = _beta_excess(xp, a, b, x, y)
    head, tail = (a < 1) & (x * (b + 1) <= 0.3), (b < 1) & (y * (a + 1) <= 0.3)
    flip = tail | (~head & (excess > 0))
    p, q, left, right = (xp.where(flip, s, t) for s, t in ((b, a), (a, b), (y, x), (x, y)))
    d = xp.where(flip, excess, -excess)
    integral, drift_p, drift_q = _beta_left(xp, p, q, left, right, d)
    other, head_q = _beta_head(xp, p, q, left)
    drift_q = xp.where(head | tail, head_q, drift_q)
    w, scale = _beta_scale(xp, a, b, x, y, excess)
    mass, log_mass = w * xp.exp(scale), scale + xp.log(w)
    drifts = xp.where(flip, -drift_q, drift_p), xp.where(flip, -drift_p, drift_q)
    return _both_sides(xp, ~flip, mass, log_mass, integral, head | tail, other, *drifts)


def _beta_excess(xp: Any, a: Array, b: Array, x: Array, y: Array) -> Array:
    """``(a + b) x - a``, from the smaller of x and y."""
    s, rest = a + b, sum_error(a, b)
    from_x = product_minus(xp, x, s, a) + x * rest
    return xp.where(x <= y, from_x, -(product_minus(xp, y, s, b) + y * rest))


def _beta_scale(xp: Any, a: Array, b: Array, x: Array, y: Array, excess: Array) -> tuple[Array, Array]:
    """``x^a y^b / B(a, b)`` as a weight and the logarithm of the rest."""
    flip = x > y
    p, q, base, e = (xp.where(flip, s, t) for s, t in ((b, a), (a, b), (y, x), (-excess, excess)))
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    return weight(xp, low) * (weight(xp, high) / weight(xp, low + high)), deviance(xp, base, p, q, e) - errors


def _beta_left(xp: Any, a: Array, b: Array, x: Array, y: Array, d: Array) -> tuple[Array, Array, Array]:
    """The integral and dF/da and dF/db over the mass, for x up to the mean, given d = a - (a+b) x."""
    small, s = a < _RAISED, a + b
    integral, by_a, by_b = _beta_sum(xp, xp.where(small, s + _RAISED, s), x, y, xp.where(small, d + _RAISED * y, d))
    for k in range(_RAISED - 1, 0, -1):
        lowered = (1 + (s + k) * x * integral) / (a + k)
        next_a = ((s + k) * x * by_a - (1 + b * x * integral) / (a + k)) / (a + k)
        next_b = x * (integral + (s + k) * by_b) / (a + k)
        integral, by_a, by_b = (xp.where(small, u, v) for u, v in ((lowered, integral), (next_a, by_a), (next_b, by_b)))
    # the last step of a small shape by itself: what it adds to the slope cancels the pole of digamma
    lift = 1 + s * x * integral
    by_a = xp.where(small, (s * x * by_a - 1 / s) / a, by_a)
    by_b = xp.where(small, x * (integral + s * by_b) / a, by_b)
    integral = xp.where(small, lift / a, integral)
    drift_a = _log_share(xp, x, a, s, xp.where(small, -(d + y), -d), small) * integral + by_a
    pole = b < 1
    drift_b = _log_share(xp, y, b, s, xp.where(pole, d - x, d), pole) + xp.where(pole, a / s / b, 0.0)
    return integral, drift_a, drift_b * integral + by_b


def _log_share(xp: Any, x: Array, a: Array, s: Array, excess: Array, raised: Array) -> Array:
    """``log x + psi(s) - psi(a)``, after raising a and s by 1 where asked, given ``x s - a`` of those."""
    a, s = xp.where(raised, a + 1, a), xp.where(raised, s + 1, s)
    t = excess / a
    log_ratio = xp.where(t > -0.5, xp.log1p(t), log_product(xp, x, s / a))
    return log_ratio + (log_minus_digamma(xp, a) - log_minus_digamma(xp, s))


def _beta_sum(xp: Any, s: Array, x: Array, y: Array, d: Array) -> tuple[Array, Array, Array]:
    """The integrals of exp(-D), of log(t/x) exp(-D) and of log((1-t)/y) exp(-D)."""
    variance = s * x * y
    end = 2 * _DEPTH / (d + xp.sqrt(d * d + 2 * _DEPTH * variance))
    for _ in range(6):
        depth = d * end + s * _beta_bend(xp, x, y, end)
        fall = d - variance * xp.expm1(-end) / (y + x * xp.exp(-end))
        end = end * (_DEPTH / depth) ** (depth / end / fall)
    points, weights = xp.asarray(POINTS), xp.asarray(WEIGHTS)
    s, x, y, d = s[:, None], x[:, None], y[:, None], d[:, None]
    v = end[:, None] * points
    bend = _beta_bend(xp, x, y, v)
    terms = weights * xp.exp(-(d * v + s * bend))
    sums = (xp.sum(t, axis=-1) for t in (terms, -(y * v + bend) * terms, (x * v - bend) * terms))
    integral, by_a, by_b = (end * t for t in sums)
    return integral, by_a, by_b


def _beta_bend(xp: Any, x: Array, y: Array, v: Array) -> Array:
    """``log(y + x e^-v) + x v``."""
    return xp.log1p(y * excess_of_exponential(xp, x * v) + x * excess_of_exponential(xp, -y * v))


def _beta_head(xp: Any, a: Array, b: Array, x: Array) -> tuple[Array, Array]:
    r"""1 - I_x(a, b) and dI/db over the mass for small a and (b + 1) x.

    .. math:: 1 - e^l (1 + a S), \quad l = a \log x + \log \frac{\Gamma(a+b)}{\Gamma(b) a!}, \quad
              S = \sum_{n \ge 1} \frac{(1-b)_n x^n}{n! (a+n)}
    """
    a, x = xp.minimum(a, xp.asarray(1.0)), xp.minimum(x, 0.3 / (b + 1))
    (scale_b, rest_b), (scale_1, rest_1) = (_log_gamma_rise(xp, z, a) for z in (b, xp.ones_like(a)))
    power = a * log_product(xp, x, scale_b / scale_1) + (rest_b - rest_1)
    term, by_b, series, slope = (xp.ones_like(x), *(xp.zeros_like(x) for _ in range(3)))
    for n in range(1, _SERIES + 1):
        by_b = (by_b * (n - b) - term) * (x / n)
        term = term * (n - b) * (x / n)
        series, slope = series + term / (a + n), slope + by_b / (a + n)
    drift = (1 + a * series) * digamma_difference(b, a) / a + slope
    return -xp.expm1(power) - xp.exp(power) * a * series, drift * xp.exp(-b * xp.log1p(-x))
