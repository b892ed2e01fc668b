r"""The posterior density of a linear regression with unknown noise, its prior normal and half-normal.

Axes: D coefficients (features), N rows; the last of D + 1 coordinates is the log of the noise; leading axes are chains.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Positive, Real
from refengine.samplers.targets._target import Target, as_rows, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(features: Real, outcomes: Real, prior_scale: Positive) -> Target:
    """The density as a sampler takes it; features (N, D), outcomes (N,), prior_scale ().

    >>> target([[1.0]], [1.0], 2.0).parameters
    ([[1.0]], [1.0], 2.0)
    """
    return Target(log_density, gradient, gradient_vjp, (features, outcomes, prior_scale))


def log_density(position: Real, features: Real, outcomes: Real, prior_scale: Positive) -> Array:
    r"""Logarithm of likelihood times priors times the Jacobian of the logarithm of the noise.

    .. math:: L(\beta, \lambda; X, y, s) = \sum_n \log N(y_n; (X \beta)_n, e^{2 \lambda})
              + \sum_d \log N(\beta_d; 0, s^2) + \log N_+(e^\lambda; 0, s^2) + \lambda

    where :math:`N_+` is the half-normal density. position: :math:`\beta` and :math:`\lambda`, (..., D + 1); features:
    (N, D); outcomes: (N,); prior_scale: (); the result has shape (...). prior_scale at or below 0: nan. Result in
    float64 unless every floating argument is float32. Raises ValueError for other shapes, TypeError for other dtypes.
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 3.10 and 3.52.

    Without rows there is the prior alone, at noise 1 and scale 1 the half-normal density 2 N(1; 0, 1):

    >>> value = log_density([0.0], np.zeros((0, 0)), np.zeros(0), 1.0)
    >>> round(float(value) + 0.5 - log(2), 12), round(-log(2 * pi) / 2, 12)
    (-0.918938533205, -0.918938533205)
    """
    xp, dtype, beta, noise, features, outcomes, s = checked(position, features, outcomes, prior_scale)
    with np.errstate(all="ignore"):
        z, w, sigma = _residuals(xp, beta, noise, features, outcomes), beta / s, xp.exp(noise) / s
        squares = xp.sum(z * z, axis=-1) + xp.sum(w * w, axis=-1) + sigma * sigma
        rows, size = features.shape
        constant = log(2) - (rows + size + 1) * log(2 * pi) / 2 - (size + 1) * xp.log(s)
        return xp.astype(constant - squares / 2 - (rows - 1) * noise, dtype, copy=False)


def log_density_vjp(
    g: Array, position: Real, features: Real, outcomes: Real, prior_scale: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of position, features, outcomes and prior_scale.

    With the residuals :math:`r = y - X\beta` and :math:`\sigma = e^\lambda`:

    .. math:: \bar q = g \nabla L, \qquad \bar X_{nd} = \sum g\, r_n \beta_d / \sigma^2, \qquad
              \bar y_n = -\sum g\, r_n / \sigma^2, \qquad
              \bar s = \frac1s \sum g \Bigl(\sum_d \frac{\beta_d^2}{s^2} + \frac{\sigma^2}{s^2} - D - 1\Bigr)

    The latter three are sums over the chains.
    """
    xp, dtype, beta, noise, features, outcomes, s = checked(position, features, outcomes, prior_scale)
    g = xp.where(s > 0, cotangent(xp, g, noise.shape), xp.nan)[..., None]
    with np.errstate(all="ignore"):
        z, w, sigma = _residuals(xp, beta, noise, features, outcomes), beta / s, xp.exp(noise) / s
        to_position = g * _gradient(xp, beta, noise, features, z, s)
        pull = g * z * xp.exp(-noise)[..., None]
        to_features = xp.matmul(xp.matrix_transpose(as_rows(xp, pull)), as_rows(xp, beta))
        to_scale = xp.sum(g[..., 0] * (xp.sum((w - 1) * (w + 1), axis=-1) + (sigma - 1) * (sigma + 1))) / s
        return _cast(xp, dtype, to_position, to_features, -over_chains(xp, pull), to_scale)


