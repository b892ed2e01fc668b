r"""ExpConcrete distribution: the logarithm of a concrete, relaxed categorical, variable.

Points x, logarithms of a point of the simplex, and logits lie on the last axis (..., K); temperature is (...). Where x
stands, K s - 1 for :math:`s = \operatorname{softmax}(l - t x)` is computed with twice the digits.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from refengine.distributions import _concrete
from refengine.distributions._deviance import beside
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import every, largest, rows, sum_row
from refengine.domains import Array, Interval, Positive, Real, Unit

__all__ = [
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "noise",
    "sample",
    "sample_vjp",
]

NonPositive = Annotated[Array, Interval(high=0, closed=True)]


def log_prob(x: NonPositive, logits: Real, temperature: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x; l, t) = \log (K-1)! + (K-1) \log t
              + \sum_i \Bigl(l_i - t x_i - \log \sum_j e^{l_j - t x_j}\Bigr)

    x, logits: (..., K), temperature: (...), leading axes broadcast; result: (...). float32 when every floating array
    is, else float64, and float64 inside. Whether the exponentials of x sum to 1 is not tested. One entry of -inf: -inf,
    with the limits of the gradients; several: nan, as the limit depends on the path. An entry above 0: -inf with zero
    gradients. Infinite logits, a temperature that is not positive and finite, and nan: nan. Source: Maddison, Mnih and
    Teh (2017), appendix C.

    >>> round(float(np.exp(log_prob([-np.log(2), -np.log(2)], [0.0, 0.0], 1.0))), 15)  # 1! t / 4
    0.25
    """
    xp, dtype, y, l, t = rows({"x": x, "logits": logits}, {"temperature": temperature})
    with np.errstate(all="ignore"):
        value, _ = _concrete.log_density(xp, xp.where(xp.abs(y) < xp.inf, y, 0.0), l, t)
        value = xp.where(_lost(xp, y) > 0, -xp.inf, value)
        value = xp.where(every(xp, y <= 0), xp.where(_defined(xp, y), value, xp.nan), -xp.inf)
        return xp.astype(xp.where(_concrete.valid(xp, y, l, t), value, xp.nan)[..., 0], dtype, copy=False)


def log_prob_vjp(g: Array, x: NonPositive, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, logits and temperature, with :math:`s = \operatorname{softmax}(l - t x)`.

    .. math:: \partial_{l_i} = 1 - K s_i, \qquad \partial_{x_i} = -t (1 - K s_i), \qquad
              \partial_t = \frac{K-1}{t} - \sum_i x_i (1 - K s_i)

    At an entry of -inf the softmax is 1 there, and the derivative to t is -inf.
    """
    xp, dtype, y, l, t, g = rows({"x": x, "logits": logits}, {"temperature": temperature, "g": g})
    with np.errstate(all="ignore"):
        size = y.shape[-1]
        _, e = _concrete.log_density(xp, xp.where(xp.abs(y) < xp.inf, y, 0.0), l, t)
        lost = _lost(xp, y) > 0
        e = xp.where(lost, size * xp.astype(y == -xp.inf, xp.float64) - 1, e)
        dt = xp.where(lost, -xp.inf, (size - 1) / t + sum_row(xp, xp.where(lost, 0.0, y * e)))
        inside = every(xp, y <= 0)
        slopes = (g * xp.where(inside, slope, 0.0) for slope in (t * e, 0.0 - e, dt))
        good = _concrete.valid(xp, y, l, t) & (~inside | _defined(xp, y))
        return _concrete.cotangents(xp, good, slopes, (x, logits, temperature), dtype)


def log_prob_value_and_vjp(
    g: Array, x: NonPositive, logits: Real, temperature: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dl, dt) = log_prob_value_and_vjp(1.0, [-1.0, -1.0], [0.0, 0.0], 0.5)
    >>> dl.tolist(), float(dt)
    ([0.0, 0.0], 2.0)
    """
    return log_prob(x, logits, temperature), log_prob_vjp(g, x, logits, temperature)


def sample(noise: Unit, logits: Real, temperature: Positive) -> Array:
    r"""The logarithm of a relaxed one-hot vector, from K uniform numbers by way of Gumbel noise.

    .. math:: x_i = w_i - \log \sum_j e^{w_j}, \qquad w_i = \frac{l_i - \log(-\log u_i)}{t}

    noise: (..., K), uniform in (0, 1); logits: (..., K), temperature: (...), leading axes broadcast; result: (..., K).
    Entries near 0 keep their relative accuracy. Noise outside (0, 1), invalid parameters: nan. Source: Maddison, Mnih
    and Teh (2017), appendix C.

    >>> [round(v, 12) for v in sample([0.5, 0.5], [0.0, 0.0], 1.0).tolist()]
    [-0.69314718056, -0.69314718056]
    """
    xp, dtype, u, l, t = rows({"noise": noise, "logits": logits}, {"temperature": temperature})
    with np.errstate(all="ignore"):
        value, _, _ = _concrete.quantile(xp, u, l, t)
        return xp.astype(xp.where(_possible(xp, u, l, t), value, xp.nan), dtype, copy=False)


def sample_vjp(g: Array, noise: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, logits and temperature; s is the exponential of the sample.

    .. math:: b_i = g_i - s_i \sum_j g_j, \qquad \partial_{l_i} = \frac{b_i}{t}, \qquad
              \partial_{u_i} = \frac{-b_i}{t \, u_i \log u_i}, \qquad \partial_t = -\sum_i \frac{b_i w_i}{t}
    """
    xp, dtype, u, l, g, t = rows({"noise": noise, "logits": logits, "g": g}, {"temperature": temperature})
    with np.errstate(all="ignore"):
        _, s, w = _concrete.quantile(xp, u, l, t)
        top = largest(xp, s)
        back = g * beside(xp, s, top) - s * beside(xp, g, top)
        slopes = _concrete.spread(xp, u, w, t, back)
        return _concrete.cotangents(xp, _possible(xp, u, l, t), slopes, (noise, logits, temperature), dtype)


def _lost(xp: Any, y: Array) -> Array:
    """(..., 1): how many entries are -inf."""
    return sum_row(xp, xp.astype(y == -xp.inf, xp.float64))


def _defined(xp: Any, y: Array) -> Array:
    return (_lost(xp, y) == 0) | ((_lost(xp, y) == 1) & (y.shape[-1] > 1))


def _possible(xp: Any, u: Array, l: Array, t: Array) -> Array:
    return _concrete.valid(xp, u, l, t) & every(xp, (u > 0) & (u < 1))
