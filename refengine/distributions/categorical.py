r"""Categorical distribution on 0, 1, ..., K - 1, :math:`f(k; p) = p_k`.

Probabilities p, or logits, lie on the last axis (..., K); k is an index of shape (...). Moments are those of the index
as a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions._categories import (
    divergence,
    divergence_slopes,
    frequencies,
    frequencies_vjp,
    inverted,
)
from refengine.distributions._deviance import against, bent, exponentials
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import every, largest, rows, sum_row
from refengine.domains import Array, Count, NonNegative, Real, Unit

__all__ = [
    "entropy",
    "entropy_logits",
    "entropy_logits_vjp",
    "entropy_vjp",
    "kl_divergence",
    "kl_divergence_vjp",
    "log_prob",
    "log_prob_logits",
    "log_prob_logits_value_and_vjp",
    "log_prob_logits_vjp",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "noise",
    "sample",
    "variance",
    "variance_vjp",
]


def log_prob(k: Count, p: Unit) -> Array:
    r"""Logarithm of the probability of category k.

    .. math:: \log f(k; p) = \log p_k

    k: (...), p: (..., K), leading axes broadcast; result: (...). float32 when every floating array is, else float64.
    p is taken as it stands, whatever its sum. k outside 0, ..., K - 1 or not whole: -inf with zero gradient. p outside
    [0, 1], and nan: nan. Definition: Murphy (2012), section 2.3.2.

    >>> float(log_prob(1, [0.5, 0.25, 0.25]))  # log(1/4)
    -1.3862943611198906
    """
    xp, dtype, p, k = rows({"p": p}, {"k": k})
    with np.errstate(all="ignore"):
        hot = _index(xp, p) == k
        share = sum_row(xp, xp.where(hot, p, 0.0))
        value = xp.where(xp.any(hot, axis=-1, keepdims=True), xp.log(share), -xp.inf)
        return _row(xp, xp.where(_valid(xp, p) & ~xp.isnan(k), value, xp.nan), dtype)


def log_prob_vjp(g: Array, k: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p: :math:`\partial_{p_i} = [i = k] / p_k`, inf where p is 0: towards possibility."""
    xp, dtype, q, g, k = rows({"p": p}, {"g": g, "k": k})
    with np.errstate(all="ignore"):
        slope = xp.where(_index(xp, q) == k, 1 / xp.abs(q), 0.0)
        return (unbroadcast(g * xp.where(_valid(xp, q) & ~xp.isnan(k), slope, xp.nan), p, dtype),)


def log_prob_value_and_vjp(g: Array, k: Count, p: Unit) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> log_prob_value_and_vjp(1.0, 0, [0.5, 0.5])[1][0].tolist()
    [2.0, 0.0]
    """
    return log_prob(k, p), log_prob_vjp(g, k, p)


def log_prob_logits(k: Count, logits: Real) -> Array:
    r"""Logarithm of the probability of category k, for unnormalised logarithms of the probabilities.

    .. math:: \log f(k; z) = z_k - \log \sum_j e^{z_j}

    k: (...), logits: (..., K), leading axes broadcast; result: (...). A logit of -inf has probability 0. k outside
    0, ..., K - 1 or not whole: -inf with zero gradient. A row with +inf or nan, or with -inf alone: nan.
    Source: Murphy (2012), section 8.3.7.

    >>> float(log_prob_logits(1, [0.0, -100.0])), float(log_prob_logits(0, [0.0, -100.0]))
    (-100.0, -3.720075976020836e-44)
    """
    xp, dtype, z, k = rows({"logits": logits}, {"k": k})
    with np.errstate(all="ignore"):
        hot = xp.astype(_index(xp, z) == k, xp.float64)
        n = sum_row(xp, hot)
        w, shift = exponentials(xp, z)
        e, outside, s = against(xp, hot, n, w)
        terms = bent(xp, 1 + 0 * hot, e, (z - shift) - xp.log(s[0]))
        value = sum_row(xp, xp.where(hot > 0, terms, 0.0)) - outside
        value = xp.where(xp.any((hot > 0) & (z == -xp.inf), axis=-1, keepdims=True), -xp.inf, value)
        value = xp.where(n == 0, -xp.inf, value)
        return _row(xp, xp.where(_finite(xp, z) & ~xp.isnan(k), value, xp.nan), dtype)


def log_prob_logits_vjp(g: Array, k: Count, logits: Real) -> tuple[Array]:
    r"""Cotangent of the logits.

    .. math:: \partial_{z_i} = [i = k] - p_i, \qquad 1 - p_k = \sum_{j \ne k} p_j
    """
    xp, dtype, z, g, k = rows({"logits": logits}, {"g": g, "k": k})
    with np.errstate(all="ignore"):
        hot = xp.astype(_index(xp, z) == k, xp.float64)
        n = sum_row(xp, hot)
        e, _, _ = against(xp, hot, n, exponentials(xp, z)[0])
        slope = xp.where(n > 0, xp.where(z == -xp.inf, hot, 0.0 - e), 0.0)
        return (unbroadcast(g * xp.where(_finite(xp, z) & ~xp.isnan(k), slope, xp.nan), logits, dtype),)


def log_prob_logits_value_and_vjp(g: Array, k: Count, logits: Real) -> tuple[Array, tuple[Array]]:
    """`log_prob_logits` and its vjp; kernels make one pass of both.

    >>> log_prob_logits_value_and_vjp(1.0, 0, [0.0, 0.0])[1][0].tolist()
    [0.5, -0.5]
    """
    return log_prob_logits(k, logits), log_prob_logits_vjp(g, k, logits)


def entropy(p: Unit) -> Array:
    r"""Entropy in nats.

    .. math:: H = -\sum_i p_i \log p_i, \qquad 0 \log 0 = 0

    p: (..., K), taken as it stands; result: (...). p outside [0, 1], and nan: nan.
    Source: Cover and Thomas (2006), eq. 2.1.

    >>> round(float(entropy([0.5, 0.5, 0.0])), 12)  # log(2)
    0.69314718056
    """
    xp, dtype, p = rows({"p": p})
    with np.errstate(all="ignore"):
        value = -sum_row(xp, xp.where(p == 0, 0.0, p * xp.log(p)))
        return _row(xp, xp.where(_valid(xp, p), value + 0.0, xp.nan), dtype)


def entropy_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p: :math:`\partial_{p_i} = -\log p_i - 1`, inf at 0."""
    xp, dtype, q, g = rows({"p": p}, {"g": g})
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(_valid(xp, q), -xp.log(xp.abs(q)) - 1, xp.nan), p, dtype),)


