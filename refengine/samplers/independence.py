r"""The independence sampler: normal proposals that do not look at the position, accepted by Metropolis and Hastings.

Axes: D coordinates; leading axes are chains, each with a decision of its own. Detailed balance is that of
``metropolis_hastings`` with :math:`q(y | x) = q(y)`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Mask, Positive, Real
from refengine.samplers._chains import (
    LAYOUT,
    Noise,
    accept,
    cast,
    choose,
    cotangents,
    evaluate,
    inputs,
    noise,
    normal_log_q,
    positive,
    shares,
    times,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import over_chains

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Info(NamedTuple):
    """What happened in a step; ``log_q_forward`` is the log density of proposing y, ``log_q_reverse`` that of x."""

    proposal: Real
    proposal_log_density: Real
    log_q_forward: Real
    log_q_reverse: Real
    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def step(state: State, noise: Noise, target: Target, loc: Real, scale: Positive) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: y = m + s z, \qquad \log r = \log \frac{\pi(y)\, q(x)}{\pi(x)\, q(y)}, \qquad
              q = N(m, \operatorname{diag} s^2), \qquad x' = y \;\text{if}\; \log u < \log r \;\text{else}\; x

    state: position x (..., D), log_density (...); noise: normal z (..., D), uniform u (...); loc m and scale s: (D,),
    the same for all chains. The log density of x is the one that the state carries. The comparison is strict: a nan
    ratio and a proposal of density 0 reject, u = 0 accepts every other proposal. A scale at or below 0: nan, which
    rejects. Results in float64 unless every floating array is float32. Raises ValueError for shapes, TypeError for
    dtypes. Tierney (1994), The Annals of Statistics 22, 1701-1762, section 2.3.3.

    If q is the target itself, the ratio is 1 and every proposal is accepted:

    >>> from refengine.samplers.targets import gaussian
    >>> start = init(np.array([2.0]), gaussian.target([0.0], [[1.0]]))
    >>> noise = Noise(np.array([1.0]), np.array(0.999))
    >>> state, info = step(start, noise, gaussian.target([0.0], [[1.0]]), np.zeros(1), np.ones(1))
    >>> float(info.log_accept_ratio), bool(info.accepted)
    (0.0, True)
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), loc=loc, scale=scale)
    return cast(_step(target, *arrays), dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, target: Target, loc: Real, scale: Positive
) -> tuple[State, Noise, Array, Array]:
    r"""Cotangents of state, noise, loc and scale, the decision held fixed.

    With :math:`w = (x - m) / s`, :math:`\log q(y) = c - |z|^2 / 2`, :math:`\log q(x) = c - |w|^2 / 2` and
    :math:`c = -\sum_d \log s_d - \tfrac D2 \log 2 \pi`, which the ratio does not see. Let :math:`\bar f, \bar b` be the
    cotangents of forward and reverse density:

    .. math:: \bar y = \bar y_0 + \bar\ell_y \nabla\log\pi(y), \qquad \bar w = -(\bar b + \bar r) w, \qquad
              \bar z = s \bar y + (\bar r - \bar f) z, \qquad \bar x = \bar x_0 + \bar w / s

    .. math:: \bar m = \sum (\bar y - \bar w / s), \qquad
              \bar s = \sum (\bar y z - (\bar w w + \bar f + \bar b) / s)

    where the index 0 marks what arrives directly, and the sums run over the chains.
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), loc=loc, scale=scale)
    x, _, z, u, m, s = arrays
    value = _step(target, *arrays)
    g = cotangents(g, value)
    new, old = shares(xp, value.info.accepted, g.state)
    ratio, forth, back = (
        leaf[..., None] for leaf in (g.info.log_accept_ratio, g.info.log_q_forward, g.info.log_q_reverse)
    )
    with np.errstate(all="ignore"):
        s = positive(xp, s)
        w = (x - m) / s
        to_density = (new.log_density + g.info.proposal_log_density)[..., None] + ratio
        slope = evaluate(xp, target, "gradient", value.info.proposal)
        to_y = new.position + g.info.proposal + times(xp, to_density, slope)
        to_w = -times(xp, back + ratio, w)
        to_z = s * to_y + times(xp, ratio - forth, z)
        to_loc = over_chains(xp, to_y - to_w / s)
        to_scale = over_chains(xp, to_y * z - (to_w * w + forth + back) / s)
        to_state = State(old.position + to_w / s, old.log_density - g.info.log_accept_ratio)
    to_noise = Noise(to_z, xp.zeros_like(u))
    return cast(to_state, dtype), cast(to_noise, dtype), cast(to_loc, dtype), cast(to_scale, dtype)


def _step(target: Target, *arrays: Array) -> Transition:
    x, log_density, z, u, m, s = arrays
    xp = namespace(x)
    with np.errstate(all="ignore"):
        s = positive(xp, s)
        y, w = m + s * z, (x - m) / s
        proposed = evaluate(xp, target, "log_density", y)
        forward, reverse = normal_log_q(xp, z, s), normal_log_q(xp, w, s)
        log_ratio = (proposed - log_density) + xp.sum((z - w) * (z + w), axis=-1) / 2
        log_ratio = xp.where(proposed == -xp.inf, proposed, log_ratio)
    accepted = accept(xp, u, log_ratio)
    after = State(choose(xp, accepted, y, x), choose(xp, accepted, proposed, log_density))
    return Transition(after, Info(y, proposed, forward, reverse, log_ratio, accepted))
