r"""Parallel tempering: neighbours of a ladder of temperatures exchange their positions.

Axes: K replicas, P pairs, D coordinates; leading axes are ladders.

Replica k has the density :math:`\propto \pi^{\beta_k}`. An exchange of i and j is its own inverse and is accepted by
the ratio of the joint densities,
:math:`\pi(x_j)^{\beta_i} \pi(x_i)^{\beta_j} / (\pi(x_i)^{\beta_i} \pi(x_j)^{\beta_j})`: detailed balance. Pairs that
share no replica exchange independently. Even and odd pairs in alternation keep the joint density but are not
reversible. Between the exchanges each replica moves by any sampler of `tempered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Mask, NonNegative, Real, Unit
from refengine.samplers._chains import accept, cast, cotangents, inputs, shape_of, times, uniforms
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp", "tempered"]


class Noise(NamedTuple):
    """The uniforms (..., P) of the decisions."""

    uniforms: Unit


class Info(NamedTuple):
    """For every pair (..., P) the log ratio and the decision."""

    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def tempered(target: Target, inverse_temperature: float) -> Target:
    """The target to the power of an inverse temperature, for the sampler of one replica.

    >>> from refengine.samplers.targets import gaussian
    >>> float(tempered(gaussian.target([0.0], [[1.0]]), 0.5).log_density(np.array([2.0])))
    -1.0
    """
    given, beta = check_target(target), inverse_temperature

    def gradient_vjp(g: Array, position: Array) -> tuple[Array, ...]:
        assert given.gradient_vjp is not None
        return (beta * given.gradient_vjp(g, position, *given.parameters)[0],)

    return Target(
        lambda position: beta * given.log_density(position, *given.parameters),
        lambda position: beta * given.gradient(position, *given.parameters),
        None if given.gradient_vjp is None else gradient_vjp,
    )


def noise(rng: np.random.Generator, state: State, schedule: str = "even") -> Noise:
    """Draw the noise of one exchange of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((5, 2)), np.zeros(5)), "odd").uniforms.shape
    (2,)
    """
    *ladders, count, _ = shape_of(state.position)
    return Noise(uniforms(rng, state.position, (*ladders, len(pairs_of(count, schedule)))))


def step(state: State, noise: Noise, inverse_temperatures: NonNegative, *, schedule: str = "even") -> Transition:
    r"""One exchange between neighbours as a pure function of state and noise.

    .. math:: \log r = (\beta_i - \beta_j) \bigl(\ell(x_j) - \ell(x_i)\bigr), \qquad
              (x_i, x_j) \leftarrow (x_j, x_i) \;\text{if}\; \log u < \log r

    state: position (..., K, D), log_density :math:`\ell` (..., K), that of the target itself whatever the temperature;
    noise: uniforms (..., P); inverse_temperatures :math:`\beta`: (K,). ``schedule`` "even" pairs (0, 1), (2, 3), ...,
    "odd" (1, 2), (3, 4), ...; there are P of them. (The ratio with i and j exchanged in one factor alone is a mistake
    that has been made: a hot replica then keeps the point that the cold one should get.) The comparison is strict: a
    nan ratio rejects. Results in float64 unless every floating array is float32. Raises ValueError for shapes and
    options, TypeError for dtypes. Geyer (1991), Computing Science and Statistics; Earl and Deem (2005), Physical
    Chemistry Chemical Physics 7, 3910-3916.

    The hot replica found a better point, and the cold one gets it:

    >>> start = State(np.array([[2.0], [0.0]]), np.array([-2.0, 0.0]))
    >>> state, info = step(start, Noise(np.array([0.999])), np.array([1.0, 0.5]))
    >>> info.log_accept_ratio.tolist(), state.position.tolist()
    ([1.0], [[0.0], [2.0]])
    """
    _, dtype, *arrays = inputs(
        _LAYOUT, state=(state, State), noise=(noise, Noise), inverse_temperatures=inverse_temperatures
    )
    return cast(_step(schedule, *arrays), dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, inverse_temperatures: NonNegative, *, schedule: str = "even"
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and inverse temperatures, the decisions held fixed.

    The uniforms get zero. What arrives at the replicas goes back by the same exchange; besides, for every pair

    .. math:: \bar\ell_j \mathrel{+}= (\beta_i - \beta_j) \bar r, \quad
              \bar\ell_i \mathrel{-}= (\beta_i - \beta_j) \bar r, \quad
              \bar\beta_i \mathrel{+}= (\ell_j - \ell_i) \bar r, \quad \bar\beta_j \mathrel{-}= (\ell_j - \ell_i) \bar r
    """
    xp, dtype, *arrays = inputs(
        _LAYOUT, state=(state, State), noise=(noise, Noise), inverse_temperatures=inverse_temperatures
    )
    _, log_density, u, beta = arrays
    value, count = _step(schedule, *arrays), beta.shape[0]
    g, pairs = cotangents(g, value), pairs_of(count, schedule)
    positions = _exchanged(xp, [g.state.position[..., k, :] for k in range(count)], value.info.accepted, pairs)
    densities = _exchanged(xp, [g.state.log_density[..., k] for k in range(count)], value.info.accepted, pairs)
    temperatures = [xp.zeros_like(beta[0])] * count
    with np.errstate(all="ignore"):
        for p, (i, j) in enumerate(pairs):
            ratio = g.info.log_accept_ratio[..., p]
            push, gap = (beta[i] - beta[j]) * ratio, log_density[..., j] - log_density[..., i]
            densities[i], densities[j] = densities[i] - push, densities[j] + push
            pull = xp.sum(times(xp, ratio, gap))
            temperatures[i], temperatures[j] = temperatures[i] + pull, temperatures[j] - pull
    to_state = State(xp.stack(positions, axis=-2), xp.stack(densities, axis=-1))
    return cast(to_state, dtype), cast(Noise(xp.zeros_like(u)), dtype), cast(xp.stack(temperatures), dtype)


