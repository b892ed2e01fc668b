r"""Dirichlet-multinomial distribution: n draws over K categories whose probabilities are Dirichlet.

Counts k and shapes alpha lie on the last axis (..., K); n is the sum of the counts, exact up to 2^53, and A that of the
shapes. Also called Polya's urn: each draw adds a ball of its own colour.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape, promote, unbroadcast
from refengine.distributions import _polya
from refengine.distributions._categories import first_above
from refengine.distributions._deviance import bent, beside, shares_vjp, top_and_rest
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import every, largest, rows, sum_row, whole
from refengine.distributions._twice import Pair, add, cross, single
from refengine.domains import Array, Count, NonNegative, Positive, Unit
from refengine.special._saddle_point import log_minus_digamma, remainder, weight
from refengine.special._second_differences import digamma_fall, log_gamma_fall
from refengine.special.digamma_difference import digamma_difference

__all__ = [
    "log_prob",
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


def log_prob(k: Count, alpha: Positive) -> Array:
    r"""Logarithm of the Dirichlet-multinomial probability, accurate to a few ulp for counts and shapes of any size.

    .. math:: \log f(k; \alpha) = \log n! - \sum_i \log k_i!
              + \sum_i \log \frac{\Gamma(\alpha_i + k_i)}{\Gamma(\alpha_i)} - \log \frac{\Gamma(A + n)}{\Gamma(A)}

    k, alpha: (..., K), leading axes broadcast; result: (...). float32 when every floating array is, else float64, and
    float64 inside. A row of k with an entry that is negative or not whole: -inf with zero gradient. Shapes that are not
    positive and finite, and nan: nan.

    Loader's saddle point (2000) twice: shapes and counts are each set against their sum, with
    :math:`e = (k A - \alpha n) / (A + n)`, in which the first order terms of both cancel. Where all draws fall in one
    category the value is a second difference of log-gammas, all of whose terms have one sign. Definition: Johnson, Kotz
    and Balakrishnan (1997), chapter 35.

    >>> round(float(np.exp(log_prob([2, 1], [1.0, 1.0]))), 15)  # 1/4: all splits are equally probable
    0.25
    """
    xp, dtype, k, alpha = rows({"k": k, "alpha": alpha})
    with np.errstate(all="ignore"):
        counts, n, possible, a, defined = _checked(xp, k, alpha)
        some, top = counts > 0, largest(xp, counts)
        _, rest, all_a = top_and_rest(xp, a)
        alone = log_gamma_fall(xp, a, counts, rest)
        alone = sum_row(xp, xp.where(top, xp.where(rest > 0, alone, 0.0), 0.0))
        value = xp.where(sum_row(xp, xp.astype(some, xp.float64)) > 1, _several(xp, counts, n, a, all_a), alone)
        value = xp.where(defined, xp.where(possible, xp.where(n == 0, 0.0, value), -xp.inf), xp.nan)
        return xp.astype(value[..., 0], dtype, copy=False)


def log_prob_vjp(g: Array, k: Count, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha; the counts have none.

    .. math:: \partial_{\alpha_i} = [\psi(\alpha_i + k_i) - \psi(\alpha_i)] - [\psi(A + n) - \psi(A)]
              = \sum_{j < k_i} \frac{1}{\alpha_i + j} - \sum_{j < n} \frac{1}{A + j}

    Where both brackets are large, for counts above four times their shape, the logarithms of the four digammas are
    taken as one, log(1 + e/alpha); for a shape that nearly equals A the sums are subtracted on paper, term by term.
    """
    xp, dtype, k, shape, g = rows({"k": k, "alpha": alpha}, {"g": g})
    with np.errstate(all="ignore"):
        counts, n, possible, a, defined = _checked(xp, k, shape)
        _, rest, all_a = top_and_rest(xp, a)
        slope = _slopes(xp, counts, n, a, rest, all_a)
        slope = xp.where(defined, xp.where(possible & (n > 0), slope, 0.0), xp.nan)
        return (unbroadcast(g * slope, alpha, dtype),)


