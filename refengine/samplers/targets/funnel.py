r"""Neal's funnel: normal coordinates whose common variance is itself log-normal.

Axes: D coordinates, of which the first is the log variance; leading axes are chains.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Positive, Real
from refengine.samplers.targets._target import Target, check_position, cotangent

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(scale: Positive) -> Target:
    """The density as a sampler takes it; scale () is the standard deviation of the log variance, 3 in the paper.

    >>> target(3.0).parameters
    (3.0,)
    """
    return Target(log_density, gradient, gradient_vjp, (scale,))


def log_density(position: Real, scale: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: L(v, x; s) = \log N(v; 0, s^2) + \sum_{k=1}^{D-1} \log N(x_k; 0, e^v)
              = -\frac{v^2}{2 s^2} - \log s - \frac{e^{-v}}2 \sum_k x_k^2 - \frac{D - 1}2 v - \frac D2 \log 2\pi

    position: v and the :math:`x_k`, (..., D); scale: (); the result has shape (...). The variance of the :math:`x_k` is
    :math:`e^v`, their standard deviation :math:`e^{v / 2}`. A scale at or below 0: nan. Result in float64 unless every
    floating argument is float32. Raises ValueError for other shapes, TypeError for other dtypes. Neal (2003), The
    Annals of Statistics 31, section 8.

    >>> round(float(log_density([0.0, 1.0], 1.0)) + log(2 * pi), 12)
    -0.5
    """
    xp, dtype, v, x, s = checked(position, scale)
    with np.errstate(all="ignore"):
        z = x * xp.exp(-v / 2)[..., None]
        result = -((v / s) ** 2 + xp.sum(z * z, axis=-1)) / 2 - x.shape[-1] * v / 2
        return xp.astype(result - xp.log(s) - (x.shape[-1] + 1) * log(2 * pi) / 2, dtype, copy=False)


def log_density_vjp(g: Array, position: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of position and scale, that of the scale summed over the chains.

    .. math:: \bar q = g \nabla L, \qquad \bar s = \sum g \Bigl(\frac{v^2}{s^3} - \frac1s\Bigr)
    """
    xp, dtype, v, x, s = checked(position, scale)
    g = cotangent(xp, g, v.shape)
    with np.errstate(all="ignore"):
        to_position = g[..., None] * _gradient(xp, v, x, s)
        to_scale = xp.sum(g * ((v / s - 1) * (v / s + 1))) / s
    return xp.astype(to_position, dtype, copy=False), xp.astype(to_scale, dtype, copy=False)


def gradient(position: Real, scale: Positive) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \frac{\partial L}{\partial v} = -\frac v{s^2} + \frac12 \sum_k (e^{-v} x_k^2 - 1), \qquad
              \frac{\partial L}{\partial x_k} = -e^{-v} x_k

    position: (..., D); scale: (); the result has the shape of the position. Edges, dtypes and errors as in
    `log_density`. Source: the derivative of the density of Neal (2003), section 8.

    >>> gradient([0.0, 2.0], 1.0).tolist()
    [1.5, -2.0]
    """
    xp, dtype, v, x, s = checked(position, scale)
    with np.errstate(all="ignore"):
        return xp.astype(_gradient(xp, v, x, s), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, scale: Positive) -> tuple[Array, Array]:
    r"""Cotangents of position (the Hessian times g) and scale.

    From :math:`\langle g, \nabla L \rangle = -g_v v / s^2 + g_v \sum_k (e^{-v} x_k^2 - 1) / 2
    - e^{-v} \sum_k g_k x_k`:

    .. math:: \bar v = -\frac{g_v}{s^2} + e^{-v} \sum_k x_k \bigl(g_k - \tfrac12 g_v x_k\bigr), \qquad
              \bar x_k = e^{-v} (g_v x_k - g_k), \qquad \bar s = \sum 2 g_v v / s^3
    """
    xp, dtype, v, x, s = checked(position, scale)
    g = cotangent(xp, g, (*x.shape[:-1], x.shape[-1] + 1))
    with np.errstate(all="ignore"):
        first, rest, small = g[..., 0], g[..., 1:], xp.exp(-v / 2)[..., None]
        z = small * x
        to_v = -first / s / s + xp.sum(z * (small * rest - first[..., None] * z / 2), axis=-1)
        to_x = small * (first[..., None] * z - small * rest) + 0 * s
        to_scale = xp.sum(2 * first * v) / s / s / s
        to_position = xp.concat([to_v[..., None], to_x], axis=-1)
    return xp.astype(to_position, dtype, copy=False), xp.astype(to_scale, dtype, copy=False)


def checked(position: Array, scale: Array) -> tuple[Any, ...]:
    """``xp, dtype, v, x, scale`` in float64, nan for a scale outside its domain."""
    xp, dtype, position, s = promote(position=position, scale=scale)
    check_position(position)
    if not position.shape[-1]:
        raise ValueError(f"position must have shape (..., D) with D >= 1, got {position.shape}")
    check_shape("scale", s, ())
    position, s = (xp.astype(a, xp.float64, copy=False) for a in (position, s))
    return xp, dtype, position[..., 0], position[..., 1:], xp.where(s > 0, s, xp.nan)


def _gradient(xp: Any, v: Array, x: Array, s: Array) -> Array:
    small = xp.exp(-v / 2)[..., None]
    z = small * x
    to_v = -v / s / s + (xp.sum(z * z, axis=-1) - x.shape[-1]) / 2
    return xp.concat([to_v[..., None], -small * z + 0 * s], axis=-1)
