r"""Adaptive Metropolis: proposals with the covariance of all positions so far.

Axes: T positions, D coordinates; leading axes are chains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refengine.domains import Array, Real
from refengine.samplers._chains import cast, check_not_negative, cotangents
from refengine.samplers.adaptation._moments import Moments, add, add_vjp, nothing
from refengine.samplers.adaptation._stream import check_between, checked, together

__all__ = ["Course", "Moments", "adapt", "adapt_vjp", "covariance", "init", "step"]


class Course(NamedTuple):
    """After each position: the mean (..., T, D), and the covariance of the proposal (..., T, D, D)."""

    mean: Real
    covariance: Real


def init(position: Array) -> Moments:
    """The moments of no positions, for positions of this shape (..., D).

    >>> init([0.0, 0.0]).draws
    0
    """
    xp, _, position = checked("position", "(..., D)", 1, position=position)
    return nothing(xp, position.shape)


def step(moments: Moments, position: Array) -> Moments:
    """The moments with one more position.

    >>> step(init([0.0]), np.array([2.0])).mean.tolist()
    [2.0]
    """
    return add(moments, position)


def covariance(moments: Moments, *, factor: float = 5.76, regularization: float = 1e-6) -> Array:
    """The covariance of the proposal from the moments, as `adapt` has it."""
    xp, _, scatter = checked("scatter", "(..., D, D)", 2, scatter=moments.scatter)
    size = scatter.shape[-1]
    scale = factor / size
    return scatter * (scale / max(moments.draws - 1, 1)) + scale * regularization * xp.eye(size, dtype=xp.float64)


def adapt(position: Real, *, factor: float = 5.76, regularization: float = 1e-6) -> Course:
    r"""Means and proposal covariances along a chain.

    .. math:: C_t = s_d \operatorname{cov}(x_1, \ldots, x_t) + s_d \epsilon I, \qquad s_d = 2.4^2 / d, \qquad
              C_{t+1} = \frac{t-1}t C_t + \frac{s_d}t \bigl(t \bar x_t \bar x_t^\top
              - (t+1) \bar x_{t+1} \bar x_{t+1}^\top + x_{t+1} x_{t+1}^\top + \epsilon I\bigr)

    position: (..., T, D); mean: (..., T, D); covariance: (..., T, D, D), the one after each position. ``factor`` is
    :math:`s_d d`, ``regularization`` is :math:`\epsilon`. The covariance has the divisor t - 1; that of one position is
    0, so that C is :math:`s_d \epsilon I` there: Haario et al. go on with a first guess of theirs for a while. Computed
    by Welford's recursion, which is the one above without its cancellation. Raises ValueError for other shapes or
    constants out of their range, TypeError for other dtypes.
    Haario, Saksman and Tamminen (2001), An adaptive Metropolis algorithm, eq. 2 and 3.

    >>> adapt([[0.0], [2.0]], factor=1.0, regularization=0.5).covariance.tolist()
    [[[0.5]], [[2.5]]]
    """
    factor, regularization = _constants(factor, regularization)
    xp, dtype, position = checked("position", "(..., T, D)", 2, position=position)
    moments, path = nothing(xp, (*position.shape[:-2], position.shape[-1])), []
    with np.errstate(all="ignore"):
        for t in range(position.shape[-2]):
            moments = step(moments, position[..., t, :])
            path.append((moments.mean, covariance(moments, factor=factor, regularization=regularization)))
    means = together(xp, [mean for mean, _ in path], -2, position.shape)
    return cast(Course(means, together(xp, [c for _, c in path], -3, (*position.shape, position.shape[-1]))), dtype)


def adapt_vjp(g: Course, position: Real, *, factor: float = 5.76, regularization: float = 1e-6) -> tuple[Array]:
    r"""The cotangent of position, from the last one to the first.

    With :math:`d_t = x_t - \bar x_{t-1}`, mean :math:`\bar x_t = \bar x_{t-1} + d_t / t` and scatter
    :math:`S_t = S_{t-1} + \frac{t-1}t d_t d_t^\top`, the cotangents M of the mean and A of the scatter give

    .. math:: \bar d_t = \frac{M_t}t + \frac{t-1}t (A_t + A_t^\top) d_t, \qquad
              \bar x_t = \bar d_t, \qquad M_{t-1} \mathrel{+}= M_t - \bar d_t, \qquad A_{t-1} \mathrel{+}= A_t
    """
    factor, _ = _constants(factor, regularization)
    xp, dtype, position = checked("position", "(..., T, D)", 2, position=position)
    size = position.shape[-1]
    seeds = cotangents(g, Course(position, xp.zeros((*position.shape, size), dtype=xp.float64)))
    moments = nothing(xp, (*position.shape[:-2], size))
    means, to_mean, to_scatter, found = [], moments.mean, moments.scatter, []
    with np.errstate(all="ignore"):
        for t in range(position.shape[-2]):
            means.append(moments.mean)
            moments = step(moments, position[..., t, :])
        for t in reversed(range(position.shape[-2])):
            to_mean = to_mean + seeds.mean[..., t, :]
            to_scatter = to_scatter + seeds.covariance[..., t, :, :] * (factor / size / max(t, 1))
            away = position[..., t, :] - means[t]
            to_position, to_mean = add_vjp(xp, t + 1, to_mean, to_scatter, away)
            found.append(to_position)
    return (cast(together(xp, found[::-1], -2, position.shape), dtype),)


def _constants(factor: float, regularization: float) -> tuple[float, float]:
    return check_between("factor", factor, 0), check_not_negative("regularization", regularization)
