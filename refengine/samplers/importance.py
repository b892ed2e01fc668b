r"""Importance sampling: draws of a normal proposal, weighed by the target.

Axes: N draws, D coordinates; leading axes are independent samples.

For any f, :math:`E_q[w f] = \int \pi f` with :math:`w = \pi / q`, so that the mean weight estimates the normaliser
without bias and the weighed mean of f its expectation, consistently, where q is above 0 wherever the target is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Positive, Real
from refengine.samplers._chains import (
    LAYOUT,
    cast,
    cotangents,
    evaluate,
    inputs,
    normal_log_q,
    normals,
    positive,
    shape_of,
    times,
)
from refengine.samplers._weights import Weighed, weigh, weigh_vjp
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import over_chains

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """Standard normals (..., N, D)."""

    normals: Real


class State(NamedTuple):
    """A weighed sample: positions (..., N, D) and the logarithms of their weights (..., N), not normalised."""

    position: Real
    log_weight: Real


class Info(NamedTuple):
    """Log density, log q and normalised weight of every draw (..., N); log evidence and effective sample size (...)."""

    log_density: Real
    log_q: Real
    weights: Real
    log_evidence: Real
    effective_size: Real


class Transition(NamedTuple):
    """The sample, and what happened on the way."""

    state: State
    info: Info


def init(position: Array) -> State:
    """Draws (..., N, D) that all have the weight 1: those of the target itself, or a sample of the size that is wanted.

    >>> init(np.zeros((5, 2))).log_weight.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return State(position, 0 * position[..., 0])


def noise(rng: np.random.Generator, state: State | Array, draws: int | None = None) -> Noise:
    """Draw the noise of a sample as large as ``state``, or of so many draws, from a NumPy generator.

    An array in the place of the state says the dimension and the dtype, as loc does: TypeError without ``draws``.

    >>> noise(np.random.default_rng(0), init(np.zeros((5, 2)))).normals.shape
    (5, 2)
    >>> noise(np.random.default_rng(0), np.zeros(2), 3).normals.shape
    (3, 2)
    """
    if draws is None and not isinstance(state, State):
        raise TypeError("draws must be said where there is no state")
    like = state.position if isinstance(state, State) else state
    shape = shape_of(like)
    return Noise(normals(rng, like, shape if draws is None else (draws, shape[-1])))


def step(noise: Noise, target: Target, loc: Real, scale: Positive) -> Transition:
    r"""A weighed sample as a pure function of noise.

    .. math:: x_n = m + s z_n, \qquad \log w_n = \log\pi(x_n) - \log q(x_n), \qquad
              \hat Z = \frac1N \sum_n w_n, \qquad n_{eff} = \frac{(\sum_n w_n)^2}{\sum_n w_n^2}

    noise: normals z (..., N, D); loc m and scale s: (D,). q is the density of :math:`N(m, \operatorname{diag} s^2)`,
    with its normaliser. The log evidence is :math:`\log \hat Z`, the log of the target's normaliser if it has none.
    Weights are taken relative to the largest, so that none overflows; where all are 0 the normalised ones are nan. A
    scale at or below 0: nan. Results in float64 unless every floating array is float32. Raises ValueError for shapes,
    TypeError for dtypes. Robert and Casella (2004), Monte Carlo Statistical Methods, section 3.3.

    Half the precision of the target: the weights fall with the distance.

    >>> from refengine.samplers.targets import gaussian
    >>> drawn = Noise(np.array([[0.0], [2.0]]))
    >>> state, info = step(drawn, gaussian.target([0.0], [[2.0]]), np.zeros(1), np.ones(1))
    >>> (state.log_weight - np.log(2 * np.pi) / 2).round(12).tolist()
    [0.0, -2.0]
    """
    _, dtype, *arrays = inputs(_LAYOUT, noise=(noise, Noise), loc=loc, scale=scale)
    return cast(_step(target, *arrays), dtype)


def step_vjp(g: Transition, noise: Noise, target: Target, loc: Real, scale: Positive) -> tuple[Noise, Array, Array]:
    r"""Cotangents of noise, loc and scale.

    The normalised weights W are the softmax of :math:`a = \log w`, the log evidence is their log mean. With
    :math:`\bar W \mathrel{-}= 2 \bar n_{eff} n_{eff}^2 W`:

    .. math:: \bar a = \bar a_0 + W \circ \bigl(\overline{\log Z} + \bar W - \textstyle\sum W \bar W\bigr), \qquad
              \bar\ell \mathrel{+}= \bar a, \qquad \overline{\log q} \mathrel{-}= \bar a, \qquad
              \bar x \mathrel{+}= \bar\ell\, \nabla\log\pi(x)

    .. math:: \bar z = s \bar x - \overline{\log q}\, z, \qquad \bar m = \sum \bar x, \qquad
              \bar s = \sum \bigl(\bar x z - \overline{\log q} / s\bigr)
    """
    xp, dtype, *arrays = inputs(_LAYOUT, noise=(noise, Noise), loc=loc, scale=scale)
    z, _, s = arrays
    value = _step(target, *arrays)
    arrived, told = cotangents(g, value)
    state, info = value
    with np.errstate(all="ignore"):
        s = positive(xp, s)
        found = Weighed(info.weights, info.log_evidence, info.effective_size)
        to_log = arrived.log_weight + weigh_vjp(
            xp, Weighed(told.weights, told.log_evidence, told.effective_size), found
        )
        slope = evaluate(xp, target, "gradient", state.position)
        to_x = arrived.position + times(xp, (told.log_density + to_log)[..., None], slope)
        to_q = (told.log_q - to_log)[..., None]
        to_z = s * to_x - times(xp, to_q, z)
        to_loc, to_scale = over_chains(xp, to_x), over_chains(xp, to_x * z - to_q / s)
    return cast(Noise(to_z), dtype), cast(to_loc, dtype), cast(to_scale, dtype)


_LAYOUT = LAYOUT | {"normals": "ND"}


def _step(target: Target, *arrays: Array) -> Transition:
    z, m, s = arrays
    xp: Any = namespace(z)
    with np.errstate(all="ignore"):
        s = positive(xp, s)
        x = m + s * z
        density = evaluate(xp, target, "log_density", x)
        log_q = normal_log_q(xp, z, s)
        log_weight = density - log_q
    return Transition(State(x, log_weight), Info(density, log_q, *weigh(xp, log_weight)))
