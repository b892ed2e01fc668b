r"""Underdamped Langevin dynamics by the splitting BAOAB, which nothing accepts or rejects.

Axes: D coordinates; leading axes are chains.

Half a kick (B), half a drift (A), the exact Ornstein-Uhlenbeck step of the momentum (O), half a drift, half a kick.
There is no detailed balance with the target, but in a normal density the positions have the right variance exactly:
with precision K and unit mass :math:`\langle q^2 \rangle = 1 / K` for every stable step, while
:math:`\langle p^2 \rangle = 1 - h^2 K / 4`.
"""

from __future__ import annotations

from math import exp, expm1, sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, namespace
from refengine.domains import Array, Positive, Real
from refengine.samplers._chains import LAYOUT, cast, check_positive, cotangents, evaluate, inputs, times
from refengine.samplers._leapfrog import inverse_mass, metric_vjp
from refengine.samplers.langevin import Noise, noise
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian, check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_value_and_vjp", "step_vjp"]


class State(NamedTuple):
    """What is carried: position (..., D), the log density there (...), its gradient and the momentum (..., D)."""

    position: Real
    log_density: Real
    gradient: Real
    momentum: Real


class Info(NamedTuple):
    """The points on the way: momentum after the first kick, position half way, momentum after the noise (..., D)."""

    momentum_kicked: Real
    position_half: Real
    momentum_refreshed: Real


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def init(position: Array, target: Target, momentum: Array | None = None) -> State:
    """The state at a position and momentum (..., D), at rest unless said.

    >>> from refengine.samplers.targets import gaussian
    >>> init(np.array([2.0]), gaussian.target([0.0], [[1.0]]), np.array([0.5])).gradient.tolist()
    [-2.0]
    """
    at = (position, *check_target(target).parameters)
    slope = target.gradient(*at)
    at_rest = namespace(slope).zeros_like(slope)
    return State(position, target.log_density(*at), slope, at_rest if momentum is None else momentum)


def step(
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    friction: float,
    metric_convention: str = "inverse_mass",
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: p_1 = p + \tfrac h2 \nabla\log\pi(q), \quad q_1 = q + \tfrac h2 w p_1, \quad
              p_2 = c p_1 + \sqrt{1 - c^2}\, z / \sqrt w, \quad q' = q_1 + \tfrac h2 w p_2, \quad
              p' = p_2 + \tfrac h2 \nabla\log\pi(q'), \quad c = e^{-\gamma h}

    state: position q (..., D), log_density (...), gradient and momentum p (..., D); noise: normal z (..., D); metric:
    (D,), the same for all chains. The gradient at q is the one that the state carries. ``step_size`` is h, ``friction``
    :math:`\gamma`; no friction is Hamiltonian dynamics. ``metric_convention`` says what the metric holds:
    "inverse_mass" w, "mass" 1 / w, "inverse_scale" the root of w. A metric at or below 0: nan. Results in float64
    unless every floating array is float32. Raises ValueError for shapes, options, a step size that is not positive and
    a friction below 0, TypeError for dtypes. Leimkuhler and Matthews (2013), Applied Mathematics Research eXpress 2013,
    the method BAOAB.

    >>> from refengine.samplers.targets import gaussian
    >>> target, ones = gaussian.target([0.0], [[1.0]]), np.ones(1)
    >>> state, info = step(init(ones, target, ones), Noise(ones), target, ones, step_size=1.0, friction=0.0)
    >>> info.momentum_kicked.tolist(), state.position.tolist(), state.momentum.tolist()
    ([0.5], [1.5], [-0.25])
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    w = inverse_mass(xp, arrays.pop(), metric_convention)
    return cast(_step(target, *factors(step_size, friction), w, *arrays), dtype)


def step_value_and_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    friction: float,
    metric_convention: str = "inverse_mass",
) -> tuple[Transition, tuple[State, Noise, Array]]:
    """`step` and `step_vjp` with one pass."""
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    metric = arrays.pop()
    w, (h, c, k), z = inverse_mass(xp, metric, metric_convention), factors(step_size, friction), arrays[-1]
    check_hessian(target)
    value = _step(target, h, c, k, w, *arrays)
    g, (after, info) = cotangents(g, value), value
    with np.errstate(all="ignore"):
        to_end = g.state.position + times(xp, g.state.log_density[..., None], after.gradient)
        bent = g.state.gradient + h / 2 * g.state.momentum
        to_end = to_end + evaluate(xp, target, "gradient_vjp", after.position, bent)
        to_refreshed = g.state.momentum + h / 2 * w * to_end + g.info.momentum_refreshed
        to_x = to_end + g.info.position_half
        to_p = c * to_refreshed + h / 2 * w * to_x + g.info.momentum_kicked
        to_z = k * to_refreshed / xp.sqrt(w)
        to_w = h / 2 * (info.momentum_refreshed * to_end + info.momentum_kicked * to_x) - z * to_z / w / 2
    to_state = State(to_x, xp.zeros_like(after.log_density), h / 2 * to_p, to_p)
    to_metric = metric_vjp(xp, to_w, metric, metric_convention)
    return cast(value, dtype), (cast(to_state, dtype), cast(Noise(to_z), dtype), cast(to_metric, dtype))


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    friction: float,
    metric_convention: str = "inverse_mass",
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and metric; g may hold None for a field without cotangent.

    Backwards through the five parts, with :math:`k = \sqrt{1 - c^2}` and what arrives directly marked by 0:

    .. math:: \bar q_2 = \bar q' + \bar\ell' \nabla\log\pi(q') + H(q') (\bar g' + \tfrac h2 \bar p'), \qquad
              \bar p_2 = \bar p' + \tfrac h2 w \bar q_2 + \bar p_{20}, \qquad \bar q = \bar q_2 + \bar q_{10}

    .. math:: \bar p = c \bar p_2 + \tfrac h2 w \bar q + \bar p_{10}, \qquad \bar g = \tfrac h2 \bar p, \qquad
              \bar z = k \bar p_2 / \sqrt w, \qquad
              \bar w = \sum \bigl[ \tfrac h2 (p_2 \bar q_2 + p_1 \bar q) - \tfrac k2 z \bar p_2 w^{-3/2} \bigr]

    The log density that the state carries gets zero. TypeError where the target has no ``gradient_vjp``.
    """
    return step_value_and_vjp(
        g, state, noise, target, metric, step_size=step_size, friction=friction, metric_convention=metric_convention
    )[1]


def factors(step_size: float, friction: float) -> tuple[float, float, float]:
    """h, c = exp(-friction h), and the root of 1 - c^2 without its cancellation."""
    h, rubbing = check_positive("step_size", step_size), check_number("friction", friction)
    if not rubbing >= 0:
        raise ValueError(f"friction must be at least 0, got {friction!r}")
    return h, exp(-rubbing * h), sqrt(-expm1(-2 * rubbing * h))


def _step(target: Target, h: float, c: float, k: float, w: Array, *arrays: Array) -> Transition:
    x, _, slope, p, z = arrays
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        kicked = p + h / 2 * slope
        half = x + h / 2 * w * kicked
        refreshed = c * kicked + k * z / xp.sqrt(w)
        y = half + h / 2 * w * refreshed
        slope_y = evaluate(xp, target, "gradient", y)
        after = State(y, evaluate(xp, target, "log_density", y), slope_y, refreshed + h / 2 * slope_y)
    return Transition(after, Info(kicked, half, refreshed))