def gradient(position: Real, features: Real, outcomes: Real, prior_scale: Positive) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \nabla_\beta L = \frac{X^\top (y - X \beta)}{\sigma^2} - \frac\beta{s^2}, \qquad
              \frac{\partial L}{\partial \lambda} = \frac{|y - X \beta|^2}{\sigma^2} - N + 1 - \frac{\sigma^2}{s^2},
              \qquad \sigma = e^\lambda

    position: (..., D + 1); features: (N, D); outcomes: (N,); prior_scale: (); the result has the shape of the position.
    dtypes, edges and errors as in `log_density`. Source: the derivative of Bishop 2006, eq. 3.10 and 3.52.

    >>> gradient([0.0, 0.0], [[2.0]], [3.0], 1.0).tolist()
    [6.0, 8.0]
    """
    xp, dtype, beta, noise, features, outcomes, s = checked(position, features, outcomes, prior_scale)
    with np.errstate(all="ignore"):
        z = _residuals(xp, beta, noise, features, outcomes)
        return xp.astype(_gradient(xp, beta, noise, features, z, s), dtype, copy=False)


def gradient_vjp(
    g: Array, position: Real, features: Real, outcomes: Real, prior_scale: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), features, outcomes and prior_scale.

    From :math:`\langle g, \nabla L \rangle = (c \cdot r + g_\lambda |r|^2) / \sigma^2 - g_\beta \cdot \beta / s^2
    + g_\lambda (1 - N - \sigma^2 / s^2)` with :math:`c = X g_\beta` and :math:`\bar r = (c + 2 g_\lambda r) /
    \sigma^2`:

    .. math:: \bar\beta = -X^\top \bar r - g_\beta / s^2, \qquad
              \bar\lambda = -2 (c \cdot r + g_\lambda |r|^2) / \sigma^2 - 2 g_\lambda \sigma^2 / s^2, \qquad
              \bar X = \sum (r g_\beta^\top / \sigma^2 - \bar r \beta^\top), \qquad \bar y = \sum \bar r

    .. math:: \bar s = \sum 2 (g_\beta \cdot \beta + g_\lambda \sigma^2) / s^3
    """
    xp, dtype, beta, noise, features, outcomes, s = checked(position, features, outcomes, prior_scale)
    g = xp.where(s > 0, cotangent(xp, g, (*noise.shape, beta.shape[-1] + 1)), xp.nan)
    with np.errstate(all="ignore"):
        rest, last, small = g[..., :-1], g[..., -1], xp.exp(-noise)[..., None]
        z, w, sigma = _residuals(xp, beta, noise, features, outcomes), beta / s, xp.exp(noise) / s
        c = small * xp.matmul(rest, xp.matrix_transpose(features))
        to_residual = small * (c + 2 * last[..., None] * z)
        to_beta = -xp.matmul(to_residual, features) - rest / s / s
        to_noise = -2 * xp.sum(z * (c + last[..., None] * z), axis=-1) - 2 * last * sigma * sigma
        to_features = xp.matmul(xp.matrix_transpose(as_rows(xp, small * z)), as_rows(xp, rest))
        to_features = to_features - xp.matmul(xp.matrix_transpose(as_rows(xp, to_residual)), as_rows(xp, beta))
        to_scale = 2 * xp.sum(xp.sum(rest * w, axis=-1) + last * sigma * xp.exp(noise)) / s / s
        to_position = xp.concat([to_beta, to_noise[..., None]], axis=-1)
        return _cast(xp, dtype, to_position, to_features, over_chains(xp, to_residual), to_scale)


def checked(position: Array, features: Array, outcomes: Array, prior_scale: Array) -> tuple[Any, ...]:
    """``xp, dtype, coefficients, log noise, features, outcomes, scale`` in float64, nan for a bad scale."""
    given = {"position": position, "features": features, "outcomes": outcomes, "prior_scale": prior_scale}
    xp, dtype, *arrays = promote(**given)
    check_position(arrays[0])
    check_shape("features", arrays[1], ("N", "D"), D=arrays[0].shape[-1] - 1)
    check_shape("outcomes", arrays[2], ("N",), N=arrays[1].shape[0])
    check_shape("prior_scale", arrays[3], ())
    position, features, outcomes, s = (xp.astype(a, xp.float64, copy=False) for a in arrays)
    return xp, dtype, position[..., :-1], position[..., -1], features, outcomes, xp.where(s > 0, s, xp.nan)


def _residuals(xp: Any, beta: Array, noise: Array, features: Array, outcomes: Array) -> Array:
    """In units of the noise."""
    return (outcomes - xp.matmul(beta, xp.matrix_transpose(features))) * xp.exp(-noise)[..., None]


def _gradient(xp: Any, beta: Array, noise: Array, features: Array, z: Array, s: Array) -> Array:
    to_beta = xp.matmul(z * xp.exp(-noise)[..., None], features) - beta / s / s
    to_noise = xp.sum(z * z, axis=-1) - (features.shape[0] - 1) - (xp.exp(noise) / s) ** 2
    return xp.concat([to_beta, to_noise[..., None]], axis=-1)


def _cast(xp: Any, dtype: Any, *arrays: Array) -> tuple[Array, Array, Array, Array]:
    a, b, c, d = (xp.astype(array, dtype, copy=False) for array in arrays)
    return a, b, c, d