def entropy_logits(logits: Real) -> Array:
    r"""Entropy in nats, for unnormalised logarithms of the probabilities.

    .. math:: H = \log \sum_j e^{z_j} - \sum_i p_i z_i, \qquad p_i = e^{z_i} / \sum_j e^{z_j}

    logits: (..., K); result: (...). A logit of -inf has probability 0 and adds nothing. A row with +inf or nan, or
    with -inf alone: nan. Source: Cover and Thomas (2006), eq. 2.1.

    >>> round(float(entropy_logits([0.0, 0.0, -np.inf])), 12)  # log(2)
    0.69314718056
    """
    xp, dtype, z = rows({"logits": logits})
    with np.errstate(all="ignore"):
        _, _, rest, below = _softmax(xp, z)
        return _row(xp, xp.where(_finite(xp, z), xp.log1p(rest) + below, xp.nan), dtype)


def entropy_logits_vjp(g: Array, logits: Real) -> tuple[Array]:
    r"""Cotangent of the logits.

    .. math:: \partial_{z_i} = -p_i (\log p_i + H) = -p_i \Bigl(z_i - \sum_j p_j z_j\Bigr)
    """
    xp, dtype, z, g = rows({"logits": logits}, {"g": g})
    with np.errstate(all="ignore"):
        gap, share, _, below = _softmax(xp, z)
        slope = xp.where(share == 0, 0.0, share * (gap - below))
        return (unbroadcast(g * xp.where(_finite(xp, z), slope, xp.nan), logits, dtype),)


def mean(p: Unit) -> Array:
    r"""Mean of the index.

    .. math:: \sum_i i \, p_i

    p: (..., K), taken as it stands; result: (...). p outside [0, 1], and nan: nan.
    Source: Murphy (2012), section 2.2.7.

    >>> float(mean([0.5, 0.25, 0.25]))
    0.75
    """
    xp, dtype, p = rows({"p": p})
    with np.errstate(all="ignore"):
        return _row(xp, xp.where(_valid(xp, p), sum_row(xp, _index(xp, p) * p), xp.nan), dtype)


