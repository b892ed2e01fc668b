r"""Concrete distribution on the simplex, the relaxed categorical one, also called Gumbel-softmax.

Points x of the simplex and logits lie on the last axis (..., K); temperature is (...). Where x lies near a corner,
`refengine.distributions.exp_concrete`, the distribution of its logarithm, keeps more of it.
"""

from __future__ import annotations

from math import lgamma
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64
from refengine.distributions import _concrete, _concrete_fit
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import every, rows, sum_row
from refengine.distributions._twice import product
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log_quotient

__all__ = [
    "Parameters",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "noise",
    "sample",
    "sample_vjp",
]


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    logits: Real
    temperature: Positive


def log_prob(x: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x; l, t) = \log (K-1)! + (K-1) \log t + \sum_i \Bigl(l_i - t y_i
              - \log \sum_j e^{l_j - t y_j} - y_i\Bigr), \qquad y = \log x

    x, logits: (..., K), temperature: (...), leading axes broadcast; result: (...). float32 when every floating array
    is, else float64, and float64 inside. The sum of x is not tested. Where one entry of x is 0 the limits from inside:
    inf for (K - 1) t below 1, finite at 1, -inf above; several zeros: nan, as the limit depends on the path. An entry
    outside [0, 1]: -inf with zero gradients. Infinite logits, a temperature that is not positive and finite, and nan:
    nan. Source: Maddison, Mnih and Teh (2017), section 3.1.

    >>> round(float(log_prob([0.25, 0.75], [0.0, 0.0], 1.0)), 12)  # uniform on the segment
    0.0
    """
    xp, dtype, x, l, t = rows({"x": x, "logits": logits}, {"temperature": temperature})
    with np.errstate(all="ignore"):
        y = xp.log(xp.where(x > 0, x, 1.0))
        value, _ = _concrete.log_density(xp, y, l, t)
        value = xp.where(_zeros(xp, x) > 0, _face(xp, x, l, t), value - sum_row(xp, y))
        value = xp.where(every(xp, (x >= 0) & (x <= 1)), xp.where(_defined(xp, x), value, xp.nan), -xp.inf)
        return xp.astype(xp.where(_concrete.valid(xp, x, l, t), value, xp.nan)[..., 0], dtype, copy=False)


def log_prob_vjp(g: Array, x: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, logits and temperature, with :math:`s = \operatorname{softmax}(l - t \log x)`.

    .. math:: \partial_{l_i} = 1 - K s_i, \qquad \partial_{x_i} = \frac{-t (1 - K s_i) - 1}{x_i}, \qquad
              \partial_t = \frac{K-1}{t} - \sum_i (1 - K s_i) \log x_i

    Where x is 0 the softmax is 1, the derivative to t is -inf, and that to x is infinite towards the larger density, or
    finite for K = 2 and t = 1.
    """
    xp, dtype, z, l, t, g = rows({"x": x, "logits": logits}, {"temperature": temperature, "g": g})
    with np.errstate(all="ignore"):
        size, zero, lost = z.shape[-1], z == 0, _zeros(xp, z) > 0
        y = xp.log(xp.where(z > 0, z, 1.0))
        _, e = _concrete.log_density(xp, y, l, t)
        e = xp.where(lost, size * xp.astype(zero, xp.float64) - 1, e)
        linear = -size * xp.exp(sum_row(xp, xp.where(zero, -l, l - y)))
        flat = xp.where(t == 1, linear, -xp.inf)
        steep = xp.where(_sign(xp, t, size) == 0, flat, _sign(xp, t, size) * xp.inf)
        dx = xp.where(zero, steep, (t * e - 1) / xp.where(zero, 1.0, z))
        dt = xp.where(lost, -xp.inf, (size - 1) / t + sum_row(xp, y * e))
        inside = every(xp, (z >= 0) & (z <= 1))
        slopes = (g * xp.where(inside, slope, 0.0) for slope in (dx, 0.0 - e, dt))
        good = _concrete.valid(xp, z, l, t) & (~inside | _defined(xp, z))
        return _concrete.cotangents(xp, good, slopes, (x, logits, temperature), dtype)


def log_prob_value_and_vjp(
    g: Array, x: Unit, logits: Real, temperature: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dl, dt) = log_prob_value_and_vjp(1.0, [0.5, 0.5], [0.0, 0.0], 1.0)
    >>> dx.tolist(), float(dt)
    ([-2.0, -2.0], 1.0)
    """
    return log_prob(x, logits, temperature), log_prob_vjp(g, x, logits, temperature)


def sample(noise: Unit, logits: Real, temperature: Positive) -> Array:
    r"""A relaxed one-hot vector, from K uniform numbers by way of Gumbel noise.

    .. math:: x_i = \frac{e^{w_i}}{\sum_j e^{w_j}}, \qquad w_i = \frac{l_i - \log(-\log u_i)}{t}

    noise: (..., K), uniform in (0, 1); logits: (..., K), temperature: (...), leading axes broadcast; result: (..., K).
    At low temperatures entries round to 0 and 1: `refengine.distributions.exp_concrete` has their logarithms. Noise
    outside (0, 1), invalid parameters: nan. Source: Maddison, Mnih and Teh (2017), section 3.1.

    >>> sample([0.5, 0.5], [0.0, 0.0], 1.0).tolist()
    [0.5, 0.5]
    """
    xp, dtype, u, l, t = rows({"noise": noise, "logits": logits}, {"temperature": temperature})
    with np.errstate(all="ignore"):
        _, value, _ = _concrete.quantile(xp, u, l, t)
        return xp.astype(xp.where(_possible(xp, u, l, t), value, xp.nan), dtype, copy=False)


def sample_vjp(g: Array, noise: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, logits and temperature; x is the sample.

    .. math:: b_i = x_i \Bigl(g_i - \sum_j g_j x_j\Bigr), \qquad \partial_{l_i} = \frac{b_i}{t}, \qquad
              \partial_{u_i} = \frac{-b_i}{t \, u_i \log u_i}, \qquad \partial_t = -\sum_i \frac{b_i w_i}{t}
    """
    xp, dtype, u, l, g, t = rows({"noise": noise, "logits": logits, "g": g}, {"temperature": temperature})
    with np.errstate(all="ignore"):
        _, s, w = _concrete.quantile(xp, u, l, t)
        slopes = _concrete.spread(xp, u, w, t, s * _concrete.less_share(xp, g, s, g * s))
        return _concrete.cotangents(xp, _possible(xp, u, l, t), slopes, (noise, logits, temperature), dtype)


