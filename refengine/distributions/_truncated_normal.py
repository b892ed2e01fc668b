r"""What the functions of a truncated normal distribution share: the interval seen from its point next to the mode.

See `truncated_normal` for the distances s and their moments. With y = s - E[s] and c = r + E[s], z is plus or minus
(c + y), and every derivative of a moment is made of the central moments of y, of
:math:`\operatorname{Cov}(y, z^2) = 2 c E[y^2] + E[y^3]` and of :math:`\operatorname{Var}(y^2)`, in which
:math:`c \, E[y^3] \ge 0`. E[y^3] vanishes for the uniform distribution and for the whole line: next to the first it is
an odd function of the distance from the middle of the interval, next to the second what the ends bring.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine.distributions._divergence import excess, expm1_minus
from refengine.distributions._pointwise import flat, positive
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._saddle_point import log_quotient

_DEPTH = 48.0  # the exponent beyond which no moment counts
_STEPS = 100  # of Newton's method
_DEEP, _NEAR = 72.0, 24.0  # and for the mean of a factor whose logarithm is at most the other number there


class Frame(NamedTuple):
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


def frame(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> Frame:
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
    return Frame(defined, xp.where(below, xp.asarray(-1.0), 1.0), r, right, left, to_low, to_high, origin, scale)


def reach_of(xp: Any, r: Array, depth: float = _DEPTH) -> Array:
    """Where the exponent has grown to the depth."""
    root = xp.where(r < 1e100, xp.sqrt(r * r + 2 * depth), r)
    return 2 * depth / (r + root)


def sums(xp: Any, f: Frame, centre: Array | float, powers: tuple[int, ...]) -> list[Array]:
    """Integrals of ``(s - centre)^n exp(-s (s + 2r) / 2)`` over the interval."""
    end = reach_of(xp, f.r)
    up, down = xp.minimum(f.right, end), xp.minimum(f.left, end)
    totals = [0.0 * up for _ in powers]
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        for reach, side in ((up, 1.0), (down, -1.0)):
            s = reach * point
            mass = share * reach * xp.exp(-s * (s + 2 * f.r) / 2)
            totals = [t + mass * (side * s - centre) ** n for t, n in zip(totals, powers, strict=True)]
    return totals


def moments(xp: Any, f: Frame) -> tuple[Array, Array, Array]:
    """G, E[s] and E[s^2]; around the mode E[s] is the difference of the densities at the ends."""
    mass, first, second = sums(xp, f, 0.0, (0, 1, 2))
    near, gap = xp.minimum(f.left, f.right), xp.abs(f.right - f.left)
    fall = xp.exp(-near * near / 2) * -xp.expm1(-gap * (xp.maximum(f.left, f.right) + near) / 2)
    balance = xp.where(f.right == f.left, 0.0, xp.where(f.right > f.left, fall, -fall))
    return mass, xp.where(f.left > 0, balance, first) / mass, second / mass


def log_product(xp: Any, x: Array, y: Array) -> Array:
    product = x * y
    fits = (product > 1e-290) & (product < 1e290)
    return xp.where(fits, xp.log(xp.where(fits, product, 1.0)), xp.log(x) + xp.log(y))


def ends(xp: Any, f: Frame, mass: Array) -> tuple[Array, Array]:
    """The density at low and at high."""
    return tuple(xp.exp(-d * (d + 2 * f.r) / 2) / mass / f.scale for d in (f.low, f.high))


def times(xp: Any, density: Array, factor: Array) -> Array:
    """Their product, 0 where the density is 0."""
    return xp.where(density == 0, 0.0, density * factor)


def mass_from(xp: Any, r: Array, length: Array) -> Array:
    """Integral of ``exp(-s (s + 2r) / 2)`` from 0."""
    reach, total = xp.minimum(length, reach_of(xp, r)), 0.0 * r
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        s = reach * point
        total = total + share * reach * xp.exp(-s * (s + 2 * r) / 2)
    return total


def mean(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = frame(xp, loc, scale, low, high)
    mass, first, _ = moments(xp, f)
    y2, y3 = (total / mass for total in sums(xp, f, first, (2, 3)))
    at_low, at_high = ends(xp, f, mass)
    by_low, by_high = (times(xp, a, xp.abs(d - first) * f.scale) for a, d in ((at_low, f.low), (at_high, f.high)))
    by_scale = _cross(xp, f, first, y2, y3, (at_low, at_high))
    return f.defined, f.origin + f.sign * (f.scale * first), y2, f.sign * by_scale, by_low, by_high


def _cross(xp: Any, f: Frame, first: Array, y2: Array, y3: Array, at: tuple[Array, Array]) -> Array:
    """The covariance of y and z^2."""
    # where little is cut off, the moments that vanish for the whole line are what the ends bring
    one, two = (times(xp, a * f.scale, 1 + d * d - d * first) for a, d in zip(at, (f.low, f.high), strict=True))
    return xp.where(xp.minimum(f.left, f.right) > 1, one - two, 2 * (f.r + first) * y2 + y3)


def _third(xp: Any, f: Frame, first: Array, direct: Array, at: tuple[Array, Array]) -> Array:
    """E[y^3], given what its own sum is."""
    left, right = (times(xp, a * f.scale, d * d - 1) for a, d in zip(at, (f.low, f.high), strict=True))
    bound = _bound(xp, f, at)
    by_ends = (left - right) + 3 * first * bound + 2 * first * first * first
    half, centre = (f.left + f.right) / 2, f.r + (f.right - f.left) / 2
    middle = (half < 3) & (xp.abs(centre) * half < 1)
    odd = _odd(xp, xp.where(middle, half, 1.0), xp.where(middle, centre, 0.0))
    return xp.where(middle, odd, xp.where(xp.minimum(f.left, f.right) > 2, by_ends, direct))


def _odd(xp: Any, half: Array, centre: Array) -> Array:
    """E[y^3] for the density exp(-(centre + t)^2 / 2) on abs(t) <= half."""
    even, first, second, third = (0.0 * half,) * 4
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        t = half * point
        mass = share * xp.exp(-t * t / 2)
        up, down = mass * xp.cosh(t * centre), mass * t * xp.sinh(t * centre)
        even, first, second, third = even + up, first - down, second + t * t * up, third - t * t * down
    first, second, third = first / even, second / even, third / even
    return third - 3 * second * first + 2 * first * first * first


def _bound(xp: Any, f: Frame, at: tuple[Array, Array]) -> Array:
    """1 - E[s (s + r)]: the distances of the ends times the densities there."""
    low, high = (times(xp, a * f.scale, xp.abs(d)) for a, d in zip(at, (f.low, f.high), strict=True))
    return low + high


class _Central(NamedTuple):
    """Moments about the mean, and what derivatives are made of."""

    mass: Array
    first: Array
    second: Array
    y2: Array
    y3: Array
    squares: Array  # the variance of y^2
    cross: Array  # the covariance of y and z^2
    at: tuple[Array, Array]  # the density at low and at high
    bound: Array


def _central(xp: Any, f: Frame) -> _Central:
    mass, first, second = moments(xp, f)
    y2, direct = (total / mass for total in sums(xp, f, first, (2, 3)))
    squares = 0.0 * y2
    for mass_here, s in _nodes(xp, f):
        y = s - first
        squares = squares + mass_here * (y * y - y2) ** 2
    at = ends(xp, f, mass)
    y3 = _third(xp, f, first, direct, at)
    return _Central(
        *(mass, first, second, y2, y3, squares / mass, _cross(xp, f, first, y2, y3, at), at, _bound(xp, f, at))
    )


def _nodes(xp: Any, f: Frame, depth: float = _DEPTH) -> Any:
    """The terms of G, and where they are."""
    end = reach_of(xp, f.r, depth)
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        for reach, side in ((xp.minimum(f.right, end), 1.0), (xp.minimum(f.left, end), -1.0)):
            s = reach * point
            yield share * reach * xp.exp(-s * (s + 2 * f.r) / 2), side * s


def _fall(f: Frame, d: Array) -> Array:
    """Minus the logarithm of the density at a distance over that at the origin."""
    return d * (d + 2 * f.r) / 2


def variance(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = frame(xp, loc, scale, low, high)
    m = _central(xp, f)
    by_loc = f.sign * (f.scale * m.y3)
    by_scale = f.scale * (m.squares + 2 * (f.r + m.first) * m.y3)
    by_low, by_high = (
        times(xp, a * f.scale, ((d - m.first) ** 2 - m.y2) * f.scale)
        for a, d in zip(m.at, (f.low, f.high), strict=True)
    )
    # the end next to the mode: all move together without effect
    near_low, near_high = (f.r > 0) & (f.sign > 0), (f.r > 0) & (f.sign < 0)
    by_low, by_high = xp.where(near_low, -(by_loc + by_high), -by_low), xp.where(near_high, by_low - by_loc, by_high)
    return f.defined, f.scale * m.y2 * f.scale, by_loc, by_scale, by_low, by_high


def entropy(xp: Any, loc: Array, scale: Array, low: Array, high: Array) -> tuple[Array, ...]:
    f = frame(xp, loc, scale, low, high)
    m = _central(xp, f)
    found = m.second / 2 + f.r * m.first + log_product(xp, f.scale, m.mass)
    c = f.r + m.first
    by_scale = (m.squares + 4 * c * m.y3 + 4 * c * m.y2 * c) / 2 / f.scale
    by_low, by_high = (
        times(xp, a, _fall(f, d) + m.second / 2 + m.bound) for a, d in zip(m.at, (f.low, f.high), strict=True)
    )
    return f.defined, found, f.sign * m.cross / 2 / f.scale, by_scale, -by_low, by_high


def kl(
    xp: Any,
    loc_p: Array,
    scale_p: Array,
    low_p: Array,
    high_p: Array,
    loc_q: Array,
    scale_q: Array,
    low_q: Array,
    high_q: Array,
) -> tuple[Array, ...]:
    p, q = frame(xp, loc_p, scale_p, low_p, high_p), frame(xp, loc_q, scale_q, low_q, high_q)
    defined, fits = p.defined & q.defined, (low_q <= low_p) & (high_p <= high_q)
    low, high = xp.where(p.defined, low_p, -1.0), xp.where(p.defined, high_p, 1.0)
    cut = frame(xp, loc_q, scale_q, low, high)  # q on the support of p
    m, ratio, less = _central(xp, p), p.scale / q.scale, -excess(p.scale, q.scale)
    inner = cut.sign * (p.sign * ratio * m.first + (p.origin - cut.origin) / q.scale)  # the mean of p from there
    step, there = p.sign * ((loc_q - loc_p) / p.scale), p.sign * cut.sign * (cut.r + inner)
    slope = _slope(xp, p.r + m.first, step, there, less, ratio)

    def log_factor(s: Array) -> Array:
        """log(q / p) less its mean under p."""
        y = s - m.first
        return less / 2 * (y * y - m.y2) + slope * y

    excess_mass, largest = 0.0 * (slope + ratio), 0.0 * (slope + ratio)
    for mass, s in _nodes(xp, p, _DEEP):
        u = log_factor(s)
        excess_mass, largest = excess_mass + mass * expm1_minus(xp, u), xp.maximum(largest, xp.abs(u))
    cut_mass, *_ = moments(xp, cut)
    mean_fall = (ratio * m.y2 * ratio + inner * (inner + 2 * cut.r)) / 2
    far = log_quotient(xp, q.scale, p.scale, cut_mass / m.mass) + (mean_fall - (m.second / 2 + p.r * m.first))
    q_mass, q_first, q_second = moments(xp, q)
    found = xp.where(largest < _NEAR, xp.log1p(excess_mass / m.mass), far)
    found = found + _lost(xp, q, cut, q_mass, cut_mass, (low, high), (low_q, high_q))

    by_ends = []
    for at, d, there in zip(m.at, (p.low, p.high), (cut.low, cut.high), strict=True):
        u = log_factor(d)
        fall = (ratio * m.y2 * ratio + (inner - there) * (inner + there + 2 * cut.r)) / 2
        by_ends.append(times(xp, at, xp.where(xp.abs(u) < 0.5, 1 + u, _fall(p, d) + m.second / 2 + m.bound + fall)))
    by_loc = -p.sign * ((less / 2 * m.y3 + slope * m.y2) / p.scale)
    by_scale = -(less / 2 * (m.squares + 2 * (p.r + m.first) * m.y3) + slope * m.cross) / p.scale
    gap = p.sign * ratio * m.first + (p.origin - q.origin) / q.scale  # the mean of p from the origin of q
    by_loc_q = (q.sign * q_first - gap) / q.scale
    second = ratio * m.y2 * ratio + gap * (gap + 2 * q.sign * q.r)
    by_scale_q = ((q_second + 2 * q.r * q_first) - second) / q.scale
    at_low, at_high = ends(xp, q, q_mass)
    slopes = by_loc, by_scale, by_ends[0], -by_ends[1], by_loc_q, by_scale_q, -at_low, at_high
    return defined, *flat(xp, ~fits, xp.inf, (found, *slopes))


def _slope(xp: Any, c: Array, step: Array, there: Array, less: Array, ratio: Array) -> Array:
    """``c - ratio there = step + less there / ratio`` for less = 1 - ratio^2, from the smaller terms."""
    rest, own = less * (there / ratio), ratio * there
    return xp.where(xp.abs(step) + xp.abs(rest) < xp.abs(c) + xp.abs(own), step + rest, c - own)


def _lost(
    xp: Any, q: Frame, cut: Frame, mass: Array, cut_mass: Array, inner: tuple[Array, ...], outer: tuple[Array, ...]
) -> Array:
    """Minus the logarithm of the share of q on the support of p."""
    outside = 0.0 * mass
    for p_end, q_end, d in zip(inner, outer, (q.low, q.high), strict=True):
        length = xp.where(p_end == q_end, 0.0, xp.abs(p_end - q_end)) / q.scale
        to = q.sign * (p_end - q.origin) / q.scale
        start = xp.where(length > 0, xp.minimum(xp.abs(to), xp.abs(d)), 0.0)
        beyond = xp.exp(-_fall(q, start)) * mass_from(xp, q.r + start, length)
        across = mass_from(xp, q.r, xp.abs(to)) + mass_from(xp, q.r, xp.abs(d))
        outside = outside + xp.where((to < 0) == (d < 0), beyond, across)
    share = outside / mass
    step = xp.abs(cut.origin - q.origin) / q.scale
    return xp.where(share < 0.5, -xp.log1p(-share), _fall(q, step) + xp.log(mass / cut_mass))


class Fit(NamedTuple):
    """An estimate for data with mean 0 and variance 1, and the data's own mean and standard deviation."""

    loc: Array
    scale: Array
    low: Array
    high: Array
    middle: Array
    rest: Array  # what rounding took from the mean
    unit: Array