_LAYOUT = {"position": "KD", "log_density": "K", "uniforms": "P", "inverse_temperatures": "!K"}


def pairs_of(count: int, schedule: str) -> list[tuple[int, int]]:
    check_option("schedule", schedule, ("even", "odd"))
    return [(k, k + 1) for k in range(0 if schedule == "even" else 1, count - 1, 2)]


def check_pairs(uniforms: Array, pairs: Sequence[Any]) -> None:
    """ValueError unless there is a uniform for every pair."""
    if uniforms.shape[-1] != len(pairs):
        raise ValueError(f"noise.uniforms must have shape (..., P) with P = {len(pairs)}, got {uniforms.shape}")


def _exchanged(xp: Any, replicas: list[Array], accepted: Array, pairs: list[tuple[int, int]]) -> list[Array]:
    """The replicas after the exchanges that are accepted."""
    found = list(replicas)
    for p, (i, j) in enumerate(pairs):
        swap = accepted[..., p]
        swap = swap if swap.ndim == found[i].ndim else swap[..., None]
        found[i], found[j] = xp.where(swap, found[j], found[i]), xp.where(swap, found[i], found[j])
    return found


def _step(schedule: str, *arrays: Array) -> Transition:
    x, log_density, u, beta = arrays
    xp: Any = namespace(x)
    count = log_density.shape[-1]
    pairs = pairs_of(count, schedule)
    check_pairs(u, pairs)
    with np.errstate(all="ignore"):
        ratios = [(beta[i] - beta[j]) * (log_density[..., j] - log_density[..., i]) for i, j in pairs]
        ratio = xp.stack(ratios, axis=-1) if pairs else xp.zeros_like(u)
    accepted = accept(xp, u, ratio)
    positions = _exchanged(xp, [x[..., k, :] for k in range(count)], accepted, pairs)
    densities = _exchanged(xp, [log_density[..., k] for k in range(count)], accepted, pairs)
    after = State(xp.stack(positions, axis=-2), xp.stack(densities, axis=-1))
    return Transition(after, Info(ratio, accepted))
