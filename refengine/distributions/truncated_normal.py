r"""Normal distribution cut off outside [low, high], :math:`f(x) = \phi(z) / (\sigma (\Phi(\beta) - \Phi(\alpha)))`.

:math:`z = (x-\mu)/\sigma, \alpha = (\mathrm{low}-\mu)/\sigma, \beta = (\mathrm{high}-\mu)/\sigma`. Distances s are
measured from the point of the interval next to the mode, at distance r from it: from low if alpha > 0, from high if
beta < 0, else from the mode with r = 0. With :math:`\phi(z) = \phi(r) e^{-s (s + 2r)/2}` nothing that is large cancels:
the normaliser is :math:`\phi(r) G, G = \int e^{-s(s+2r)/2} ds`, and every gradient is a difference from a moment of s.
G and the moments are Gauss-Legendre sums over the part of the interval that matters, whose terms are positive.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside. low may
be -inf and high inf, with zero gradients. A loc that is not finite, a scale that is not positive and finite, low >=
high and nan: nan, with nan gradients.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine.distributions._pointwise import both, cotangents, flat, positive, value
from refengine.domains import Array, Positive, Real
from refengine.special._gauss_legendre import POINTS, WEIGHTS

__all__ = [
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
]

_DEPTH = 48.0  # the exponent beyond which no moment counts


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


def mean(loc: Real, scale: Positive, low: Real, high: Real) -> Array:
    r"""Expectation.

    .. math:: E[x] = \mu + \sigma \frac{\phi(\alpha) - \phi(\beta)}{\Phi(\beta) - \Phi(\alpha)}

    loc, scale, low, high: broadcast together. Johnson, Kotz and Balakrishnan (1994), section 10.1.

    >>> round(float(mean(0.0, 1.0, 0.0, float("inf"))) ** 2, 12)  # 2 / pi
    0.636619772368
    """
    return value(_mean, loc=loc, scale=scale, low=low, high=high)


def mean_vjp(g: Array, loc: Real, scale: Positive, low: Real, high: Real) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of loc, scale, low and high.

    .. math:: \partial_\mu = \operatorname{Var}(z), \quad \partial_\sigma = \operatorname{Cov}(z, z^2), \quad
              \partial_{\mathrm{low}} = f(\mathrm{low}) (E[x] - \mathrm{low}), \quad
              \partial_{\mathrm{high}} = f(\mathrm{high}) (\mathrm{high} - E[x])
    """
    return cotangents(_mean, g, loc=loc, scale=scale, low=low, high=high)


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


class _Frame(NamedTuple):
    """An interval in units of the scale, seen from its point next to the mode."""

    defined: Array
    sign: Array  # of the axis: -1 where the interval lies left of the mode
    r: Array
    right: Array  # how far the interval reaches up the axis and down the axis
    left: Array
    low: Array  # distances of the ends along the axis
    high: Array
    origin: Array
    scale: Array


