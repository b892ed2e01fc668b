r"""Multinomial distribution of n draws over K categories, :math:`f(k; p) = n! \prod_i p_i^{k_i} / k_i!`.

Counts k and probabilities p, or logits, lie on the last axis (..., K); n is the sum of the counts, exact up to 2^53.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import check_option, unbroadcast
from refengine.distributions._categories import choose, divergence, divergence_slopes, frequencies, frequencies_vjp
from refengine.distributions._deviance import against, bent, exponentials
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import every, largest, rows, sum_row, whole
from refengine.distributions._twice import single
from refengine.domains import Array, Count, NonNegative, Real, Unit
from refengine.special._saddle_point import log_product, stirling_error

__all__ = [
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
    "noise",
    "sample",
    "variance",
    "variance_vjp",
]

SIMPLEX = ("ambient", "tangent")


def log_prob(k: Count, p: Unit, *, simplex: str = "ambient") -> Array:
    r"""Logarithm of the multinomial probability, accurate to a few ulp for any number of draws.

    .. math:: \log f(k; p) = \log n! - \sum_i \log k_i! + \sum_i k_i \log p_i, \qquad 0 \log 0 = 0

    k, p: (..., K), leading axes broadcast; result: (...). float32 when every floating array is, else float64, and
    float64 inside. ``simplex`` says what p is: "ambient" takes it as it stands, a function of K free numbers, so that
    the gradient is k / p; "tangent" divides it by its sum first, so that the gradient is tangent to the simplex.
    A row of k with an entry that is negative or not whole: -inf with zero gradient. p outside [0, 1], or all zero for
    "tangent", and nan: nan.

    Loader's saddle point (2000) for K categories: Stirling's series and n p - k are cancelled on paper, the latter with
    twice the digits.

    >>> round(float(np.exp(log_prob([2, 1], [0.5, 0.5]))), 15)  # 3/8
    0.375
    >>> float(log_prob([1, 0], [0.25, 0.25])), float(log_prob([1, 0], [0.25, 0.25], simplex="tangent"))
    (-1.3862943611198906, -0.6931471805599453)
    """
    check_option("simplex", simplex, SIMPLEX)
    xp, dtype, k, p = rows({"k": k, "p": p})
    with np.errstate(all="ignore"):
        counts, n, possible, defined = _checked(xp, k, p, simplex)
        e, outside, s = against(xp, counts, n, single(p))
        value = _saddle_point(xp, counts, n, e, outside, log_product(xp, p, n / counts / s[0]))
        if simplex == "ambient":
            value = value + n * xp.log1p((s[0] - 1) + s[1])
        value = xp.where(xp.any((p == 0) & (counts > 0), axis=-1, keepdims=True), -xp.inf, value)
        value = xp.where(n == 0, 0.0, value)
        return _result(xp, value, possible, defined, dtype)


def log_prob_vjp(g: Array, k: Count, p: Unit, *, simplex: str = "ambient") -> tuple[Array]:
    r"""Cotangent of p; the counts have none.

    .. math:: \partial_{p_i} = \frac{k_i}{p_i} \quad \text{(ambient)}, \qquad
              \partial_{p_i} = \frac{k_i}{p_i} - \frac{n}{\sum_j p_j} = \frac{k_i \sum_j p_j - n p_i}{p_i \sum_j p_j}
              \quad \text{(tangent)}

    the numerator of the latter with twice the digits. Where p = 0 < k it is inf: towards possibility.
    """
    check_option("simplex", simplex, SIMPLEX)
    xp, dtype, k, q, g = rows({"k": k, "p": p}, {"g": g})
    with np.errstate(all="ignore"):
        counts, n, possible, defined = _checked(xp, k, q, simplex)
        slope = xp.where(counts > 0, counts / q, 0.0)
        if simplex == "tangent":
            e, _, s = against(xp, counts, n, single(q))
            slope = xp.where(counts > 0, xp.where(q > 0, 0.0 - e / q, xp.inf), -n / s[0])
        slope = xp.where(defined, xp.where(possible, slope, 0.0), xp.nan)
        return (unbroadcast(g * slope, p, dtype),)


def log_prob_value_and_vjp(g: Array, k: Count, p: Unit, *, simplex: str = "ambient") -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dp,) = log_prob_value_and_vjp(1.0, [2, 3, 1], [0.25, 0.5, 0.25], simplex="tangent")
    >>> dp.tolist()
    [2.0, 0.0, -2.0]
    """
    return log_prob(k, p, simplex=simplex), log_prob_vjp(g, k, p, simplex=simplex)


