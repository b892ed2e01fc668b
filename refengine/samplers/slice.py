r"""Slice sampling along a direction: a level under the density, a bracket stepped out around the point, then shrunk.

Axes: D coordinates, T tries; leading axes are chains.

With the level y uniform under :math:`\pi(x)`, the pair (x, y) is uniform under the graph. Bracket and tries that lead
from x to x' lead back from x' with the same probability: the bracket lies at random around either point and its
expansions are shared out at random, the points that shrink it are rejected whichever of the two is the start. So the
update is reversible on the slice, also where the tries run out and the point stays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Indices, Mask, Real, Unit
from refengine.samplers._bracket import Shrunk, shrink, shrink_vjp
from refengine.samplers._chains import (
    LAYOUT,
    cast,
    check_count,
    choose,
    cotangents,
    evaluate,
    inputs,
    shape_of,
    shares,
    times,
    uniforms,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import over_chains

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """Uniforms for the level, the place of the bracket and the share of expansions (...), and the tries (..., T)."""

    level: Unit
    place: Unit
    share: Unit
    tries: Unit


class Info(NamedTuple):
    """The log level; the bracket stepped out and the point taken, as multiples of the direction; all (...)."""

    log_level: Real
    left: Real
    right: Real
    offset: Real
    tries: Indices
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State, tries: int = 32) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((3, 2)), np.zeros(3)), 8).tries.shape
    (3, 8)
    """
    like, chains = state.position, shape_of(state.position)[:-1]
    level, place, share = (uniforms(rng, like, chains) for _ in range(3))
    return Noise(level, place, share, uniforms(rng, like, (*chains, tries)))


def step(
    state: State,
    noise: Noise,
    target: Target,
    direction: Real,
    *,
    max_steps: int = 8,
    bracket: str = "from_left",
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: \log y = \log\pi(x) + \log u_0, \qquad L = -u_1, \quad R = L + 1, \qquad
              J = \lfloor m u_2 \rfloor, \quad K = m - 1 - J

    L steps down by 1 while :math:`\log\pi(x + L d) > \log y`, at most J times, R up, at most K times. Then
    :math:`t = L + v (R - L)` for one v after the other, until :math:`\log\pi(x + t d) > \log y`; a t that fails becomes
    L if it is below 0, else R. The new position is :math:`x + t d`. state: position x (..., D), log_density (...);
    noise: level :math:`u_0`, place :math:`u_1` and share :math:`u_2` (...), tries v (..., T); direction d: (D,), the
    same for all chains, whose length is the width w of the bracket: w times a unit vector updates one coordinate.
    ``max_steps`` is m. Where no try succeeds, the state stays as it is and ``accepted`` is False. ``bracket``
    "from_left" is as written; "from_point" starts with R = 1, the width to the right of the point, as PyMC did before
    4.0: its draws are biased to the right. The comparisons are strict: nan is outside. Results in float64 unless every
    floating array is float32. Raises ValueError for shapes and options, TypeError for dtypes. Neal (2003), The Annals
    of Statistics 31, 705-767, section 4, figures 3 and 5.

    Under a normal density the level 1/e reaches from -1.41 to 1.41. The bracket from -1/2 to 1/2 is stepped out to the
    left alone; the first try is 1/4 of the way.

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> drawn = Noise(np.exp(-1.0), np.array(0.5), np.array(0.75), np.array([0.25]))
    >>> state, info = step(init(np.zeros(1), target), drawn, target, np.ones(1), max_steps=2)
    >>> float(info.left), float(info.right), state.position.tolist()
    (-1.5, 0.5, [-1.0])
    """
    _, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), direction=direction)
    return cast(_step(target, check_count("max_steps", max_steps), bracket, *arrays)[0], dtype)


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    direction: Real,
    *,
    max_steps: int = 8,
    bracket: str = "from_left",
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and direction, all comparisons held fixed.

    Between the jumps of the comparisons t depends on the uniforms alone. With A where a try succeeds,
    :math:`\bar y = \bar x' + \bar\ell' \nabla\log\pi(x')` there, and the cotangents that are told:

    .. math:: \bar x = \bar y + [\neg A]\, \bar x', \qquad \bar t = \bar y \cdot d + \bar t_0, \qquad
              \bar d = \sum t \bar y, \qquad \bar\ell = \overline{\log y} + [\neg A]\, \bar\ell', \qquad
              \bar u_0 = \overline{\log y} / u_0

    Backwards through the tries, t = L + v (R - L) gives :math:`\bar L \mathrel{+}= (1 - v) \bar t`,
    :math:`\bar R \mathrel{+}= v \bar t`, :math:`\bar v = (R - L) \bar t`, a failed t taking over the cotangent of the
    end that it became; at their start :math:`\bar u_1 = -\bar L - \bar R`, without :math:`\bar R` for "from_point". The
    share gets zero.
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), direction=direction)
    u, v, d = arrays[2], arrays[5], arrays[6]
    value, shrunk = _step(target, check_count("max_steps", max_steps), bracket, *arrays)
    g, info = cotangents(g, value), value.info
    new, old = shares(xp, info.accepted, g.state)
    with np.errstate(all="ignore"):
        slope = evaluate(xp, target, "gradient", value.state.position)
        to_y = new.position + times(xp, new.log_density[..., None], slope)
        to_offset = xp.where(info.accepted, xp.sum(to_y * d, axis=-1) + g.info.offset, xp.zeros_like(u))
        to_left, to_right, to_tries, _ = shrink_vjp(xp, shrunk, v, to_offset)
        to_place = -(to_left + g.info.left)
        to_place = to_place - (to_right + g.info.right) if bracket == "from_left" else to_place
        to_noise = Noise(times(xp, g.info.log_level, 1 / u), to_place, xp.zeros_like(u), to_tries)
        to_direction = over_chains(xp, info.offset[..., None] * to_y)
    to_state = State(old.position + to_y, old.log_density + g.info.log_level)
    return cast(to_state, dtype), cast(to_noise, dtype), cast(to_direction, dtype)


_LAYOUT = LAYOUT | {"tries": "T"}


def _step(target: Target, most: int, bracket: str, *arrays: Array) -> tuple[Transition, Shrunk]:
    x, log_density, u, place, share, v, d = arrays
    check_option("bracket", bracket, ("from_left", "from_point"))
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        log_level = log_density + xp.log(u)

        def inside(offset: Array) -> Array:
            return evaluate(xp, target, "log_density", x + offset[..., None] * d) > log_level

        left_steps = xp.minimum(xp.floor(most * share), xp.asarray(most - 1.0))
        left = _stepped(xp, -place, -1.0, left_steps, most, inside)
        right = 1 - place if bracket == "from_left" else xp.ones_like(place)
        right = _stepped(xp, right, 1.0, most - 1 - left_steps, most, inside)
        shrunk = shrink(xp, left, right, v, inside)
        y = x + shrunk.point[..., None] * d
        proposed = evaluate(xp, target, "log_density", y)
    taken = shrunk.taken
    after = State(choose(xp, taken, y, x), choose(xp, taken, proposed, log_density))
    return Transition(after, Info(log_level, left, right, shrunk.point, shrunk.count, taken)), shrunk


def _stepped(xp: Any, end: Array, by: float, allowed: Array, most: int, inside: Any) -> Array:
    """The end of the bracket after at most ``allowed`` steps, as long as it is inside."""
    going = xp.ones(end.shape, dtype=xp.bool)
    for made in range(most - 1):
        going = going & (allowed > made) & inside(end)
        end = xp.where(going, end + by, end)
    return end
