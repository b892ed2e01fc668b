r"""Mean and covariance of draws as they come, for a mass matrix.

Axes: N draws, D coordinates; leading axes are chains, each with an estimate of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option
from refengine.domains import Array, Real
from refengine.samplers._chains import cast, cotangents
from refengine.samplers.adaptation._moments import Moments, add, nothing
from refengine.samplers.adaptation._stream import checked

__all__ = ["Estimate", "Moments", "adapt", "adapt_vjp", "estimate", "init", "step"]


class Estimate(NamedTuple):
    """The mean (..., D) and the covariance matrix (..., D, D)."""

    mean: Real
    covariance: Real


def init(position: Array) -> Moments:
    """The moments of no draws, for positions of this shape (..., D).

    >>> init([0.0, 0.0]).scatter.shape
    (2, 2)
    """
    xp, _, position = checked("position", "(..., D)", 1, position=position)
    return nothing(xp, position.shape)


def step(moments: Moments, position: Array) -> Moments:
    """The moments with one more draw: Welford (1962), eq. I.

    >>> step(step(init([0.0]), np.array([1.0])), np.array([3.0])).scatter.tolist()
    [[2.0]]
    """
    return add(moments, position)


def estimate(moments: Moments, *, shrinkage: str = "none") -> Estimate:
    """The estimate from the moments, as `adapt` has it."""
    check_option("shrinkage", shrinkage, ("none", "stan"))
    factor, constant = _shrunk(moments.draws, shrinkage)
    size = moments.scatter.shape[-1]
    xp = checked("scatter", "(..., D, D)", 2, scatter=moments.scatter)[0]
    return Estimate(moments.mean, moments.scatter * factor + constant * xp.eye(size, dtype=xp.float64))


def adapt(position: Real, *, shrinkage: str = "none") -> Estimate:
    r"""Mean and covariance of all draws.

    .. math:: m = \frac1N \sum_n x_n, \qquad \Sigma = \frac1{N-1} \sum_n (x_n - m)(x_n - m)^\top

    position: (..., N, D); mean: (..., D); covariance: (..., D, D). ``shrinkage="stan"`` gives
    :math:`\frac N{N+5} \Sigma + \frac{0.005}{N+5} I`, the metric that Stan, NumPyro and BlackJAX take from a window;
    their diagonal one is its diagonal. Each draw is added by Welford's recursion, in which no large numbers cancel; the
    covariance of one draw, and either of none, is nan. Raises ValueError for another shape or option, TypeError for
    other dtypes. Welford (1962), Technometrics 4, 419-420, eq. I.

    >>> adapt([[1.0, 0.0], [3.0, 0.0]]).covariance.tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    xp, dtype, position = _checked(position, shrinkage)
    moments = init(position[..., 0, :] if position.shape[-2] else xp.sum(position, axis=-2))
    with np.errstate(all="ignore"):
        for n in range(position.shape[-2]):
            moments = step(moments, position[..., n, :])
        found = estimate(moments, shrinkage=shrinkage)
        return cast(found if moments.draws else Estimate(found.mean + xp.nan, found.covariance), dtype)


def adapt_vjp(g: Estimate, position: Real, *, shrinkage: str = "none") -> tuple[Array]:
    r"""The cotangent of position.

    The derivative of the scatter to a draw does not feel that the mean moves, since the distances from it sum to zero:

    .. math:: \bar x_n = \frac{\bar m}N + c\, (\bar\Sigma + \bar\Sigma^\top)(x_n - m)

    with c = 1 / (N - 1), times N / (N + 5) with Stan's shrinkage.
    """
    xp, dtype, position = _checked(position, shrinkage)
    count = position.shape[-2]
    if not count:
        return (cast(xp.zeros_like(position), dtype),)
    found = adapt(position, shrinkage=shrinkage)
    seeds = cotangents(g, found)
    with np.errstate(all="ignore"):
        both = seeds.covariance + xp.matrix_transpose(seeds.covariance)
        away = position - found.mean[..., None, :]
        factor = _shrunk(count, shrinkage)[0]
        return (cast(seeds.mean[..., None, :] / count + factor * xp.matmul(away, both), dtype),)


def _shrunk(n: int, shrinkage: str) -> tuple[float, float]:
    """By what the scatter is multiplied, and what is added to the diagonal; nan where they are not defined."""
    unbiased = 1 / (n - 1) if n > 1 else float("nan")
    return (unbiased, 0.0) if shrinkage == "none" else (n / (n + 5) * unbiased, 1e-3 * 5 / (n + 5))


def _checked(position: Array, shrinkage: str) -> tuple[Any, Any, Array]:
    check_option("shrinkage", shrinkage, ("none", "stan"))
    xp, dtype, position = checked("position", "(..., N, D)", 2, position=position)
    return xp, dtype, position
