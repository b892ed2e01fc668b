r"""The divergence of a beta and of a gamma distribution q from the uniform one on [a, b]: cores of `_pointwise`.

With the middle m and the width w of the interval, the mean of log x is :math:`\log m - q(s), s = w / (2m)`, where
:math:`q(s) = -\tfrac12 \int_0^1 \log(1 - s^2 p^2) dp \ge 0`. So the mean of a log density is its value at m less
multiples of such averages, and nothing cancels that does not cancel in the result.
"""

from __future__ import annotations

from typing import Any

from refengine.distributions import _gamma
from refengine.distributions._divergence import log_gamma_excess
from refengine.distributions._pointwise import flat, positive
from refengine.distributions.beta import _excess, log_prob, log_prob_vjp
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._saddle_point import deviance, log1p_minus, log_quotient, remainder, weight

_CLOSE = 0.9  # the share s up to which q is a sum over points


def kl_beta(xp: Any, low: Array, high: Array, a: Array, b: Array) -> tuple[Array, ...]:
    known = (low < high) & positive(xp, a, b) & xp.isfinite(low) & xp.isfinite(high)
    fits = known & (low >= 0) & (high <= 1)
    low, high = xp.where(fits, low, 0.25), xp.where(fits, high, 0.75)
    a, b = (xp.where(known, z, 1.0) for z in (a, b))
    middle, width = low + (high - low) / 2, high - low
    left = _Logarithm(xp, low, high, middle, width)
    right = _Logarithm(xp, 1 - high, 1 - low, 1 - middle, width)
    _, by_a, by_b = log_prob_vjp(xp.ones_like(a + b + middle), middle, a, b)
    spread = (a - 1) * left.lack + (b - 1) * right.lack
    plain = (xp.minimum(a, b) >= 0.5) & (xp.maximum(a, b) <= 2)
    own = xp.where(plain, log_prob(middle, a, b) + xp.log(width), _log_mass(xp, middle, width, a, b))
    p, q = a - 1, b - 1
    close = (xp.abs(p) < 0.25) & (xp.abs(q) < 0.25)  # to a uniform density, the slopes of whose log B(a, b) are -1
    s = xp.where(close, p + q, 0.0)
    bend = log_gamma_excess(xp, a) + log_gamma_excess(xp, b) - log_gamma_excess(xp, 1 + s) - log1p_minus(xp, s)
    gap = p * (1 + xp.log(middle) - left.lack) + q * (1 + xp.log(1 - middle) - right.lack)
    log_width = xp.where(width > 0.5, xp.log1p(-(low + (1 - high))), xp.log(width))
    found = xp.where(close, bend - gap - log_width, spread - own)
    by_low = (b * right.above + right.rest - _times(xp, p, left.below)) / width
    by_high = (_times(xp, q, right.below) - a * left.above - left.rest) / width
    results = found, by_low, by_high, left.lack - by_a, right.lack - by_b
    return known, *flat(xp, ~fits, xp.inf, results)


def _log_mass(xp: Any, x: Array, width: Array, a: Array, b: Array) -> Array:
    """The logarithm of the beta density times a width, as in `beta.log_prob`."""
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    share = width / x / (1 - x) * (weight(xp, high) / weight(xp, low + high))
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    density = log_quotient(xp, weight(xp, low), xp.ones_like(x), share)
    return deviance(xp, x, a, b, _excess(xp, x, a, b)) + density - errors


def kl_gamma(xp: Any, low: Array, high: Array, k: Array, rate: Array) -> tuple[Array, ...]:
    known = (low < high) & positive(xp, k, rate) & xp.isfinite(low) & xp.isfinite(high)
    fits = known & (low >= 0)
    low, high = xp.where(fits, low, 1.0), xp.where(fits, high, 2.0)
    k, rate = (xp.where(known, z, 1.0) for z in (k, rate))
    middle, width = low + (high - low) / 2, high - low
    x = _Logarithm(xp, low, high, middle, width)
    _, _, _, by_k, by_rate = _gamma.log_density(xp, middle, k, rate)
    _, level, *_ = _gamma.log_density(xp, xp.ones_like(middle), k, rate * middle)  # in units of the middle
    found = (k - 1) * x.lack - (level + xp.log(width / middle))
    by_low = (1 - _times(xp, k - 1, x.below)) / width + rate / 2
    by_high = rate / 2 - (k * x.above + x.rest) / width
    return known, *flat(xp, ~fits, xp.inf, (found, by_low, by_high, x.lack - by_k, -by_rate))


class _Logarithm:
    """How far the mean of log x lies below the logarithm of the middle and of the upper end, and above the lower's."""

    def __init__(self, xp: Any, low: Array, high: Array, middle: Array, width: Array) -> None:
        s, total = width / middle / 2, 0.0 * middle
        close = s <= _CLOSE
        t = xp.where(close, s, 0.0)
        for point, share in zip(POINTS, WEIGHTS, strict=True):
            total = total - share * xp.log1p(-((t * point) ** 2)) / 2
        over, under = high / middle, low / middle
        far = 1 - (over * xp.log(over) - _times(xp, under, xp.log(under))) / (2 * xp.where(close, 1.0, s))
        self.lack = xp.where(close, total, far)
        u, t = -width / high, width / low
        down = xp.where(u > -0.5, log1p_minus(xp, u), xp.log(under / over) - u)
        self.below = down / u
        wide = 1 - xp.log1p(t) / t
        self.above = xp.where(t < 0.5, -log1p_minus(xp, t) / t, xp.where(t < 1e300, wide, 1.0))
        self.rest = xp.where(t < 0.5, 1 - self.above, xp.where(t < 1e300, xp.log1p(t) / t, 0.0))  # 1 less that


def _times(xp: Any, factor: Array, x: Array) -> Array:
    """Their product, 0 where the factor is."""
    return xp.where(factor == 0, 0.0, factor * x)
