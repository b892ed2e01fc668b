r"""The posterior density of a moving average and autoregression of order 1, the arma11 model of posteriordb.

Axes: T values of a series; the 4 coordinates are the constant, the coefficient of the last value, the coefficient of
the last error, and the log of the noise; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Real
from refengine.samplers.targets._target import Target, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(series: Real) -> Target:
    """The density as a sampler takes it; series (T,).

    >>> target([1.0, 2.0]).parameters
    ([1.0, 2.0],)
    """
    return Target(log_density, gradient, gradient_vjp, (series,))


def log_density(position: Real, series: Real) -> Array:
    r"""Logarithm of likelihood times priors times the Jacobian of the logarithm of the noise, up to a constant.

    .. math:: L(\mu, \phi, \theta, \lambda; y) = -\frac{|e|^2}{2 \sigma^2} - T \lambda - \frac{\mu^2}{200}
              - \frac{\phi^2 + \theta^2}8 - \log\Bigl(1 + \frac{\sigma^2}{2.5^2}\Bigr) + \lambda,
              \qquad \sigma = e^\lambda

    .. math:: e_1 = y_1 - \mu - \phi \mu, \qquad e_t = y_t - \mu - \phi y_{t-1} - \theta e_{t-1}

    position: :math:`\mu, \phi, \theta, \lambda`, (..., D) with D = 4; series: (T,); the result has shape (...). Result
    in float64 unless every floating argument is float32. Raises ValueError for other shapes, TypeError for other
    dtypes. Box and Jenkins (1976), Time Series Analysis, section 7.1, with the priors of posteriordb.

    Without values there are the priors alone:

    >>> round(float(log_density([10.0, 2.0, 2.0, 0.0], np.zeros(0))) + np.log1p(0.16).item(), 12)
    -1.5
    """
    xp, dtype, q, y = checked(position, series)
    with np.errstate(all="ignore"):
        z = [e * xp.exp(-q[3]) for e in _errors(xp, q, y)]
        squares = sum((a * a for a in z), xp.zeros_like(q[0]))
        prior = -q[0] * q[0] / 200 - (q[1] * q[1] + q[2] * q[2]) / 8
        bend = xp.logaddexp(xp.zeros_like(q[3]), 2 * (q[3] - xp.log(xp.asarray(2.5))))
        return xp.astype(prior - squares / 2 - (len(z) - 1) * q[3] - bend, dtype, copy=False)


def log_density_vjp(g: Array, position: Real, series: Real) -> tuple[Array, Array]:
    r"""Cotangents of position and series, the latter summed over the chains.

    .. math:: \bar q = g \nabla L, \qquad \bar y_t = \sum g (a_t - \phi a_{t+1})

    with the cotangents a of the errors, see `gradient`.
    """
    xp, dtype, q, y = checked(position, series)
    g = cotangent(xp, g, q[0].shape)
    with np.errstate(all="ignore"):
        e = _errors(xp, q, y)
        a = _pulled_back(xp, q[2], [-v * xp.exp(-2 * q[3]) for v in e])
        to_position = g[..., None] * _gradient(xp, q, y, e, a)
        ahead = [*a[1:], xp.zeros_like(q[0])][: len(a)]
        to_series = [g * (v - q[1] * w) for v, w in zip(a, ahead, strict=True)]
        return _cast(xp, dtype, to_position, to_series)


def gradient(position: Real, series: Real) -> Array:
    r"""Gradient of `log_density` to the position.

    With the cotangents of the errors, :math:`a_t = -e_t / \sigma^2 - \theta a_{t+1}` from the last to the first:

    .. math:: \frac{\partial L}{\partial \mu} = -\phi a_1 - \sum_t a_t - \frac\mu{100}, \qquad
              \frac{\partial L}{\partial \phi} = -\mu a_1 - \sum_{t > 1} a_t y_{t-1} - \frac\phi4, \qquad
              \frac{\partial L}{\partial \theta} = -\sum_{t > 1} a_t e_{t-1} - \frac\theta4

    .. math:: \frac{\partial L}{\partial \lambda} = \frac{|e|^2}{\sigma^2} - T + 1
              - \frac{2 \sigma^2}{2.5^2 + \sigma^2}

    position: (..., D) with D = 4; series: (T,); the result has the shape of the position. dtypes and errors as in
    `log_density`. Source: the derivative of the density of Box and Jenkins (1976), section 7.1.

    >>> (gradient([0.0, 0.0, 0.0, 0.0], [2.0])[:3] + 0.0).tolist()
    [2.0, 0.0, 0.0]
    """
    xp, dtype, q, y = checked(position, series)
    with np.errstate(all="ignore"):
        e = _errors(xp, q, y)
        a = _pulled_back(xp, q[2], [-v * xp.exp(-2 * q[3]) for v in e])
        return xp.astype(_gradient(xp, q, y, e, a), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, series: Real) -> tuple[Array, Array]:
    r"""Cotangents of position (the Hessian times g) and series, the latter summed over the chains.

    Along g the errors change by :math:`\dot e_1 = -g_\mu (1 + \phi) - g_\phi \mu`, :math:`\dot e_t = -g_\mu
    - g_\phi y_{t-1} - g_\theta e_{t-1} - \theta \dot e_{t-1}`, and :math:`\langle g, \nabla L \rangle = -e \cdot \dot e
    / \sigma^2 + g_\lambda |e|^2 / \sigma^2 + \dots`. The cotangents of :math:`\dot e` are the a of `gradient`, those of
    e are :math:`c_t = (2 g_\lambda e_t - \dot e_t) / \sigma^2 - \theta c_{t+1} - g_\theta a_{t+1}`:

    .. math:: \bar\mu = -\phi c_1 - \sum_t c_t - g_\phi a_1 - \frac{g_\mu}{100}, \qquad
              \bar\phi = -\mu c_1 - \sum_{t > 1} c_t y_{t-1} - g_\mu a_1 - \frac{g_\phi}4

    .. math:: \bar\theta = -\sum_{t > 1} (c_t e_{t-1} + a_t \dot e_{t-1}) - \frac{g_\theta}4, \qquad
              \bar\lambda = 2 \frac{e \cdot \dot e - g_\lambda |e|^2}{\sigma^2}
              - \frac{4 g_\lambda s^2}{(1 + s^2)^2}, \qquad
              \bar y_t = \sum (c_t - \phi c_{t+1} - g_\phi a_{t+1})

    with :math:`s = \sigma / 2.5`.
    """
    xp, dtype, q, y = checked(position, series)
    g = cotangent(xp, g, (*q[0].shape, 4))
    with np.errstate(all="ignore"):
        to_mu, to_phi, to_theta, to_noise = (g[..., i] for i in range(4))
        mu, phi, theta, noise = q
        small, zero = xp.exp(-2 * noise), xp.zeros_like(mu)
        e = _errors(xp, q, y)
        change: list[Any] = []
        for t in range(len(e)):
            before = to_phi * y[t - 1] + to_theta * e[t - 1] + theta * change[-1] if t else to_mu * phi + to_phi * mu
            change.append(-to_mu - before)
        a = _pulled_back(xp, theta, [-v * small for v in e])
        ahead = [*a[1:], zero][: len(a)]
        pushed = [small * (2 * to_noise * v - w) - to_theta * b for v, w, b in zip(e, change, ahead, strict=True)]
        c = _pulled_back(xp, theta, pushed)
        first, first_a = (c[0], a[0]) if e else (zero, zero)
        cross = sum((small * v * (w - to_noise * v) for v, w in zip(e, change, strict=True)), zero)
        s = xp.exp(noise) / 2.5
        result = (
            -phi * first - sum(c, zero) - to_phi * first_a - to_mu / 100,
            -mu * first - sum((c[t] * y[t - 1] for t in range(1, len(e))), zero) - to_mu * first_a - to_phi / 4,
            -sum((c[t] * e[t - 1] + a[t] * change[t - 1] for t in range(1, len(e))), zero) - to_theta / 4,
            2 * cross - 4 * to_noise / (s + 1 / s) ** 2,
        )
        after = [*c[1:], zero][: len(c)]
        to_series = [v - phi * w - to_phi * b for v, w, b in zip(c, after, ahead, strict=True)]
        return _cast(xp, dtype, xp.stack(result, axis=-1), to_series)


def checked(position: Array, series: Array) -> tuple[Any, ...]:
    """``xp, dtype, (mu, phi, theta, log sigma), y`` in float64."""
    xp, dtype, position, series = promote(position=position, series=series)
    check_position(position)
    if position.shape[-1] != 4:
        raise ValueError(f"position must have shape (..., 4), got {tuple(position.shape)}")
    check_shape("series", series, ("T",))
    position, series = (xp.astype(a, xp.float64, copy=False) for a in (position, series))
    return xp, dtype, tuple(position[..., i] for i in range(4)), series


def _errors(xp: Any, q: Any, y: Array) -> list[Any]:
    mu, phi, theta, _ = q
    errors: list[Any] = []
    for t in range(y.shape[0]):
        errors.append(y[t] - mu - phi * y[t - 1] - theta * errors[-1] if t else y[t] - mu - phi * mu)
    return errors


def _pulled_back(xp: Any, theta: Array, pushed: list[Any]) -> list[Any]:
    """What arrives at every error, from the last to the first."""
    found: list[Any] = []
    for value in reversed(pushed):
        found.append(value - theta * found[-1] if found else value)
    return found[::-1]


def _gradient(xp: Any, q: Any, y: Array, e: list[Any], a: list[Any]) -> Array:
    mu, phi, theta, noise = q
    zero = xp.zeros_like(mu)
    first = a[0] if a else zero
    squares = sum(((v * xp.exp(-noise)) ** 2 for v in e), zero)
    s = xp.exp(noise) / 2.5
    parts = (
        -phi * first - sum(a, zero) - mu / 100,
        -mu * first - sum((a[t] * y[t - 1] for t in range(1, len(e))), zero) - phi / 4,
        -sum((a[t] * e[t - 1] for t in range(1, len(e))), zero) - theta / 4,
        squares - (len(e) - 1) - 2 / (1 + s**-2.0),
    )
    return xp.stack(parts, axis=-1)


def _cast(xp: Any, dtype: Any, to_position: Array, to_series: list[Any]) -> tuple[Array, Array]:
    line = xp.stack(to_series, axis=-1) if to_series else xp.zeros((1, 0), dtype=xp.float64)
    return xp.astype(to_position, dtype, copy=False), xp.astype(over_chains(xp, line), dtype, copy=False)
