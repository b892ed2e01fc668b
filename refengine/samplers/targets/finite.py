r"""A distribution on finitely many states, for tests that go through all of them.

Axes: S states; the position has one coordinate, the number of the state; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Real
from refengine.samplers.targets._target import Target, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(log_weights: Real) -> Target:
    """The distribution as a sampler takes it; log_weights (S,), not normalised.

    >>> target([0.0, -1.0]).parameters
    ([0.0, -1.0],)
    """
    return Target(log_density, gradient, gradient_vjp, (log_weights,))


def log_density(position: Real, log_weights: Real) -> Array:
    r"""The log weight of the state at a position.

    .. math:: L(x; w) = w_x \;\text{for}\; x \in \{0, \dots, S - 1\}, \qquad L(x; w) = -\infty \;\text{elsewhere}

    position: (..., 1), the state as a real number; log_weights: (S,), of which the density is the exponential over its
    sum; the result has shape (...). A position that is not a state is outside the support; nan gives nan. Result in
    float64 unless every floating argument is float32. Raises ValueError for other shapes, TypeError for other dtypes.
    Source: the definition; Levin and Peres (2017), Markov Chains and Mixing Times, section 3.2, for samplers on finite
    states.

    >>> log_density([[1.0], [0.5]], [0.0, -1.0]).tolist()
    [-1.0, -inf]
    """
    xp, dtype, x, weights, picked = _checked(position, log_weights)
    value = xp.sum(xp.where(picked, weights, xp.zeros_like(weights)), axis=-1)
    value = xp.where(xp.any(picked, axis=-1), value, xp.where(xp.isnan(x), x, -xp.inf))
    return xp.astype(value, dtype, copy=False)


def log_density_vjp(g: Array, position: Real, log_weights: Real) -> tuple[Array, Array]:
    r"""Cotangents of position, which is zero, and of the log weights.

    .. math:: \bar w_s = \sum [x = s]\, g

    over the chains.
    """
    xp, dtype, x, weights, picked = _checked(position, log_weights)
    g = cotangent(xp, g, x.shape)[..., None]
    to_weights = over_chains(xp, xp.where(picked, g, xp.zeros_like(g)))
    to_position = xp.where(xp.isnan(x), xp.nan, xp.zeros_like(x))[..., None]
    return xp.astype(to_position, dtype, copy=False), xp.astype(to_weights, dtype, copy=False)


def gradient(position: Real, log_weights: Real) -> Array:
    r"""Zero, for samplers that ask for a gradient.

    .. math:: \nabla_x L = 0

    position: (..., 1); log_weights: (S,); the result has the shape of the position, nan where that is nan. dtypes and
    errors as in `log_density`. Source: as in `log_density`, section 3.2 of Levin and Peres (2017).

    >>> gradient([1.0], [0.0, -1.0]).tolist()
    [0.0]
    """
    xp, dtype, x, _, _ = _checked(position, log_weights)
    return xp.astype(xp.where(xp.isnan(x), xp.nan, xp.zeros_like(x))[..., None], dtype, copy=False)


def gradient_vjp(g: Array, position: Real, log_weights: Real) -> tuple[Array, Array]:
    r"""Cotangents of position and log weights: :math:`\bar x = 0` and :math:`\bar w = 0`."""
    xp, dtype, x, weights, _ = _checked(position, log_weights)
    cotangent(xp, g, (*x.shape, 1))
    to_position = xp.where(xp.isnan(x), xp.nan, xp.zeros_like(x))[..., None]
    return xp.astype(to_position, dtype, copy=False), xp.astype(xp.zeros_like(weights), dtype, copy=False)


def _checked(position: Array, log_weights: Array) -> tuple[Any, ...]:
    """``xp, dtype``, the state (...) and the log weights in float64, and a mask (..., S) of the state."""
    xp, dtype, position, weights = promote(position=position, log_weights=log_weights)
    check_position(position)
    check_shape("log_weights", weights, ("S",))
    if position.shape[-1] != 1:
        raise ValueError(f"position must have shape (..., 1), got {tuple(position.shape)}")
    position, weights = (xp.astype(a, xp.float64, copy=False) for a in (position, weights))
    with np.errstate(invalid="ignore"):
        states = xp.astype(xp.arange(weights.shape[0]), xp.float64)
        return xp, dtype, position[..., 0], weights, position == states