def mean_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p: :math:`\partial_{p_i} = i`."""
    xp, dtype, q, g = rows({"p": p}, {"g": g})
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(_valid(xp, q), _index(xp, q) + 0 * q, xp.nan), p, dtype),)


def variance(p: Unit) -> Array:
    r"""Variance of the index.

    .. math:: \sum_i (i - m)^2 p_i, \qquad m = \sum_i i \, p_i

    p: (..., K), taken as it stands; result: (...). p outside [0, 1], and nan: nan.
    Source: Murphy (2012), section 2.2.7.

    >>> float(variance([0.5, 0.0, 0.5]))
    1.0
    """
    xp, dtype, p = rows({"p": p})
    with np.errstate(all="ignore"):
        off = _index(xp, p) - sum_row(xp, _index(xp, p) * p)
        return _row(xp, xp.where(_valid(xp, p), sum_row(xp, off * off * p), xp.nan), dtype)


def variance_vjp(g: Array, p: Unit) -> tuple[Array]:
    r"""Cotangent of p: :math:`\partial_{p_i} = (i - m)^2 - 2 i \sum_j (j - m) p_j`; the sum is 0 where p sums to 1."""
    xp, dtype, q, g = rows({"p": p}, {"g": g})
    with np.errstate(all="ignore"):
        i = _index(xp, q)
        off = i - sum_row(xp, i * q)
        slope = off * off - 2 * i * sum_row(xp, off * q)
        return (unbroadcast(g * xp.where(_valid(xp, q), slope, xp.nan), p, dtype),)


def mode(p: Unit) -> Array:
    r"""The most probable category, the first of several.

    .. math:: \min \{i : p_i = \max_j p_j\}

    p: (..., K); result: (...) of int64; no derivative. p outside [0, 1], and nan: -1.
    Source: Murphy (2012), section 2.2.7.

    >>> int(mode([0.25, 0.5, 0.25]))
    1
    """
    xp, _, p = rows({"p": p})
    with np.errstate(all="ignore"):
        return xp.where(_valid(xp, p)[..., 0], xp.astype(xp.argmax(p, axis=-1), xp.int64), -1)


def kl_divergence(p_p: Unit, p_q: Unit) -> Array:
    r"""Kullback-Leibler divergence of two categorical distributions.

    .. math:: \sum_i p_i \log \frac{p_i}{q_i}, \qquad 0 \log 0 = 0

    p_p, p_q: (..., K), leading axes broadcast, taken as they stand; result: (...). Where q is 0 and p is not: inf,
    with zero gradients. p or q outside [0, 1], and nan: nan. Source: Cover and Thomas (2006), eq. 2.26.

    >>> round(float(kl_divergence([1.0, 0.0], [0.5, 0.5])), 12)  # log(2)
    0.69314718056
    """
    xp, dtype, p, q = rows({"p_p": p_p, "p_q": p_q})
    with np.errstate(all="ignore"):
        value = sum_row(xp, divergence(xp, p, q))
        return _row(xp, xp.where(_valid(xp, p) & _valid(xp, q), value, xp.nan), dtype)


def kl_divergence_vjp(g: Array, p_p: Unit, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of p and q.

    .. math:: \partial_{p_i} = \log \frac{p_i}{q_i} + 1, \qquad \partial_{q_i} = -\frac{p_i}{q_i}

    At p = 0 the former is -inf, and inf where q is 0 too: from there on the divergence is infinite.
    """
    xp, dtype, p, q, g = rows({"p_p": p_p, "p_q": p_q}, {"g": g})
    with np.errstate(all="ignore"):
        valid = _valid(xp, p) & _valid(xp, q)
        dp, dq = (g * xp.where(valid, slope, xp.nan) for slope in divergence_slopes(xp, p, q))
        return unbroadcast(dp, p_p, dtype), unbroadcast(dq, p_q, dtype)


def sample(noise: Unit, p: Unit) -> Array:
    r"""The category that one uniform number chooses by inversion.

    .. math:: k = \min \{i : u \, c_K < c_i\}, \qquad c_i = p_1 + \dots + p_i

    noise: (...), uniform in (0, 1); p: (..., K), leading axes broadcast; result: (...) of int64, from 0. The sums are
    taken with twice the digits, so that a category of probability 0 never comes. No derivative. p outside [0, 1] or
    all zero, noise outside (0, 1): -1. Inversion: Devroye (1986), section III.2.

    >>> sample([0.125, 0.5, 0.875], [0.5, 0.0, 0.5]).tolist()
    [0, 2, 2]
    """
    xp, _, p, u = rows({"p": p}, {"noise": noise})
    with np.errstate(all="ignore"):
        return inverted(xp, u, p)


def maximum_likelihood(data: NonNegative) -> Array:
    r"""Relative frequencies of observations that are rows with a 1 in the category's place.

    .. math:: \hat p_i = \frac{\sum_j x_{ji}}{\sum_{jl} x_{jl}}

    data: (N, K), taken as real numbers (weights), so that the estimate has a derivative to each; result: (K,). A
    negative entry, nan, or no observation at all: nan. Source: Murphy (2012), section 3.4.

    >>> maximum_likelihood([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]).tolist()
    [0.25, 0.75]
    """
    return frequencies(data)


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data: :math:`(g_i - \sum_j g_j \hat p_j) / \sum_{jl} x_{jl}`, the same in every row."""
    return (frequencies_vjp(g, data),)


def _row(xp: Any, value: Array, dtype: Any) -> Array:
    return xp.astype(value[..., 0], dtype, copy=False)


def _valid(xp: Any, p: Array) -> Array:
    return every(xp, (p >= 0) & (p <= 1))


def _finite(xp: Any, z: Array) -> Array:
    return every(xp, z < xp.inf) & xp.any(z > -xp.inf, axis=-1, keepdims=True)


def _index(xp: Any, p: Array) -> Array:
    return xp.astype(xp.arange(p.shape[-1]), xp.float64)


def _softmax(xp: Any, z: Array) -> tuple[Array, Array, Array, Array]:
    """How far each logit lies below the largest, the shares, the others' exponentials, the mean of the gaps."""
    gap = xp.max(z, axis=-1, keepdims=True) - z
    weight = xp.exp(-gap)
    rest = sum_row(xp, xp.where(largest(xp, z), 0.0, weight))
    share = weight / (1 + rest)
    return gap, share, rest, sum_row(xp, xp.where(weight == 0, 0.0, share * gap))
