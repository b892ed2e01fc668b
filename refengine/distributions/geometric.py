r"""Geometric distribution of the number of failures before the first success, :math:`f(k; p) = (1-p)^k p`.

The support is 0, 1, 2, ..., as in torch, jax and TensorFlow Probability; SciPy's ``geom`` counts the trials and
starts at 1.
"""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions import _counts
from refengine.distributions._counts import as_count, cotangents, result, unit, whole
from refengine.distributions._estimates import sample_of
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Count, NonNegative, Unit
from refengine.special._saddle_point import product_minus

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp", "noise"]


def log_prob(k: Count, p: Unit) -> Array:
    r"""Logarithm of the geometric probability of k failures before the first success.

    .. math:: \log f(k; p) = k \log(1-p) + \log p, \qquad 0 \log 0 = 0

    k, p: broadcast together; the result has the broadcast shape. Counts stand in integer or floating arrays. float32
    when every floating array is, else float64, and float64 inside. k that is negative, infinite or not whole: -inf
    with zero gradient. At p = 0, where no success ever comes, it is the limit -inf; at p = 1 only k = 0 is possible.
    p outside [0, 1], and nan: nan. Feller (1968), section VI.8.

    >>> float(log_prob(0, 0.5)), float(log_prob(2, 0.5)), float(log_prob(0, 1.0))
    (-0.6931471805599453, -2.0794415416798357, 0.0)
    """
    xp, dtype, k, p = elementwise(k=k, p=p)
    with np.errstate(all="ignore"):
        value = xp.log(p) + xp.where(k == 0, 0.0, k * xp.log1p(-p))
        value = xp.where(whole(xp, k) & (k < xp.inf), value, -xp.inf)
        return result(xp, dtype, value, unit(p) & ~xp.isnan(k))


def log_prob_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p.

    .. math:: \partial_p = \frac{1}{p} - \frac{k}{1-p} = \frac{1 - p - k p}{p (1-p)}

    with k p - 1 as if with twice the digits. The limits are inf at p = 0, 1 for k = 0 and -inf else at p = 1.
    """
    xp, dtype, g, k, q = elementwise(g=g, k=k, p=p)
    with np.errstate(all="ignore"):
        slope = -(product_minus(xp, q, k, 1.0) + q) / (1 - q) / q
        slope = xp.where(k == 0, 1 / q, xp.where(q == 0, xp.inf, xp.where(q == 1, -xp.inf, slope)))
        slope = xp.where(whole(xp, k) & (k < xp.inf), slope, 0.0)
        return cotangents(g, dtype, unit(q) & ~xp.isnan(k), (slope, p))


def log_prob_value_and_vjp(g: Array, k: Count, p: Unit) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dp,) = log_prob_value_and_vjp(1.0, 1, 0.5)
    >>> float(value), float(dp)
    (-1.3862943611198906, 0.0)
    """
    return log_prob(k, p), log_prob_vjp(g, k, p)
