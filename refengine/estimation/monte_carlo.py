r"""The posterior predictive density as a mean over draws from the posterior, with its standard error.

.. math:: p(x^* \mid x) = \int p(x^* \mid \theta)\, p(\theta \mid x)\, d\theta
          \approx \frac1S \sum_s p(x^* \mid \theta_s)

All on the logarithmic scale, where nothing underflows. Axes: S draws, then any others (...).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import promote, unbroadcast
from refengine.domains import Array, NonNegative, Real
from refengine.estimation._problem import cotangents

__all__ = ["Estimate", "log_mean", "log_mean_vjp", "predictive"]


class Estimate(NamedTuple):
    """The logarithm of a mean, and its standard error: that of the mean relative to the mean itself. Each (...)."""

    log_prob: Real
    standard_error: NonNegative


def predictive(log_prob: Callable[[Any], Array] | Array, draws: Any) -> Estimate:
    r"""Log density of new data given old ones, estimated from draws of the posterior.

    .. math:: \log \frac1S \sum_s p(x^* \mid \theta_s)

    log_prob: a function that takes the draws to the log densities (S, ...) of the new data, one for each draw, or that
    array itself; draws: S independent draws of the parameters, in the form that log_prob takes; the fields of the
    result: (...). It is `log_mean` of those log densities, which has the gradient. Gelman et al. (2013), section 10.1.

    >>> bernoulli = lambda p: np.log(p)
    >>> estimate = predictive(bernoulli, np.array([0.25, 0.5, 0.75]))
    >>> round(float(np.exp(estimate.log_prob)), 12), round(float(estimate.standard_error), 12)
    (0.5, 0.288675134595)
    """
    return log_mean(log_prob(draws) if callable(log_prob) else log_prob)


def log_mean(log_prob: Real) -> Estimate:
    r"""The logarithm of the mean of exponentials, and its standard error.

    .. math:: L = \log \frac1S \sum_s e^{l_s}, \qquad
              r = \sqrt{\frac{1}{S (S - 1)} \sum_s v_s^2}, \qquad v_s = e^{l_s - L} - 1

    log_prob l: (S,) or (S, ...); the fields of the result: (...). r is the standard error of the mean divided by the
    mean, and, to first order, that of L. An l of -inf is a draw under which the data are impossible. All of them: L =
    -inf, r = nan; no draws: nan; one draw: r = nan; nan or inf among the draws: nan. float32 for a float32 array, else
    float64, and float64 inside. Gelman et al. (2013), section 10.5.

    >>> [round(float(v), 12) for v in log_mean([0.0, np.log(3.0)])], round(float(np.log(2)), 12)
    ([0.69314718056, 0.5], 0.69314718056)
    """
    xp, dtype, l = _checked(log_prob)
    with np.errstate(all="ignore"):
        value, excess = _parts(xp, l)
        error = xp.sqrt(xp.sum(excess * excess, axis=0) / l.shape[0] / (l.shape[0] - 1 or nan)) if l.shape[0] else value
        return Estimate(xp.astype(value, dtype, copy=False), xp.astype(error, dtype, copy=False))


def log_mean_vjp(g: Estimate, log_prob: Real) -> tuple[Array]:
    r"""Cotangent of log_prob; g may hold None for a field without cotangent.

    .. math:: \partial_{l_s} L = \frac{1 + v_s}S, \qquad
              \partial_{l_s} r = \frac{(1 + v_s) (v_s - q)}{r S (S - 1)}, \qquad q = \frac1S \sum_t v_t^2

    since :math:`\partial_{l_s} v_t = (1 + v_t)(\delta_{st} - (1 + v_s) / S)` and :math:`\sum_t v_t = 0`; with
    :math:`p_t = 1 + v_t`, :math:`v_s - q = \sum_t p_t (p_s - p_t) / S`. Where all l are equal r has a kink like that of
    a norm, with slope 0 in the mean over directions: 0.
    """
    xp, dtype, l = _checked(log_prob)
    with np.errstate(all="ignore"):
        value, excess = _parts(xp, l)
        fall, share = _falls(xp, l)
        to_value, to_error = cotangents(xp, g, value.shape, value.shape)
        size = max(l.shape[0], 1)
        square = xp.sum(excess * excess, axis=0) / size
        length = xp.sqrt(square * size)
        direction = xp.where(length == 0, 0.0, 1 / length) if size > 1 else 0.0 * length + nan
        # at the largest l, where v may be all but S - 1, the difference is a mean of gaps to the others
        gap = xp.where(fall == 0, -share * xp.sum(share * fall, axis=0) / size, excess - square)
        slope = gap * (direction * to_error / ((size * (size - 1)) ** 0.5 or nan))
        return (unbroadcast(share * (to_value / size + slope), log_prob, dtype),)


def _checked(log_prob: Array) -> tuple[Any, Any, Array]:
    xp, dtype, l = promote(log_prob=log_prob)
    if l.ndim == 0:
        raise ValueError("log_prob must have shape (S, ...), got ()")
    return xp, dtype, xp.astype(l, xp.float64, copy=False)


def _distances(xp: Any, l: Array) -> tuple[Array, Array, Array]:
    """The largest l, the differences from it, and L less it; the differences are small where L is well known."""
    largest = xp.max(l, axis=0)
    t = l - xp.where(largest == -inf, 0.0, largest)
    return largest, t, xp.log1p(xp.sum(xp.expm1(t), axis=0) / l.shape[0])


def _parts(xp: Any, l: Array) -> tuple[Array, Array]:
    """L and v."""
    if l.shape[0] == 0:
        return xp.full(l.shape[1:], nan), l
    largest, t, rest = _distances(xp, l)
    none = largest == -inf
    known = xp.where(xp.any(xp.isnan(l) | (l == inf), axis=0), xp.asarray(nan), 0.0)
    return xp.where(none, -inf, largest + rest) + known, xp.where(none, nan, xp.expm1(t - rest)) + known


def _falls(xp: Any, l: Array) -> tuple[Array, Array]:
    """``exp(l - max l) - 1``, and 1 + v."""
    if l.shape[0] == 0:
        return l, l
    _, t, rest = _distances(xp, l)
    return xp.expm1(t), xp.exp(t - rest)
