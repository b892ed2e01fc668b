r"""The Metropolis-adjusted Langevin algorithm: a step up the gradient with normal noise, accepted or rejected.

Axes: D coordinates; leading axes are chains, each with a decision of its own.
"""

from __future__ import annotations

from fractions import Fraction
from math import log, log1p, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
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
    shares,
    times,
)
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian, check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_value_and_vjp", "step_vjp"]

_PI = Fraction(pi) + Fraction(1.2246467991473532e-16)


class State(NamedTuple):
    """What is carried from step to step: position (..., D), the log density there (...) and its gradient (..., D)."""

    position: Real
    log_density: Real
    gradient: Real


class Info(NamedTuple):
    """What happened in a step: the proposal with its log density and gradient, and how the decision came about.

    ``log_q_forward`` is the log density of proposing y from x, ``log_q_reverse`` that of proposing x from y.
    """

    proposal: Real
    proposal_log_density: Real
    proposal_gradient: Real
    log_q_forward: Real
    log_q_reverse: Real
    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def init(position: Array, target: Target) -> State:
    """The state at a position (..., D).

    >>> from refengine.samplers.targets import gaussian
    >>> init(np.array([2.0]), gaussian.target([0.0], [[1.0]])).gradient.tolist()
    [-2.0]
    """
    at = (position, *check_target(target).parameters)
    return State(position, target.log_density(*at), target.gradient(*at))


