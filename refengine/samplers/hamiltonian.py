r"""Hamiltonian Monte Carlo: a fresh momentum, a leapfrog trajectory, accepted by the change of the energy.

Axes: D coordinates; leading axes are chains, each with a decision of its own.

Detailed balance: the density :math:`e^{-H(q, p)}` has the target as its marginal. Drawing p from its conditional keeps
it; so does the trajectory with the final momentum flipped, an involution that keeps volume, accepted with probability
:math:`\min(1, e^{H(q, p) - H(q', p')})`. The flip does not show, because the next step draws p anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, namespace
from refengine.domains import Array, Mask, Positive, Real
from refengine.samplers._chains import (
    LAYOUT,
    Noise,
    accept,
    cast,
    check_count,
    check_positive,
    choose,
    cotangents,
    inputs,
    noise,
    shares,
)
from refengine.samplers._leapfrog import Flight, Path, fly, fly_vjp, inverse_mass, leapfrog, metric_vjp
from refengine.samplers.mala import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_value_and_vjp", "step_vjp"]


class Info(NamedTuple):
    """What happened in a step; the proposal's momentum is the one that the trajectory arrives with, not flipped."""

    momentum: Real
    energy: Real
    proposal: Real
    proposal_log_density: Real
    proposal_gradient: Real
    proposal_momentum: Real
    proposal_energy: Real
    log_accept_ratio: Real
    accepted: Mask
    divergent: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def step(
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    steps: int,
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: p_0 = z / \sqrt w, \qquad (q_L, p_L) = \text{leapfrog}^L(q_0, p_0), \qquad
              H(q, p) = -\log\pi(q) + \tfrac12 \sum_d w_d p_d^2, \qquad \log r = H(q_0, p_0) - H(q_L, p_L)

    with the leapfrog step :math:`p \mathrel{+}= \tfrac\epsilon2 \nabla\log\pi(q)`,
    :math:`q \mathrel{+}= \epsilon w p`, :math:`p \mathrel{+}= \tfrac\epsilon2 \nabla\log\pi(q)`, and :math:`q' = q_L`
    if :math:`\log u < \log r`, else :math:`q_0`. state: position (..., D), log_density (...), gradient (..., D); noise:
    normal z (..., D), uniform u (...); metric: (D,), the same for all chains. Density and gradient at the start are
    those that the state carries. The comparison is strict: a nan ratio and a proposal of density 0 reject, u = 0
    accepts every other proposal. ``metric_convention`` says what the metric holds: "inverse_mass" w, "mass" 1 / w,
    "inverse_scale" the root of w. A step is divergent where the energy grows by more than ``divergence_threshold`` or
    is nan; nothing follows from that. A metric at or below 0: nan, which rejects. Results in float64 unless every
    floating array is float32. Raises ValueError for shapes, options, a step size that is not positive and steps below
    1, TypeError for dtypes. Neal (2011), MCMC using Hamiltonian dynamics, section 5.3.2.

    One step of size 1 from q = 0, p = 1 under a standard normal density: q = 1, p = 1 - 1/2, H from 1/2 to 5/8.

    >>> from refengine.samplers.targets import gaussian
    >>> target, ones = gaussian.target([0.0], [[1.0]]), np.ones(1)
    >>> start = init(np.zeros(1), target)
    >>> state, info = step(start, Noise(ones, np.array(0.5)), target, ones, step_size=1.0, steps=1)
    >>> state.position.tolist(), info.proposal_momentum.tolist(), float(info.log_accept_ratio)
    ([1.0], [0.5], -0.125)
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    w, length = inverse_mass(xp, arrays.pop(), metric_convention), length_of(step_size, steps)
    return cast(_step(target, length, check_number("divergence_threshold", divergence_threshold), w, *arrays)[0], dtype)


def step_value_and_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    steps: int,
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> tuple[Transition, tuple[State, Noise, Array]]:
    """`step` and `step_vjp` with one pass."""
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    metric = arrays.pop()
    w, length = inverse_mass(xp, metric, metric_convention), length_of(step_size, steps)
    threshold = check_number("divergence_threshold", divergence_threshold)
    check_hessian(target)
    value, path, flight = _step(target, length, threshold, w, *arrays)
    g, p = cotangents(g, value), value.info.momentum
    new, old = shares(xp, value.info.accepted, g.state)
    with np.errstate(all="ignore"):
        seeds = flight_cotangents(g.info, new)
        found = fly_vjp(xp, seeds, target, flight, path, p, w, length[0], fresh=True)
        to_x, to_density, to_slope, to_p, to_w, other = found
        to_p = to_p + g.info.momentum
        to_w = to_w - (other + g.info.momentum) * p / w / 2
        to_state = State(old.position + to_x, old.log_density + to_density, old.gradient + to_slope)
        to_noise = Noise(to_p / xp.sqrt(w), xp.zeros_like(g.info.energy))
    to_metric = metric_vjp(xp, to_w, metric, metric_convention)
    return cast(value, dtype), (cast(to_state, dtype), cast(to_noise, dtype), cast(to_metric, dtype))


def flight_cotangents(told: Info, new: Any) -> Flight:
    """What arrives at the end of a trajectory, from what was told of it and from the new state."""
    return Flight(
        new.position + told.proposal,
        new.log_density + told.proposal_log_density,
        new.gradient + told.proposal_gradient,
        told.proposal_momentum,
        told.energy,
        told.proposal_energy,
        told.log_accept_ratio,
    )


def info_of(xp: Any, p: Array, flight: Flight, accepted: Array, threshold: float) -> Info:
    """What is told of a trajectory from the momentum p."""
    end = flight.position, flight.log_density, flight.gradient, flight.momentum, flight.final_energy, flight.log_ratio
    return Info(p, flight.energy, *end, accepted, ~(flight.log_ratio >= -threshold))


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    steps: int,
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and metric, the decision held fixed.

    The uniform gets zero. The ratio is :math:`H_0 - H_L`, so that :math:`\bar H_0 \mathrel{+}= \bar r` and
    :math:`\bar H_L \mathrel{-}= \bar r`, and

    .. math:: \bar\ell_0 = -\bar H_0, \quad \bar\ell_L \mathrel{-}= \bar H_L, \quad
              \bar q_L \mathrel{+}= \bar\ell_L \nabla\log\pi(q_L), \quad \bar p_i \mathrel{+}= \bar H_i w p_i, \quad
              \bar w \mathrel{+}= \tfrac12 \sum \bar H_i p_i^2, \quad i \in \{0, L\}

    Then backwards along the trajectory, each step with
    :math:`\bar g \mathrel{+}= \tfrac\epsilon2 \bar p`, :math:`\bar q \mathrel{+}= H(q) \bar g`,
    :math:`\bar p \mathrel{+}= \epsilon w \bar q`, :math:`\bar w \mathrel{+}= \epsilon p_{i+1/2} \bar q`,
    :math:`\bar g = \tfrac\epsilon2 \bar p`, and at its start :math:`\bar z = \bar p_0 / \sqrt w`,
    :math:`\bar w \mathrel{-}= \tfrac12 \bar p_0 p_0 / w`. (What goes to w by way of both energies is summed as
    :math:`\tfrac12 \bar H_L p_L (p_L - p_0)`, which does not cancel.) TypeError where the target has no
    ``gradient_vjp``.
    """
    return step_value_and_vjp(
        g,
        state,
        noise,
        target,
        metric,
        step_size=step_size,
        steps=steps,
        metric_convention=metric_convention,
        divergence_threshold=divergence_threshold,
    )[1]


def length_of(step_size: float, steps: int) -> tuple[float, int]:
    return check_positive("step_size", step_size), check_count("steps", steps)


def _step(
    target: Target, length: tuple[float, int], threshold: float, w: Array, *arrays: Array
) -> tuple[Transition, Path, Flight]:
    x, log_density, slope, z, u = arrays
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        p = z / xp.sqrt(w)
        path = leapfrog(xp, target, x, slope, p, w, *length)
        flight = fly(xp, target, log_density, path, p, w)
        accepted = accept(xp, u, flight.log_ratio)
        pairs = (flight.position, x), (flight.log_density, log_density), (flight.gradient, slope)
        after = State(*(choose(xp, accepted, new, old) for new, old in pairs))
        return Transition(after, info_of(xp, p, flight, accepted, threshold)), path, flight
