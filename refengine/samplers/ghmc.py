r"""Generalised Hamiltonian Monte Carlo: the momentum is refreshed in part, and reversed where a trajectory is rejected.

Axes: D coordinates; leading axes are chains, each with a decision of its own.

Three maps keep :math:`e^{-H(q, p)}`: the refreshment (reversible by itself), the trajectory with a flip accepted by
Metropolis (reversible: an involution that keeps volume), and a flip of every momentum (H is even in p). In the product
the flips cancel where the trajectory is accepted, and one is left where it is rejected. The product is stationary but
not reversible. To keep the momentum on rejection is a mistake: it leaves out the last flip there.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, check_option, namespace
from refengine.domains import Array, Positive
from refengine.samplers._chains import (
    LAYOUT,
    Noise,
    accept,
    cast,
    choose,
    cotangents,
    inputs,
    noise,
    shares,
)
from refengine.samplers._leapfrog import Flight, Path, fly, fly_vjp, inverse_mass, leapfrog, metric_vjp
from refengine.samplers.hamiltonian import Info, flight_cotangents, info_of, length_of
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian
from refengine.samplers.underdamped_langevin import State, init

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


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
    persistence: float,
    steps: int = 1,
    on_reject: str = "flip",
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: p_0 = \alpha p + \sqrt{1 - \alpha^2}\, z / \sqrt w, \qquad
              (q_L, p_L) = \text{leapfrog}^L(q, p_0), \qquad \log r = H(q, p_0) - H(q_L, p_L), \qquad
              (q', p') = (q_L, p_L) \;\text{if}\; \log u < \log r \;\text{else}\; (q, -p_0)

    state: position (..., D), log_density (...), gradient and momentum (..., D); noise: normal z (..., D), uniform
    u (...); metric: (D,). ``persistence`` is :math:`\alpha` in [0, 1]; 0 is ``hamiltonian.step`` with the momentum
    handed on. ``on_reject`` "flip" is right; "keep" hands on :math:`p_0` as some libraries do, which does not keep the
    target. ``Info.momentum`` is :math:`p_0`. Energy, leapfrog steps, decision, metric, divergence, dtypes and errors
    are as in ``hamiltonian.step``. Horowitz (1991), Physics Letters B 268, 247-252; Neal (2011), section 5.5.3.

    Nothing is refreshed, and the proposal is rejected: the momentum turns round.

    >>> from refengine.samplers.targets import gaussian
    >>> target, ones = gaussian.target([0.0], [[1.0]]), np.ones(1)
    >>> start = init(np.zeros(1), target, ones)
    >>> noise = Noise(ones, np.array(0.99))
    >>> state, info = step(start, noise, target, ones, step_size=1.0, persistence=1.0)
    >>> bool(info.accepted), state.position.tolist(), state.momentum.tolist()
    (False, [0.0], [-1.0])
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    w, length = inverse_mass(xp, arrays.pop(), metric_convention), length_of(step_size, steps)
    mixed, kept = mixture(persistence), kept_sign(on_reject)
    threshold = check_number("divergence_threshold", divergence_threshold)
    return cast(_step(target, length, mixed, kept, threshold, w, *arrays)[0], dtype)


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    persistence: float,
    steps: int = 1,
    on_reject: str = "flip",
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and metric, the decision held fixed.

    The trajectory as in ``hamiltonian.step_vjp``; the new momentum's cotangent goes to :math:`p_L` if accepted (A), and
    with the sign s = -1 ("flip") or 1 ("keep") to :math:`p_0` if not. With :math:`k = \sqrt{1 - \alpha^2}`:

    .. math:: \bar p_L \mathrel{+}= [A]\, \bar p', \qquad \bar p_0 \mathrel{+}= s [\neg A]\, \bar p', \qquad
              \bar p = \alpha \bar p_0, \qquad \bar z = k \bar p_0 / \sqrt w, \qquad
              \bar w \mathrel{-}= \tfrac12 k\, \bar p_0 z\, w^{-3/2}
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    metric = arrays.pop()
    w, length, z = inverse_mass(xp, metric, metric_convention), length_of(step_size, steps), arrays[4]
    mixed, kept = mixture(persistence), kept_sign(on_reject)
    threshold = check_number("divergence_threshold", divergence_threshold)
    check_hessian(target)
    value, path, flight = _step(target, length, mixed, kept, threshold, w, *arrays)
    g, p = cotangents(g, value), value.info.momentum
    new, old = shares(xp, value.info.accepted, g.state)
    with np.errstate(all="ignore"):
        seeds = flight_cotangents(g.info, new)
        seeds = seeds._replace(momentum=seeds.momentum + new.momentum)
        found = fly_vjp(xp, seeds, target, flight, path, p, w, length[0], fresh=False)
        to_x, to_density, to_slope, to_p, to_w, _ = found
        to_p = to_p + g.info.momentum + kept * old.momentum
        to_z = mixed[1] * to_p / xp.sqrt(w)
        to_w = to_w - to_z * z / w / 2
        carried = old.position + to_x, old.log_density + to_density, old.gradient + to_slope, mixed[0] * to_p
    to_noise = Noise(to_z, xp.zeros_like(g.info.energy))
    to_metric = metric_vjp(xp, to_w, metric, metric_convention)
    return cast(State(*carried), dtype), cast(to_noise, dtype), cast(to_metric, dtype)


def mixture(persistence: float) -> tuple[float, float]:
    """Those of the old momentum and of the noise."""
    alpha = check_number("persistence", persistence)
    if not 0 <= alpha <= 1:
        raise ValueError(f"persistence must lie in [0, 1], got {persistence!r}")
    return alpha, sqrt((1 - alpha) * (1 + alpha))


def kept_sign(on_reject: str) -> float:
    """The sign of the momentum after a rejection."""
    check_option("on_reject", on_reject, ("flip", "keep"))
    return -1.0 if on_reject == "flip" else 1.0


def _step(
    target: Target,
    length: tuple[float, int],
    mixed: tuple[float, float],
    kept: float,
    threshold: float,
    w: Array,
    *arrays: Array,
) -> tuple[Transition, Path, Flight]:
    x, log_density, slope, before, z, u = arrays
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        p = mixed[0] * before + mixed[1] * z / xp.sqrt(w)
        path = leapfrog(xp, target, x, slope, p, w, *length)
        flight = fly(xp, target, log_density, path, p, w)
        accepted = accept(xp, u, flight.log_ratio)
        ends = flight.position, flight.log_density, flight.gradient, flight.momentum
        begun = x, log_density, slope, kept * p
        after = State(*(choose(xp, accepted, new, old) for new, old in zip(ends, begun, strict=True)))
        return Transition(after, info_of(xp, p, flight, accepted, threshold)), path, flight
