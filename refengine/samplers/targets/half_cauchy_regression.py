r"""The posterior density of a linear regression with unknown noise: flat or normal prior, half-Cauchy or flat noise.

Axes: D coefficients (features), N rows; the last of D + 1 coordinates is the log of the noise; leading axes are chains.
With other features and priors this is the kidscore, earnings, mesquite, nes and kilpisjarvi models of posteriordb.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, NonNegative, Real
from refengine.samplers.targets._target import Target, as_rows, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(features: Real, outcomes: Real, prior_mean: Real, prior_precision: Real, noise_rate: NonNegative) -> Target:
    """The density as a sampler takes it; shapes (N, D), (N,), (D,), (D, D) and ().

    >>> target([[1.0]], [1.0], [0.0], [[0.0]], 0.4).parameters[-1]
    0.4
    """
    return Target(log_density, gradient, gradient_vjp, (features, outcomes, prior_mean, prior_precision, noise_rate))


def log_density(
    position: Real, features: Real, outcomes: Real, prior_mean: Real, prior_precision: Real, noise_rate: NonNegative
) -> Array:
    r"""Logarithm of likelihood times priors times the Jacobian of the logarithm of the noise, up to a constant.

    .. math:: L(\beta, \lambda; X, y, m, P, \rho) = -\frac{|y - X \beta|^2}{2 \sigma^2} - N \lambda
              - \tfrac12 (\beta - m)^\top P (\beta - m) - \log(1 + \rho^2 \sigma^2) + \lambda,
              \qquad \sigma = e^\lambda

    position: :math:`\beta` and :math:`\lambda`, (..., D + 1); features: (N, D); outcomes: (N,); prior_mean: (D,);
    prior_precision: (D, D), zeros for a flat prior; noise_rate :math:`\rho`: (), the inverse of the half-Cauchy scale,
    0 for a flat prior; the result has shape (...). What does not depend on the position is left out: flat priors have
    no normaliser. P is taken as it comes, as in ``gaussian.log_density``. noise_rate below 0: nan. Result in float64
    unless every floating argument is float32. Raises ValueError for other shapes, TypeError for other dtypes.
    Gelman and Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, section 18.2.

    >>> value = log_density([1.0, 0.0], [[2.0]], [3.0], [0.0], [[4.0]], 1.0)
    >>> round(float(value), 12), round(-0.5 - 2.0 - np.log(2).item(), 12)
    (-3.19314718056, -3.19314718056)
    """
    xp, dtype, beta, noise, features, outcomes, offset, precision, rate = _checked(
        position, features, outcomes, prior_mean, prior_precision, noise_rate
    )
    with np.errstate(all="ignore"):
        z = _residuals(xp, beta, noise, features, outcomes)
        squares = xp.sum(z * z, axis=-1) + xp.sum(offset * xp.matmul(offset, precision), axis=-1)
        bend = xp.logaddexp(xp.zeros_like(noise), 2 * (noise + xp.log(rate)))
        return xp.astype(-squares / 2 - (features.shape[0] - 1) * noise - bend, dtype, copy=False)


def log_density_vjp(
    g: Array,
    position: Real,
    features: Real,
    outcomes: Real,
    prior_mean: Real,
    prior_precision: Real,
    noise_rate: NonNegative,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    r"""Cotangents of position, features, outcomes, prior_mean, prior_precision and noise_rate.

    With the residuals :math:`r = y - X\beta`, the offset :math:`d = \beta - m` and :math:`S = (P + P^\top) / 2`:

    .. math:: \bar q = g \nabla L, \qquad \bar X = \sum g\, r \beta^\top / \sigma^2, \qquad
              \bar y = -\sum g\, r / \sigma^2, \qquad \bar m = \sum g S d, \qquad
              \bar P = -\tfrac12 \sum g\, d d^\top, \qquad
              \bar\rho = -\sum g \frac{2 \rho \sigma^2}{1 + \rho^2 \sigma^2}

    The latter five are sums over the chains.
    """
    xp, dtype, beta, noise, features, outcomes, offset, precision, rate = _checked(
        position, features, outcomes, prior_mean, prior_precision, noise_rate
    )
    g = xp.where(rate >= 0, cotangent(xp, g, noise.shape), xp.nan)[..., None]
    with np.errstate(all="ignore"):
        z, sigma = _residuals(xp, beta, noise, features, outcomes), xp.exp(noise)
        to_position = g * _gradient(xp, beta, noise, features, z, offset, precision, rate)
        pull, push = g * z / sigma[..., None], g * offset
        to_features = _outer(xp, pull, beta)
        to_mean, to_precision = over_chains(xp, xp.matmul(push, precision)), -_outer(xp, offset, push) / 2
        to_rate = -xp.sum(g[..., 0] * 2 * sigma / (rate * sigma + 1 / (rate * sigma)))
        to_outcomes = -over_chains(xp, pull)
        return _cast(xp, dtype, to_position, to_features, to_outcomes, to_mean, to_precision, to_rate)


def gradient(
    position: Real, features: Real, outcomes: Real, prior_mean: Real, prior_precision: Real, noise_rate: NonNegative
) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \nabla_\beta L = \frac{X^\top (y - X \beta)}{\sigma^2} - \tfrac12 (P + P^\top) (\beta - m), \qquad
              \frac{\partial L}{\partial \lambda} = \frac{|y - X \beta|^2}{\sigma^2} - N + 1
              - \frac{2 \rho^2 \sigma^2}{1 + \rho^2 \sigma^2}

    position: (..., D + 1); features: (N, D); the result has the shape of the position. Other shapes, dtypes, edges and
    errors as in `log_density`. Source: the derivative of the density of Gelman and Hill (2007), section 18.2.

    >>> gradient([0.0, 0.0], [[2.0]], [3.0], [0.0], [[4.0]], 1.0).tolist()
    [6.0, 8.0]
    """
    xp, dtype, beta, noise, features, outcomes, offset, precision, rate = _checked(
        position, features, outcomes, prior_mean, prior_precision, noise_rate
    )
    with np.errstate(all="ignore"):
        z = _residuals(xp, beta, noise, features, outcomes)
        value = _gradient(xp, beta, noise, features, z, offset, precision, rate)
        return xp.astype(value, dtype, copy=False)


