r"""Adaptive rejection sampling of a log-concave density on a line: a hull of tangents above it, and chords below.

Axes: N points of the hull; leading axes are independent hulls.

The tangents of a concave log density lie above it, so that a draw of their exponential, which is kept with the
probability of the density over the hull, is an independent draw of the density. The chords lie below it: a uniform
under the chord's share accepts without the density. Every point that is tried makes the hull tighter, after the
decision.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, namespace
from refengine.domains import Array, Mask, Real, Unit
from refengine.samplers._chains import accept, cast, cotangents, evaluate, inputs, shape_of, uniforms
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian, check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]

_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600)


class State(NamedTuple):
    """The points of the hull in rising order, with log density and slope there, all (..., N)."""

    abscissae: Real
    log_density: Real
    gradient: Real


class Noise(NamedTuple):
    """Uniforms (...) for the place under the hull and for the decision."""

    place: Unit
    uniform: Unit


class Info(NamedTuple):
    """The draw, the hull and the chord there, the log density, and the decision, all (...).

    ``squeezed`` says that the chord alone decides; beyond the outer points it is -inf.
    """

    draw: Real
    hull: Real
    chord: Real
    log_density: Real
    log_accept_ratio: Real
    accepted: Mask
    squeezed: Mask


class Transition(NamedTuple):
    """The hull with the point that was tried, and what happened on the way."""

    state: State
    info: Info


def init(abscissae: Array, target: Target) -> State:
    """The hull over points (..., N) in rising order.

    >>> from refengine.samplers.targets import gaussian
    >>> init(np.array([-1.0, 1.0]), gaussian.target([0.0], [[1.0]])).gradient.tolist()
    [1.0, -1.0]

    ValueError where there are none.
    """
    if shape_of(abscissae)[-1:] in ((), (0,)):
        raise ValueError(f"abscissae must have shape (..., N) with N > 0, got {shape_of(abscissae)}")
    at, parameters = abscissae[..., None], check_target(target).parameters
    return State(abscissae, target.log_density(at, *parameters), target.gradient(at, *parameters)[..., 0])


def noise(rng: np.random.Generator, state: State) -> Noise:
    """Draw the noise of one try of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(*(np.zeros((3, 2)) for _ in range(3)))).place.shape
    (3,)
    """
    chains = shape_of(state.abscissae)[:-1]
    return Noise(*(uniforms(rng, state.abscissae, chains) for _ in Noise._fields))


def step(state: State, noise: Noise, target: Target, *, lower: float = -inf, upper: float = inf) -> Transition:
    r"""One try as a pure function of hull and noise: ``info.draw`` is a draw of the target where it is accepted.

    .. math:: z_k = x_k + \frac{h_{k+1} - h_k - h'_{k+1} (x_{k+1} - x_k)}{h'_k - h'_{k+1}}, \qquad
              u(x) = h_k + (x - x_k) h'_k \text{ on } [z_{k-1}, z_k], \qquad
              \int_{z_0}^{x^*} e^u = v \int_{z_0}^{z_N} e^u

    and :math:`x^*` is accepted if :math:`\log u_2 < h(x^*) - u(x^*)`. state: abscissae x, log_density h and gradient
    h', (..., N); noise: place v and uniform :math:`u_2` (...); target: of one coordinate, log-concave. ``lower`` and
    ``upper`` are :math:`z_0` and :math:`z_N`, the ends of the support. The new state has N + 1 points, :math:`x^*`
    among them, whatever the decision (the paper leaves out those that the chord accepts). The chord from point to point
    through the hull's heights is told; it decides nothing here that the density would not. nan where the hull has no
    integral (an outer slope towards an infinite end that does not fall) and where two neighbours have the same slope.
    Results in float64 unless every array of state and noise is float32. Raises ValueError for shapes and for ends in
    the wrong order, TypeError for dtypes. Gilks and Wild (1992), Applied Statistics 41, 337-348, eq. 1 to 4.

    The hull from -1 and 1 has its top in the middle:

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> state, info = step(init(np.array([-1.0, 1.0]), target), Noise(np.array(0.5), np.array(0.5)), target)
    >>> float(info.draw), float(info.hull), float(info.chord), bool(info.accepted), state.abscissae.tolist()
    (0.0, 0.5, -0.5, True, [-1.0, 0.0, 1.0])
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    return cast(_step(target, *ends_of(lower, upper), *arrays)[0], dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, target: Target, *, lower: float = -inf, upper: float = inf
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, decisions and the segment j held fixed; the uniform of the decision gets zero.

    The hull is continuous, so that moving the :math:`z_k` changes no integral. With the shares :math:`P_k` of the
    segments, the part r of segment j below :math:`x^*`, the means :math:`E_k` of the segments and :math:`E'` of that
    part, implicit differentiation of the equation for :math:`x^*` gives, with :math:`c_k = [k < j] - v` and for j
    :math:`c_j = r - v`, and :math:`w = \bar x^* \int e^u / e^{u(x^*)}`:

    .. math:: \bar v = w, \qquad \bar h_k \mathrel{-}= w P_k c_k, \qquad \bar x_k \mathrel{+}= w P_k c_k h'_k, \qquad
              \bar h'_k \mathrel{-}= w P_k c_k (E_k - x_k) \; (k \ne j), \qquad
              \bar h'_j \mathrel{-}= w P_j \bigl[r (E' - x_j) - v (E_j - x_j)\bigr]

    Before that :math:`\bar x^*` collects what arrives through hull, chord, log density and slope at :math:`x^*`.
    TypeError where the target has no ``gradient_vjp``.
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    x, h, slope, v, _ = arrays
    check_hessian(target)
    value, hull = _step(target, *ends_of(lower, upper), *arrays)
    (after, told), info = cotangents(g, value), value.info
    draw = info.draw[..., None]
    with np.errstate(all="ignore"):
        own, new = [_taken(xp, leaf, hull.number) for leaf in after], [_new(xp, leaf, hull.number) for leaf in after]
        to_hull, to_density = told.hull - told.log_accept_ratio, told.log_density + told.log_accept_ratio + new[1]
        at = xp.sum(xp.where(hull.chosen, slope, xp.zeros_like(slope)), axis=-1)
        to_draw = told.draw + new[0] + to_hull * at + to_density * hull.slope_there
        to_draw = to_draw + evaluate(xp, target, "gradient_vjp", draw, new[2][..., None])[..., 0]
        chord = _chord_vjp(xp, told.chord, info.draw, x, h, hull.number)
        to_draw = to_draw + chord[0]
        weight = (to_draw / hull.density)[..., None]
        share = hull.shares * hull.below
        pull = xp.where(hull.chosen, to_hull[..., None], xp.zeros_like(x))
        to_h = own[1] + pull + chord[2] - weight * share
        to_x = own[0] - pull * slope + chord[1] + weight * share * slope
        to_slope = own[2] + pull * (draw - x) - weight * hull.shares * hull.first_moment
    to_noise = Noise(weight[..., 0], xp.zeros_like(v))
    return cast(State(to_x, to_h, to_slope), dtype), cast(to_noise, dtype)


