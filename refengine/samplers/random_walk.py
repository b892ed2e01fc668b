r"""Random-walk Metropolis: a normal step in every coordinate, accepted by the ratio of the densities.

Axes: D coordinates; leading axes are chains, each with a decision of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Mask, Real
from refengine.samplers._chains import (
    Noise,
    accept,
    cast,
    chains,
    check_positive,
    choose,
    cotangents,
    evaluate,
    noise,
    times,
)
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_value_and_vjp", "step_vjp"]


class State(NamedTuple):
    """What is carried from step to step: position (..., D) and the log density there (...)."""

    position: Real
    log_density: Real


class Info(NamedTuple):
    """What happened in a step: the proposal (..., D); its log density, the log ratio and the decision, all (...)."""

    proposal: Real
    proposal_log_density: Real
    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def init(position: Array, target: Target) -> State:
    """The state at a position (..., D).

    >>> from refengine.samplers.targets import gaussian
    >>> float(init(np.array([2.0]), gaussian.target([0.0], [[1.0]])).log_density)
    -2.0
    """
    return State(position, check_target(target).log_density(position, *target.parameters))


def step(state: State, noise: Noise, target: Target, *, scale: float) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: y = x + \text{scale} \cdot z, \qquad
              x' = y \;\text{if}\; \log u < \log \pi(y) - \log \pi(x) \;\text{else}\; x

    state: position x (..., D), log_density (...); noise: normal z (..., D), uniform u (...). The log density of x is
    the one that the state carries, an input of its own; it is not computed again. The comparison is strict. A ratio
    that is nan rejects; so does a proposal of density 0. u = 0 accepts every other proposal. ``scale`` is the standard
    deviation of the step. Results in float64 unless every array of state and noise is float32; the target is evaluated
    in float64. Raises ValueError for a shape that does not fit the position's or a scale that is not positive,
    TypeError for other dtypes. Metropolis et al. (1953), The Journal of Chemical Physics 21, section II.

    From 0 half a standard deviation up a standard normal density: the ratio is exp(-1/8), above u = 1/2.

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> start = init(np.array([0.0]), target)
    >>> state, info = step(start, Noise(np.array([1.0]), np.array(0.5)), target, scale=0.5)
    >>> float(info.log_accept_ratio), bool(info.accepted), state.position.tolist()
    (-0.125, True, [0.5])
    """
    _, dtype, *arrays = chains(state, noise, State)
    return cast(_step(target, check_positive("scale", scale), *arrays), dtype)


def step_value_and_vjp(
    g: Transition, state: State, noise: Noise, target: Target, *, scale: float
) -> tuple[Transition, tuple[State, Noise]]:
    """`step` and `step_vjp` with one evaluation of the log density."""
    xp, dtype, x, log_density, z, u = chains(state, noise, State)
    scale = check_positive("scale", scale)
    value = _step(target, scale, x, log_density, z, u)
    g, accepted = cotangents(g, value), value.info.accepted
    with np.errstate(all="ignore"):
        nothing = xp.zeros_like(u)
        moved = choose(xp, accepted, g.state.log_density, nothing)
        to_density = moved + g.info.proposal_log_density + g.info.log_accept_ratio
        slope = evaluate(xp, target, "gradient", value.info.proposal)
        direct = g.state.position + g.info.proposal
        to_proposal = choose(xp, accepted, direct, g.info.proposal) + times(xp, to_density[..., None], slope)
        to_x = choose(xp, accepted, to_proposal, to_proposal + g.state.position)
        to_log_density = choose(xp, accepted, nothing, g.state.log_density) - g.info.log_accept_ratio
    result = State(to_x, to_log_density), Noise(scale * to_proposal, nothing)
    return cast(value, dtype), (cast(result[0], dtype), cast(result[1], dtype))


def step_vjp(g: Transition, state: State, noise: Noise, target: Target, *, scale: float) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, the decision held fixed; g may hold None for a field without cotangent.

    The step is piecewise smooth: the decision A is constant almost everywhere, so the uniform gets zero. With
    :math:`\bar\ell_y` the sum of the cotangents of the proposal's log density, of the ratio and, if accepted, of the
    new log density, and :math:`\bar y` that of the proposal's and, if accepted, of the new position's:

    .. math:: \bar y \mathrel{+}= \bar\ell_y \nabla \log \pi(y), \qquad \bar x = \bar y + [\neg A]\, \bar x', \qquad
              \bar z = \text{scale} \cdot \bar y, \qquad \bar\ell_x = [\neg A]\, \bar\ell' - \bar r

    A cotangent of zero stays zero where the gradient of the target is not finite.
    """
    return step_value_and_vjp(g, state, noise, target, scale=scale)[1]


def _step(target: Target, scale: float, x: Array, log_density: Array, z: Array, u: Array) -> Transition:
    xp = namespace(x)
    with np.errstate(all="ignore"):
        y = x + scale * z
        proposed = evaluate(xp, target, "log_density", y)
        log_ratio = proposed - log_density
    accepted = accept(xp, u, log_ratio)
    after = State(choose(xp, accepted, y, x), choose(xp, accepted, proposed, log_density))
    return Transition(after, Info(y, proposed, log_ratio, accepted))
