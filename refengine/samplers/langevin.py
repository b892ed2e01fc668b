r"""The unadjusted Langevin algorithm: a step up the gradient with normal noise that nothing accepts or rejects.

Axes: D coordinates; leading axes are chains.

There is no detailed balance with the target. For a normal density of precision K the chain
:math:`x' = (1 - \epsilon K) x + \sqrt{2 \epsilon} z` is stationary with variance
:math:`2\epsilon / (1 - (1 - \epsilon K)^2) = 1 / (K (1 - \epsilon K / 2))`, too wide by the factor
:math:`1 / (1 - \epsilon K / 2)`; ``mala`` removes the bias.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Real
from refengine.samplers._chains import cast, chains, cotangents, evaluate, normals, shape_of, times
from refengine.samplers.mala import State, epsilon_of, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_value_and_vjp", "step_vjp"]


class Noise(NamedTuple):
    """The randomness of one transition: standard normals (..., D)."""

    normal: Real


class Info(NamedTuple):
    """What moved the chain: the drift up the gradient and the diffusion, both (..., D)."""

    drift: Real
    diffusion: Real


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: Any) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((3, 2)), np.zeros(3), np.zeros((3, 2)))).normal.shape
    (3, 2)
    """
    return Noise(normals(rng, state.position, shape_of(state.position)))


def step(
    state: State, noise: Noise, target: Target, *, step_size: float, step_size_convention: str = "epsilon"
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: x' = x + \epsilon \nabla \log \pi(x) + \sqrt{2 \epsilon}\, z

    state: position x (..., D), log_density (...), gradient (..., D); noise: normal z (..., D). The gradient at x is the
    one that the state carries; the log density there is carried along for whoever wants it and plays no part.
    ``step_size_convention`` says how :math:`\epsilon` comes from the step size h, as in ``mala.step``: "epsilon" is h,
    "half_epsilon" is h / 2, "half_epsilon_squared" is :math:`h^2 / 2`. Results in float64 unless every array of state
    and noise is float32. Raises ValueError for shapes, options and a step size that is not positive, TypeError for
    dtypes. Roberts and Tweedie (1996), Bernoulli 2, 341-363, section 1.4.1, who write h for :math:`2 \epsilon`.

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> state, info = step(init(np.array([1.0]), target), Noise(np.array([1.0])), target, step_size=0.5)
    >>> info.drift.tolist(), info.diffusion.tolist(), state.position.tolist()
    ([-0.5], [1.0], [1.5])
    """
    _, dtype, *arrays = chains(state, noise, State, Noise)
    return cast(_step(target, epsilon_of(step_size, step_size_convention)[0], *arrays), dtype)


def step_value_and_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> tuple[Transition, tuple[State, Noise]]:
    """`step` and `step_vjp` with one pass."""
    xp, dtype, *arrays = chains(state, noise, State, Noise)
    epsilon, _ = epsilon_of(step_size, step_size_convention)
    check_hessian(target)
    value = _step(target, epsilon, *arrays)
    g, after = cotangents(g, value), value.state
    with np.errstate(all="ignore"):
        to_x = g.state.position + times(xp, g.state.log_density[..., None], after.gradient)
        to_x = to_x + evaluate(xp, target, "gradient_vjp", after.position, g.state.gradient)
        to_gradient = epsilon * (to_x + g.info.drift)
        to_z = sqrt(2 * epsilon) * (to_x + g.info.diffusion)
    to_state = State(to_x, xp.zeros_like(after.log_density), to_gradient)
    return cast(value, dtype), (cast(to_state, dtype), cast(Noise(to_z), dtype))


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise; g may hold None for a field without cotangent.

    With the cotangents :math:`\bar d, \bar n` of drift and diffusion, and all that arrives at the new position x'

    .. math:: \bar t = \bar x' + \bar\ell' \nabla\log\pi(x') + H(x')\, \bar g', \qquad \bar x = \bar t, \qquad
              \bar g = \epsilon (\bar t + \bar d), \qquad \bar z = \sqrt{2 \epsilon}\, (\bar t + \bar n)

    The log density that the state carries gets zero. TypeError where the target has no ``gradient_vjp``.
    """
    return step_value_and_vjp(g, state, noise, target, step_size=step_size, step_size_convention=step_size_convention)[
        1
    ]


def _step(target: Target, epsilon: float, *arrays: Array) -> Transition:
    x, _, slope, z = arrays
    xp = namespace(x)
    with np.errstate(all="ignore"):
        drift, diffusion = epsilon * slope, sqrt(2 * epsilon) * z
        y = x + drift + diffusion
        after = State(y, evaluate(xp, target, "log_density", y), evaluate(xp, target, "gradient", y))
    return Transition(after, Info(drift, diffusion))
