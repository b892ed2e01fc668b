r"""What the distributions of counts share.

k is a count in an integer or floating array, exact up to 2^53. Outside the support, or not whole: log probability -inf
with zero gradient. Results that are counts themselves (`icdf`, `mode`, `sample`) are int64, where nan cannot stand: -1
means that there is none, 2^63 - 1 that it is larger than what can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import elementwise, namespace, unbroadcast
from refengine.domains import Array
from refengine.special._incomplete import Incomplete, incomplete_beta, incomplete_gamma
from refengine.special._saddle_point import (
    log1p_minus,
    log_quotient,
    product_minus,
    remainder,
    share_deviance,
    stirling_error,
    sum_error,
    weight,
)

LARGEST = 2**63 - 1
_MOST = 2.0**53  # the search for a quantile ends here


def whole(xp: Any, k: Array) -> Array:
    """Whether k is a count, or infinite."""
    return (k >= 0) & (xp.floor(k) == k)


def finite(xp: Any, n: Array) -> Array:
    """Whether n is a count."""
    return whole(xp, n) & (n < xp.inf)


def positive(xp: Any, a: Array) -> Array:
    return (a > 0) & (a < xp.inf)


def unit(p: Array) -> Array:
    return (p >= 0) & (p <= 1)


def result(xp: Any, dtype: Any, value: Array, defined: Array) -> Array:
    """The value where it is defined, else nan."""
    return xp.astype(xp.where(defined, value, xp.nan), dtype, copy=False)


def cotangents(g: Array, dtype: Any, defined: Array, *slopes: tuple[Array, Array]) -> tuple[Array, ...]:
    """``g * slope`` in the shape of each argument, nan where the value is."""
    xp = namespace(g)
    with np.errstate(all="ignore"):
        return tuple(unbroadcast(g * xp.where(defined, slope, xp.nan), like, dtype) for slope, like in slopes)


def as_count(xp: Any, k: Array, defined: Array) -> Array:
    """The count k as int64: -1 where it is not defined, the largest one where k lies beyond."""
    fits = defined & (k < 2.0**63)
    found = xp.astype(xp.where(fits, k, 0.0), xp.int64)
    return xp.where(fits, found, xp.where(defined, xp.asarray(LARGEST), xp.asarray(-1)))


def sigmoid(xp: Any, z: Array) -> Array:
    """``1 / (1 + exp(-z))`` with full relative accuracy on both sides."""
    t = xp.exp(-xp.abs(z))
    return xp.where(z > 0, 1.0, t) / (1 + t)


def log_sigmoid(xp: Any, z: Array) -> Array:
    return xp.minimum(z, 0.0) - xp.log1p(xp.exp(-xp.abs(z))) + 0.0


def bernoulli_divergence(xp: Any, p: Array, q: Array) -> Array:
    r""":math:`p \log(p/q) + (1-p) \log((1-p)/(1-q))`, without cancellation for p near q; inf where q forbids."""
    inside = (p > 0) & (p < 1) & (q > 0) & (q < 1)
    a, x = xp.where(inside, p, 0.5), xp.where(inside, q, 0.5)
    value = xp.where(inside, -share_deviance(xp, x, 1 - x, a, 1 - a, x - a) + 0.0, xp.inf)
    value = xp.where(p == 0, -xp.log1p(-q) + 0.0, value)
    return xp.where(p == 1, -xp.log(q) + 0.0, value)


def divergence_slopes(xp: Any, p: Array, q: Array) -> tuple[Array, Array]:
    """The derivatives of the divergence to p and q; 0 where it is infinite."""
    fits = ((q > 0) | (p == 0)) & ((q < 1) | (p == 1))
    dp = log_ratio(xp, p, q) + log_rest_ratio(xp, q, p)
    dp = xp.where(
        p == 0,
        xp.where(q == 0, xp.asarray(xp.inf), -xp.inf),
        xp.where(p == 1, xp.where(q == 1, xp.asarray(-xp.inf), xp.inf), dp),
    )
    dq = xp.where(p == 0, 1 / (1 - q), xp.where(p == 1, -1 / q, (q - p) / q / (1 - q)))
    return xp.where(fits, dp, 0.0), xp.where(fits, dq, 0.0)


def poisson_divergence(xp: Any, p: Array, q: Array) -> Array:
    r""":math:`p \log(p/q) - p + q \ge 0`."""
    t = (q - p) / p
    near = log1p_minus(xp, xp.minimum(t, 1e300))
    value = xp.where(xp.abs(t) <= 0.5, -p * near, p * log_ratio(xp, p, q) - p + q)
    return xp.where(p == 0, q, xp.where(q == 0, xp.inf, value)) + 0.0


def poisson_divergence_slopes(xp: Any, p: Array, q: Array) -> tuple[Array, Array]:
    """The derivatives of that divergence to p and q; 0 where it is infinite."""
    fits = (q > 0) | (p == 0)
    dp = xp.where(p == 0, xp.where(q == 0, xp.asarray(xp.inf), -xp.inf), log_ratio(xp, p, q))
    dq = xp.where(p == 0, 1.0, (q - p) / q)
    return xp.where(fits, dp, 0.0), xp.where(fits, dq, 0.0)


def log_ratio(xp: Any, p: Array, q: Array) -> Array:
    """``log(p / q)`` of probabilities: relative accuracy next to p = q."""
    t = (p - q) / q
    near = xp.abs(t) < 0.5
    far = log_quotient(xp, p, q, 1.0)
    return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), far)


def log_rest_ratio(xp: Any, p: Array, q: Array) -> Array:
    """``log((1 - p) / (1 - q))``."""
    t = (q - p) / (1 - q)
    near = xp.abs(t) < 0.5
    return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), xp.log1p(-p) - xp.log1p(-q))


def excess(xp: Any, p: Array, k: Array, r: Array) -> Array:
    """``p (k + r) - k``, rounded about once."""
    return product_minus(xp, p, k + r, k) + p * sum_error(k, r)


def smallest(xp: Any, u: Array, high: Array, mean: Array, variance: Array, tails: Callable[[Array], Tails]) -> Array:
    """The smallest count k with cdf(k) >= u, ``high`` at u = 1: bisection between the bounds of Cantelli's inequality.

    From u = 1/2 on the survival function is compared with 1 - u, which is exact.
    """
    sd, end = xp.sqrt(variance), xp.minimum(high, _MOST)
    low = xp.floor(mean - sd * xp.sqrt((1 - u) / u)) - 2
    top = xp.ceil(mean + sd * xp.sqrt(u / (1 - u))) + 2
    low = xp.maximum(xp.where(low < end, low, end - 1), -1.0)
    top = xp.where(top < end, top, end)
    for _ in range(60):
        if bool(xp.all(top - low <= 1)):
            break
        middle = xp.floor((low + top) / 2)
        found = tails(middle)
        reached = xp.where(u < 0.5, found.cdf >= u, found.sf <= 1 - u)
        low, top = xp.where(reached, low, middle), xp.where(reached, middle, top)
    return xp.where(u == 0, 0.0, xp.where((u == 1) | (top >= _MOST), high, top))


class Tails(NamedTuple):
    """A distribution function and all that belongs to it; ``slopes`` by name, one for each parameter."""

    cdf: Array
    sf: Array
    log_cdf: Array
    log_sf: Array
    slopes: dict[str, tuple[Array, ...]]


def tail(tails: Callable[..., Tails], name: str, **arguments: Array) -> Array:
    """One of the functions of `Tails`."""
    xp, dtype, *arrays = elementwise(**arguments)
    with np.errstate(all="ignore"):
        return xp.astype(getattr(tails(xp, *arrays), name), dtype, copy=False)


def tail_vjp(tails: Callable[..., Tails], name: str, g: Array, names: tuple[str, ...], **arguments: Array) -> Any:
    """Its cotangents of the named parameters."""
    _, dtype, g, *arrays = elementwise(g=g, **arguments)
    xp = namespace(*arrays)
    with np.errstate(all="ignore"):
        slopes = tails(xp, *arrays).slopes[name]
        return tuple(unbroadcast(g * s, arguments[like], dtype) for s, like in zip(slopes, names, strict=True))


def bounded(xp: Any, inner: Tails, before: Array, beyond: Array, defined: Array) -> Tails:
    """The tails where k is before the support, beyond its end, or something is not defined."""

    def choose(value: Array, low: float, high: float) -> Array:
        return xp.where(defined, xp.where(before, low, xp.where(beyond, high, value)), xp.nan)

    slopes = {name: tuple(choose(s, 0.0, 0.0) for s in group) for name, group in inner.slopes.items()}
    return Tails(
        choose(inner.cdf, 0.0, 1.0),
        choose(inner.sf, 1.0, 0.0),
        choose(inner.log_cdf, -xp.inf, 0.0),
        choose(inner.log_sf, 0.0, -xp.inf),
        slopes,
    )


def gamma_tails(xp: Any, k: Array, x: Array) -> Tails:
    """Tails whose sf is P(k + 1, x), one slope.

    Far below the mean the density is a power, not the exponential of a logarithm, whose size would cost digits.
    """
    far = (x > 0) & (x < 0.1 * (k + 1))
    m = xp.maximum(k, 1.0)
    share = xp.where(far, x / m, 0.05)
    power = (share * xp.exp(1 - share)) ** m * xp.exp(-stirling_error(xp, m)) / xp.sqrt(2 * pi * m)
    density = xp.where(k == 0, xp.exp(-x), power)
    return _tails(xp, incomplete_gamma(xp, k + 1, x), far, far & (x < 0), density, x, 1.0)


def beta_tails(xp: Any, k: Array, b: Array, p: Array, *, to_b: bool = False) -> Tails:
    """Tails whose sf is I_p(k + 1, b), slopes to p, or to b and p; far from the mean as `gamma_tails`."""
    a, q = k + 1, 1 - p
    s, found = a + b, incomplete_beta(xp, a, b, p, q)
    low, high = (p > 0) & (p * s < 0.1 * a), (q > 0) & (q * s < 0.1 * b)
    lesser, greater = xp.minimum(a, b), xp.maximum(a, b)
    errors = remainder(xp, lesser) + (remainder(xp, greater) - remainder(xp, s))
    scale = weight(xp, lesser) * (weight(xp, greater) / weight(xp, s)) * xp.exp(-errors)
    density = scale * xp.where(high, _power(xp, b, a, q, high) / p, _power(xp, a, b, p, low) / q)
    drifts = (found.drifts[1],) if to_b else ()
    return _tails(xp, found, low, high, density, p, q, *drifts)


def _power(xp: Any, a: Array, b: Array, x: Array, far: Array) -> Array:
    """``(x s/a)^a ((1-x) s/b)^b / x`` for s = a + b and a small x, as a power of about a."""
    s = a + b
    z = xp.where(far, x, 0.05 * a / s)
    base = (s / a) * xp.exp(b / a * xp.log1p((a - z * s) / b))
    return xp.where(a == 1, base, (z * base) ** (a - 1) * base)


def _tails(
    xp: Any, found: Incomplete, low: Array, high: Array, density: Array, x: Array, rest: Any, *drifts: Array
) -> Tails:
    """``density`` is that of x where it is far below or above the mean; slopes to the shapes of the drifts and to x."""
    far = low | high
    mass = xp.where(far, density * x * rest, found.mass)
    sf = xp.where(low, mass / found.lower_rate, found.lower)
    cdf = xp.where(high, mass / found.upper_rate, xp.where(low, 1 - sf, found.upper))
    sf = xp.where(high, 1 - cdf, sf)
    log_cdf, log_sf = xp.where(low, xp.log1p(-sf), found.log_upper), xp.where(high, xp.log1p(-cdf), found.log_lower)
    by_x = xp.where(far, density, found.mass / x / rest)
    up = (*(mass * d for d in drifts), by_x)
    by_sf = xp.where(high, mass / sf, found.lower_rate)
    by_cdf = xp.where(low, mass / cdf, found.upper_rate)
    slopes = {
        "cdf": tuple(-s for s in up),
        "sf": up,
        "log_cdf": (*(-by_cdf * d for d in drifts), -xp.where(low, density / cdf, found.upper_rate / x / rest)),
        "log_sf": (*(by_sf * d for d in drifts), xp.where(high, density / sf, found.lower_rate / x / rest)),
    }
    return Tails(cdf, sf, log_cdf, log_sf, slopes)


def on_edge(xp: Any, edge: Array, inner: Tails, **slopes: tuple[Array, ...]) -> Tails:
    """The tails with other slopes where a parameter stands on the edge of its domain."""
    changed = {
        name: tuple(xp.where(edge, other, s) for other, s in zip(slopes[name], group, strict=True))
        for name, group in inner.slopes.items()
    }
    return inner._replace(slopes=changed)