def maximum_likelihood(data: Unit) -> Parameters:
    r"""Logits, as logarithms of probabilities, and temperature of largest likelihood.

    .. math:: \sum_n s_{ni} = \frac NK, \qquad \sum_{ni} (K s_{ni} - 1) v_{ni} = N (K-1), \qquad
              s_n = \operatorname{softmax}(v_n), \quad v_n = l - t \log x_n

    data: (N, K); logits: (K,), of which the density fixes all but a constant; it is such that :math:`\sum_i e^{l_i} =
    1`. The log likelihood is concave in l and t, and the estimate exists and is unique unless all rows are equal, or
    equal up to a factor: the rows' sums are not tested. It is nan then, for fewer than two rows, for K = 1, and where
    an entry is not in (0, 1]. Newton's method. The score equations of Maddison, Mnih and Teh (2017), section 3.1.

    >>> found = maximum_likelihood([[0.25, 0.75], [0.75, 0.25]])
    >>> found.logits.round(12).tolist()  # log(1/2)
    [-0.69314718056, -0.69314718056]
    """
    xp, dtype, x = _concrete_fit.observed(data)
    with np.errstate(all="ignore"):
        y, (m, t, _, unit) = _fitted(xp, x)
        logits, _ = _concrete_fit.normalised(xp, m + t / unit * y)
        return Parameters(xp.astype(logits, dtype, copy=False), xp.astype(t / unit, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Unit) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    The constant of the logits takes :math:`g_l` to :math:`h = g_l - e^l \sum_i g_{li}`, whose entries add up to 0. With
    (a, b) the inverse of the second derivatives of minus the log likelihood times :math:`(h, g_t)`, and means weighted
    by :math:`s_n`,

    .. math:: x_{ni} \bar x_{ni} = K t s_{ni} (a_i - \bar a_n)
              - b \left( 1 - K s_{ni} + K t s_{ni} (y_{ni} - \bar y_n) \right), \qquad y = \log x
    """
    xp, dtype, x = _concrete_fit.observed(data)
    g_logits, g_temperature = (as_float64(xp, "g", part) for part in g)
    with np.errstate(all="ignore"):
        y, found = _fitted(xp, x)
        _, p = _concrete_fit.normalised(xp, found.m + found.t / found.unit * y)
        to_m = g_logits - p * xp.sum(g_logits)
        slope = _concrete_fit.cotangent(xp, found, to_m, g_temperature + xp.sum(to_m * y))
        return (xp.astype(slope / x, dtype, copy=False),)


def _fitted(xp: Any, x: Array) -> tuple[Array, _concrete_fit.Fit]:
    """The logarithm of a row in the middle, and the fit to those of the quotients by it."""
    x = x if bool(xp.all((x > 0) & (x <= 1))) else x * xp.nan
    if not x.shape[0]:
        return xp.full(x.shape[1:], xp.nan), _concrete_fit.fit(xp, x)
    middle = x[_concrete_fit.middle(xp, xp.log(x)), :]
    first = middle + xp.zeros_like(x)
    ratio = (x - first) / first
    near = xp.abs(ratio) < 0.5
    d = xp.where(near, xp.log1p(xp.where(near, ratio, 0.0)), log_quotient(xp, x, first, xp.ones_like(x)))
    return xp.log(middle), _concrete_fit.fit(xp, d)


def _zeros(xp: Any, x: Array) -> Array:
    """(..., 1): how many entries are 0."""
    return sum_row(xp, xp.astype(x == 0, xp.float64))


def _defined(xp: Any, x: Array) -> Array:
    return (_zeros(xp, x) == 0) | ((_zeros(xp, x) == 1) & (x.shape[-1] > 1))


def _sign(xp: Any, t: Array, size: int) -> Array:
    """The sign of ``(K - 1) t - 1``, exactly."""
    high, low = product(t, size - 1.0 + 0 * t)
    return xp.sign((high - 1) + low)


def _face(xp: Any, x: Array, l: Array, t: Array) -> Array:
    """The limit where one entry goes to 0: its own term cancels for (K - 1) t = 1."""
    size, sign = x.shape[-1], _sign(xp, t, x.shape[-1])
    others = sum_row(xp, xp.where(x > 0, l - (t + 1) * xp.log(xp.where(x > 0, x, 1.0)), (1 - size) * l))
    finite = lgamma(size) + (size - 1) * xp.log(t) + others
    return xp.where(sign == 0, finite, -sign * xp.inf)


def _possible(xp: Any, u: Array, l: Array, t: Array) -> Array:
    return _concrete.valid(xp, u, l, t) & every(xp, (u > 0) & (u < 1))
