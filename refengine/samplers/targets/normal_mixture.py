r"""The posterior density of a mixture of two normals with ordered means, posteriordb's low_dim_gauss_mix.

Axes: N values; the 5 coordinates are the lower mean, the log of the distance to the upper one, the logs of both
scales, and the logit of the lower one's share; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Real
from refengine.samplers.targets._target import Target, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(values: Real) -> Target:
    """The density as a sampler takes it; values (N,).

    >>> target([1.0, 2.0]).parameters
    ([1.0, 2.0],)
    """
    return Target(log_density, gradient, gradient_vjp, (values,))


def log_density(position: Real, values: Real) -> Array:
    r"""Logarithm of likelihood times priors times the Jacobians of the coordinates, up to a constant.

    .. math:: L(\mu_1, \delta, a_1, a_2, c; y) = \sum_n \log( \theta e^{n_1(y_n)} + (1 - \theta) e^{n_2(y_n)} )
              - \frac{\mu_1^2 + \mu_2^2 + \sigma_1^2 + \sigma_2^2}8 + 5 \log \theta (1 - \theta) + \delta + a_1 + a_2

    .. math:: \mu_2 = \mu_1 + e^\delta, \qquad \sigma_k = e^{a_k}, \qquad \theta = \frac1{1 + e^{-c}}, \qquad
              n_k(y) = -a_k - \tfrac12 z_k^2, \qquad z_k = \frac{y - \mu_k}{\sigma_k}

    position: :math:`\mu_1, \delta, a_1, a_2, c`, (..., D) with D = 5; values: (N,); the result has shape (...). The
    priors are N(0, 4) for the means, half-normal with scale 2 for the scales, beta(5, 5) for the share. Result in
    float64 unless every floating argument is float32. Raises ValueError for other shapes, TypeError for other dtypes.
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 9.14, with the priors of posteriordb.

    Without values and at 0 there are the priors alone: means 0 and 1, scales 1, the share 1/2.

    >>> round(float(log_density(np.zeros(5), np.zeros(0))) + 3 / 8 + 10 * np.log(2).item(), 12)
    0.0
    """
    xp, dtype, q, y = checked(position, values)
    with np.errstate(all="ignore"):
        parts = _Parts(xp, q, y)
        each = xp.logaddexp(parts.n1 - _surprise(xp, q[4])[..., None], parts.n2 - _surprise(xp, -q[4])[..., None])
        squares = q[0] ** 2 + parts.upper**2 + xp.exp(2 * q[2]) + xp.exp(2 * q[3])
        share = 5 * (_surprise(xp, q[4]) + _surprise(xp, -q[4]))
        return xp.astype(xp.sum(each, axis=-1) - squares / 8 - share + q[1] + q[2] + q[3], dtype, copy=False)


def log_density_vjp(g: Array, position: Real, values: Real) -> tuple[Array, Array]:
    r"""Cotangents of position and values, the latter summed over the chains.

    .. math:: \bar q = g \nabla L, \qquad
              \bar y_n = -\sum g \Bigl( p_n \frac{z_1}{\sigma_1} + (1 - p_n) \frac{z_2}{\sigma_2} \Bigr)

    with the shares p of `gradient`.
    """
    xp, dtype, q, y = checked(position, values)
    g = cotangent(xp, g, q[0].shape)[..., None]
    with np.errstate(all="ignore"):
        parts = _Parts(xp, q, y)
        pull = parts.p * parts.z1 * parts.small1 + parts.rest * parts.z2 * parts.small2
        return _cast(xp, dtype, g * _gradient(xp, q, parts), -g * pull)


def gradient(position: Real, values: Real) -> Array:
    r"""Gradient of `log_density` to the position.

    With the share of the lower normal in every value, :math:`p = 1 / (1 + e^{-(c + n_1 - n_2)})`,
    :math:`P_1 = \sum p z_1 / \sigma_1` and :math:`P_2 = \sum (1 - p) z_2 / \sigma_2`:

    .. math:: \frac{\partial L}{\partial \mu_1} = P_1 + P_2 - \frac{\mu_1 + \mu_2}4, \qquad
              \frac{\partial L}{\partial \delta} = e^\delta \Bigl(P_2 - \frac{\mu_2}4\Bigr) + 1, \qquad
              \frac{\partial L}{\partial c} = \sum (p - \theta) + 5 (1 - 2 \theta)

    .. math:: \frac{\partial L}{\partial a_1} = \sum p (z_1^2 - 1) - \frac{\sigma_1^2}4 + 1, \qquad
              \frac{\partial L}{\partial a_2} = \sum (1 - p) (z_2^2 - 1) - \frac{\sigma_2^2}4 + 1

    position: (..., D) with D = 5; values: (N,); the result has the shape of the position. dtypes and errors as in
    `log_density`. Source: the derivative of Bishop (2006), eq. 9.14.

    >>> gradient(np.zeros(5), np.zeros(0)).tolist()
    [-0.25, 0.75, 0.75, 0.75, 0.0]
    """
    xp, dtype, q, y = checked(position, values)
    with np.errstate(all="ignore"):
        return xp.astype(_gradient(xp, q, _Parts(xp, q, y)), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, values: Real) -> tuple[Array, Array]:
    r"""Cotangents of position (the Hessian times g) and values, the latter summed over the chains.

    Along g the upper mean changes by :math:`m = g_\mu + e^\delta g_\delta`, the log densities by
    :math:`\dot n_1 = g_\mu z_1 / \sigma_1 + g_{a_1} (z_1^2 - 1)` and
    :math:`\dot n_2 = m z_2 / \sigma_2 + g_{a_2} (z_2^2 - 1)`, the logit of p by
    :math:`\dot u = g_c + \dot n_1 - \dot n_2`, and p by :math:`w = p (1 - p) \dot u`. With
    :math:`k_1 = w z_1 / \sigma_1 - p (g_\mu / \sigma_1^2 + 2 g_{a_1} z_1 / \sigma_1)` and
    :math:`k_2 = -w z_2 / \sigma_2 - (1 - p) (m / \sigma_2^2 + 2 g_{a_2} z_2 / \sigma_2)`:

    .. math:: \bar\mu_1 = \sum (k_1 + k_2) - \frac{g_\mu + m}4, \qquad
              \bar\delta = e^\delta \Bigl( \sum k_2 + g_\delta P_2 - \frac{m + g_\delta \mu_2}4 \Bigr), \qquad
              \bar y = -\sum (k_1 + k_2)

    .. math:: \bar a_1 = \sum \bigl( w (z_1^2 - 1) - 2 p z_1 (g_\mu / \sigma_1 + g_{a_1} z_1) \bigr)
              - \frac{g_{a_1} \sigma_1^2}2, \qquad
              \bar c = \sum w - (N + 10) \theta (1 - \theta) g_c

    and :math:`\bar a_2` likewise, with -w, 1 - p and m.
    """
    xp, dtype, q, y = checked(position, values)
    g = cotangent(xp, g, (*q[0].shape, 5))
    with np.errstate(all="ignore"):
        v = _Parts(xp, q, y)
        lower, apart, first, second, logit = (g[..., i] for i in range(5))
        scale = xp.exp(q[1])
        upper = lower + scale * apart
        g1, g2, ga, gb = (a[..., None] for a in (lower, upper, first, second))
        n1 = g1 * v.z1 * v.small1 + ga * (v.z1 - 1) * (v.z1 + 1)
        n2 = g2 * v.z2 * v.small2 + gb * (v.z2 - 1) * (v.z2 + 1)
        w = v.p * v.rest * (logit[..., None] + n1 - n2)
        k1 = v.small1 * (w * v.z1 - v.p * (g1 * v.small1 + 2 * ga * v.z1))
        k2 = v.small2 * (-w * v.z2 - v.rest * (g2 * v.small2 + 2 * gb * v.z2))
        to_first = xp.sum(w * (v.z1 - 1) * (v.z1 + 1) - 2 * v.p * v.z1 * (g1 * v.small1 + ga * v.z1), axis=-1)
        to_second = xp.sum(-w * (v.z2 - 1) * (v.z2 + 1) - 2 * v.rest * v.z2 * (g2 * v.small2 + gb * v.z2), axis=-1)
        pulled = xp.sum(v.rest * v.z2 * v.small2, axis=-1)
        result = (
            xp.sum(k1 + k2, axis=-1) - (lower + upper) / 4,
            scale * (xp.sum(k2, axis=-1) + apart * pulled - (upper + apart * v.upper) / 4),
            to_first - first * xp.exp(2 * q[2]) / 2,
            to_second - second * xp.exp(2 * q[3]) / 2,
            xp.sum(w, axis=-1) - (y.shape[0] + 10) * _share(xp, q[4]) * _share(xp, -q[4]) * logit,
        )
        return _cast(xp, dtype, xp.stack(result, axis=-1), -(k1 + k2))


class _Parts:
    """At every value: in units of the scales, the log densities, and the shares of lower and upper normal."""

    def __init__(self, xp: Any, q: Any, y: Array) -> None:
        lower, apart, first, second, logit = q
        self.upper = lower + xp.exp(apart)
        self.small1, self.small2 = xp.exp(-first)[..., None], xp.exp(-second)[..., None]
        self.z1, self.z2 = (y - lower[..., None]) * self.small1, (y - self.upper[..., None]) * self.small2
        self.n1, self.n2 = -first[..., None] - self.z1 * self.z1 / 2, -second[..., None] - self.z2 * self.z2 / 2
        half = (self.z2 - self.z1) * (self.z2 + self.z1) / 2  # of the squares
        self.gap = (second - first)[..., None] + half  # n_1 - n_2
        u = logit[..., None] + self.gap
        self.p, self.rest = _share(xp, u), _share(xp, -u)


def checked(position: Array, values: Array) -> tuple[Any, ...]:
    """``xp, dtype, the five coordinates, y`` in float64."""
    xp, dtype, position, values = promote(position=position, values=values)
    check_position(position)
    if position.shape[-1] != 5:
        raise ValueError(f"position must have shape (..., 5), got {tuple(position.shape)}")
    check_shape("values", values, ("N",))
    position, values = (xp.astype(a, xp.float64, copy=False) for a in (position, values))
    return xp, dtype, tuple(position[..., i] for i in range(5)), values


def _share(xp: Any, u: Array) -> Array:
    """1 / (1 + e^-u)."""
    e = xp.exp(-xp.abs(u))
    return xp.where(u > 0, 1 / (1 + e), e / (1 + e))


def _surprise(xp: Any, u: Array) -> Array:
    """log(1 + e^-u)."""
    return xp.logaddexp(xp.zeros_like(u), -u)


def _gradient(xp: Any, q: Any, v: _Parts) -> Array:
    lower, apart, first, second, logit = q
    theta, rest = _share(xp, logit), _share(xp, -logit)
    less, more = v.rest * theta[..., None] * xp.expm1(v.gap), -v.p * rest[..., None] * xp.expm1(-v.gap)  # p - theta
    pull1, pull2 = xp.sum(v.p * v.z1 * v.small1, axis=-1), xp.sum(v.rest * v.z2 * v.small2, axis=-1)
    parts = (
        pull1 + pull2 - (lower + v.upper) / 4,
        xp.exp(apart) * (pull2 - v.upper / 4) + 1,
        xp.sum(v.p * (v.z1 - 1) * (v.z1 + 1), axis=-1) - xp.exp(2 * first) / 4 + 1,
        xp.sum(v.rest * (v.z2 - 1) * (v.z2 + 1), axis=-1) - xp.exp(2 * second) / 4 + 1,
        xp.sum(xp.where(v.gap > 0, more, less), axis=-1) - 5 * xp.tanh(logit / 2),
    )
    return xp.stack(parts, axis=-1)


def _cast(xp: Any, dtype: Any, to_position: Array, to_values: Array) -> tuple[Array, Array]:
    return xp.astype(to_position, dtype, copy=False), xp.astype(over_chains(xp, to_values), dtype, copy=False)
