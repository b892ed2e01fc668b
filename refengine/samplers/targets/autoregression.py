r"""The posterior density of an autoregression of order K with unknown noise, the arK model of posteriordb.

Axes: T values of a series; the D = K + 2 coordinates are the constant, the K coefficients (lag 1 first) and the log of
the noise; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Real
from refengine.samplers.targets import half_cauchy_regression
from refengine.samplers.targets._target import Target, check_position

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(series: Real) -> Target:
    """The density as a sampler takes it; series (T,).

    >>> target([1.0, 2.0, 4.0]).parameters
    ([1.0, 2.0, 4.0],)
    """
    return Target(log_density, gradient, gradient_vjp, (series,))


def log_density(position: Real, series: Real) -> Array:
    r"""Logarithm of likelihood times priors times the Jacobian of the logarithm of the noise, up to a constant.

    .. math:: L(\alpha, \beta, \lambda; y) = -(T - K) \lambda - \frac{1}{2 \sigma^2} \sum_{t > K} \Bigl( y_t - \alpha
              - \sum_{k=1}^K \beta_k y_{t-k} \Bigr)^2 - \frac{\alpha^2 + |\beta|^2}{200}
              - \log\Bigl(1 + \frac{\sigma^2}{2.5^2}\Bigr) + \lambda, \qquad \sigma = e^\lambda

    position: :math:`\alpha, \beta_1, \dots, \beta_K, \lambda`, (..., D); series: (T,), T >= K, of which the first K
    values are given; the result has shape (...). It is `half_cauchy_regression.log_density` on the lagged series.
    Result in float64 unless every floating argument is float32. Raises ValueError for other shapes, TypeError for other
    dtypes. Stan Development Team (2024), Stan User's Guide, section "Autoregressive models", with the priors of
    posteriordb.

    One residual, 3 - 1 - 2 = 0, at noise 2.5:

    >>> from math import log
    >>> value = log_density([1.0, 1.0, log(2.5)], [2.0, 3.0])
    >>> round(float(value), 12), round(-2 / 200 - log(2), 12)
    (-0.70314718056, -0.70314718056)
    """
    xp, dtype, *arguments = checked(position, series)
    return xp.astype(half_cauchy_regression.log_density(*arguments), dtype, copy=False)


def log_density_vjp(g: Array, position: Real, series: Real) -> tuple[Array, Array]:
    r"""Cotangents of position and series.

    Those of the regression, with :math:`X_{tk} = y_{t-k}`: what arrives at a value as an outcome and as a feature of
    the K rows behind it,

    .. math:: \bar y_t = [t > K]\, \bar o_t + \sum_{k = 1}^K \bar X_{t+k, k}
    """
    xp, dtype, *arguments = checked(position, series)
    to_position, to_features, to_outcomes, *_ = half_cauchy_regression.log_density_vjp(g, *arguments)
    to_series = _to_series(xp, to_features, to_outcomes)
    return xp.astype(to_position, dtype, copy=False), xp.astype(to_series, dtype, copy=False)


def gradient(position: Real, series: Real) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \frac{\partial L}{\partial \alpha} = \sum_t \frac{r_t}{\sigma^2} - \frac{\alpha}{100}, \qquad
              \frac{\partial L}{\partial \beta_k} = \sum_t \frac{r_t y_{t-k}}{\sigma^2} - \frac{\beta_k}{100}, \qquad
              \frac{\partial L}{\partial \lambda} = \sum_t \frac{r_t^2}{\sigma^2} - (T - K) + 1
              - \frac{2 \sigma^2}{2.5^2 + \sigma^2}

    with the residuals :math:`r_t`. position: (..., D); series: (T,); the result has the shape of the position. dtypes
    and errors as in `log_density`. Source: the derivative of the density of Stan Development Team (2024), section
    "Autoregressive models".

    >>> gradient([0.0, 0.0, 0.0], [1.0, 2.0])[:2].tolist()
    [2.0, 2.0]
    """
    xp, dtype, *arguments = checked(position, series)
    return xp.astype(half_cauchy_regression.gradient(*arguments), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, series: Real) -> tuple[Array, Array]:
    r"""Cotangents of position (the Hessian times g) and series.

    .. math:: \bar y_t = [t > K]\, \bar o_t + \sum_{k = 1}^K \bar X_{t+k, k}

    with the cotangents of outcomes o and features X from ``half_cauchy_regression.gradient_vjp``.
    """
    xp, dtype, *arguments = checked(position, series)
    to_position, to_features, to_outcomes, *_ = half_cauchy_regression.gradient_vjp(g, *arguments)
    to_series = _to_series(xp, to_features, to_outcomes)
    return xp.astype(to_position, dtype, copy=False), xp.astype(to_series, dtype, copy=False)


def checked(position: Array, series: Array) -> tuple[Any, ...]:
    """``xp, dtype`` and the arguments of the regression in float64."""
    xp, dtype, position, series = promote(position=position, series=series)
    position, series = (xp.astype(a, xp.float64, copy=False) for a in (position, series))
    check_position(position)
    order = position.shape[-1] - 2
    if order < 0:
        raise ValueError(f"position must have shape (..., D) with D >= 2, got {tuple(position.shape)}")
    check_shape("series", series, ("T",))
    rows = series.shape[0] - order
    if rows < 0:
        raise ValueError(f"series must have shape (T,) with T >= {order}, got {tuple(series.shape)}")
    lags = [series[order - k : order - k + rows] for k in range(1, order + 1)]
    features = xp.stack([xp.ones_like(series[order:]), *lags], axis=1)
    mean, precision = xp.zeros(order + 1, dtype=xp.float64), xp.eye(order + 1, dtype=xp.float64)
    return xp, dtype, position, features, series[order:], mean, precision / 100, xp.asarray(0.4, dtype=xp.float64)


def _to_series(xp: Any, to_features: Array, to_outcomes: Array) -> Array:
    """What arrives at every value, the diagonals of the lags on top of each other."""
    order = to_features.shape[1] - 1
    total = xp.concat([xp.zeros(order, dtype=to_outcomes.dtype), to_outcomes])
    for k in range(1, order + 1):
        before, after = (xp.zeros(n, dtype=to_outcomes.dtype) for n in (order - k, k))
        total = total + xp.concat([before, to_features[:, k], after])
    return total