def log_prob_logits(k: Count, logits: Real) -> Array:
    r"""Logarithm of the multinomial probability for unnormalised logarithms of the probabilities.

    .. math:: \log f(k; z) = \log n! - \sum_i \log k_i! + \sum_i k_i z_i - n \log \sum_j e^{z_j}

    k, logits: (..., K), leading axes broadcast; result: (...). A logit of -inf has probability 0. A row with +inf or
    nan, or with -inf alone: nan. Otherwise as `log_prob` with ``simplex="tangent"``; Loader (2000).

    >>> round(float(np.exp(log_prob_logits([2, 1], [7.0, 7.0]))), 15)
    0.375
    """
    xp, dtype, k, z = rows({"k": k, "logits": logits})
    with np.errstate(all="ignore"):
        counts, n, possible, _ = _checked(xp, k, 0.0 * k, "ambient")
        w, shift = exponentials(xp, z)
        e, outside, s = against(xp, counts, n, w)
        value = _saddle_point(xp, counts, n, e, outside, (z - shift) + xp.log(n / counts / s[0]))
        value = xp.where(xp.any((z == -xp.inf) & (counts > 0), axis=-1, keepdims=True), -xp.inf, value)
        value = xp.where(n == 0, 0.0, value)
        return _result(xp, value, possible, _finite(xp, z) & every(xp, ~xp.isnan(k)), dtype)


def log_prob_logits_vjp(g: Array, k: Count, logits: Real) -> tuple[Array]:
    r"""Cotangent of the logits.

    .. math:: \partial_{z_i} = k_i - n \, \frac{e^{z_i}}{\sum_j e^{z_j}}

    with twice the digits, which nearly equal logits need. At a logit of -inf it is the limit, k.
    """
    xp, dtype, k, z, g = rows({"k": k, "logits": logits}, {"g": g})
    with np.errstate(all="ignore"):
        counts, n, possible, _ = _checked(xp, k, 0.0 * k, "ambient")
        e, _, _ = against(xp, counts, n, exponentials(xp, z)[0])
        slope = xp.where(possible, xp.where(z == -xp.inf, counts, 0.0 - e), 0.0)
        slope = xp.where(_finite(xp, z) & every(xp, ~xp.isnan(k)), slope, xp.nan)
        return (unbroadcast(g * slope, logits, dtype),)


def log_prob_logits_value_and_vjp(g: Array, k: Count, logits: Real) -> tuple[Array, tuple[Array]]:
    """`log_prob_logits` and its vjp; kernels make one pass of both.

    >>> value, (dz,) = log_prob_logits_value_and_vjp(1.0, [3, 1], [0.0, 0.0])
    >>> dz.tolist()
    [1.0, -1.0]
    """
    return log_prob_logits(k, logits), log_prob_logits_vjp(g, k, logits)


def mean(n: Count, p: Unit) -> Array:
    r"""Expected counts.

    .. math:: \operatorname{E} k_i = n p_i

    n: (...), p: (..., K), leading axes broadcast; result: (..., K). p is taken as it stands. n that is negative or not
    whole, p outside [0, 1]: nan. Source: Johnson, Kotz and Balakrishnan (1997), chapter 35.

    >>> mean(4, [0.25, 0.75]).tolist()
    [1.0, 3.0]
    """
    xp, dtype, p, n = rows({"p": p}, {"n": n})
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(_valid(xp, n, p), n * p, xp.nan), dtype, copy=False)


