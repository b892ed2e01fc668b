r"""Metropolis-Hastings for any proposal: the proposed point comes with the densities of going there and back.

Axes: D coordinates; leading axes are chains, each with a decision of its own.

Detailed balance: with :math:`\alpha(x, y) = \min(1, \pi(y) q(x | y) / (\pi(x) q(y | x)))` the flow
:math:`\pi(x) q(y | x) \alpha(x, y) = \min(\pi(x) q(y | x), \pi(y) q(x | y))` is symmetric in x and y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Mask, Real, Unit
from refengine.samplers._chains import (
    LAYOUT,
    accept,
    cast,
    choose,
    cotangents,
    evaluate,
    inputs,
    normal_log_q,
    normals,
    shares,
    times,
    uniforms,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """A proposal y (..., D) with log q(y | x) and log q(x | y), both (...), and the uniform (...) of the decision."""

    proposal: Real
    log_q_forward: Real
    log_q_reverse: Real
    uniform: Unit


class Info(NamedTuple):
    """What happened in a step: the log density of the proposal, the log ratio and the decision, all (...)."""

    proposal_log_density: Real
    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(
    rng: np.random.Generator,
    state: State,
    propose: Callable[[np.random.Generator, Array], Array] | None = None,
    log_q: Callable[[Array, Array], Array] | None = None,
) -> Noise:
    """Draw a proposal by ``propose(rng, position)``; ``log_q(y, x)`` is the log density of proposing y from x.

    Without them it is a standard normal step. TypeError where one is given without the other.

    >>> state = State(np.zeros((3, 2)), np.zeros(3))
    >>> drawn = noise(np.random.default_rng(0), state, lambda rng, x: x + 1, lambda y, x: 0 * y[:, 0])
    >>> drawn.proposal.shape, bool(np.all(drawn.log_q_reverse == 0))
    ((3, 2), True)
    """
    if (propose is None) != (log_q is None):
        raise TypeError("propose and log_q must be given together: the density has to be that of the proposal")
    x = state.position
    y = (propose or _normal_step)(rng, x)
    density = log_q or _log_normal_step
    return Noise(y, density(y, x), density(x, y), uniforms(rng, x, tuple(x.shape[:-1])))


def _normal_step(rng: np.random.Generator, x: Array) -> Array:
    return x + normals(rng, x, tuple(x.shape))


def _log_normal_step(y: Array, x: Array) -> Array:
    xp = namespace(x)
    return normal_log_q(xp, y - x, xp.ones(x.shape[-1:], dtype=x.dtype))


def step(state: State, noise: Noise, target: Target, *, acceptance: str = "strict") -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: \log r = \log \frac{\pi(y)\, q(x \mid y)}{\pi(x)\, q(y \mid x)}, \qquad
              x' = y \;\text{if}\; \log u < \log r \;\text{else}\; x

    state: position x (..., D), log_density (...); noise: proposal y (..., D), log_q_forward = log q(y | x),
    log_q_reverse = log q(x | y) and uniform u, all (...). The log density of x is the one that the state carries.
    ``acceptance`` "strict" compares by <, "closed" by <=: the two differ at log u = log r alone, as for u = 1 and equal
    densities. A nan ratio and a proposal of density 0 reject under both, u = 0 accepts every other proposal. Results in
    float64 unless every array of state and noise is float32. Raises ValueError for shapes and options, TypeError for
    dtypes. Hastings (1970), Biometrika 57, 97-109, section 2.

    The proposal is half as probable, and three times as probable to be left for x as to be reached from it:

    >>> from refengine.samplers.targets import gaussian
    >>> start = State(np.array([0.0]), np.array(0.0))
    >>> drawn = Noise(np.array([1.0]), np.array(0.0), np.array(1.0), np.array(0.9))
    >>> state, info = step(start, drawn, gaussian.target([0.0], [[1.0]]))
    >>> float(info.log_accept_ratio), bool(info.accepted)
    (0.5, True)
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    return cast(_step(target, acceptance, *arrays), dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, target: Target, *, acceptance: str = "strict"
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, the decision held fixed; g may hold None for a field without cotangent.

    The uniform gets zero. With :math:`\bar\ell_y` the sum of the cotangents of the proposal's log density, of the ratio
    and, if accepted (A), of the new log density:

    .. math:: \bar y = [A]\, \bar x' + \bar\ell_y \nabla \log \pi(y), \qquad \bar x = [\neg A]\, \bar x', \qquad
              \bar\ell_x = [\neg A]\, \bar\ell' - \bar r, \qquad
              \overline{\log q}(x | y) = \bar r = -\overline{\log q}(y | x)
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    value = _step(target, acceptance, *arrays)
    g = cotangents(g, value)
    new, old = shares(xp, value.info.accepted, g.state)
    ratio = g.info.log_accept_ratio
    with np.errstate(all="ignore"):
        to_density = new.log_density + g.info.proposal_log_density + ratio
        slope = evaluate(xp, target, "gradient", arrays[2])
        to_proposal = new.position + times(xp, to_density[..., None], slope)
    result = State(old.position, old.log_density - ratio), Noise(to_proposal, -ratio, ratio, xp.zeros_like(ratio))
    return cast(result[0], dtype), cast(result[1], dtype)


def _step(target: Target, acceptance: str, *arrays: Array) -> Transition:
    x, log_density, y, forward, reverse, u = arrays
    check_option("acceptance", acceptance, ("strict", "closed"))
    xp = namespace(x)
    with np.errstate(all="ignore"):
        proposed = evaluate(xp, target, "log_density", y)
        log_ratio = (proposed - log_density) + (reverse - forward)
        log_ratio = xp.where(proposed == -xp.inf, proposed, log_ratio)
        accepted = accept(xp, u, log_ratio)
        if acceptance == "closed":
            accepted = accepted | ((xp.log(u) == log_ratio) & (log_ratio > -xp.inf))
    after = State(choose(xp, accepted, y, x), choose(xp, accepted, proposed, log_density))
    return Transition(after, Info(proposed, log_ratio, accepted))
