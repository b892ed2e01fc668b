r"""The posterior density of a logistic regression with a normal prior.

Axes: D coefficients (features), N rows; leading axes are chains.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_labels, check_shape, promote
from refengine.domains import Array, Count, Positive, Real
from refengine.samplers.targets._target import Target, as_rows, check_position, cotangent

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(features: Real, outcomes: Count, prior_scale: Positive) -> Target:
    """The density as a sampler takes it; features (N, D), outcomes (N,) of 0 and 1, prior_scale ().

    >>> target([[1.0]], [1], 2.0).parameters
    ([[1.0]], [1], 2.0)
    """
    return Target(log_density, gradient, gradient_vjp, (features, outcomes, prior_scale))


def log_density(position: Real, features: Real, outcomes: Count, prior_scale: Positive) -> Array:
    r"""Logarithm of the Bernoulli likelihood of the outcomes times the normal prior of the coefficients.

    .. math:: L(\beta; X, y, s) = \sum_n \bigl[ y_n t_n - \log(1 + e^{t_n}) \bigr]
              - \sum_d \Bigl[ \frac{\beta_d^2}{2 s^2} + \log s + \tfrac12 \log 2\pi \Bigr], \qquad t = X \beta

    position (the coefficients): (..., D); features: (N, D); outcomes: (N,) integers 0 or 1; prior_scale: (); the
    result has shape (...). An outcome's term is :math:`-\log(1 + e^{\mp t})`, which neither overflows nor cancels.
    prior_scale at or below 0: nan. Result in float64 unless every floating argument is float32. Raises ValueError for
    other shapes or outcomes, TypeError for other dtypes. Bishop (2006), Pattern Recognition and Machine Learning,
    eq. 4.142 with a prior of mean 0.

    At 0 every outcome has probability 1/2, and the prior is 1 / sqrt(2 pi):

    >>> round(float(log_density([0.0], [[1.0]], [1], 1.0)), 12), round(-log(2) - log(2 * pi) / 2, 12)
    (-1.612085713765, -1.612085713765)
    """
    xp, dtype, position, features, sign, scale = checked(position, features, outcomes, prior_scale)
    with np.errstate(all="ignore"):
        margin = sign * xp.matmul(position, xp.matrix_transpose(features))
        likelihood = -xp.sum(xp.logaddexp(xp.zeros_like(margin), -margin), axis=-1)
        prior = -xp.sum((position / scale) ** 2, axis=-1) / 2 - position.shape[-1] * (xp.log(scale) + log(2 * pi) / 2)
        return xp.astype(likelihood + prior, dtype, copy=False)


def log_density_vjp(
    g: Array, position: Real, features: Real, outcomes: Count, prior_scale: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of position, features and prior_scale.

    With the residuals :math:`r_n = y_n - \sigma(t_n)`, which are :math:`\pm\sigma(\mp t_n)`:

    .. math:: \bar\beta_d = g \Bigl(\sum_n r_n X_{nd} - \beta_d / s^2\Bigr), \qquad \bar X_{nd} = g\, r_n \beta_d,
              \qquad \bar s = \frac gs \sum_d \bigl(\beta_d^2 / s^2 - 1\bigr)

    features and prior_scale are shared by all chains, so their cotangents are sums over the leading axes.
    """
    xp, dtype, position, features, sign, scale = checked(position, features, outcomes, prior_scale)
    g = xp.where(scale > 0, cotangent(xp, g, position.shape[:-1]), xp.nan)[..., None]
    with np.errstate(all="ignore"):
        residual, _ = _residual_and_curvature(xp, position, features, sign)
        to_position = g * (xp.matmul(residual, features) - position / scale / scale)
        to_features = xp.matmul(xp.matrix_transpose(as_rows(xp, g * residual)), as_rows(xp, position))
        to_scale = xp.sum(g * ((position / scale) ** 2 - 1)) / scale
    a, b, c = (xp.astype(array, dtype, copy=False) for array in (to_position, to_features, to_scale))
    return a, b, c


def gradient(position: Real, features: Real, outcomes: Count, prior_scale: Positive) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \nabla_\beta L = X^\top \bigl(y - \sigma(X \beta)\bigr) - \beta / s^2

    position: (..., D); features: (N, D); outcomes: (N,); prior_scale: (); the result has the shape of the position.
    dtypes, edges and errors as in `log_density`. Source: the derivative of Bishop 2006, eq. 4.142; eq. 4.91 for the
    likelihood alone.

    >>> gradient([0.0], [[1.0], [3.0]], [1, 0], 1.0).tolist()
    [-1.0]
    """
    xp, dtype, position, features, sign, scale = checked(position, features, outcomes, prior_scale)
    with np.errstate(all="ignore"):
        residual, _ = _residual_and_curvature(xp, position, features, sign)
        return xp.astype(xp.matmul(residual, features) - position / scale / scale, dtype, copy=False)


def gradient_vjp(
    g: Array, position: Real, features: Real, outcomes: Count, prior_scale: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), features and prior_scale.

    From :math:`\langle g, \nabla L \rangle = \sum_n r_n (Xg)_n - \langle g, \beta \rangle / s^2` and
    :math:`dr_n = -w_n dt_n`, :math:`w_n = \sigma(t_n) \sigma(-t_n)`:

    .. math:: \bar\beta = -X^\top (w \circ Xg) - g / s^2, \qquad \bar X_{nd} = r_n g_d - w_n (Xg)_n \beta_d,
              \qquad \bar s = 2 \langle g, \beta \rangle / s^3
    """
    xp, dtype, position, features, sign, scale = checked(position, features, outcomes, prior_scale)
    g = xp.where(scale > 0, cotangent(xp, g, position.shape), xp.nan)
    with np.errstate(all="ignore"):
        residual, curvature = _residual_and_curvature(xp, position, features, sign)
        bent = -curvature * xp.matmul(g, xp.matrix_transpose(features))
        to_position = xp.matmul(bent, features) - g / scale / scale
        to_features = xp.matmul(xp.matrix_transpose(as_rows(xp, residual)), as_rows(xp, g))
        to_features = to_features + xp.matmul(xp.matrix_transpose(as_rows(xp, bent)), as_rows(xp, position))
        to_scale = 2 * xp.sum(g * position) / scale / scale / scale
    a, b, c = (xp.astype(array, dtype, copy=False) for array in (to_position, to_features, to_scale))
    return a, b, c


def checked(position: Array, features: Array, outcomes: Array, prior_scale: Array) -> tuple[Any, ...]:
    """``xp, dtype, position, features, 2 y - 1, prior_scale`` in float64, nan for a scale outside its domain."""
    xp, dtype, position, features, scale = promote(position=position, features=features, prior_scale=prior_scale)
    check_position(position)
    check_shape("features", features, ("N", "D"), D=position.shape[-1])
    check_shape("prior_scale", scale, ())
    sign = 2 * check_labels("outcomes", xp.asarray(outcomes), features.shape[0], 2) - 1
    position, features, sign, scale = (xp.astype(a, xp.float64, copy=False) for a in (position, features, sign, scale))
    return xp, dtype, position, features, sign, xp.where(scale > 0, scale, xp.nan)


def _residual_and_curvature(xp: Any, position: Array, features: Array, sign: Array) -> tuple[Array, Array]:
    """The first and minus the second derivative of the terms to t, by the exponential of -|t| alone."""
    margin = sign * xp.matmul(position, xp.matrix_transpose(features))
    small = xp.exp(-xp.abs(margin))
    missed = xp.where(margin > 0, small, xp.ones_like(small)) / (1 + small)
    return sign * missed, small / (1 + small) ** 2
