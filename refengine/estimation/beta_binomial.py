r"""Success probability of binomial counts under a beta prior: :math:`k_i \sim \mathrm{Bin}(n_i, p)`, :math:`p \sim
\mathrm{Beta}(a, b)`.

Data: k successes of n trials, both (..., N), broadcast together; prior: a, b (...). Axes before N are independent
problems. The posterior, the estimates and the data of a prediction take counts as real numbers, so that each datum has
a derivative: what one more observed success would change. Probabilities of counts, `log_evidence` and the new counts of
`predictive_log_prob`, take whole ones. No data, N = 0, leave the prior.

Impossible data (k outside [0, n], nan) have no posterior: nan. Prior shapes that are not positive and finite: nan.
Results are float32 when every floating array is, else float64, and float64 inside. Shapes that do not broadcast are a
ValueError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import elementwise, promote, unbroadcast
from refengine.domains import Array, Count, NonNegative, Positive
from refengine.estimation._evidence import two_outcomes, two_slopes
from refengine.estimation._problem import cotangent, cotangents, problem, to_every
from refengine.estimation._spread import deviation, two_outcomes_spread, two_outcomes_spread_slopes

__all__ = [
    "Parameters",
    "log_evidence",
    "log_evidence_vjp",
    "maximum_a_posteriori",
    "maximum_a_posteriori_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "posterior",
    "posterior_vjp",
    "predictive_log_prob",
    "predictive_log_prob_vjp",
    "predictive_standard_deviation",
    "predictive_standard_deviation_vjp",
]


class Parameters(NamedTuple):
    """Shapes of a beta distribution, each (...)."""

    a: Positive
    b: Positive


def posterior(k: NonNegative, n: NonNegative, a: Positive, b: Positive) -> Parameters:
    r"""Shapes of the posterior beta distribution.

    .. math:: a' = a + \sum_i k_i, \qquad b' = b + \sum_i (n_i - k_i)

    k, n: (..., N); a, b: (...); the fields of the result: (...). Gelman et al., Bayesian Data Analysis (2013),
    section 2.4.

    >>> after = posterior([3, 0], [4, 2], 1.0, 1.0)
    >>> float(after.a), float(after.b)
    (4.0, 4.0)
    """
    xp, dtype, k, n, a, b = problem("k n", k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        return Parameters(*(xp.astype(shape, dtype, copy=False) for shape in _posterior(xp, k, n, a, b)))


def posterior_vjp(
    g: Parameters, k: NonNegative, n: NonNegative, a: Positive, b: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of k, n, a and b; g may hold None for a field without cotangent.

    .. math:: \bar k_i = \bar a' - \bar b', \qquad \bar n_i = \bar b', \qquad \bar a = \bar a', \qquad \bar b = \bar b'
    """
    xp, dtype, *arrays = problem("k n", k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        to_a, to_b = (_where(xp, after[0], c) for c in cotangents(xp, g, after[0].shape, after[1].shape))
        return _spread(xp, dtype, to_a - to_b, to_a, to_b, k, n, a, b)


def log_evidence(k: Count, n: Count, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the probability of the counts, the success probability integrated out.

    .. math:: \log p(k; n, a, b) = \sum_i \log \binom{n_i}{k_i} + \log B(a', b') - \log B(a, b)

    with the shapes of `posterior`. k, n: (..., N) whole numbers; a, b: (...); result (...). Counts of the order in
    which they came: multiply the sum of binomials away for that of single trials. A k that is not whole or outside 0,
    ..., n: -inf with zero gradient; n that is negative or not whole: nan. N = 0: log 1 = 0.

    The largest likelihood and Occam's factor, both at most 1, are added, so nothing cancels. Gelman et al. (2013),
    section 2.4; MacKay (1992) for the factor.

    >>> round(float(log_evidence([1], [2], 1.0, 1.0)), 15), round(-float(np.log(3)), 15)  # each of 0, 1, 2 successes
    (-1.09861228866811, -1.09861228866811)
    """
    xp, dtype, k, n, a, b = problem("k n", k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        return xp.astype(_log_evidence(xp, k, n, a, b), dtype, copy=False)


def log_evidence_vjp(g: Array, k: Count, n: Count, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b; the counts have none.

    .. math:: \partial_a = [\psi(a') - \psi(a)] - [\psi(a' + b') - \psi(a + b)], \qquad \partial_b \text{ likewise}

    With K successes and M failures this is :math:`Q(a; K, b) - [\psi(a + b + K + M) - \psi(a + b + K)]`, where
    :math:`Q(a; K, b) = \sum_{j < K} b / ((a + j)(a + b + j))` is a second difference of digammas, computed as such: two
    positive terms, of which either is as small as the derivative's own condition.
    """
    xp, dtype, k, n, a1, b1 = problem("k n", k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        to_a, to_b = _evidence_slopes(xp, k, n, a1, b1)
        g = cotangent(xp, g, to_a.shape)
        return unbroadcast(g * to_a, a, dtype), unbroadcast(g * to_b, b, dtype)


def maximum_likelihood(k: NonNegative, n: NonNegative) -> Array:
    r"""The success probability that makes the data most probable.

    .. math:: \hat p = \sum_i k_i \Big/ \sum_i n_i

    k, n: (..., N); result (...). No trials, or impossible data: nan. Gelman et al. (2013), section 2.4.

    >>> float(maximum_likelihood([3, 0], [4, 2]))
    0.5
    """
    xp, dtype, k, n = problem("k n", k=k, n=n)
    with np.errstate(all="ignore"):
        return xp.astype(_valid_data(xp, k, n, xp.sum(k, axis=-1) / xp.sum(n, axis=-1)), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, k: NonNegative, n: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents of k and n.

    .. math:: \bar k_i = g \Big/ \sum_j n_j, \qquad \bar n_i = -g \hat p \Big/ \sum_j n_j
    """
    xp, dtype, k1, n1 = problem("k n", k=k, n=n)
    with np.errstate(all="ignore"):
        hits, trials = xp.sum(k1, axis=-1), xp.sum(n1, axis=-1)
        to_k = _valid_data(xp, k1, n1, cotangent(xp, g, hits.shape) / xp.where(trials > 0, trials, xp.nan))
        size = k1.shape[-1]
        return to_every(xp, to_k, size, k, dtype), to_every(xp, -to_k * (hits / trials), size, n, dtype)


def maximum_a_posteriori(k: NonNegative, n: NonNegative, a: Positive, b: Positive) -> Array:
    r"""The mode of the posterior density.

    .. math:: \hat p = \frac{a' - 1}{a' + b' - 2} \quad \text{if } a', b' > 1

    with the shapes of `posterior`. k, n: (..., N); a, b: (...); result (...). Where the density falls from an end of
    [0, 1] the mode is that end: 0 for a' <= 1 < b' or a' < 1 = b', 1 for the mirror image. The gradient is 0 there; at
    a' = 1 it is that of the formula, from inside. a' = b' = 1 (every p is a mode) and a', b' < 1 (both ends are): nan.
    It is the mode in p: that of the log odds would be the posterior mean. Gelman et al. (2013), section 2.4.

    >>> float(maximum_a_posteriori([3, 0], [4, 2], 2.0, 1.0))  # Beta(5, 4)
    0.5714285714285714
    """
    xp, dtype, k, n, a, b = problem("k n", k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        p, q = _less_one(xp, k, n, a, b)
        at_0, at_1 = (p <= 0) & (q > 0) | (p < 0) & (q == 0), (q <= 0) & (p > 0) | (q < 0) & (p == 0)
        mode = xp.where((p > 0) & (q > 0), p / (p + q), xp.where(at_0, 0.0, xp.where(at_1, xp.asarray(1.0), xp.nan)))
        return xp.astype(mode, dtype, copy=False)


def maximum_a_posteriori_vjp(
    g: Array, k: NonNegative, n: NonNegative, a: Positive, b: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of k, n, a and b.

    .. math:: \partial_{a'} = \frac{b' - 1}{(a' + b' - 2)^2}, \qquad \partial_{b'} = -\frac{a' - 1}{(a' + b' - 2)^2}

    and from there as in `posterior_vjp`, :math:`\partial_{k_i} = \partial_{a'} - \partial_{b'} = 1 / (a' + b' - 2)`.
    """
    xp, dtype, *arrays = problem("k n", k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        p, q = _less_one(xp, *arrays)
        inside, some = (p >= 0) & (q >= 0) & (p + q > 0), ((p > 0) | (q > 0) | (p == 0) ^ (q == 0)) & ~xp.isnan(p + q)
        g = xp.where(some, cotangent(xp, g, p.shape), xp.nan) / xp.where(inside, p + q, 1.0)
        g = xp.where(inside | xp.isnan(g), g, 0.0)
        share = xp.where(inside, p / (p + q), 0.0)
        return _spread(xp, dtype, g, g * xp.where(inside, q / (p + q), 0.0), -g * share, k, n, a, b)


def predictive_log_prob(new_k: Count, new_n: Count, k: NonNegative, n: NonNegative, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the probability of new counts given the data.

    .. math:: \log p(k^* \mid n^*, k, n) = \log \binom{n^*}{k^*} + \log B(a' + k^*, b' + n^* - k^*) - \log B(a', b')

    with the shapes of `posterior`. new_k, new_n: whole numbers that broadcast with the problems (...), each a
    prediction of its own; k, n: (..., N); a, b: (...). Edges of new_k and new_n as in `log_evidence`. A beta-binomial
    distribution; Gelman et al. (2013), section 2.4.

    >>> round(float(predictive_log_prob(1, 1, [3, 0], [4, 2], 1.0, 1.0)), 15)  # Laplace's rule, 4 / 8
    -0.693147180559945
    """
    xp, dtype, new_k, new_n, after = _before_prediction(new_k, new_n, k, n, a, b)
    with np.errstate(all="ignore"):
        value = _log_evidence(xp, new_k[..., None], new_n[..., None], *after)
        return xp.astype(value, dtype, copy=False)


def predictive_log_prob_vjp(
    g: Array, new_k: Count, new_n: Count, k: NonNegative, n: NonNegative, a: Positive, b: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of k, n, a and b; the new counts have none.

    Those of the evidence of the new counts at the posterior's shapes, :math:`\partial_{a'}` and :math:`\partial_{b'}`
    of `log_evidence_vjp`, and from there as in `posterior_vjp`.
    """
    xp, dtype, new_k, new_n, after = _before_prediction(new_k, new_n, k, n, a, b)
    with np.errstate(all="ignore"):
        to_a, to_b = _evidence_slopes(xp, new_k[..., None], new_n[..., None], *after)
        g = cotangent(xp, g, to_a.shape)
        return _spread(xp, dtype, g * (to_a - to_b), g * to_a, g * to_b, k, n, a, b)


def predictive_standard_deviation(
    new_k: Count, new_n: Count, k: NonNegative, n: NonNegative, a: Positive, b: Positive
) -> Array:
    r"""Standard deviation of the probability of new counts under the posterior, relative to its mean.

    .. math:: \frac{\mathrm{sd}[p(k^* \mid n^*, p)]}{E[p(k^* \mid n^*, p)]} = \sqrt{e^\rho - 1}, \qquad
              \rho = \log \frac{B(a' + 2 k^*, b' + 2 m^*)\, B(a', b')}{B(a' + k^*, b' + m^*)^2}, \quad m^* = n^* - k^*

    with the shapes of `posterior`. Over the square root of S it is the exact standard error of a mean over S draws;
    `monte_carlo.predictive <refengine.estimation.monte_carlo.predictive>` estimates it. Arguments broadcast as in
    `predictive_log_prob`; impossible new counts, whose probability has no relative deviation: nan. Certified for
    posterior shapes from 1/2 to 1e5, none a thousand times another. By the moments of a beta distribution, NIST DLMF
    5.12.1.

    >>> round(float(predictive_standard_deviation(1, 1, [], [], 1.0, 1.0)) ** 2, 12)  # p is uniform: (1/12) / (1/4)
    0.333333333333
    """
    xp, dtype, new_k, new_n, after = _before_prediction(new_k, new_n, k, n, a, b)
    with np.errstate(all="ignore"):
        known, *arguments = _step(xp, new_k, new_n, after)
        value = deviation(xp, two_outcomes_spread(xp, *arguments))[0]
        return xp.astype(value + known, dtype, copy=False)


def predictive_standard_deviation_vjp(
    g: Array, new_k: Count, new_n: Count, k: NonNegative, n: NonNegative, a: Positive, b: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of k, n, a and b; the new counts have none.

    .. math:: \partial \sqrt{e^\rho - 1} = \frac{e^\rho}{2 \sqrt{e^\rho - 1}} \partial \rho, \qquad
              \partial_{a'} \rho = Q(a' + b'; n^*) - Q(a'; k^*), \quad
              \partial_{b'} \rho = Q(a' + b'; n^*) - Q(b'; m^*)

    with the second difference of digammas :math:`Q(x; d) = 2 \psi(x + d) - \psi(x) - \psi(x + 2d)`, and from there as
    in `posterior_vjp`. No new trials: 0.
    """
    xp, dtype, new_k, new_n, after = _before_prediction(new_k, new_n, k, n, a, b)
    with np.errstate(all="ignore"):
        known, *arguments = _step(xp, new_k, new_n, after)
        slope = deviation(xp, two_outcomes_spread(xp, *arguments))[1] + known
        g = cotangent(xp, g, slope.shape) * slope
        to_a, to_b = (g * part for part in two_outcomes_spread_slopes(xp, *arguments))
        return _spread(xp, dtype, to_a - to_b, to_a, to_b, k, n, a, b)


def _step(xp: Any, new_k: Array, new_n: Array, after: tuple[Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
    """0, or nan where there is no deviation; new successes and failures, and the posterior's shapes."""
    defined, possible = _support(xp, new_k[..., None], new_n[..., None], *after)
    use = defined & possible
    hits, misses = xp.where(use, new_k, 0.0), xp.where(use, new_n - new_k, 0.0)
    return (
        xp.where(use, xp.asarray(0.0), xp.nan),
        hits,
        misses,
        xp.where(use, after[0], 1.0),
        xp.where(use, after[1], 1.0),
    )


def _valid_data(xp: Any, k: Array, n: Array, result: Array) -> Array:
    return xp.where(xp.all((k >= 0) & (k <= n) & (n < xp.inf), axis=-1), result, xp.nan)


def _posterior(xp: Any, k: Array, n: Array, a: Array, b: Array) -> tuple[Array, Array]:
    prior = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf)
    shapes = a + xp.sum(k, axis=-1), b + xp.sum(n - k, axis=-1)
    first, second = (xp.where(prior, _valid_data(xp, k, n, shape), xp.nan) for shape in shapes)
    return first, second


def _less_one(xp: Any, k: Array, n: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """The posterior's shapes less one each: 1 is taken from the whole number, so that a small shape stays."""
    shapes = _posterior(xp, k, n, a, b)
    less = a + (xp.sum(k, axis=-1) - 1), b + (xp.sum(n - k, axis=-1) - 1)
    first, second = (_where(xp, shape, one) for shape, one in zip(shapes, less, strict=True))
    return first, second


def _where(xp: Any, shape: Array, value: Array) -> Array:
    return xp.where(xp.isnan(shape), xp.nan, value)


def _spread(
    xp: Any, dtype: Any, to_k: Array, to_a: Array, to_b: Array, k: Array, n: Array, a: Array, b: Array
) -> tuple[Array, Array, Array, Array]:
    """Cotangents of k, n, a, b from those of the posterior's shapes and their difference."""
    size = np.broadcast_shapes(np.shape(k), np.shape(n))[-1]
    return (
        to_every(xp, to_k, size, k, dtype),
        to_every(xp, to_b, size, n, dtype),
        unbroadcast(to_a, a, dtype),
        unbroadcast(to_b, b, dtype),
    )


def _before_prediction(new_k: Array, new_n: Array, k: Array, n: Array, a: Array, b: Array) -> tuple[Any, ...]:
    _, _, *data = problem("k n", k=k, n=n, a=a, b=b)
    xp, dtype, *_ = promote(new_k=new_k, new_n=new_n, k=k, n=n, a=a, b=b)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *data)
    _, _, new_k, new_n, *_ = elementwise(new_k=new_k, new_n=new_n, posterior=after[0])
    return xp, dtype, new_k, new_n, after


def _whole(xp: Any, n: Array) -> Array:
    return (n >= 0) & (n < xp.inf) & (xp.floor(n) == n)


def _support(xp: Any, k: Array, n: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Whether value and gradient are defined, and whether the counts are possible."""
    prior = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf)
    defined = prior & xp.all(_whole(xp, n) & ~xp.isnan(k), axis=-1)
    return defined, xp.all(_whole(xp, k) & (k <= n), axis=-1)


def _harmless(xp: Any, k: Array, n: Array, a: Array, b: Array, use: Array) -> tuple[Array, Array, Array, Array]:
    rows = use[..., None]
    return xp.where(rows, k, 0.0), xp.where(rows, n, 0.0), xp.where(use, a, 1.0), xp.where(use, b, 1.0)


def _log_evidence(xp: Any, k: Array, n: Array, a: Array, b: Array) -> Array:
    defined, possible = _support(xp, k, n, a, b)
    value = two_outcomes(xp, *_harmless(xp, k, n, a, b, defined & possible))
    return xp.where(defined, xp.where(possible, value, -xp.inf), xp.nan)


def _evidence_slopes(xp: Any, k: Array, n: Array, a: Array, b: Array) -> tuple[Array, Array]:
    defined, possible = _support(xp, k, n, a, b)
    k, n, a, b = _harmless(xp, k, n, a, b, defined & possible)
    slopes = two_slopes(xp, xp.sum(k, axis=-1), xp.sum(n - k, axis=-1), a, b)
    first, second = (xp.where(defined, xp.where(possible, slope, 0.0), xp.nan) for slope in slopes)
    return first, second
