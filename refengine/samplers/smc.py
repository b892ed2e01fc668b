r"""Tempered sequential Monte Carlo: particles are reweighed to a lower temperature, resampled, and moved.

Axes: N particles, D coordinates; leading axes are independent systems. The target is the likelihood alone; the prior is
the standard normal distribution, and the density at the inverse temperature :math:`\lambda` is that of prior times
likelihood to the power :math:`\lambda`.

The weighed particles of one temperature represent the next one with the weights times
:math:`\ell(x)^{\lambda_1 - \lambda_0}`, whose mean estimates the quotient of the two normalisers. Resampling keeps
expectations, and the random-walk move satisfies detailed balance at the new temperature.
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Indices, Mask, Real, Unit
from refengine.samplers._chains import (
    accept,
    cast,
    check_not_negative,
    check_positive,
    choose,
    cotangents,
    evaluate,
    inputs,
    normals,
    shape_of,
    shares,
    times,
    uniforms,
)
from refengine.samplers._weights import Weighed, weigh, weigh_vjp
from refengine.samplers.random_walk import State as Walker
from refengine.samplers.sir import ancestors
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class State(NamedTuple):
    """Positions (..., N, D); log likelihoods and log weights (..., N), these summing to 1; the log evidence (...)."""

    position: Real
    log_density: Real
    log_weight: Real
    log_evidence: Real


class Noise(NamedTuple):
    """Uniforms for resampling, normals and uniforms for the move: (..., N), (..., N, D), (..., N)."""

    resampling: Unit
    normals: Real
    uniforms: Unit


class Info(NamedTuple):
    """Weights before resampling, ancestors and the move (..., N), proposals (..., N, D); size and resampling (...)."""

    weights: Real
    effective_size: Real
    ancestors: Indices
    resampled: Mask
    proposals: Real
    log_densities: Real
    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def init(position: Array, target: Target) -> State:
    """The particles (..., N, D), draws of the prior, with equal weights and no evidence yet.

    >>> from refengine.samplers.targets import gaussian
    >>> init(np.zeros((4, 1)), gaussian.target([0.0], [[1.0]])).log_weight.round(12).tolist()
    [-1.38629436112, -1.38629436112, -1.38629436112, -1.38629436112]

    ValueError where there are none, or no axis for them.
    """
    if len(shape_of(position)) < 2 or not shape_of(position)[-2]:
        raise ValueError(f"position must have shape (..., N, D) with N > 0, got {shape_of(position)}")
    density = check_target(target).log_density(position, *target.parameters)
    xp = namespace(density)
    weight = xp.zeros_like(density) - log(density.shape[-1])
    return State(position, density, weight, xp.zeros_like(density[..., 0]))


def noise(rng: np.random.Generator, state: State) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> state = State(np.zeros((4, 2)), np.zeros(4), np.zeros(4), np.zeros(()))
    >>> noise(np.random.default_rng(0), state).normals.shape
    (4, 2)
    """
    like, shape = state.position, shape_of(state.position)
    return Noise(uniforms(rng, like, shape[:-1]), normals(rng, like, shape), uniforms(rng, like, shape[:-1]))