def gradient_vjp(
    g: Array,
    position: Real,
    features: Real,
    outcomes: Real,
    prior_mean: Real,
    prior_precision: Real,
    noise_rate: NonNegative,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), features, outcomes, prior_mean, prior_precision and noise_rate.

    From :math:`\langle g, \nabla L \rangle = (c \cdot r + g_\lambda |r|^2) / \sigma^2 - g_\beta \cdot S d
    + g_\lambda (1 - N - 2 t^2 / (1 + t^2))` with :math:`c = X g_\beta`, :math:`t = \rho \sigma` and
    :math:`\bar r = (c + 2 g_\lambda r) / \sigma^2`:

    .. math:: \bar\beta = -X^\top \bar r - S g_\beta, \qquad
              \bar\lambda = -2 \frac{c \cdot r + g_\lambda |r|^2}{\sigma^2} - \frac{4 g_\lambda t^2}{(1 + t^2)^2}

    .. math:: \bar X = \sum (r g_\beta^\top / \sigma^2 - \bar r \beta^\top), \qquad \bar y = \sum \bar r

    .. math:: \bar m = \sum S g_\beta, \qquad \bar P = -\tfrac12 \sum (g_\beta d^\top + d g_\beta^\top), \qquad
              \bar\rho = -\sum \frac{4 g_\lambda t \sigma}{(1 + t^2)^2}
    """
    xp, dtype, beta, noise, features, outcomes, offset, precision, rate = _checked(
        position, features, outcomes, prior_mean, prior_precision, noise_rate
    )
    g = xp.where(rate >= 0, cotangent(xp, g, (*noise.shape, beta.shape[-1] + 1)), xp.nan)
    with np.errstate(all="ignore"):
        rest, last, sigma = g[..., :-1], g[..., -1], xp.exp(noise)
        z, small, t = _residuals(xp, beta, noise, features, outcomes), 1 / sigma[..., None], rate * sigma
        c = small * xp.matmul(rest, xp.matrix_transpose(features))
        to_residual = small * (c + 2 * last[..., None] * z)
        bent = last * 4 / (t + 1 / t)
        push = xp.matmul(rest, precision)
        to_beta = -xp.matmul(to_residual, features) - push
        to_noise = -2 * xp.sum(z * (c + last[..., None] * z), axis=-1) - bent / (t + 1 / t)
        to_features = _outer(xp, small * z, rest) - _outer(xp, to_residual, beta)
        outer = _outer(xp, rest, offset)
        to_precision = -(outer + xp.matrix_transpose(outer)) / 2
        to_position = xp.concat([to_beta, to_noise[..., None]], axis=-1)
        to_outcomes, to_mean = over_chains(xp, to_residual), over_chains(xp, push)
        to_rate = -xp.sum(bent * sigma / (1 + t * t))
        return _cast(xp, dtype, to_position, to_features, to_outcomes, to_mean, to_precision, to_rate)


def checked(
    position: Array, features: Array, outcomes: Array, prior_mean: Array, prior_precision: Array, noise_rate: Array
) -> tuple[Any, ...]:
    """``xp, dtype`` and the arguments in float64, their shapes checked; nan for a bad rate."""
    xp, dtype, *arrays = promote(
        position=position,
        features=features,
        outcomes=outcomes,
        prior_mean=prior_mean,
        prior_precision=prior_precision,
        noise_rate=noise_rate,
    )
    check_position(arrays[0])
    check_shape("features", arrays[1], ("N", "D"), D=arrays[0].shape[-1] - 1)
    check_shape("outcomes", arrays[2], ("N",), N=arrays[1].shape[0])
    check_shape("prior_mean", arrays[3], ("D",), D=arrays[1].shape[1])
    check_shape("prior_precision", arrays[4], ("D", "D"), D=arrays[1].shape[1])
    check_shape("noise_rate", arrays[5], ())
    *arrays, rate = (xp.astype(a, xp.float64, copy=False) for a in arrays)
    return xp, dtype, *arrays, xp.where(rate >= 0, rate, xp.nan)


def _checked(*arguments: Array) -> tuple[Any, ...]:
    """``xp, dtype, coefficients, log noise, features, outcomes, beta - m, (P + P^T) / 2, rate``."""
    xp, dtype, position, features, outcomes, mean, precision, rate = checked(*arguments)
    with np.errstate(all="ignore"):
        symmetric = (precision + xp.matrix_transpose(precision)) / 2
        beta = position[..., :-1]
        return xp, dtype, beta, position[..., -1], features, outcomes, beta - mean, symmetric, rate


def _residuals(xp: Any, beta: Array, noise: Array, features: Array, outcomes: Array) -> Array:
    """In units of the noise."""
    return (outcomes - xp.matmul(beta, xp.matrix_transpose(features))) * xp.exp(-noise)[..., None]


def _gradient(
    xp: Any, beta: Array, noise: Array, features: Array, z: Array, offset: Array, precision: Array, rate: Array
) -> Array:
    to_beta = xp.matmul(z * xp.exp(-noise)[..., None], features) - xp.matmul(offset, precision) + 0 * rate
    share = 1 / (1 + (rate * xp.exp(noise)) ** -2.0)
    to_noise = xp.sum(z * z, axis=-1) - (features.shape[0] - 1) - 2 * share
    return xp.concat([to_beta, to_noise[..., None]], axis=-1)


def _outer(xp: Any, a: Array, b: Array) -> Array:
    """The sum over chains of the outer products."""
    return xp.matmul(xp.matrix_transpose(as_rows(xp, a)), as_rows(xp, b))


def _cast(xp: Any, dtype: Any, *arrays: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
    a, b, c, d, e, f = (xp.astype(array, dtype, copy=False) for array in arrays)
    return a, b, c, d, e, f