def mean_vjp(g: Array, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p: :math:`n g`."""
    xp, dtype, q, g, n = rows({"p": p, "g": g}, {"n": n})
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(_valid(xp, n, q), n + 0 * q, xp.nan), p, dtype),)


def variance(n: Count, p: Unit) -> Array:
    r"""Variance of each count.

    .. math:: \operatorname{var} k_i = n p_i (1 - p_i)

    n: (...), p: (..., K), leading axes broadcast; result: (..., K). Otherwise as `mean`.
    Source: Johnson, Kotz and Balakrishnan (1997), chapter 35.

    >>> variance(4, [0.25, 0.5]).tolist()
    [0.75, 1.0]
    """
    xp, dtype, p, n = rows({"p": p}, {"n": n})
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(_valid(xp, n, p), n * p * (1 - p), xp.nan), dtype, copy=False)


def variance_vjp(g: Array, n: Count, p: Unit) -> tuple[Array]:
    r"""Cotangent of p: :math:`n (1 - 2 p) g`."""
    xp, dtype, q, g, n = rows({"p": p, "g": g}, {"n": n})
    with np.errstate(all="ignore"):
        return (unbroadcast(g * xp.where(_valid(xp, n, q), n * ((0.5 - q) * 2), xp.nan), p, dtype),)


def kl_divergence(n: Count, p_p: Unit, p_q: Unit) -> Array:
    r"""Kullback-Leibler divergence of two multinomials of as many draws.

    .. math:: n \sum_i p_i \log \frac{p_i}{q_i}, \qquad 0 \log 0 = 0

    n: (...), p_p, p_q: (..., K), leading axes broadcast; result: (...). Probabilities are taken as they stand. Where q
    is 0 and p is not: inf, with zero gradients; with n = 0: 0. n that is negative or not whole, p or q outside [0, 1]:
    nan. Source: Cover and Thomas (2006), eq. 2.26, n times.

    >>> round(float(kl_divergence(2, [0.5, 0.5], [0.25, 0.75])), 12)  # log(4/3)
    0.287682072452
    """
    xp, dtype, p, q, n = rows({"p_p": p_p, "p_q": p_q}, {"n": n})
    with np.errstate(all="ignore"):
        value = xp.where(n == 0, 0.0, n * sum_row(xp, divergence(xp, p, q)))
        return xp.astype(xp.where(_valid(xp, n, p) & _valid(xp, n, q), value, xp.nan)[..., 0], dtype, copy=False)


def kl_divergence_vjp(g: Array, n: Count, p_p: Unit, p_q: Unit) -> tuple[Array, Array]:
    r"""Cotangents of p and q.

    .. math:: \partial_{p_i} = n \Bigl(\log \frac{p_i}{q_i} + 1\Bigr), \qquad \partial_{q_i} = -n \frac{p_i}{q_i}
    """
    xp, dtype, p, q, g, n = rows({"p_p": p_p, "p_q": p_q}, {"g": g, "n": n})
    with np.errstate(all="ignore"):
        valid = _valid(xp, n, p) & _valid(xp, n, q)
        dp, dq = (
            g * xp.where(valid, xp.where(n == 0, 0.0, n * slope), xp.nan) for slope in divergence_slopes(xp, p, q)
        )
        return unbroadcast(dp, p_p, dtype), unbroadcast(dq, p_q, dtype)


def sample(noise: Unit, p: Unit) -> Array:
    r"""Counts of n categories, each chosen by inversion of one uniform number.

    .. math:: k_i = \#\{j : c_{i-1} \le u_j c_K < c_i\}, \qquad c_i = p_1 + \dots + p_i

    noise: (..., n), uniform in (0, 1); p: (..., K), leading axes broadcast; result: (..., K) of int64. The sums are
    taken with twice the digits, so that a category of probability 0 never comes. No derivative. p outside [0, 1] or
    all zero, a uniform outside (0, 1): -1. Inversion: Devroye (1986), section III.2.

    >>> sample([0.125, 0.5, 0.875], [0.25, 0.5, 0.25]).tolist()
    [1, 1, 1]
    """
    xp, index, size = choose(noise, p)
    counts = xp.sum(xp.astype(index[..., None] == xp.arange(size), xp.int64), axis=-2)
    return xp.where(xp.any(index < 0, axis=-1)[..., None], -1, counts)


def maximum_likelihood(data: NonNegative) -> Array:
    r"""Relative frequencies of counts.

    .. math:: \hat p_i = \frac{\sum_j k_{ji}}{\sum_j n_j}

    data: (N, K) counts, taken as real numbers, so that the estimate has a derivative to each; result: (K,). A negative
    entry, nan, or no count at all: nan. Source: Murphy (2012), section 3.4.

    >>> maximum_likelihood([[2.0, 1.0], [0.0, 1.0]]).tolist()
    [0.5, 0.5]
    """
    return frequencies(data)


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the counts: :math:`(g_i - \sum_j g_j \hat p_j) / \sum_j n_j`, the same in every row."""
    return (frequencies_vjp(g, data),)


def _valid(xp: Any, n: Array, p: Array) -> Array:
    return (n >= 0) & (n < xp.inf) & (xp.floor(n) == n) & every(xp, (p >= 0) & (p <= 1))


def _checked(xp: Any, k: Array, p: Array, simplex: str) -> tuple[Array, Array, Array, Array]:
    """Counts, 0 where they are impossible, their sum, and for each row whether it is possible and defined."""
    possible = whole(xp, k)
    defined = every(xp, (p >= 0) & (p <= 1) & ~xp.isnan(k))
    if simplex == "tangent":
        defined = defined & xp.any(p > 0, axis=-1, keepdims=True)
    counts = xp.where(possible, k, 0.0)
    return counts, sum_row(xp, counts), possible, defined


def _finite(xp: Any, z: Array) -> Array:
    return every(xp, z < xp.inf) & xp.any(z > -xp.inf, axis=-1, keepdims=True)


def _result(xp: Any, value: Array, possible: Array, defined: Array, dtype: Any) -> Array:
    value = xp.where(defined, xp.where(possible, value, -xp.inf), xp.nan)
    return xp.astype(value[..., 0], dtype, copy=False)


def _saddle_point(xp: Any, k: Array, n: Array, e: Array, outside: Array, log_share: Array) -> Array:
    """The value for normalised shares, of which e is n times less k; the largest count is set against n."""
    some, top = k > 0, largest(xp, k)
    counts = xp.where(some, k, 1.0)
    n = xp.where(n > 0, n, 1.0)
    leading = xp.log1p((n - counts) / counts) / 2 + (stirling_error(xp, n + 0 * k) - stirling_error(xp, counts))
    other = -xp.log(2 * pi * counts) / 2 - stirling_error(xp, counts)
    power = xp.where(top, leading, other)
    return sum_row(xp, xp.where(some, bent(xp, counts, e, log_share) + power, 0.0)) - outside
