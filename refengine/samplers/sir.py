r"""Sampling importance resampling: draws with weights are replaced by draws of them that weigh the same.

Axes: N draws, M offspring, D coordinates; leading axes are independent samples.

Draw n is taken :math:`M W_n` times in the mean under every scheme, so that means over the offspring have the weighed
mean as their expectation; "stratified" and "systematic" leave less variance than "multinomial".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Indices, Real, Unit
from refengine.samplers._chains import cast, cotangents, inputs, shape_of, uniforms
from refengine.samplers._weights import Weighed, weigh, weigh_vjp
from refengine.samplers.importance import State, init

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """Uniforms (..., M), one for each of the offspring."""

    uniforms: Unit


class Info(NamedTuple):
    """Normalised weights (..., N), which draw each of the offspring is (..., M), effective sample size (...)."""

    weights: Real
    ancestors: Indices
    effective_size: Real


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State, offspring: int | None = None) -> Noise:
    """Draw the noise of so many offspring of ``state``, as many as there are draws unless said, from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((5, 2)), np.zeros(5)), 7).uniforms.shape
    (7,)
    """
    *samples, count, _ = shape_of(state.position)
    return Noise(uniforms(rng, state.position, (*samples, count if offspring is None else offspring)))


def step(state: State, noise: Noise, *, scheme: str = "multinomial", side: str = "right") -> Transition:
    r"""The offspring of a weighed sample as a pure function of state and noise.

    .. math:: a_m = \min \{n : W_1 + \dots + W_n > v_m\}, \qquad x'_m = x_{a_m}, \qquad
              \log w'_m = \log \frac1N \sum_n w_n

    state: position (..., N, D), log_weight (..., N); noise: uniforms u (..., M). ``scheme`` "multinomial" takes
    :math:`v_m = u_m`, "stratified" :math:`v_m = (m + u_m) / M`, "systematic" :math:`v_m = (m + u_0) / M`, m = 0, ..., M
    - 1, and does not look at the other uniforms. ``side`` "right" is as written; "left" has :math:`\ge` for >, and then
    takes a first draw of weight 0 for v = 0. (They are those of ``searchsorted``.) A v beyond the last sum, for
    rounding or u = 1, takes the last draw of a positive weight. All offspring get the mean weight, so that the evidence
    goes on. Results in float64 unless every array is float32. Raises ValueError for shapes and options, TypeError for
    dtypes. Rubin (1987); Robert and Casella (2004), chapter 14.

    >>> start = State(np.array([[1.0], [2.0], [3.0]]), np.log(np.array([0.25, 0.5, 0.25])))
    >>> state, info = step(start, Noise(np.array([0.5, 0.5, 0.5, 0.5])), scheme="systematic")
    >>> info.ancestors.tolist(), state.position[:, 0].tolist()
    ([0, 1, 1, 2], [1.0, 2.0, 2.0, 3.0])
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    return cast(_step(scheme, side, *arrays)[0], dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, *, scheme: str = "multinomial", side: str = "right"
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, the ancestors held fixed; the uniforms get zero.

    .. math:: \bar x_n = \sum_{m : a_m = n} \bar x'_m

    and the log weights get that of the normalised weights, of the effective size and of the log mean weight,
    :math:`\bar a = W \circ (\sum_m \bar w'_m + \bar W - \sum W \bar W)`, as in ``importance.step_vjp``.
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    value, found, picked = _step(scheme, side, *arrays)
    arrived, told = cotangents(g, value)
    seeds = Weighed(told.weights, xp.sum(arrived.log_weight, axis=-1), told.effective_size)
    to_offspring = arrived.position[..., None, :]
    to_x = xp.sum(xp.where(picked[..., None], to_offspring, xp.zeros_like(to_offspring)), axis=-3)
    to_state = State(to_x, weigh_vjp(xp, seeds, found))
    return cast(to_state, dtype), cast(Noise(xp.zeros_like(arrays[2])), dtype)


LAYOUT = {"position": "ND", "log_weight": "N", "uniforms": "M"}


def ancestors(xp: Any, weights: Array, u: Array, scheme: str, side: str) -> tuple[Array, Array]:
    """The number of the draw for every uniform, and a mask (..., M, N) of it."""
    check_option("scheme", scheme, ("multinomial", "stratified", "systematic"))
    check_option("side", side, ("right", "left"))
    count, size = u.shape[-1], weights.shape[-1]
    if scheme != "multinomial":
        row = xp.astype(xp.arange(count), xp.float64)
        u = (row + (u if scheme == "stratified" else u[..., :1])) / count
    sums = xp.cumulative_sum(weights, axis=-1)[..., None, :]
    below = sums <= u[..., None] if side == "right" else sums < u[..., None]
    numbers = xp.arange(size)
    last = xp.max(xp.where(weights > 0, numbers, xp.zeros_like(numbers)), axis=-1)
    chosen = xp.minimum(xp.sum(xp.astype(below, xp.int64), axis=-1), xp.astype(last, xp.int64)[..., None])
    return chosen, chosen[..., None] == numbers


def _step(scheme: str, side: str, *arrays: Array) -> tuple[Transition, Weighed, Array]:
    x, log_weight, u = arrays
    xp: Any = namespace(x)
    found = weigh(xp, log_weight)
    with np.errstate(all="ignore"):
        chosen, picked = ancestors(xp, found.weights, u, scheme, side)
        taken = xp.sum(xp.where(picked[..., None], x[..., None, :, :], xp.zeros_like(x[..., None, :, :])), axis=-2)
    after = State(taken, found.log_mean[..., None] + xp.zeros_like(u))
    return Transition(after, Info(found.weights, chosen, found.effective)), found, picked
