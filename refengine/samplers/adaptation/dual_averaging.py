r"""Dual averaging: a step size whose acceptance probability is, in the long run, the wanted one.

Axes: T draws; leading axes are chains, each with a step size of its own.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.domains import Array, Positive, Real, Unit
from refengine.samplers._chains import cast, cotangents, times
from refengine.samplers.adaptation._stream import check_between, check_chains, checked, together

__all__ = ["Course", "State", "adapt", "adapt_vjp", "init", "step"]

AVERAGES = ("new", "previous")


class State(NamedTuple):
    """What is carried: the logarithm of the step size and its average, the mean error, draws so far, log(10 eps_0)."""

    log_step: Array
    log_step_average: Array
    error: Array
    draws: int
    shrinkage_point: Array


class Course(NamedTuple):
    """After each draw: the logarithms of the step size to explore with and of the one to keep, the mean error."""

    log_step: Real
    log_step_average: Real
    error: Real


def init(step_size: Array) -> State:
    """The state before the first draw.

    >>> init(0.1).draws
    0
    """
    xp, _, step_size = checked("step_size", "(...)", 0, step_size=step_size)
    with np.errstate(all="ignore"):
        start = xp.log(xp.where(step_size > 0, step_size, xp.nan))
        return State(start, xp.zeros_like(start), xp.zeros_like(start), 0, xp.log(xp.asarray(10.0)) + start)


def step(
    state: State,
    acceptance: Array,
    *,
    target: float = 0.8,
    gamma: float = 0.05,
    t0: float = 10.0,
    kappa: float = 0.75,
    average: str = "new",
) -> State:
    """The state after one more draw: the equations of `adapt`, one at a time. ValueError for another average.

    >>> after = step(init(0.5), 0.8)
    >>> round(float(np.exp(after.log_step_average)), 12)
    5.0
    """
    check_option("average", average, AVERAGES)
    m = state.draws + 1
    weight, decay = 1 / (m + t0), m**-kappa
    error = (1 - weight) * state.error + weight * (target - acceptance)
    log_step = state.shrinkage_point - sqrt(m) / gamma * error
    newest = log_step if average == "new" else state.log_step
    log_step_average = decay * newest + (1 - decay) * state.log_step_average
    return State(log_step, log_step_average, error, m, state.shrinkage_point)


def adapt(
    acceptance: Unit,
    step_size: Positive,
    *,
    target: float = 0.8,
    gamma: float = 0.05,
    t0: float = 10.0,
    kappa: float = 0.75,
    average: str = "new",
) -> Course:
    r"""Step sizes along a stream of acceptance probabilities.

    .. math:: \bar H_m = \Bigl(1 - \frac1{m + t_0}\Bigr) \bar H_{m-1} + \frac{\delta - \alpha_m}{m + t_0}, \qquad
              x_m = \log(10 \epsilon_0) - \frac{\sqrt m}{\gamma} \bar H_m, \qquad
              \bar x_m = m^{-\kappa} x_m + (1 - m^{-\kappa}) \bar x_{m-1}

    acceptance :math:`\alpha`: (..., T); step_size :math:`\epsilon_0`: (...), where the search starts; results
    (..., T): x, with whose exponential draw m + 1 is made, :math:`\bar x`, whose last exponential is kept after the
    warm-up, and :math:`\bar H`. ``target`` is :math:`\delta`. ``average="previous"`` puts :math:`x_{m-1}`, at first
    :math:`\log \epsilon_0`, in the place of :math:`x_m` in the average, as BlackJAX does; Hoffman and Gelman, Stan,
    NumPyro and TensorFlow Probability average the new one. An acceptance that is nan stays nan. step_size at or below
    0: nan. Raises ValueError for other shapes or constants out of their range, TypeError for other dtypes.
    Hoffman and Gelman (2014), The No-U-Turn Sampler, eq. 6 and algorithm 5.

    With no error at all every step size is ten times the first:

    >>> np.round(np.exp(adapt([0.8, 0.8], 0.5).log_step), 12).tolist()
    [5.0, 5.0]
    """
    given = _constants(target, gamma, t0, kappa, average)
    xp, dtype, acceptance, step_size = _checked(acceptance, step_size)
    state, states = init(step_size), []
    with np.errstate(all="ignore"):
        for t in range(acceptance.shape[-1]):
            state = step(state, acceptance[..., t], **given)
            states.append(state)
    return cast(Course(*(together(xp, [s[i] for s in states], -1, acceptance.shape) for i in range(3))), dtype)


def adapt_vjp(
    g: Course,
    acceptance: Unit,
    step_size: Positive,
    *,
    target: float = 0.8,
    gamma: float = 0.05,
    t0: float = 10.0,
    kappa: float = 0.75,
    average: str = "new",
) -> tuple[Array, Array]:
    r"""Cotangents of acceptance and step_size, from the last draw to the first.

    All is linear in :math:`\alpha` and :math:`\log \epsilon_0`. With what arrives directly marked by an index 0:

    .. math:: \bar a_m = \bar a_{m0} + (1 - (m+1)^{-\kappa}) \bar a_{m+1}, \qquad
              \bar x_m = \bar x_{m0} + m^{-\kappa} \bar a_m, \qquad
              \bar h_m = \bar h_{m0} - \frac{\sqrt m}{\gamma} \bar x_m + \frac{m + t_0}{m + 1 + t_0} \bar h_{m+1}

    and :math:`\bar\alpha_m = -\bar h_m / (m + t_0)`, :math:`\bar\epsilon_0 = \sum_m \bar x_m / \epsilon_0`. With
    ``average="previous"`` it is :math:`(m+1)^{-\kappa} \bar a_{m+1}` that :math:`x_m` gets.
    """
    given = _constants(target, gamma, t0, kappa, average)
    xp, dtype, acceptance, step_size = _checked(acceptance, step_size)
    seeds = cotangents(g, Course(acceptance, acceptance, acceptance))
    ahead = xp.zeros_like(step_size)
    to_average, to_error, to_start, to_acceptance = ahead, ahead, ahead, []
    with np.errstate(all="ignore"):
        for t in reversed(range(acceptance.shape[-1])):
            m = t + 1
            to_average = seeds.log_step_average[..., t] + (1 - (m + 1) ** -given["kappa"]) * to_average
            behind = m ** -given["kappa"] * to_average
            to_step = seeds.log_step[..., t] + (behind if average == "new" else ahead)
            ahead = behind
            to_error = seeds.error[..., t] - sqrt(m) / given["gamma"] * to_step + _faded(m, given["t0"]) * to_error
            to_start = to_start + to_step
            to_acceptance.append(-to_error / (m + given["t0"]))
        to_start = to_start if average == "new" else to_start + ahead
        to_step_size = times(xp, to_start, 1 / xp.where(step_size > 0, step_size, xp.nan))
    found = together(xp, to_acceptance[::-1], -1, acceptance.shape)
    return cast(found, dtype), cast(to_step_size, dtype)


def _faded(m: int, t0: float) -> float:
    return (m + t0) / (m + 1 + t0)


def _constants(target: float, gamma: float, t0: float, kappa: float, average: str) -> dict[str, Any]:
    check_option("average", average, AVERAGES)
    return {
        "target": check_between("target", target, 0, 1),
        "gamma": check_between("gamma", gamma, 0),
        "t0": check_between("t0", t0, -1),
        "kappa": check_between("kappa", kappa, 0),
        "average": average,
    }


def _checked(acceptance: Array, step_size: Array) -> tuple[Any, Any, Array, Array]:
    xp, dtype, acceptance, step_size = checked("acceptance", "(..., T)", 1, acceptance=acceptance, step_size=step_size)
    check_chains("step_size", step_size, acceptance.shape[:-1], "(...)")
    return namespace(acceptance), dtype, acceptance, step_size
