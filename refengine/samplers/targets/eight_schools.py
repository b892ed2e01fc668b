r"""The posterior density of the eight schools, a hierarchy of normal means, in its coordinates that are not centred.

Axes: J schools; the D = J + 2 coordinates are the mean, the log of the spread, and each school's standardised effect;
leading axes are chains.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Positive, Real
from refengine.samplers.targets._target import Target, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(outcomes: Real, errors: Positive) -> Target:
    """The density as a sampler takes it; outcomes (J,) with their standard errors (J,).

    >>> data = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]  # Rubin (1981), table 1
    >>> target(*data).parameters[1][0]
    15
    """
    return Target(log_density, gradient, gradient_vjp, (outcomes, errors))


def log_density(position: Real, outcomes: Real, errors: Positive) -> Array:
    r"""Logarithm of likelihood times priors times the Jacobian of the logarithm of the spread.

    .. math:: L(\mu, \lambda, \eta; y, \sigma) = \sum_j \log N(y_j; \mu + e^\lambda \eta_j, \sigma_j^2)
              + \sum_j \log N(\eta_j; 0, 1) + \log N(\mu; 0, 25) + \log C_+(e^\lambda; 5) + \lambda

    where :math:`C_+(\tau; 5) = \tfrac2{5 \pi} / (1 + \tau^2 / 25)` is the half-Cauchy density. position:
    :math:`\mu, \lambda = \log\tau, \eta_1, \dots, \eta_J`, (..., D); outcomes and errors: (J,); the result has shape
    (...). The effect of a school is :math:`\mu + \tau \eta_j`. Any error at or below 0: nan. Result in float64 unless
    every floating argument is float32. Raises ValueError for other shapes, TypeError for other dtypes. Gelman et al.
    (2013), Bayesian Data Analysis, 3rd edition, section 5.5, with the priors of posteriordb.

    >>> value = log_density([0.0, 0.0, 0.0], [1.0], [1.0])
    >>> round(float(value) + 0.5 + 1.5 * log(2 * pi) + log(5) - log(2 / (5 * pi) / (1 + 1 / 25)), 12)
    0.0
    """
    xp, dtype, mu, spread, eta, y, sigma = checked(position, outcomes, errors)
    with np.errstate(all="ignore"):
        z = (y - mu[..., None] - xp.exp(spread)[..., None] * eta) / sigma
        likelihood = -xp.sum(z * z / 2 + xp.log(sigma), axis=-1)
        prior = -xp.sum(eta * eta, axis=-1) / 2 - mu * mu / 50 + spread - _bend(xp, spread)
        constant = -(2 * y.shape[0] + 1) * log(2 * pi) / 2 - log(5) + log(2 / (5 * pi))
        return xp.astype(likelihood + (prior + constant), dtype, copy=False)


def log_density_vjp(g: Array, position: Real, outcomes: Real, errors: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of position, outcomes and errors, the latter two summed over the chains.

    With :math:`z_j = (y_j - \mu - \tau \eta_j) / \sigma_j`:

    .. math:: \bar q = g \nabla L, \qquad \bar y_j = -\sum g z_j / \sigma_j, \qquad
              \bar\sigma_j = \sum g (z_j^2 - 1) / \sigma_j
    """
    xp, dtype, mu, spread, eta, y, sigma = checked(position, outcomes, errors)
    g = cotangent(xp, g, mu.shape)[..., None] + 0 * xp.sum(sigma)
    with np.errstate(all="ignore"):
        z = (y - mu[..., None] - xp.exp(spread)[..., None] * eta) / sigma
        to_position = g * _gradient(xp, mu, spread, eta, z / sigma)
        to_outcomes, to_errors = -over_chains(xp, g * z / sigma), over_chains(xp, g * ((z - 1) * (z + 1)) / sigma)
    a, b, c = (xp.astype(array, dtype, copy=False) for array in (to_position, to_outcomes, to_errors))
    return a, b, c