def log_prob_value_and_vjp(g: Array, k: Count, alpha: Positive) -> tuple[Array, tuple[Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (da,) = log_prob_value_and_vjp(1.0, [1, 0], [1.0, 1.0])
    >>> da.round(12).tolist()
    [0.5, -0.5]
    """
    return log_prob(k, alpha), log_prob_vjp(g, k, alpha)


def mean(n: Count, alpha: Positive) -> Array:
    r"""Expected counts.

    .. math:: \operatorname{E} k_i = n \frac{\alpha_i}{A}

    n: (...), alpha: (..., K), leading axes broadcast; result: (..., K). n that is negative or not whole, shapes
    that are not positive and finite: nan. Source: Johnson, Kotz and Balakrishnan (1997), chapter 35.

    >>> mean(4, [1.0, 3.0]).tolist()
    [1.0, 3.0]
    """
    xp, dtype, a, n = rows({"alpha": alpha}, {"n": n})
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(_valid(xp, n, a), n * (a / sum_row(xp, a)), xp.nan), dtype, copy=False)


def mean_vjp(g: Array, n: Count, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha: :math:`\frac{n}{A} (g_i - \sum_j g_j \alpha_j / A)`."""
    xp, dtype, a, g, n = rows({"alpha": alpha, "g": g}, {"n": n})
    with np.errstate(all="ignore"):
        return (unbroadcast(xp.where(_valid(xp, n, a), n * shares_vjp(xp, g, a), xp.nan), alpha, dtype),)


def variance(n: Count, alpha: Positive) -> Array:
    r"""Variance of each count.

    .. math:: \operatorname{var} k_i = n \frac{\alpha_i}{A} \Bigl(1 - \frac{\alpha_i}{A}\Bigr) \frac{A + n}{A + 1}

    n: (...), alpha: (..., K), leading axes broadcast; result: (..., K). Otherwise as `mean`.
    Source: Johnson, Kotz and Balakrishnan (1997), chapter 35.

    >>> variance(2, [1.0, 1.0]).tolist()
    [0.6666666666666666, 0.6666666666666666]
    """
    xp, dtype, a, n = rows({"alpha": alpha}, {"n": n})
    with np.errstate(all="ignore"):
        _, rest, (all_a, _) = top_and_rest(xp, a)
        value = n * (a / all_a) * (rest / all_a) * ((all_a + n) / (all_a + 1))
        return xp.astype(xp.where(_valid(xp, n, a), value, xp.nan), dtype, copy=False)


def variance_vjp(g: Array, n: Count, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha, with v the variance and :math:`r_i = A - \alpha_i`.

    .. math:: g_i v_i \Bigl(\frac{1}{\alpha_i} - \frac{1}{r_i}\Bigr)
              + \sum_j g_j v_j \Bigl(\frac{1}{r_j} - \frac{2}{A} + \frac{1}{A + n} - \frac{1}{A + 1}\Bigr)

    where the two terms in :math:`1/r_i` of one entry cancel: they are left out.
    """
    xp, dtype, a, g, n = rows({"alpha": alpha, "g": g}, {"n": n})
    with np.errstate(all="ignore"):
        top, rest, (all_a, _) = top_and_rest(xp, a)
        spread = n * ((all_a + n) / (all_a + 1)) / all_a
        by_rest, by_own = spread * (a / all_a), spread * (rest / all_a)  # v / r and v / a
        common = 2 / all_a + (n - 1) / (all_a + n) / (all_a + 1)
        slope = g * by_own + beside(xp, g * by_rest, top) - common * sum_row(xp, g * by_rest * rest)
        return (unbroadcast(xp.where(_valid(xp, n, a), slope, xp.nan), alpha, dtype),)


def sample(noise: Unit, alpha: Positive) -> Array:
    r"""Counts of n draws from Polya's urn, each by inversion of one uniform number.

    .. math:: P(\text{category } i \mid k) = \frac{\alpha_i + k_i}{A + \sum_j k_j}

    noise: (..., n), uniform in (0, 1), one for each draw in turn; alpha: (..., K), leading axes broadcast; result:
    (..., K) of int64. No derivative. A uniform outside (0, 1), shapes that are not positive and finite: -1. Source:
    Johnson, Kotz and Balakrishnan (1997), chapter 35; inversion: Devroye (1986), section III.2.

    >>> sample([0.75, 0.5], [1.0, 1.0]).tolist()  # the second: 1/3 against 2/3
    [0, 2]
    """
    xp, _, u = promote(noise=noise)
    if u.ndim == 0:
        raise ValueError(f"noise must have shape (..., n), got {tuple(u.shape)}")
    lead = xp.sum(u, axis=-1)
    xp, _, a, _ = rows({"alpha": alpha}, {"noise": lead})
    u = xp.astype(xp.broadcast_to(u, (*a.shape[:-1], u.shape[-1])), xp.float64, copy=False)
    with np.errstate(all="ignore"):
        counts = xp.zeros(a.shape, dtype=xp.float64)
        for j in range(u.shape[-1]):
            index = first_above(xp, u[..., j : j + 1], add(single(a), single(counts)))
            counts = counts + xp.astype(xp.arange(a.shape[-1]) == index[..., None], xp.float64)
        good = every(xp, (a > 0) & (a < xp.inf)) & every(xp, (u > 0) & (u < 1))
        return xp.where(good, xp.astype(xp.where(good, counts, 0.0), xp.int64), -1)


def maximum_likelihood(data: NonNegative) -> Array:
    r"""The shapes under which the rows of counts are most probable.

    .. math:: \sum_j \left( \psi(x_{ji} + \hat\alpha_i) - \psi(\hat\alpha_i) \right)
              = \sum_j \left( \psi(n_j + \hat A) - \psi(\hat A) \right), \qquad n_j = \sum_i x_{ji}

    data: (N, K), taken as real numbers that are not negative; result: (K,). float32 for float32, else float64. The
    estimate exists where the rows vary more than multinomial ones, which is
    :math:`\sum_{ji} x_{ji} (x_{ji} - 1) / p_i > \sum_j n_j (n_j - 1)` for the shares p of all counts: there the
    likelihood rises as A comes down from infinity. Where n differs much from row to row it may have several maxima, and
    one although this fails; the highest one counts. Where none is above the multinomial limit, where each row lies in
    one category (the likelihood rises until A = 0) or a category has no counts, for other data and for none: nan.
    Newton's method with twice the digits, see `refengine.distributions._polya`. Minka (2000), section 3.

    >>> maximum_likelihood([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]).round(12).tolist()  # a third each
    [1.0, 1.0]
    """
    xp, dtype, x, found = _estimate(data)
    shapes = xp.nan * xp.sum(x, axis=0) if found is None else found[0]
    return xp.astype(shapes, dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: NonNegative) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    .. math:: \dot{\hat\alpha} = \left(\operatorname{diag}(P) - c 1 1^T\right)^{-1}
              \left( \psi'(x_{ji} + \hat\alpha_i) e_i - \psi'(n_j + \hat A) 1 \right)

    for :math:`P_i = \sum_j (\psi'(\hat\alpha_i) - \psi'(x_{ji} + \hat\alpha_i))` and
    :math:`c = \sum_j (\psi'(\hat A) - \psi'(n_j + \hat A))`.
    """
    xp, dtype, x, found = _estimate(data)
    g = as_float64(xp, "g", g)
    with np.errstate(all="ignore"):
        slope = xp.nan * x if found is None else _polya.slopes(xp, x, found, g)[0]
        return (xp.astype(slope, dtype, copy=False),)


def _estimate(data: Array) -> tuple[Any, Any, Array, Pair | None]:
    """``xp, dtype, data``; and the estimate, where it exists."""
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "K"))
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        return xp, dtype, x, _polya.optimum(xp, x)


def _valid(xp: Any, n: Array, alpha: Array) -> Array:
    return (n >= 0) & (n < xp.inf) & (xp.floor(n) == n) & every(xp, (alpha > 0) & (alpha < xp.inf))


def _checked(xp: Any, k: Array, alpha: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Counts and their sum, 0 where impossible; shapes, 1 where invalid; whether a row is possible and defined."""
    possible, valid = whole(xp, k), (alpha > 0) & (alpha < xp.inf)
    counts = xp.where(possible, k, 0.0)
    return counts, sum_row(xp, counts), possible, xp.where(valid, alpha, 1.0), every(xp, valid & ~xp.isnan(k))


def _several(xp: Any, k: Array, n: Array, a: Array, all_a: tuple[Array, Array]) -> Array:
    """The value where several counts are positive; the powers of the largest are set against those of the sums."""
    some, top = k > 0, largest(xp, k)
    k1, (everything, _) = xp.where(some, k, 1.0), add(all_a, single(n))
    own, n = a + k1, xp.where(n > 0, n, 1.0)
    e = cross(single(k1), (all_a[0] + 0 * a, all_a[1] + 0 * a), single(a), single(n + 0 * a)) / everything
    shapes = bent(xp, a, e, xp.log(own / a * (all_a[0] / everything)))
    draws = bent(xp, k1, -e, xp.log(own / k1 * (n / everything)))
    unseen = a * xp.where(n < all_a[0], xp.log1p(-n / everything), xp.log(all_a[0] / everything))
    half = weight(xp, a) / weight(xp, own)
    leading = half / weight(xp, all_a[0]) * weight(xp, everything) * xp.sqrt(n / k1)
    power = xp.where(top, xp.log(leading), xp.log(half / xp.sqrt(2 * pi * k1)))
    errors = remainder(xp, a) + remainder(xp, k1) - remainder(xp, own)
    sums = remainder(xp, all_a[0]) + remainder(xp, n) - remainder(xp, everything)
    return sum_row(xp, xp.where(some, shapes + draws + power - errors, unseen)) + sums


def _slopes(xp: Any, k: Array, n: Array, a: Array, rest: Array, all_a: tuple[Array, Array]) -> Array:
    everything, own, whole_a = add(all_a, single(n))[0], a + k, all_a[0]
    e = cross(single(k), (whole_a + 0 * a, all_a[1] + 0 * a), single(a), single(n + 0 * a)) / everything
    t = e / a
    logs = xp.where(t > -0.5, xp.log1p(xp.maximum(t, xp.asarray(-0.5))), xp.log(own / a * (whole_a / everything)))
    mixed = (log_minus_digamma(xp, a) - log_minus_digamma(xp, own)) + (
        log_minus_digamma(xp, everything) - log_minus_digamma(xp, whole_a)
    )
    fall = digamma_fall(xp, a, k, rest) - digamma_difference(whole_a + k, n - k)
    all_draws = digamma_difference(whole_a + 0 * k, n + 0 * k)
    plain = digamma_difference(a, k) - all_draws
    seen = xp.where(a > whole_a / 2, fall, xp.where((k > 4 * a) & (a > 1e-300), logs + mixed, plain))
    return xp.where(k > 0, seen, -all_draws)
