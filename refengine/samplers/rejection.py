r"""Rejection sampling with a normal proposal: of a row of tries the first that falls below the target.

Axes: D coordinates, T tries; leading axes are chains.

Where :math:`M q(x) \ge \pi(x)` everywhere, a try lands at x and is kept with density
:math:`q(x) \cdot \pi(x) / (M q(x)) \propto \pi(x)`: what is kept is an independent draw of the target.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, namespace
from refengine.domains import Array, Indices, Mask, Positive, Real, Unit
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
    positive,
    shape_of,
    shares,
    times,
    uniforms,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import over_chains

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """The randomness of T tries: standard normals (..., T, D) for proposals, uniforms (..., T) for decisions."""

    normals: Real
    uniforms: Unit


class Info(NamedTuple):
    """Every try: proposal (..., T, D), log densities and log ratio (..., T); whether one was kept, how many were made.

    A log ratio above 0 shows that the bound is none. Tries after the one that is kept are told all the same.
    """

    proposals: Real
    log_densities: Real
    log_q: Real
    log_accept_ratio: Real
    accepted: Mask
    tries: Indices


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State, tries: int = 32) -> Noise:
    """Draw the noise of so many tries for every chain of ``state`` from a NumPy generator.

    >>> drawn = noise(np.random.default_rng(0), State(np.zeros((3, 2)), np.zeros(3)), 5)
    >>> drawn.normals.shape, drawn.uniforms.shape
    ((3, 5, 2), (3, 5))
    """
    *chains, size = shape_of(state.position)
    return Noise(normals(rng, state.position, (*chains, tries, size)), uniforms(rng, state.position, (*chains, tries)))


def step(state: State, noise: Noise, target: Target, loc: Real, scale: Positive, *, log_bound: float) -> Transition:
    r"""The first try that is kept, as a pure function of noise; the state where none is.

    .. math:: y_t = m + s z_t, \qquad \log r_t = \log\pi(y_t) - \log M - \log q(y_t), \qquad
              x' = y_k, \; k = \min \{t : \log u_t < \log r_t\}

    state: position (..., D), log_density (...); noise: normals z (..., T, D), uniforms u (..., T); loc m and scale s:
    (D,), the same for all chains. q is the density of :math:`N(m, \operatorname{diag} s^2)`, ``log_bound`` is
    :math:`\log M` with :math:`M q \ge \pi`; whether that holds is not checked, but see `Info`. Where no try is kept,
    the state stays as it is, ``accepted`` is False, and ``tries`` is T: such a state is no draw of the target. The
    comparison is strict: a nan ratio and a density of 0 reject. A scale at or below 0: nan. Results in float64 unless
    every floating array is float32. Raises ValueError for shapes and a bound that is not finite, TypeError for dtypes.
    von Neumann (1951); Robert and Casella (2004), Monte Carlo Statistical Methods, algorithm A.4.

    The target is q times :math:`M = \sqrt{2 \pi}`, the normaliser that it leaves out, so that the first try is kept:

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> drawn = Noise(np.array([[1.0], [2.0]]), np.array([0.9, 0.1]))
    >>> start, bound = init(np.zeros(1), target), np.log(2 * np.pi) / 2
    >>> state, info = step(start, drawn, target, np.zeros(1), np.ones(1), log_bound=bound)
    >>> state.position.tolist(), int(info.tries), info.log_accept_ratio.tolist()
    ([1.0], 1, [0.0, 0.0])
    """
    _, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), loc=loc, scale=scale)
    return cast(_step(target, bound_of(log_bound), *arrays)[0], dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, target: Target, loc: Real, scale: Positive, *, log_bound: float
) -> tuple[State, Noise, Array, Array]:
    r"""Cotangents of state, noise, loc and scale, the decisions held fixed.

    The uniforms get zero. With :math:`\log q(y_t) = -\tfrac12 |z_t|^2 - \sum_d \log s_d - \tfrac D2 \log 2\pi`, the
    cotangents :math:`\bar r_t` and :math:`\bar q_t` of ratio and log q, and [k = t] for the try that is kept:

    .. math:: \bar y_t = \bar y_{t0} + [k = t]\, \bar x'
              + (\bar\ell_t + \bar r_t + [k = t]\, \bar\ell') \nabla\log\pi(y_t),
              \qquad \bar z_t = s \bar y_t - (\bar q_t - \bar r_t) z_t

    .. math:: \bar m = \sum \bar y_t, \qquad \bar s = \sum \bigl(\bar y_t z_t - (\bar q_t - \bar r_t) / s\bigr)

    with sums over tries and chains. The state gets what arrives where no try is kept.
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), loc=loc, scale=scale)
    z, u, s = arrays[2], arrays[3], positive(xp, arrays[5])
    value, first = _step(target, bound_of(log_bound), *arrays)
    g, info = cotangents(g, value), value.info
    new, old = shares(xp, info.accepted, g.state)
    with np.errstate(all="ignore"):
        zero = xp.zeros_like(u)
        kept = xp.where(first, new.log_density[..., None], zero)
        to_density = g.info.log_densities + g.info.log_accept_ratio + kept
        slope = evaluate(xp, target, "gradient", info.proposals)
        to_y = g.info.proposals + times(xp, to_density[..., None], slope)
        to_y = to_y + xp.where(first[..., None], new.position[..., None, :], xp.zeros_like(z))
        to_q = (g.info.log_q - g.info.log_accept_ratio)[..., None]
        to_z = s * to_y - times(xp, to_q, z)
        to_loc, to_scale = over_chains(xp, to_y), over_chains(xp, to_y * z - to_q / s)
    return cast(old, dtype), cast(Noise(to_z, zero), dtype), cast(to_loc, dtype), cast(to_scale, dtype)


_LAYOUT = LAYOUT | {"normals": "TD", "uniforms": "T"}


def bound_of(log_bound: float) -> float:
    number = check_number("log_bound", log_bound)
    if not -inf < number < inf:
        raise ValueError(f"log_bound must be a finite number, got {log_bound!r}")
    return number


def _step(target: Target, log_bound: float, *arrays: Array) -> tuple[Transition, Array]:
    """The transition, and a mask of the try that is kept."""
    x, log_density, z, u, m, s = arrays
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        s = positive(xp, s)
        y = m + s * z
        densities = evaluate(xp, target, "log_density", y)
        log_q = normal_log_q(xp, z, s)
        log_ratio = (densities - log_bound) - log_q
        kept = accept(xp, u, log_ratio)
        before = xp.cumulative_sum(xp.astype(kept, xp.int64), axis=-1)
        first, found = kept & (before == 1), xp.any(kept, axis=-1)
        tries = xp.sum(xp.astype(before == 0, xp.int64), axis=-1) + xp.astype(found, xp.int64)
        chosen = xp.sum(xp.where(first[..., None], y, xp.zeros_like(y)), axis=-2)
        density = xp.sum(xp.where(first, densities, xp.zeros_like(densities)), axis=-1)
    after = State(choose(xp, found, chosen, x), choose(xp, found, density, log_density))
    return Transition(after, Info(y, densities, log_q, log_ratio, found, tries)), first
