"""What a sampler is told of the density that it samples."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from refengine._arrays import promote
from refengine.domains import Array


class Target(NamedTuple):
    """A density up to a constant: its logarithm and the gradient of that, as functions of a position.

    ``log_density(position, *parameters)`` maps (..., D) to (...), ``gradient(position, *parameters)`` maps (..., D) to
    (..., D), D coordinates. ``gradient_vjp(g, position, *parameters)`` is the vjp of the gradient; the first of its
    cotangents, the product of the Hessian with g, is what `mala.step_vjp` needs. It may be left out where no such
    derivative is wanted. ``parameters`` are the arrays handed on to all three, none unless said.

    Outside the support the log density is -inf and the gradient zero. On the numba backend functions compiled by
    ``numba.njit`` see one chain at a time, a position of shape (D,).

    >>> import numpy as np
    >>> target = Target(lambda x: -np.sum(x**4, axis=-1), lambda x: -4 * x**3)
    >>> float(target.log_density(np.array([1.0, 0.5])))
    -1.0625
    """

    log_density: Callable[..., Array]
    gradient: Callable[..., Array]
    gradient_vjp: Callable[..., tuple[Array, ...]] | None = None
    parameters: tuple[Any, ...] = ()


def check_target(target: Any) -> Target:
    """The target as it came. TypeError unless it is a Target."""
    if not isinstance(target, Target):
        raise TypeError(f"target must be a Target of {', '.join(Target._fields)}, got {type(target).__name__}")
    return target


def check_hessian(target: Any) -> None:
    """TypeError where the target lacks what the vjp of a step along its gradient needs."""
    if check_target(target).gradient_vjp is None:
        raise TypeError("target.gradient_vjp is missing: this vjp needs the Hessian of the log density")


def check_position(position: Array) -> None:
    """ValueError unless the position has an axis of coordinates."""
    if position.ndim == 0:
        raise ValueError("position must have shape (..., D), got ()")


def cotangent(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """The cotangent in float64, for a result of that shape. ValueError where it does not broadcast to it."""
    g = xp.astype(promote(g=g)[2], xp.float64, copy=False)
    try:
        return xp.broadcast_to(g, shape)
    except (ValueError, RuntimeError):
        raise ValueError(f"g must have the result's shape {shape}, got {tuple(g.shape)}") from None


def as_rows(xp: Any, a: Array) -> Array:
    """All chains along one axis: (..., D) as (chains, D)."""
    return xp.reshape(a, (prod(a.shape[:-1]), a.shape[-1]))


def over_chains(xp: Any, a: Array) -> Array:
    """The sum over the axes of the chains, of an array (..., D)."""
    return xp.sum(as_rows(xp, a), axis=0)


def sum_outer(xp: Any, a: Array, b: Array) -> Array:
    """The sum over the chains of the outer products of two arrays (..., D)."""
    return xp.matmul(xp.matrix_transpose(as_rows(xp, a)), as_rows(xp, b))
