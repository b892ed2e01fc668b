r"""Robbins and Monro's recursion for the scale of proposals.

Axes: T draws; leading axes are chains.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from refengine.domains import Array, Positive, Unit
from refengine.samplers._chains import cast, cotangents, times
from refengine.samplers.adaptation._stream import check_between, check_chains, checked, together

__all__ = ["State", "adapt", "adapt_vjp", "init", "step"]


class State(NamedTuple):
    """What is carried: the logarithm of the scale, and the draws so far."""

    log_scale: Array
    draws: int


def init(scale: Array) -> State:
    """The state before the first draw.

    >>> init(1.0).draws
    0
    """
    xp, _, scale = checked("scale", "(...)", 0, scale=scale)
    with np.errstate(all="ignore"):
        return State(xp.log(xp.where(scale > 0, scale, xp.nan)), 0)


def step(state: State, acceptance: Array, *, target: float = 0.234, gain: float = 1.0, exponent: float = 0.6) -> State:
    """The state after one more draw: the equation of `adapt`, once.

    >>> float(step(init(1.0), 0.75, target=0.25).log_scale)
    0.5
    """
    m = state.draws + 1
    return State(state.log_scale + gain * m**-exponent * (acceptance - target), m)


def adapt(
    acceptance: Unit, scale: Positive, *, target: float = 0.234, gain: float = 1.0, exponent: float = 0.6
) -> Array:
    r"""The logarithm of the scale along a stream of acceptance probabilities.

    .. math:: \log s_m = \log s_{m-1} + \frac{c}{m^\kappa} (\alpha_m - \alpha_*)

    acceptance :math:`\alpha`: (..., T); scale :math:`s_0`: (...); result (..., T). ``target`` is :math:`\alpha_*`:
    0.234 for random walks in many dimensions, 0.44 in one, 0.574 for MALA; ``gain`` is c and ``exponent``
    :math:`\kappa`. An acceptance that is nan stays nan, a scale at or below 0 gives nan. Raises ValueError for other
    shapes or constants out of their range, TypeError for other dtypes.
    Andrieu and Thoms (2008), A tutorial on adaptive MCMC, algorithm 4, eq. 20, after Robbins and Monro (1951).

    >>> adapt([0.75, 0.25], 1.0, target=0.25).tolist()
    [0.5, 0.5]
    """
    target, gain, exponent = _constants(target, gain, exponent)
    xp, dtype, acceptance, scale = _checked(acceptance, scale)
    state, path = init(scale), []
    with np.errstate(all="ignore"):
        for t in range(acceptance.shape[-1]):
            state = step(state, acceptance[..., t], target=target, gain=gain, exponent=exponent)
            path.append(state.log_scale)
    return cast(together(xp, path, -1, acceptance.shape), dtype)


def adapt_vjp(
    g: Array,
    acceptance: Unit,
    scale: Positive,
    *,
    target: float = 0.234,
    gain: float = 1.0,
    exponent: float = 0.6,
) -> tuple[Array, Array]:
    r"""Cotangents of acceptance and scale: all later scales feel an acceptance, in proportion to its weight.

    .. math:: \bar\alpha_m = \frac{c}{m^\kappa} \sum_{i \ge m} g_i, \qquad \bar s_0 = \frac1{s_0} \sum_i g_i
    """
    _, gain, exponent = _constants(target, gain, exponent)
    xp, dtype, acceptance, scale = _checked(acceptance, scale)
    g, total, found = cotangents(g, acceptance), xp.zeros_like(scale), []
    for t in reversed(range(acceptance.shape[-1])):
        total = total + g[..., t]
        found.append(gain * (t + 1) ** -exponent * total)
    with np.errstate(all="ignore"):
        to_scale = times(xp, total, 1 / xp.where(scale > 0, scale, xp.nan))
    return cast(together(xp, found[::-1], -1, acceptance.shape), dtype), cast(to_scale, dtype)


def _constants(target: float, gain: float, exponent: float) -> tuple[float, float, float]:
    bounds = (("target", target, 0.0, 1.0), ("gain", gain, 0.0, inf), ("exponent", exponent, 0.0, inf))
    target, gain, exponent = (check_between(*bound) for bound in bounds)
    return target, gain, exponent


def _checked(acceptance: Array, scale: Array) -> tuple[Any, Any, Array, Array]:
    xp, dtype, acceptance, scale = checked("acceptance", "(..., T)", 1, acceptance=acceptance, scale=scale)
    check_chains("scale", scale, acceptance.shape[:-1], "(...)")
    return xp, dtype, acceptance, scale
