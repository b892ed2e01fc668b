"""Value and slopes of the functions of the beta distribution other than its density."""

from __future__ import annotations

from math import pi
from typing import Any

from refengine.distributions._pointwise import Core, flat, positive
from refengine.distributions._tails import log_ratio, trigamma_minus, trigamma_minus_fall
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._incomplete import incomplete_beta
from refengine.special._incomplete_inverse import beta_quantile
from refengine.special._saddle_point import (
    deviance,
    log1p_minus,
    log_minus_digamma,
    product_minus,
    remainder,
    sum_error,
    weight,
)
from refengine.special.digamma_difference import digamma_difference
from refengine.special.log_beta import log_beta
from refengine.special.regularized_beta import (
    log_regularized_beta,
    log_regularized_beta_complement,
    log_regularized_beta_complement_vjp,
    log_regularized_beta_vjp,
    regularized_beta,
    regularized_beta_complement,
    regularized_beta_complement_vjp,
    regularized_beta_vjp,
)


def _clipped(function: Any, vjp: Any) -> Core:
    """A function of a, b and x in [0, 1], without slopes beyond."""

    def core(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
        x, a, b = xp.broadcast_arrays(x, a, b)
        z = xp.clip(x, 0.0, 1.0)
        by_a, by_b, by_x = vjp(xp.ones_like(x), a, b, z)
        found = function(a, b, z)
        return positive(xp, a, b), *flat(xp, (x < 0) | (x > 1), found, (found, by_x, by_a, by_b))

    return core


cdf = _clipped(regularized_beta, regularized_beta_vjp)
sf = _clipped(regularized_beta_complement, regularized_beta_complement_vjp)
log_cdf = _clipped(log_regularized_beta, log_regularized_beta_vjp)
log_sf = _clipped(log_regularized_beta_complement, log_regularized_beta_complement_vjp)


def icdf(xp: Any, u: Array, a: Array, b: Array) -> tuple[Array, ...]:
    inside = (u > 0) & (u < 1)
    v = xp.where(inside, u, 0.5)
    x, y = beta_quantile(xp, a, b, v, 1 - v)
    found = incomplete_beta(xp, a, b, x, y)
    over = x * y
    # the density at the quantile itself, which x only rounds: its logarithm may be steep
    s = a + b
    excess = xp.where(x < 0.5, product_minus(xp, x, s, a), -product_minus(xp, y, s, b)) + xp.where(
        x < 0.5, x, -y
    ) * sum_error(a, b)
    missed = xp.where(v < 0.5, v - found.lower, found.upper - (1 - v))
    density = found.mass * (1 + (x - y - excess) * (missed / found.mass))
    slopes = over / density, -over * found.drifts[0], -over * found.drifts[1]
    shape = xp.where(u == 0, a, b)
    edge = xp.where(shape == 1, 1 / xp.where(u == 0, b, a), xp.where(shape > 1, xp.asarray(xp.inf), 0.0))
    ends = xp.where(u == 0, xp.asarray(0.0), 1.0), edge, 0.0, 0.0
    results = (xp.where(inside, r, e) for r, e in zip((x, *slopes), ends, strict=True))
    return positive(xp, a, b) & (u >= 0) & (u <= 1), *results


def trigamma(xp: Any, x: Array) -> Array:
    return trigamma_minus(xp, x) + 1 / x


def entropy(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    c = a + b
    small = xp.minimum(a, b) < 1
    plain = log_beta(a, b) + (a - 1) * digamma_difference(a, b) + (b - 1) * digamma_difference(b, a)
    low, high = xp.where(small, 1.0, xp.minimum(a, b)), xp.where(small, 1.0, xp.maximum(a, b))
    total = low + high
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, total))
    power = xp.log(2 * pi * (low / total) * (high / total) / total) / 2
    h = log_minus_digamma(xp, total)
    rest = (low - 1) * (log_minus_digamma(xp, low) - h) + (high - 1) * (log_minus_digamma(xp, high) - h)
    found = xp.where(small, plain, errors + power + rest)
    whole, bend = c * trigamma_minus(xp, c), trigamma(xp, c)
    slopes = ((whole - x * trigamma_minus(xp, x)) + (trigamma(xp, x) - 2 * bend) for x in (a, b))
    return positive(xp, a, b), found, *slopes