def gradient(position: Real, outcomes: Real, errors: Positive) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \frac{\partial L}{\partial \mu} = \sum_j \frac{z_j}{\sigma_j} - \frac\mu{25}, \qquad
              \frac{\partial L}{\partial \lambda} = \tau \sum_j \frac{z_j \eta_j}{\sigma_j}
              + \frac{25 - \tau^2}{25 + \tau^2}, \qquad
              \frac{\partial L}{\partial \eta_j} = \tau \frac{z_j}{\sigma_j} - \eta_j

    with :math:`z_j = (y_j - \mu - \tau \eta_j) / \sigma_j`. position: (..., D); outcomes and errors: (J,); the result
    has the shape of the position. dtypes, edges and errors as in `log_density`. Source: the derivative of Gelman et al.
    (2013), section 5.5.

    >>> gradient([0.0, 0.0, 0.0], [2.0], [1.0])[[0, 2]].tolist()
    [2.0, 2.0]
    """
    xp, dtype, mu, spread, eta, y, sigma = checked(position, outcomes, errors)
    with np.errstate(all="ignore"):
        pull = (y - mu[..., None] - xp.exp(spread)[..., None] * eta) / sigma / sigma
        return xp.astype(_gradient(xp, mu, spread, eta, pull) + 0 * xp.sum(sigma), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, outcomes: Real, errors: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), outcomes and errors.

    With :math:`p_j = (y_j - \mu - \tau \eta_j) / \sigma_j^2` and
    :math:`a_j = g_\mu + \tau (g_\lambda \eta_j + g_j)`, the part of :math:`\langle g, \nabla L \rangle` that holds p is
    :math:`\sum_j a_j p_j`, and

    .. math:: \bar\mu = -\sum_j \frac{a_j}{\sigma_j^2} - \frac{g_\mu}{25}, \qquad
              \bar\lambda = \tau \sum_j \Bigl[ (g_\lambda \eta_j + g_j) p_j - \frac{a_j \eta_j}{\sigma_j^2} \Bigr]
              - g_\lambda \frac{100 \tau^2}{(25 + \tau^2)^2}

    .. math:: \bar\eta_j = \tau \Bigl( g_\lambda p_j - \frac{a_j}{\sigma_j^2} \Bigr) - g_j, \qquad
              \bar y_j = \sum \frac{a_j}{\sigma_j^2}, \qquad \bar\sigma_j = -\sum \frac{2 a_j p_j}{\sigma_j}
    """
    xp, dtype, mu, spread, eta, y, sigma = checked(position, outcomes, errors)
    g = cotangent(xp, g, (*mu.shape, y.shape[0] + 2)) + 0 * xp.sum(sigma)
    with np.errstate(all="ignore"):
        tau, first, second, rest = xp.exp(spread)[..., None], g[..., :1], g[..., 1:2], g[..., 2:]
        pull = (y - mu[..., None] - tau * eta) / sigma / sigma
        mixed = second * eta + rest
        a = first + tau * mixed
        narrow = a / sigma / sigma
        bend = second[..., 0] * 4 * _share(xp, spread) * _share(xp, -spread + 2 * log(5))
        to_mu = -xp.sum(narrow, axis=-1) - first[..., 0] / 25
        to_spread = tau[..., 0] * xp.sum(mixed * pull - narrow * eta, axis=-1) - bend
        to_eta = tau * (second * pull - narrow) - rest
        to_position = xp.concat([to_mu[..., None], to_spread[..., None], to_eta], axis=-1)
        to_outcomes, to_errors = over_chains(xp, narrow), -over_chains(xp, 2 * a * pull / sigma)
    b, c, d = (xp.astype(array, dtype, copy=False) for array in (to_position, to_outcomes, to_errors))
    return b, c, d


def checked(position: Array, outcomes: Array, errors: Array) -> tuple[Any, ...]:
    """``xp, dtype, mu, log tau, eta, y, sigma`` in float64, nan for errors outside their domain."""
    xp, dtype, *arrays = promote(position=position, outcomes=outcomes, errors=errors)
    check_position(arrays[0])
    check_shape("outcomes", arrays[1], ("J",), J=arrays[0].shape[-1] - 2)
    check_shape("errors", arrays[2], ("J",), J=arrays[0].shape[-1] - 2)
    position, y, sigma = (xp.astype(a, xp.float64, copy=False) for a in arrays)
    return xp, dtype, position[..., 0], position[..., 1], position[..., 2:], y, xp.where(sigma > 0, sigma, xp.nan)


def _bend(xp: Any, spread: Array) -> Array:
    """log(1 + tau^2 / 25)."""
    return xp.logaddexp(xp.zeros_like(spread), 2 * (spread - log(5)))


def _share(xp: Any, spread: Array) -> Array:
    """tau^2 / (25 + tau^2)."""
    return 1 / (1 + 25 * xp.exp(-2 * spread))


def _gradient(xp: Any, mu: Array, spread: Array, eta: Array, pull: Array) -> Array:
    tau = xp.exp(spread)[..., None]
    to_mu = xp.sum(pull, axis=-1) - mu / 25
    to_spread = tau[..., 0] * xp.sum(pull * eta, axis=-1) - xp.tanh(spread - log(5))
    return xp.concat([to_mu[..., None], to_spread[..., None], tau * pull - eta], axis=-1)