LAYOUT = {"abscissae": "N", "log_density": "N", "gradient": "N"}


class _Hull(NamedTuple):
    """Shares of the segments, their parts below the draw less v, their moments likewise; the draw, its density."""

    shares: Array
    below: Array
    first_moment: Array
    chosen: Array
    density: Array
    number: Array
    slope_there: Array


def ends_of(lower: float, upper: float) -> tuple[float, float]:
    ends = check_number("lower", lower), check_number("upper", upper)
    if not ends[0] < ends[1]:
        raise ValueError(f"lower must be below upper, got {lower!r} and {upper!r}")
    return ends


class _Segments(NamedTuple):
    """The segments of the hull (..., N): ends, slope, rise from left to right, logarithm of the integral."""

    left: Array
    right: Array
    slope: Array
    growth: Array
    log_mass: Array


class _Choice(NamedTuple):
    """Shares of the segments; the one with the draw, as number and mask; the parts of it before and behind the draw."""

    shares: Array
    number: Array
    chosen: Array
    part: Array
    rest: Array


def _step(target: Target, lower: float, upper: float, *arrays: Array) -> tuple[Transition, _Hull]:
    x, h, slope, v, u = arrays
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        segments = _segments(xp, lower, upper, x, h, slope)
        choice = _choice(xp, segments.log_mass, v)
        points = _points(xp, segments, choice)
        draw, hull = (_picked(xp, a, choice.chosen) for a in (points, h + (points - x) * slope))
        density = evaluate(xp, target, "log_density", draw[..., None])
        slope_there = evaluate(xp, target, "gradient", draw[..., None])[..., 0]
        number, ratio = xp.sum(xp.astype(x < draw[..., None], xp.int64), axis=-1), density - hull
        chord = _chord(xp, draw, x, h, number)
        info = Info(draw, hull, chord, density, ratio, accept(xp, u, ratio), accept(xp, u, chord - hull))
        below, moment = _moments(xp, segments, choice, x, v, draw)
        crowd = _picked(xp, _crowd(xp, segments, choice), choice.chosen)
    state = State(*(_inserted(xp, a, new, number) for a, new in ((x, draw), (h, density), (slope, slope_there))))
    return Transition(state, info), _Hull(choice.shares, below, moment, choice.chosen, crowd, number, slope_there)


