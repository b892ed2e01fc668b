r"""The twisted normal density: a long normal one bent into a banana, without its normalising constant.

Axes: D >= 2 coordinates; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Positive, Real
from refengine.samplers.targets._target import Target, check_position, cotangent

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(bend: Real, scale: Positive) -> Target:
    """The density as a sampler takes it; bend () and scale () of the first coordinate, 0.03 and 10 in the paper.

    >>> target(0.03, 10.0).parameters
    (0.03, 10.0)
    """
    return Target(log_density, gradient, gradient_vjp, (bend, scale))


def log_density(position: Real, bend: Real, scale: Positive) -> Array:
    r"""Logarithm of the density up to a constant that does not depend on the position.

    .. math:: L(x; b, s) = -\frac{x_1^2}{2 s^2} - \frac{r^2}2 - \frac12 \sum_{d > 2} x_d^2, \qquad
              r = x_2 + b (x_1^2 - s^2)

    position: (..., D), D >= 2; bend: (); scale: (); the result has shape (...). The map from x to (x_1, r, x_3, ...)
    has Jacobian determinant 1, so that moments are known: :math:`x_1` has variance :math:`s^2`, :math:`x_2` mean 0 and
    variance :math:`1 + 2 b^2 s^4`. A scale at or below 0: nan. Result in float64 unless every floating argument is
    float32. Raises ValueError for other shapes, TypeError for other dtypes. Haario, Saksman and Tamminen (1999),
    Computational Statistics
    14, 375-395.

    >>> float(log_density([1.0, 2.0], 1.0, 1.0))
    -2.5
    """
    xp, dtype, position, b, s = checked(position, bend, scale)
    with np.errstate(all="ignore"):
        r = _ridge(position, b, s)
        rest = xp.sum(position[..., 2:] ** 2, axis=-1)
        result = -((position[..., 0] / s) ** 2 + (r**2 + rest)) / 2
        return xp.astype(result, dtype, copy=False)


def log_density_vjp(g: Array, position: Real, bend: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of position, bend and scale, the latter two summed over the chains.

    .. math:: \bar x = g \nabla L, \qquad \bar b = -\sum g r (x_1^2 - s^2), \qquad
              \bar s = \sum g (x_1^2 / s^3 + 2 b s r)
    """
    xp, dtype, position, b, s = checked(position, bend, scale)
    g = cotangent(xp, g, position.shape[:-1])
    with np.errstate(all="ignore"):
        x, r = position[..., 0], _ridge(position, b, s)
        to_position = g[..., None] * _gradient(xp, position, b, s)
        to_bend = -xp.sum(g * (r * ((x - s) * (x + s))))
        to_scale = xp.sum(g * (x * x / s / s / s + 2 * b * s * r))
    return tuple(xp.astype(a, dtype, copy=False) for a in (to_position, to_bend, to_scale))


def gradient(position: Real, bend: Real, scale: Positive) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \frac{\partial L}{\partial x_1} = -\frac{x_1}{s^2} - 2 b x_1 r, \qquad
              \frac{\partial L}{\partial x_2} = -r, \qquad \frac{\partial L}{\partial x_d} = -x_d

    position: (..., D); bend: (); scale: (); the result has the shape of the position. Edges, dtypes and errors as in
    `log_density`. Source: the derivative of the density of Haario, Saksman and Tamminen (1999).

    >>> gradient([1.0, 2.0], 1.0, 1.0).tolist()
    [-5.0, -2.0]
    """
    xp, dtype, position, b, s = checked(position, bend, scale)
    with np.errstate(all="ignore"):
        return xp.astype(_gradient(xp, position, b, s), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, bend: Real, scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), bend and scale.

    With :math:`q = 2 b g_1 x_1 + g_2` from
    :math:`\langle g, \nabla L \rangle = -g_1 x_1 / s^2 - q r - \sum_{d > 2} g_d x_d`:

    .. math:: \bar x_1 = -g_1 / s^2 - 2 b (g_1 r + q x_1), \qquad \bar x_2 = -q, \qquad \bar x_d = -g_d

    .. math:: \bar b = -\sum \bigl(2 g_1 x_1 r + q (x_1^2 - s^2)\bigr), \qquad
              \bar s = \sum \bigl(2 g_1 x_1 / s^3 + 2 b s q\bigr)
    """
    xp, dtype, position, b, s = checked(position, bend, scale)
    g = cotangent(xp, g, position.shape)
    with np.errstate(all="ignore"):
        x, r, first = position[..., 0], _ridge(position, b, s), g[..., 0]
        q = 2 * b * first * x + g[..., 1]
        to_first = -first / s / s - 2 * b * (first * r + q * x)
        bad = 0 * s
        to_position = xp.concat([xp.stack([to_first, bad - q], axis=-1), bad - g[..., 2:]], axis=-1)
        to_bend = -xp.sum(2 * first * x * r + q * ((x - s) * (x + s)))
        to_scale = xp.sum(2 * first * x / s / s / s + 2 * b * s * q)
    return tuple(xp.astype(a, dtype, copy=False) for a in (to_position, to_bend, to_scale))


def checked(position: Array, bend: Array, scale: Array) -> tuple[Any, ...]:
    """``xp, dtype`` and the arguments in float64, nan for a scale outside its domain."""
    xp, dtype, *arrays = promote(position=position, bend=bend, scale=scale)
    check_position(arrays[0])
    if arrays[0].shape[-1] < 2:
        raise ValueError(f"position must have shape (..., D) with D >= 2, got {arrays[0].shape}")
    check_shape("bend", arrays[1], ())
    check_shape("scale", arrays[2], ())
    position, b, s = (xp.astype(a, xp.float64, copy=False) for a in arrays)
    return xp, dtype, position, b, xp.where(s > 0, s, xp.nan)


def _ridge(position: Array, b: Array, s: Array) -> Array:
    """How far above the ridge of the banana."""
    x = position[..., 0]
    return position[..., 1] + b * ((x - s) * (x + s))


def _gradient(xp: Any, position: Array, b: Array, s: Array) -> Array:
    x, r = position[..., 0], _ridge(position, b, s)
    bad = 0 * s
    first = xp.stack([-x / s / s - 2 * b * x * r, -r], axis=-1)
    return xp.concat([first, bad - position[..., 2:]], axis=-1)