def step(
    state: State,
    noise: Noise,
    target: Target,
    *,
    before: float,
    after: float,
    scale: float,
    threshold: float = 0.5,
    scheme: str = "systematic",
) -> Transition:
    r"""From one inverse temperature to the next as a pure function of state and noise.

    .. math:: \log w_n = \log W_n + (\lambda_1 - \lambda_0)\, \ell(x_n), \qquad
              \log \hat Z \mathrel{+}= \log \sum_n w_n, \qquad n_{eff} = \frac{(\sum_n w_n)^2}{\sum_n w_n^2}

    Where :math:`n_{eff} < \text{threshold} \cdot N` the particles are resampled as in ``sir.step`` and weigh 1 / N;
    elsewhere the weights are the :math:`w_n` over their sum. Then each moves by random-walk Metropolis:
    :math:`y = x + s z`, accepted if :math:`\log u < \lambda_1 (\ell(y) - \ell(x)) + (|x|^2 - |y|^2) / 2`. state:
    position (..., N, D), log_density, which is :math:`\ell`, and log_weight (..., N), log_evidence (...); noise:
    resampling (..., N), normals z (..., N, D), uniforms u (..., N). ``before`` and ``after`` are :math:`\lambda_0` and
    :math:`\lambda_1`, ``scale`` is s. (The sign of the increment, and :math:`\lambda_0` for :math:`\lambda_1` in the
    move, are mistakes that have been made.) ``threshold`` above 1 always resamples, 0 never. The comparisons are
    strict. Results in float64 unless every array of state and noise is float32. Raises ValueError for shapes, options
    and constants out of range, TypeError for dtypes. Del Moral, Doucet and Jasra (2006), eq. 31.

    >>> from refengine.samplers.targets import gaussian
    >>> likelihood = gaussian.target([0.0], [[2.0]])
    >>> start = init(np.array([[0.0], [1.0]]), likelihood)
    >>> drawn = Noise(np.full(2, 0.5), np.zeros((2, 1)), np.full(2, 0.5))
    >>> state, info = step(start, drawn, likelihood, before=0.0, after=1.0, scale=1.0, threshold=0.0)
    >>> (info.weights * (1 + np.exp(-1.0))).round(12).tolist(), state.position[:, 0].tolist()
    ([1.0, 0.367879441171], [0.0, 1.0])
    """
    _, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise))
    return cast(_step(target, *ladder_of(before, after, scale, threshold), scheme, *arrays)[0], dtype)


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    *,
    before: float,
    after: float,
    scale: float,
    threshold: float = 0.5,
    scheme: str = "systematic",
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, all decisions held fixed: the uniforms get zero.

    The move, with the decision A and the particles x, :math:`\ell` after resampling:

    .. math:: \bar y = \bar y_0 + [A]\, \bar x' + (\bar\ell_0 + [A]\, \bar\ell' + \lambda_1 \bar r) \nabla\ell(y)
              - \bar r y, \qquad \bar x = \bar y + [\neg A]\, \bar x' + \bar r x, \qquad
              \bar\ell = [\neg A]\, \bar\ell' - \lambda_1 \bar r, \qquad \bar z = s \bar y

    A particle gets the sum over its offspring. With the normalised weights W, their cotangent completed for the
    effective size as in ``importance.step_vjp``, and the cotangent v of the new log weights where none was resampled:

    .. math:: \overline{\log w} = v - W \textstyle\sum v
              + W \circ \bigl(\overline{\log Z} + \bar W - \textstyle\sum W \bar W\bigr), \qquad
              \overline{\log W} = \overline{\log w}, \qquad
              \bar\ell \mathrel{+}= (\lambda_1 - \lambda_0)\, \overline{\log w}
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise))
    ladder = ladder_of(before, after, scale, threshold)
    value, found, parents, x = _step(target, *ladder, scheme, *arrays)
    arrived, told = cotangents(g, value)
    info, (start, end, size, _) = value.info, ladder
    with np.errstate(all="ignore"):
        new, old = shares(xp, info.accepted, Walker(arrived.position, arrived.log_density))
        ratio = told.log_accept_ratio
        to_density = told.log_densities + new.log_density + end * ratio
        to_y = told.proposals + new.position - times(xp, ratio[..., None], info.proposals)
        to_y = to_y + times(xp, to_density[..., None], evaluate(xp, target, "gradient", info.proposals))
        to_x = to_y + old.position + times(xp, ratio[..., None], x)
        to_likelihood = old.log_density - end * ratio
        to_x = xp.sum(xp.where(parents[..., None], to_x[..., None, :], xp.zeros_like(to_x[..., None, :])), axis=-3)
        spread = xp.where(parents, to_likelihood[..., None], xp.zeros_like(to_likelihood[..., None]))
        direct = xp.where(info.resampled[..., None], xp.zeros_like(ratio), arrived.log_weight)
        to_log = weigh_vjp(xp, Weighed(told.weights, arrived.log_evidence, told.effective_size), found)
        to_log = to_log + direct - found.weights * xp.sum(direct, axis=-1)[..., None]
        to_state = State(to_x, xp.sum(spread, axis=-2) + (end - start) * to_log, to_log, arrived.log_evidence)
    zero = xp.zeros_like(ratio)
    return cast(to_state, dtype), cast(Noise(zero, size * to_y, zero), dtype)


_LAYOUT = {
    name: "ND" if name in ("position", "normals") else "N"
    for name in ("position", "normals", "log_density", "log_weight", "resampling", "uniforms")
}


def ladder_of(before: float, after: float, scale: float, threshold: float) -> tuple[float, float, float, float]:
    """The inverse temperatures, the scale of the move, and the threshold."""
    start, end = check_not_negative("before", before), check_not_negative("after", after)
    return start, end, check_positive("scale", scale), check_not_negative("threshold", threshold)


def _step(
    target: Target, before: float, after: float, scale: float, threshold: float, scheme: str, *arrays: Array
) -> tuple[Transition, Weighed, Array, Array]:
    """The transition, the weights, who is the parent of whom (..., N, N), and the particles before the move."""
    x, density, log_weight, evidence, u_resampling, z, u = arrays
    xp: Any = namespace(x)
    count = density.shape[-1]
    with np.errstate(all="ignore"):
        log_w = log_weight + (after - before) * density
        found = weigh(xp, log_w)
        total = found.log_mean + log(count)
        resampled = found.effective < threshold * count
        chosen, _ = ancestors(xp, found.weights, u_resampling, scheme, "right")
        numbers = xp.arange(count)
        chosen = xp.where(resampled[..., None], chosen, xp.zeros_like(chosen) + xp.astype(numbers, xp.int64))
        parents = chosen[..., None] == numbers
        x = xp.sum(xp.where(parents[..., None], x[..., None, :, :], xp.zeros_like(x[..., None, :, :])), axis=-2)
        density = xp.sum(xp.where(parents, density[..., None, :], xp.zeros_like(density[..., None, :])), axis=-1)
        weight = xp.where(resampled[..., None], xp.zeros_like(log_w) - log(count), log_w - total[..., None])
        moved = scale * z
        y = x + moved
        proposed = evaluate(xp, target, "log_density", y)
        ratio = after * (proposed - density) - xp.sum(moved * (x + moved / 2), axis=-1)
        ratio = xp.where(proposed == -xp.inf, proposed, ratio)
    accepted = accept(xp, u, ratio)
    state = State(choose(xp, accepted, y, x), choose(xp, accepted, proposed, density), weight, evidence + total)
    told = Info(found.weights, found.effective, chosen, resampled, y, proposed, ratio, accepted)
    return Transition(state, told), found, parents, x