def mean(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    c = a + b
    return positive(xp, a, b), a / c, b / c / c, -a / c / c


def variance(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    c = a + b
    by_a = b / c / (c + 1) * ((b - a) / c - a / (c + 1)) / c
    by_b = a / c / (c + 1) * ((a - b) / c - b / (c + 1)) / c
    return positive(xp, a, b), (a / c) * (b / c) / (c + 1), by_a, by_b


def mode(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    rest = (a - 1) + (b - 1)
    defined = positive(xp, a, b) & (a >= 1) & (b >= 1) & (rest > 0)
    return defined, (a - 1) / rest, (b - 1) / rest / rest, -(a - 1) / rest / rest


_FAR = 8.0


def _second_order(xp: Any, x: Array, y: Array) -> Array:
    """``f(y) - f(x) - f'(x) (y - x)`` for f = log Gamma(x) - x log x + x, whose second derivative is psi' - 1/x."""
    d = y - x
    far = xp.maximum(x / y, y / x) > _FAR
    step, total = xp.where(far, 0.0, d), 0.0 * d
    for t, share in zip(POINTS, WEIGHTS, strict=True):
        total = total + share * (1 - t) * trigamma_minus(xp, x + t * step)
    whole = (remainder(xp, y) - remainder(xp, x)) - log_ratio(xp, weight(xp, y), weight(xp, x))
    return xp.where(far, whole + log_minus_digamma(xp, x) * d, d * (d * total))


def kl(xp: Any, a: Array, b: Array, c: Array, d: Array) -> tuple[Array, ...]:
    s, t = a + b, c + d
    turned = a > b  # the share is the smaller one
    p, q, u, v = (xp.where(turned, x, y) for x, y in ((b, a), (a, b), (d, c), (c, d)))
    cross = product_minus(xp, p / t, v, q / t * u) * t  # p v - q u over t
    first = -deviance(xp, p / s, u, v, cross / s * 1.0)
    rest = (_second_order(xp, a, c) + _second_order(xp, b, d)) - _second_order(xp, s, t)
    # a divergence from small shapes to ones of another size is as large as its terms
    ratio = xp.maximum(xp.maximum(a / c, c / a), xp.maximum(b / d, d / b))
    far = (ratio > 1000) & (xp.minimum(a, b) < 1)
    plain = (c - a) * digamma_difference(a, b) + (d - b) * digamma_difference(b, a) + _log_beta_ratio(xp, c, d, a, b)
    found = xp.where(far, plain, first + rest)
    e = c * b - a * d
    by_q = (_by_q(xp, a, b, c, d, s, t, e), _by_q(xp, b, a, d, c, s, t, -e))
    by_p = (_by_p(xp, a, b, c, d, s, e), _by_p(xp, b, a, d, c, s, -e))
    return positive(xp, a, b, c, d), found, *by_p, *by_q


def _log_beta_ratio(xp: Any, c: Array, d: Array, a: Array, b: Array) -> Array:
    """``log(B(c, d) / B(a, b))`` with one logarithm of what is not small."""
    (above, top), (below, bottom) = _parts(xp, c, d), _parts(xp, a, b)
    return (above - below) - log_ratio(xp, top, bottom)


def _parts(xp: Any, a: Array, b: Array) -> tuple[Array, Array]:
    """R and w with ``B(a, b) = exp(r) / w``, as in `log_beta`."""
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    powers = low * xp.log1p(xp.minimum(high / low, xp.asarray(1e300))) + high * xp.log1p(low / high)
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    return errors - powers, weight(xp, low) * (weight(xp, high) / weight(xp, low + high))


def _by_q(xp: Any, a: Array, b: Array, c: Array, d: Array, s: Array, t: Array, e: Array) -> Array:
    """``psi(c) - psi(t) - (psi(a) - psi(s))``."""
    wide = _log_gap(xp, c, a, s, t, e) - _fall(xp, c, a) + _fall(xp, t, s)
    return xp.where((b < a) | (d < c), digamma_difference(a, b) - digamma_difference(c, d), wide)


def _by_p(xp: Any, a: Array, b: Array, c: Array, d: Array, s: Array, e: Array) -> Array:
    """``psi'(s) (t - s) - psi'(a) (c - a)``."""
    return trigamma_minus(xp, s) * (d - b) - (c - a) * trigamma_minus_fall(xp, a, b) - e / a / s


def _log_gap(xp: Any, c: Array, a: Array, s: Array, t: Array, e: Array) -> Array:
    """``log(c / a) - log(t / s)``, given ``c s - a t``."""
    ratio = e / a / t
    return xp.where(xp.abs(ratio) < 0.5, xp.log1p(ratio), log_ratio(xp, c, a) - log_ratio(xp, t, s))


def _fall(xp: Any, x: Array, y: Array) -> Array:
    """h(x) - h(y)."""
    return log_minus_digamma(xp, x) - log_minus_digamma(xp, y)


def kl_exponential(xp: Any, a: Array, b: Array, rate: Array) -> tuple[Array, ...]:
    defined, level, by_a, by_b = entropy(xp, a, b)
    _, m, m_a, m_b = mean(xp, a, b)
    found = (rate * m - xp.log(rate)) - level
    return defined & positive(xp, rate), found, rate * m_a - by_a, rate * m_b - by_b, m - 1 / rate


def kl_gamma(xp: Any, a: Array, b: Array, k: Array, rate: Array) -> tuple[Array, ...]:
    defined, level, _, _ = entropy(xp, a, b)
    s = a + b
    down_a, down_b = digamma_difference(a, b), digamma_difference(b, a)
    fall = log_minus_digamma(xp, a) - log_minus_digamma(xp, s)
    gap = xp.where(a < 1, down_a - xp.log1p(b / a), fall)  # log E x - E log x
    excess = rate * a / s - k
    near = xp.abs(excess) < k / 2
    log_mean = xp.where(near, xp.log1p(excess / k), log_ratio(xp, rate * a / s, k))
    rest = xp.where(near, -k * log1p_minus(xp, xp.where(near, excess / k, 0.0)), excess - k * log_mean)
    small = xp.minimum(a, b) < 1
    own = xp.where(small, (1 - b) * down_b - a * down_a - log_beta(a, b), -down_a - level)
    found = (remainder(xp, k) - xp.log(weight(xp, k)) + rest) + k * gap + own
    over = trigamma_minus(xp, s)
    by_a = excess * b / a / s + (1 / s + (a - k) * trigamma_minus_fall(xp, a, b) + (1 - b) * over)
    by_b = (k - a) * over - a / b / s + (b - 1) * trigamma_minus_fall(xp, b, a) - excess / s
    by_k = gap - log_mean - log_minus_digamma(xp, k)
    return defined & positive(xp, k, rate), found, by_a, by_b, by_k, excess / rate


def kl_normal(xp: Any, a: Array, b: Array, loc: Array, scale: Array) -> tuple[Array, ...]:
    defined, level, by_a, by_b = entropy(xp, a, b)
    _, m, m_a, m_b = mean(xp, a, b)
    _, v, v_a, v_b = variance(xp, a, b)
    off = (m - loc) / scale
    size = v / scale / scale + off * off
    found = (xp.log(2 * pi + 0 * scale) / 2 + xp.log(scale) + size / 2) - level
    slopes = ((v_i / scale / 2 + off * m_i) / scale - by for v_i, m_i, by in ((v_a, m_a, by_a), (v_b, m_b, by_b)))
    known = defined & positive(xp, scale) & xp.isfinite(loc)
    return known, found, *slopes, -off / scale, (1 - size) / scale


def kl_uniform(xp: Any, a: Array, b: Array, low: Array, high: Array) -> tuple[Array, ...]:
    defined, level, by_a, by_b = entropy(xp, a, b)
    width = high - low
    results = xp.log(width) - level, -by_a, -by_b, -1 / width, 1 / width
    known = defined & (low < high) & xp.isfinite(low) & xp.isfinite(high)
    return known, *flat(xp, (low > 0) | (high < 1), xp.inf, results)


def curvature(xp: Any, a: Array, b: Array) -> Array:
    """The determinant of the Fisher information, where the parts 1/x of psi' have cancelled."""
    s = a + b
    m, n, o = trigamma_minus(xp, a), trigamma_minus(xp, b), trigamma_minus(xp, s)
    return m * (a / b / s) + n * (b / a / s) + m * n - (1 / a + m + 1 / b + n) * o


def solve(xp: Any, a: Array, b: Array, left: Array, right: Array) -> tuple[Array, Array]:
    """The inverse of the Fisher information times (left, right)."""
    c, det = trigamma(xp, a + b), curvature(xp, a, b)
    p, q = trigamma(xp, a), trigamma(xp, b)
    return ((q - c) * left + c * right) / det, ((p - c) * right + c * left) / det


def path(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """N times the derivatives of the estimates to x: `solve` of (1/x, -1/(1-x)) with the large parts cancelled."""
    s, e = a + b, product_minus(xp, x, a + b, a) + x * sum_error(a, b)
    m, n, o = trigamma_minus(xp, a), trigamma_minus(xp, b), trigamma_minus(xp, s)
    over = x * (1 - x) * curvature(xp, a, b)
    return (n * (1 - x) - o - e / b / s) / over, (o - m * x - e / a / s) / over


def fit(xp: Any, x: Array) -> tuple[Array, Array]:
    """Newton's method on both shapes, which stays positive and raises the concave likelihood."""
    size = x.shape[0]
    if size < 2 or not bool(xp.all((x > 0) & (x < 1))) or not bool(xp.min(x) < xp.max(x)):
        return xp.asarray(xp.nan), xp.asarray(xp.nan)
    middle = xp.mean(x)
    left, right = _shortfall(xp, x - middle, x, middle), _shortfall(xp, middle - x, 1 - x, 1 - middle)
    size_0 = middle * (1 - middle) / xp.mean((x - middle) ** 2)
    a, b = middle * size_0, (1 - middle) * size_0
    for _ in range(200):
        c = a + b
        e = product_minus(xp, middle, c, a) + middle * sum_error(a, b)
        gap_a, gap_b = xp.log1p(e / a) + left + _fall(xp, a, c), xp.log1p(-e / b) + right + _fall(xp, b, c)
        step_a, step_b = solve(xp, a, b, gap_a, gap_b)
        shrink = xp.minimum(xp.asarray(1.0), 0.5 / xp.maximum(-step_a / a, xp.maximum(-step_b / b, xp.asarray(0.5))))
        a, b = a + shrink * step_a, b + shrink * step_b
        if bool((xp.abs(step_a) <= 4e-16 * a) & (xp.abs(step_b) <= 4e-16 * b)):
            break
    return a, b


def _shortfall(xp: Any, d: Array, x: Array, middle: Array) -> Array:
    """The average of ``log(x / middle)``, given d = x - middle, whose own average is next to nothing."""
    t = d / middle
    rest = xp.where(t > -0.5, log1p_minus(xp, t), xp.log(x / middle) - t)
    return xp.mean(d) / middle + xp.mean(rest)