def _segments(xp: Any, lower: float, upper: float, x: Array, h: Array, slope: Array) -> _Segments:
    gap, rise = x[..., 1:] - x[..., :-1], h[..., 1:] - h[..., :-1]
    inner = x[..., :-1] + (rise - slope[..., 1:] * gap) / (slope[..., :-1] - slope[..., 1:])
    ends = [xp.zeros_like(x[..., :1]) + end for end in (lower, upper)]
    z = xp.concat([ends[0], inner, ends[1]], axis=-1)
    left, right = z[..., :-1], z[..., 1:]
    growth = slope * (right - left)
    # one height for both segments that meet at an end: an error there is common to their masses
    heights = xp.concat([(h + slope * (left - x))[..., :1], h + slope * (right - x)], axis=-1)
    highest = xp.where(growth > 0, heights[..., 1:], heights[..., :-1])
    return _Segments(left, right, slope, growth, highest + xp.log(_width(xp, left, right, slope, growth)))


def _choice(xp: Any, log_mass: Array, v: Array) -> _Choice:
    v, numbers = v[..., None], xp.arange(log_mass.shape[-1])
    scaled = xp.exp(log_mass - xp.max(log_mass, axis=-1)[..., None])
    shares = scaled / xp.sum(scaled, axis=-1)[..., None]
    sums, upwards = xp.cumulative_sum(shares, axis=-1), xp.flip(shares, axis=-1)
    number = xp.sum(xp.astype(sums <= v, xp.int64), axis=-1)[..., None]
    chosen = numbers == xp.minimum(number, xp.zeros_like(number) + (log_mass.shape[-1] - 1))
    zero = xp.zeros_like(shares[..., :1])
    before = xp.concat([zero, sums[..., :-1]], axis=-1)
    behind = xp.flip(xp.concat([zero, xp.cumulative_sum(upwards[..., :-1], axis=-1)], axis=-1), axis=-1)
    rest = (1 - v - behind) / shares  # 1 - part with digits of its own
    return _Choice(shares, number, chosen, (v - before) / shares, rest)


def _flat(xp: Any, growth: Array) -> Array:
    """Whether the hull is as good as level: exp(growth) is 1, and what divides by the slope would lose its digits."""
    return xp.abs(growth) < 2.0**-60


def _crowd(xp: Any, segments: _Segments, choice: _Choice) -> Array:
    """The density of the hull at the draw, relative to its higher end by the shares instead of two large heights."""
    left, right, slope, growth, _ = segments
    small = xp.exp(-xp.abs(growth))
    relative = xp.where(growth > 0, choice.part + choice.rest * small, choice.rest + choice.part * small)
    steep = xp.abs(slope) * relative / -xp.expm1(-xp.abs(growth))
    return choice.shares * xp.where(_flat(xp, growth), 1 / (right - left), steep)


def _moments(xp: Any, segments: _Segments, choice: _Choice, x: Array, v: Array, draw: Array) -> tuple[Array, Array]:
    """For every segment its part below the draw less v, and the same of the first moments about its point."""
    left, right, slope, _, _ = segments
    v, middle, (_, number, chosen, part, rest) = v[..., None], draw[..., None] + 0 * x, choice
    late = v > 0.5
    own = xp.where(late, 1 - v - rest, part - v)
    outer = xp.where(xp.arange(x.shape[-1]) < number, 1 - v + 0 * x, -v + 0 * x)
    below, means = xp.where(chosen, own, outer), _mean(xp, left, right, slope) - x
    early_part = part * (_mean(xp, left, middle, slope) - x) - v * means
    late_part = (1 - v) * means - rest * (_mean(xp, middle, right, slope) - x)
    return below, xp.where(chosen, xp.where(late, late_part, early_part), below * means)


def _picked(xp: Any, values: Array, chosen: Array) -> Array:
    return xp.sum(xp.where(chosen, values, xp.zeros_like(values)), axis=-1)