def fit(xp: Any, x: Array, low: Array, high: Array) -> Fit | None:
    """Newton's method on the concave log likelihood of (loc / scale^2, 1 / scale^2); None where it has no maximum."""
    if x.shape[0] < 2 or not bool(xp.all((x >= low) & (x <= high) & xp.isfinite(x)) & (low < high)):
        return None
    middle = xp.mean(x)
    rest = xp.mean(x - middle)
    unit = xp.sqrt(xp.mean(((x - middle) - rest) ** 2))
    if not bool(unit > 0):
        return None
    low, high = (((end - middle) - rest) / unit for end in (low, high))
    if not bool(_exponential_variance(xp, low, high) > 1):
        return None
    tilt, weight, settled = 0.0 * unit, 1.0 + 0.0 * unit, 0
    for _ in range(_STEPS):
        mean, second, step = _step(xp, tilt, weight, low, high)
        settled += bool(xp.abs(step[0]) + xp.abs(step[1]) < 1e-6 * (1 + xp.abs(tilt) + weight))
        share, slope = 1.0, step[0] * mean - step[1] * (second - 1) / 2  # of the likelihood along minus the step
        level = _cost(xp, tilt, weight, low, high)
        while share > 1e-12 and not settled:
            trial = tilt - share * step[0], weight - share * step[1]
            if bool(trial[1] > 0) and bool(_cost(xp, *trial, low, high) <= level - share * slope / 4):
                break
            share = share / 2
        tilt, weight = tilt - share * step[0], weight - share * step[1]
        if settled == 3:
            break
    return Fit(tilt / weight, 1 / xp.sqrt(weight), low, high, middle, rest, unit)