def step(
    state: State, noise: Noise, target: Target, *, step_size: float, step_size_convention: str = "epsilon"
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: y = x + \epsilon \nabla \log \pi(x) + \sqrt{2 \epsilon}\, z, \qquad
              \log r = \log \frac{\pi(y)\, q(x \mid y)}{\pi(x)\, q(y \mid x)}, \qquad
              q(\cdot \mid x) = N(x + \epsilon \nabla \log \pi(x),\, 2 \epsilon I)

    and :math:`x' = y` if :math:`\log u < \log r`, else x. state: position x (..., D), log_density (...), gradient
    (..., D); noise: normal z (..., D), uniform u (...). Density and gradient at x are those that the state carries,
    inputs of their own. The comparison is strict: a nan ratio and a proposal of density 0 reject, u = 0 accepts every
    other proposal. ``step_size_convention`` says how :math:`\epsilon` comes from the step size h: "epsilon" is h
    (drift h, variance 2h), "half_epsilon" is h / 2 (drift h / 2, variance h), "half_epsilon_squared" is
    :math:`h^2 / 2` (one leapfrog step of size h). Results in float64 unless every array of state and noise is float32;
    the target is evaluated in float64. Raises ValueError for a shape that does not fit the position's, a step size that
    is not positive or another convention, TypeError for other dtypes.
    Roberts and Tweedie (1996), Bernoulli 2, 341-363, who write h for :math:`2 \epsilon`.

    From 1 the drift of a standard normal density and the noise give y = 1 - 0.5 + 1 = 1.5. The reverse step would need
    1 - 1.5 + 0.75 = 0.25: log r = (1 - 1.125 - 0.5) + (0.5 - 0.25**2 / 2).

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> start = init(np.array([1.0]), target)
    >>> state, info = step(start, Noise(np.array([1.0]), np.array(0.5)), target, step_size=0.5)
    >>> float(info.log_accept_ratio), bool(info.accepted), state.position.tolist()
    (-0.15625, True, [1.5])
    """
    _, dtype, *arrays = chains(state, noise, State)
    return cast(_step(target, *epsilon_of(step_size, step_size_convention), *arrays), dtype)


def step_value_and_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> tuple[Transition, tuple[State, Noise]]:
    """`step` and `step_vjp` with one evaluation of density and gradient."""
    xp, dtype, *arrays = chains(state, noise, State)
    epsilon, log_variance = epsilon_of(step_size, step_size_convention)
    check_hessian(target)
    value = _step(target, epsilon, log_variance, *arrays)
    result = _vjp(cotangents(g, value), value.info, arrays, target, epsilon)
    return cast(value, dtype), (cast(result[0], dtype), cast(result[1], dtype))


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, the decision held fixed; g may hold None for a field without cotangent.

    The step is piecewise smooth, so the uniform gets zero. With :math:`s = \nabla\log\pi(x) + \nabla\log\pi(y)`,
    :math:`a = \sqrt{\epsilon / 2}` and :math:`w = z + a s`, the reverse step needs the noise -w, so that
    :math:`\log q(x | y) = c - |w|^2 / 2` and :math:`\log q(y | x) = c - |z|^2 / 2`. No difference of squares is left in
    :math:`\log r = \log\pi(y) - \log\pi(x) - a\, s \cdot (z + a s / 2)`. With the cotangents :math:`\bar r` of the
    ratio and :math:`\bar f, \bar b` of the forward and reverse density, s gets
    :math:`\bar s = -a (\bar r + \bar b) w`, and

    .. math:: \bar y = \bar y_0 + \bar\ell_y \nabla\log\pi(y) + H(y) (\bar g_y + \bar s), \qquad
              \bar x = \bar x_0 + \bar y, \qquad \bar g_x = \bar g_{x0} + \epsilon \bar y + \bar s, \qquad
              \bar z = \sqrt{2\epsilon}\, \bar y - a \bar r s - \bar b w - \bar f z

    where the index 0 marks what arrives directly, through the new state by the decision. The Hessian H is met only in
    the vjp of the target's gradient: TypeError where the target has no ``gradient_vjp``.
    """
    return step_value_and_vjp(g, state, noise, target, step_size=step_size, step_size_convention=step_size_convention)[
        1
    ]


def epsilon_of(step_size: float, convention: str) -> tuple[float, float]:
    """Half the variance of the noise, and the logarithm of 2 pi times the variance."""
    check_option("step_size_convention", convention, ("epsilon", "half_epsilon", "half_epsilon_squared"))
    h = Fraction(check_positive("step_size", step_size))
    epsilon = {"epsilon": h, "half_epsilon": h / 2, "half_epsilon_squared": h * h / 2}[convention]
    spread = 4 * epsilon * _PI  # exact, for the logarithm next to its zero
    return float(epsilon), log1p(spread - 1) if 0.5 < spread < 2 else log(spread)


def _step(target: Target, epsilon: float, log_variance: float, *arrays: Array) -> Transition:
    x, log_density, slope, z, u = arrays
    xp, a = namespace(x), sqrt(epsilon / 2)
    with np.errstate(all="ignore"):
        y = x + epsilon * slope + 2 * a * z
        proposed, slope_y = evaluate(xp, target, "log_density", y), evaluate(xp, target, "gradient", y)
        pull = slope + slope_y
        constant = -x.shape[-1] * log_variance / 2
        forward = constant - xp.sum(z * z, axis=-1) / 2
        reverse = constant - xp.sum((z + a * pull) ** 2, axis=-1) / 2
        log_ratio = proposed - log_density - a * xp.sum(pull * (z + a / 2 * pull), axis=-1)
        log_ratio = xp.where(proposed == -xp.inf, proposed, log_ratio)  # also where its gradient is not finite
    accepted = accept(xp, u, log_ratio)
    pairs = ((y, x), (proposed, log_density), (slope_y, slope))
    after = State(*(choose(xp, accepted, new, old) for new, old in pairs))
    return Transition(after, Info(y, proposed, slope_y, forward, reverse, log_ratio, accepted))


def _vjp(g: Transition, info: Info, arrays: Any, target: Target, epsilon: float) -> tuple[State, Noise]:
    x, _, slope, z, u = arrays
    xp, a, told = namespace(x), sqrt(epsilon / 2), g.info
    new, old = shares(xp, info.accepted, g.state)
    ratio, back, forth = (leaf[..., None] for leaf in (told.log_accept_ratio, told.log_q_reverse, told.log_q_forward))
    with np.errstate(all="ignore"):
        pull = slope + info.proposal_gradient
        w = z + a * pull
        to_pull = -a * times(xp, ratio + back, w)
        to_density = (new.log_density + told.proposal_log_density)[..., None] + ratio
        to_slope_y = new.gradient + told.proposal_gradient + to_pull
        to_y = new.position + told.proposal + times(xp, to_density, info.proposal_gradient)
        to_y = to_y + evaluate(xp, target, "gradient_vjp", info.proposal, to_slope_y)
        to_z = 2 * a * to_y - a * times(xp, ratio, pull) - times(xp, back, w) - times(xp, forth, z)
        to_gradient = old.gradient + epsilon * to_y + to_pull
        to_state = State(old.position + to_y, old.log_density - told.log_accept_ratio, to_gradient)
    return to_state, Noise(to_z, xp.zeros_like(u))
