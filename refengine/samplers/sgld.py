r"""Stochastic gradient Langevin dynamics: an unadjusted Langevin step with an estimate of the gradient.

Axes: D coordinates; leading axes are chains.

The gradient comes as an argument, so that the minibatch is explicit: for N rows of data of which B were drawn it is
:math:`\nabla\log p(\theta) + \tfrac NB \sum_b \nabla\log p(x_b | \theta)`. There is no detailed balance: the bias is
that of ``langevin`` and of the variance of the estimate, which adds to that of the noise.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from refengine._arrays import check_number
from refengine.domains import Array, Real
from refengine.samplers._chains import LAYOUT, cast, cotangents, inputs
from refengine.samplers.langevin import Info, Noise, noise
from refengine.samplers.mala import epsilon_of

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class State(NamedTuple):
    """What is carried from step to step: the position (..., D)."""

    position: Real


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def init(position: Array) -> State:
    """The state at a position (..., D).

    >>> init(np.array([2.0])).position.tolist()
    [2.0]
    """
    return State(position)


def step(
    state: State,
    noise: Noise,
    gradient: Real,
    *,
    step_size: float,
    temperature: float = 1.0,
    step_size_convention: str = "epsilon",
) -> Transition:
    r"""One transition as a pure function of state, noise and gradient.

    .. math:: \theta' = \theta + \epsilon \hat g + \sqrt{2 \epsilon T}\, z

    state: position (..., D); noise: normal z (..., D); gradient: the estimate of the gradient of the log density at the
    position (..., D). ``step_size_convention`` says how :math:`\epsilon` comes from the step size h: "epsilon" is h
    (drift h, variance 2 h T), "half_epsilon" is h / 2 (drift h / 2, variance h T, as in the paper),
    "half_epsilon_squared" is :math:`h^2 / 2`. The variance is proportional to the step, not its square: noise of
    standard deviation :math:`\epsilon` is a mistake that many have made. Temperature 0 is gradient ascent. Results in
    float64 unless every array is float32. Raises ValueError for shapes, options, a step size that is not positive and a
    temperature below 0, TypeError for dtypes. Welling and Teh (2011), eq. 4, which is "half_epsilon".

    >>> state, info = step(init(np.array([1.0])), Noise(np.array([2.0])), np.array([-3.0]), step_size=0.5)
    >>> state.position.tolist()
    [1.5]
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), gradient=gradient)
    return cast(_step(*factors(step_size, temperature, step_size_convention), *arrays), dtype)


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    gradient: Real,
    *,
    step_size: float,
    temperature: float = 1.0,
    step_size_convention: str = "epsilon",
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and gradient: the step is linear in all three.

    With the cotangents :math:`\bar d, \bar n` of drift and diffusion:

    .. math:: \bar\theta = \bar\theta', \qquad \bar g = \epsilon (\bar\theta' + \bar d), \qquad
              \bar z = \sqrt{2 \epsilon T}\, (\bar\theta' + \bar n)
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), gradient=gradient)
    epsilon, spread = factors(step_size, temperature, step_size_convention)
    g = cotangents(g, _step(epsilon, spread, *arrays))
    to_x = g.state.position
    to_z, to_gradient = spread * (to_x + g.info.diffusion), epsilon * (to_x + g.info.drift)
    return cast(State(to_x), dtype), cast(Noise(to_z), dtype), cast(to_gradient, dtype)


def factors(step_size: float, temperature: float, convention: str) -> tuple[float, float]:
    """Those of the gradient and of the noise."""
    epsilon, heat = epsilon_of(step_size, convention)[0], check_number("temperature", temperature)
    if not heat >= 0:
        raise ValueError(f"temperature must be at least 0, got {temperature!r}")
    return epsilon, sqrt(2 * epsilon * heat)


def _step(epsilon: float, spread: float, *arrays: Array) -> Transition:
    x, z, slope = arrays
    with np.errstate(all="ignore"):
        drift, diffusion = epsilon * slope, spread * z
        return Transition(State(x + drift + diffusion), Info(drift, diffusion))