def _frame(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> _Frame:
    defined = positive(xp, scale) & xp.isfinite(loc) & (low < high)
    loc, scale = xp.where(defined, loc, 0.0), xp.where(defined, scale, 1.0)
    low, high = xp.where(defined, low, -1.0), xp.where(defined, high, 1.0)
    above, below = low > loc, high < loc
    width = (high - low) / scale
    r = xp.where(above, (low - loc) / scale, xp.where(below, (loc - high) / scale, 0.0))
    right = xp.where(above | below, width, (high - loc) / scale)
    left = xp.where(above | below, 0.0, (loc - low) / scale)
    origin = xp.where(above, low, xp.where(below, high, loc))
    to_low = xp.where(above, 0.0, xp.where(below, width, -left))
    to_high = xp.where(above, width, xp.where(below, 0.0, right))
    return _Frame(defined, xp.where(below, -1.0, 1.0), r, right, left, to_low, to_high, origin, scale)


def _end(xp: Any, r: Array) -> Array:
    """Where the exponent has grown to the depth."""
    root = xp.where(r < 1e100, xp.sqrt(r * r + 2 * _DEPTH), r)
    return 2 * _DEPTH / (r + root)


def _sums(xp: Any, f: _Frame, centre: Array | float, powers: tuple[int, ...]) -> list[Array]:
    """Integrals of ``(s - centre)^n exp(-s (s + 2r) / 2)`` over the interval."""
    end = _end(xp, f.r)
    up, down = xp.minimum(f.right, end), xp.minimum(f.left, end)
    totals = [0.0 * up for _ in powers]
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        for reach, side in ((up, 1.0), (down, -1.0)):
            s = reach * point
            mass = share * reach * xp.exp(-s * (s + 2 * f.r) / 2)
            totals = [t + mass * (side * s - centre) ** n for t, n in zip(totals, powers, strict=True)]
    return totals


def _moments(xp: Any, f: _Frame) -> tuple[Array, Array, Array]:
    """G, E[s] and E[s^2]; around the mode E[s] is the difference of the densities at the ends."""
    mass, first, second = _sums(xp, f, 0.0, (0, 1, 2))
    near, gap = xp.minimum(f.left, f.right), xp.abs(f.right - f.left)
    fall = xp.exp(-near * near / 2) * -xp.expm1(-gap * (xp.maximum(f.left, f.right) + near) / 2)
    balance = xp.where(f.right == f.left, 0.0, xp.where(f.right > f.left, fall, -fall))
    return mass, xp.where(f.left > 0, balance, first) / mass, second / mass


def _log_product(xp: Any, x: Array, y: Array) -> Array:
    product = x * y
    fits = (product > 1e-290) & (product < 1e290)
    return xp.where(fits, xp.log(xp.where(fits, product, 1.0)), xp.log(x) + xp.log(y))


def _ends(xp: Any, f: _Frame, mass: Array) -> tuple[Array, Array]:
    """The density at low and at high."""
    return tuple(xp.exp(-d * (d + 2 * f.r) / 2) / mass / f.scale for d in (f.low, f.high))


def _times(xp: Any, density: Array, factor: Array) -> Array:
    """Their product, 0 where the density is 0."""
    return xp.where(density == 0, 0.0, density * factor)


def _log_prob(xp: Any, x: Array, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = _frame(xp, loc, scale, low, high)
    mass, first, second = _moments(xp, f)
    beyond = ~((x >= low) & (x <= high)) | xp.isinf(x)
    d = f.sign * (xp.where(beyond, f.origin, x) - f.origin) / f.scale
    found = -d * (d + 2 * f.r) / 2 - _log_product(xp, f.scale, mass)
    by_loc, by_scale = f.sign * (d - first), (d * d - second) + 2 * f.r * (d - first)
    at_low, at_high = _ends(xp, f, mass)
    results = found, -f.sign * (f.r + d) / f.scale, by_loc / f.scale, by_scale / f.scale, at_low, -at_high
    return f.defined, *flat(xp, beyond, -xp.inf, results)


def _mean(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = _frame(xp, loc, scale, low, high)
    mass, first, _ = _moments(xp, f)
    y2, y3 = (total / mass for total in _sums(xp, f, first, (2, 3)))
    at_low, at_high = _ends(xp, f, mass)
    by_low, by_high = (_times(xp, a, xp.abs(d - first) * f.scale) for a, d in ((at_low, f.low), (at_high, f.high)))
    # where little is cut off, the moments that vanish for the whole line are what the ends bring
    one, two = (_times(xp, a * f.scale, 1 + d * d - d * first) for a, d in ((at_low, f.low), (at_high, f.high)))
    by_scale = xp.where(xp.minimum(f.left, f.right) > 1, one - two, 2 * (f.r + first) * y2 + y3)
    return f.defined, f.origin + f.sign * (f.scale * first), y2, f.sign * by_scale, by_low, by_high


def _mode(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = _frame(xp, loc, scale, low, high)
    above, below = xp.astype(low > loc, xp.float64), xp.astype(high < loc, xp.float64)
    return f.defined, f.origin, 1 - above - below, 0.0 * scale, above, below
