r"""Loader's deviance, of which the log densities of binomial, Poisson and gamma families are made."""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, NonNegative, Positive
from refengine.special._saddle_point import log1p_minus, log_quotient

__all__ = ["binomial_deviance", "binomial_deviance_value_and_vjp", "binomial_deviance_vjp"]


def binomial_deviance(k: NonNegative, mean: Positive) -> Array:
    r"""Half the deviance of a Poisson count from its mean, with relative accuracy where the two are nearly equal.

    .. math:: D(k, m) = k \log\frac{k}{m} + m - k, \qquad D(0, m) = m

    k, mean: broadcast together; the result has the broadcast shape; k need not be whole. float32 when every floating
    array is, else float64, and float64 inside. k < 0, a mean that is not positive, and nan: nan. Near k = m it is
    :math:`-k (\log(1 + t) - t)`, t = (m - k)/k: ``bd0`` of Loader (2000), section 3.

    >>> float(binomial_deviance(3.0, 3.0)), float(binomial_deviance(0.0, 0.5))
    (0.0, 0.5)
    >>> float(binomial_deviance(1e15 + 1.0, 1e15))  # about 1 / (2 m)
    5e-16
    """
    xp, dtype, k, m = elementwise(k=k, mean=mean)
    with np.errstate(all="ignore"):
        x = xp.where(k > 0, k, 1.0)
        t = (m - x) / x
        near = xp.abs(t) <= 0.5
        value = xp.where(near, x * (0.0 - log1p_minus(xp, xp.where(near, t, 0.0))), x * _log_ratio(xp, x, m) + (m - x))
        value = xp.where(k == 0, m, value)
        return xp.astype(xp.where((k >= 0) & (m > 0), value, xp.nan), dtype, copy=False)


def binomial_deviance_vjp(g: Array, k: NonNegative, mean: Positive) -> tuple[Array, Array]:
    r"""Cotangents of k and mean.

    .. math:: \partial_k D = \log\frac{k}{m}, \qquad \partial_m D = 1 - \frac{k}{m} = \frac{m - k}{m}

    At k = 0 they are -inf and 1.
    """
    xp, dtype, g, x, m = elementwise(g=g, k=k, mean=mean)
    with np.errstate(all="ignore"):
        inside = (x >= 0) & (m > 0)
        dk = xp.where(x > 0, _log_ratio(xp, xp.where(x > 0, x, 1.0), m), -xp.inf)
        dk, dm = xp.where(inside, dk, xp.nan), xp.where(inside, (m - x) / m, xp.nan)
        return unbroadcast(g * dk, k, dtype), unbroadcast(g * dm, mean, dtype)


def binomial_deviance_value_and_vjp(g: Array, k: NonNegative, mean: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`binomial_deviance` and `binomial_deviance_vjp`; kernels make one pass of both.

    >>> value, (dk, dm) = binomial_deviance_value_and_vjp(1.0, 2.0, 2.0)
    >>> float(value), float(dk), float(dm)
    (0.0, 0.0, 0.0)
    """
    return binomial_deviance(k, mean), binomial_deviance_vjp(g, k, mean)


def _log_ratio(xp: Array, x: Array, m: Array) -> Array:
    """``log(x / m)`` for positive numbers of any size."""
    t = (x - m) / m
    near = xp.abs(t) <= 0.5
    return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), log_quotient(xp, x, m, xp.ones_like(t)))