def _step(xp: Any, tilt: Array, weight: Array, low: Array, high: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """E[x], E[x^2], and Newton's step for the density exp(tilt x - weight x^2 / 2)."""
    f, mean, m = _at(xp, tilt, weight, low, high)
    second = mean * mean + f.scale * f.scale * m.y2
    y2, y3 = f.scale**2 * m.y2, f.sign * f.scale**3 * m.y3
    # in the basis x, (x - mean)^2: minus half the second is what the weight multiplies
    det = y2 * f.scale**4 * m.squares - y3 * y3
    lack_1, lack_2 = mean, (y2 + mean * mean) - 1 - 2 * mean * mean
    by_square = (y2 * lack_2 - y3 * lack_1) / det
    by_mean = (lack_1 - y3 * by_square) / y2
    return mean, second, (by_mean - 2 * mean * by_square, -2 * by_square)


def _at(xp: Any, tilt: Array, weight: Array, low: Array, high: Array) -> tuple[Frame, Array, _Central]:
    f = frame(xp, tilt / weight, 1 / xp.sqrt(weight), low, high)
    m = _central(xp, f)
    return f, f.origin + f.sign * (f.scale * m.first), m


def _cost(xp: Any, tilt: Array, weight: Array, low: Array, high: Array) -> Array:
    """Minus the average log likelihood, but for a constant."""
    f = frame(xp, tilt / weight, 1 / xp.sqrt(weight), low, high)
    mass, *_ = moments(xp, f)
    return log_product(xp, f.scale, mass) + f.origin * (tilt - weight * f.origin / 2) + weight / 2


def _exponential_variance(xp: Any, low: Array, high: Array) -> Array:
    """The variance of the exponential density on the interval whose mean is 0, which no normal density reaches."""
    if bool(xp.isinf(low)) or bool(xp.isinf(high)):
        return xp.minimum(low * low, high * high)
    half, aim = (high - low) / 2, xp.abs(high + low) / (high - low)  # coth(k) - 1/k = aim
    k = aim * (3 - aim * aim) / (1 - aim * aim)
    for _ in range(20):
        k = k - (_langevin(xp, k) - aim) / _langevin_slope(xp, k)
    return half * half * _langevin_slope(xp, k)


def _langevin(xp: Any, k: Array) -> Array:
    safe = xp.where(k > 1e-2, k, 1.0)
    return xp.where(k > 1e-2, 1 / xp.tanh(safe) - 1 / safe, k / 3 * (1 - k * k / 15 * (1 - k * k * 2 / 21)))


def _langevin_slope(xp: Any, k: Array) -> Array:
    safe = xp.where(k > 1e-2, k, 1.0)
    decay = xp.exp(-2 * safe)
    return xp.where(
        k > 1e-2, 1 / safe**2 - 4 * decay / (1 - decay) ** 2, (1 - k * k / 5 * (1 - k * k * 2 / 21 * 5)) / 3
    )


def fit_slopes(xp: Any, found: Fit, x: Array, to_loc: Array, to_scale: Array) -> tuple[Array, Array, Array]:
    """Cotangents of the data and of both ends: those of the two equations for mean and variance, solved."""
    loc, scale, low, high, middle, rest, unit = found
    f = frame(xp, loc, scale, low, high)
    m = _central(xp, f)
    c, y3 = f.r + m.first, f.sign * m.y3
    det = m.y2 * m.squares - m.y3 * m.y3
    to_mean = (to_loc * (m.squares + 2 * c * m.y3) - to_scale * y3) / det
    to_variance = (to_scale * m.y2 - to_loc * f.sign * m.cross) / det / scale
    _, _, _, _, *of_mean = mean(xp, loc, scale, low, high)
    _, _, _, _, *of_variance = variance(xp, loc, scale, low, high)
    by_low, by_high = (-(to_mean * p + to_variance * q) for p, q in zip(of_mean, of_variance, strict=True))
    y = ((x - middle) - rest) / unit
    return (to_mean + 2 * y * to_variance) / x.shape[0], by_low, by_high