def _width(xp: Any, left: Array, right: Array, slope: Array, growth: Array) -> Array:
    """The integral of exp(u) over a segment in units of its largest value; nan where there is none."""
    small = xp.where(_flat(xp, growth), right - left, -xp.expm1(-xp.abs(growth)) / xp.abs(slope))
    falls = ((left > -xp.inf) | (slope > 0)) & ((right < xp.inf) | (slope < 0)) & (right > left)
    return xp.where(falls, small, xp.nan)


def _points(xp: Any, segments: _Segments, choice: _Choice) -> Array:
    """The point below which the part of the segment's integral lies, from the end where the hull is higher."""
    left, right, slope, growth, _ = segments
    up = right + _log_mixed(xp, choice.rest, choice.part, -growth) / slope
    down = left + _log_mixed(xp, choice.part, choice.rest, growth) / slope
    level = left + choice.part * (right - left)
    return xp.where(_flat(xp, growth), level, xp.where(growth > 0, up, down))


def _log_mixed(xp: Any, share: Array, rest: Array, growth: Array) -> Array:
    """log(share exp(growth) + rest), where both shares sum to 1."""
    change = share * xp.expm1(growth)
    return xp.where(change > -0.5, xp.log1p(change), xp.log(share * xp.exp(growth) + rest))


def _mean(xp: Any, left: Array, right: Array, slope: Array) -> Array:
    """The mean of the density exp(slope x) on a segment."""
    width = right - left
    growth = slope * width
    series = xp.zeros_like(growth)
    for coefficient in _BERNOULLI[::-1]:
        series = series * growth * growth + coefficient
    near = 0.5 + series * growth
    share = xp.where(xp.abs(growth) < 0.5, near, -1 / xp.expm1(-growth) - 1 / growth)
    finite = left + width * share
    return xp.where(left == -xp.inf, right - 1 / slope, xp.where(right == xp.inf, left - 1 / slope, finite))


def _around(xp: Any, x: Array, number: Array) -> tuple[Array, Array, Array]:
    """Masks of the points before and behind the draw, and whether there are both."""
    numbers, before = xp.arange(x.shape[-1]), number[..., None] - 1
    inside = (number > 0) & (number < x.shape[-1])
    return (numbers == before) & inside[..., None], (numbers == before + 1) & inside[..., None], inside


def _chord(xp: Any, draw: Array, x: Array, h: Array, number: Array) -> Array:
    before, behind, inside = _around(xp, x, number)
    a, b, low, high = (_picked(xp, values, mask) for values in (x, h) for mask in (before, behind))
    height = low + (draw - a) / (b - a) * (high - low)
    return xp.where(inside, height, -xp.inf)


def _chord_vjp(xp: Any, g: Array, draw: Array, x: Array, h: Array, number: Array) -> tuple[Array, Array, Array]:
    """Cotangents of the draw, of the points and of their log densities."""
    before, behind, inside = _around(xp, x, number)
    a, b, low, high = (_picked(xp, values, mask) for values in (x, h) for mask in (before, behind))
    g = xp.where(inside, g, xp.zeros_like(g))
    t = xp.where(inside, (draw - a) / (b - a), xp.zeros_like(g))
    steep = xp.where(inside, g * (high - low) / (b - a), xp.zeros_like(g))
    zero = xp.zeros_like(x)
    to_x = xp.where(before, (steep * (t - 1))[..., None], xp.where(behind, (-steep * t)[..., None], zero))
    to_h = xp.where(before, (g * (1 - t))[..., None], xp.where(behind, (g * t)[..., None], zero))
    return steep, to_x, to_h


def _inserted(xp: Any, values: Array, new: Array, number: Array) -> Array:
    """The values with the new one behind as many as ``number``."""
    numbers, place = xp.arange(values.shape[-1] + 1), number[..., None]
    shifted = xp.concat([values[..., :1], values], axis=-1)
    kept = xp.concat([values, values[..., -1:]], axis=-1)
    return xp.where(numbers < place, kept, xp.where(numbers == place, new[..., None], shifted))


def _taken(xp: Any, g: Array, number: Array) -> Array:
    """What arrives at the values that were there."""
    numbers = xp.arange(g.shape[-1] - 1)
    return xp.where(numbers < number[..., None], g[..., :-1], g[..., 1:])


def _new(xp: Any, g: Array, number: Array) -> Array:
    """What arrives at the new value."""
    return _picked(xp, g, xp.arange(g.shape[-1]) == number[..., None])
