r"""Metropolis within Gibbs: a normal step in one coordinate after the other, each accepted or rejected by itself.

Axes: D coordinates; leading axes are chains.

Each update is random-walk Metropolis in its coordinate and satisfies detailed balance; the sweep keeps the target, but
run backwards it goes through the coordinates in the reverse order, so that it is not reversible.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Mask, Positive, Real, Unit
from refengine.samplers._chains import (
    LAYOUT,
    accept,
    cast,
    choose,
    cotangents,
    evaluate,
    inputs,
    normals,
    positive,
    shape_of,
    times,
    uniforms,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import over_chains

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """The randomness of one sweep: a standard normal and a uniform for every coordinate, both (..., D)."""

    normal: Real
    uniforms: Unit


class Info(NamedTuple):
    """For every coordinate (..., D) its proposed value, the log densities there and before, and the decision.

    The log ratio is the difference of the two. It is not told, because for a small step its digits cancel: the density
    before is itself a result of the sweep, not an input.
    """

    proposals: Real
    log_densities: Real
    log_densities_before: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((3, 2)), np.zeros(3))).uniforms.shape
    (3, 2)
    """
    like, shape = state.position, shape_of(state.position)
    return Noise(normals(rng, like, shape), uniforms(rng, like, shape))


def step(state: State, noise: Noise, target: Target, scale: Positive, *, scan: str = "systematic") -> Transition:
    r"""One sweep over the coordinates as a pure function of state and noise.

    .. math:: y = x + s_d z_d e_d, \qquad x \leftarrow y \;\text{if}\; \log u_d < \log\pi(y) - \log\pi(x), \qquad
              d = 1, \dots, D

    state: position x (..., D), log_density (...); noise: normal z and uniforms u, both (..., D); scale s: (D,), the
    same for all chains. ``scan`` "systematic" goes from the first coordinate to the last, "reverse" from the last to
    the first. The log density at the start is the one that the state carries. The comparison is strict: a nan ratio and
    a proposal of density 0 reject, u = 0 accepts every other one. A scale at or below 0: nan, which rejects. Results in
    float64 unless every floating array is float32. Raises ValueError for shapes and options, TypeError for dtypes.
    Tierney (1994), The Annals of Statistics 22, 1701-1762, section 2.4; Metropolis et al. (1953), section II.

    The first step is accepted, the second one is not:

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target(np.zeros(2), np.eye(2))
    >>> drawn = Noise(np.array([1.0, 2.0]), np.array([0.5, 0.5]))
    >>> state, info = step(init(np.zeros(2), target), drawn, target, np.ones(2))
    >>> (info.log_densities - info.log_densities_before).tolist(), state.position.tolist()
    ([-0.5, -2.0], [1.0, 0.0])
    """
    _, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), scale=scale)
    return cast(_step(target, scan, *arrays)[0], dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, target: Target, scale: Positive, *, scan: str = "systematic"
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and scale, the decisions held fixed; the uniforms get zero.

    Through the updates from the last to the first. With the decision A, the cotangents :math:`\bar x, \bar\ell` of
    position and log density after the update, and
    :math:`\bar\ell_d, \bar b_d` of what is told of the densities at y and before:

    .. math:: \bar y = [A]\, \bar x + ([A]\, \bar\ell + \bar\ell_d) \nabla\log\pi(y) + \bar y_d e_d, \qquad
              \bar x \leftarrow [\neg A]\, \bar x + \bar y, \qquad \bar\ell \leftarrow [\neg A]\, \bar\ell + \bar b_d

    and :math:`\bar z_d = s_d \bar y_d`, :math:`\bar s_d = \sum z_d \bar y_d` over the chains.
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), scale=scale)
    z, scale = arrays[2], arrays[4]
    value, proposals = _step(target, scan, *arrays)
    g = cotangents(g, value)
    to_x, to_density, told = g.state.position, g.state.log_density, g.info
    columns = [xp.zeros_like(to_density)] * z.shape[-1]
    with np.errstate(all="ignore"):
        scale = positive(xp, scale)
        for d, y, here in reversed(proposals):
            accepted, zero = value.info.accepted[..., d], xp.zeros_like(to_density)
            pushed = choose(xp, accepted, to_density, zero) + told.log_densities[..., d]
            to_y = choose(xp, accepted, to_x, xp.zeros_like(to_x))
            to_y = to_y + times(xp, pushed[..., None], evaluate(xp, target, "gradient", y))
            to_y = to_y + xp.where(here, told.proposals, xp.zeros_like(to_y))
            to_x = choose(xp, accepted, xp.zeros_like(to_x), to_x) + to_y
            to_density = choose(xp, accepted, zero, to_density) + told.log_densities_before[..., d]
            columns[d] = to_y[..., d]
        to_step = xp.stack(columns, axis=-1)
        to_scale = over_chains(xp, z * to_step) + 0 * scale
    to_noise = Noise(scale * to_step, xp.zeros_like(z))
    return cast(State(to_x, to_density), dtype), cast(to_noise, dtype), cast(to_scale, dtype)


_LAYOUT = LAYOUT | {"uniforms": "D"}


def _step(target: Target, scan: str, *arrays: Array) -> tuple[Transition, list[tuple[int, Array, Array]]]:
    """The transition, and every coordinate in its turn with the proposed point and a mask of the coordinate."""
    x, log_density, z, u, scale = arrays
    check_option("scan", scan, ("systematic", "reverse"))
    xp: Any = namespace(x)
    size, proposals = x.shape[-1], []
    columns: list[Any] = [None] * size
    with np.errstate(all="ignore"):
        steps = positive(xp, scale) * z
        for d in range(size)[:: 1 if scan == "systematic" else -1]:
            here = xp.arange(size) == d
            y = xp.where(here, x + steps, x)
            proposed = evaluate(xp, target, "log_density", y)
            accepted = accept(xp, u[..., d], proposed - log_density)
            columns[d] = y[..., d], proposed, log_density, accepted
            x, log_density = choose(xp, accepted, y, x), choose(xp, accepted, proposed, log_density)
            proposals.append((d, y, here))
    told = (xp.stack(list(column), axis=-1) for column in zip(*columns, strict=True))
    return Transition(State(x, log_density), Info(*told)), proposals
