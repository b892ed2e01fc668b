r"""Class probabilities of multinomial counts under a Dirichlet prior: :math:`k_i \sim \mathrm{Mult}(n_i, p)`,
:math:`p \sim \mathrm{Dir}(\alpha)`.

Data: counts (..., N, K) of K classes, of which each row has its own number of trials; prior: alpha (..., K). Axes
before these are independent problems. The posterior, the estimates and the data of a prediction take counts as real
numbers >= 0, so that each datum has a derivative; probabilities of counts, `log_evidence` and the new counts of
`predictive_log_prob`, take whole ones. No data, N = 0, leave the prior.

Impossible data (negative, infinite, nan) have no posterior: nan. A prior that is not positive and finite: nan. Results
are float32 when every floating array is, else float64, and float64 inside. Shapes that do not fit are a ValueError.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, promote, unbroadcast
from refengine.domains import Array, Count, NonNegative, Positive
from refengine.estimation._evidence import two_outcomes, two_slopes
from refengine.estimation._problem import cotangent
from refengine.estimation._spread import deviation, two_outcomes_spread
from refengine.special._second_difference import digamma_fall

__all__ = [
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


def posterior(counts: NonNegative, alpha: Positive) -> Array:
    r"""Parameter of the posterior Dirichlet distribution.

    .. math:: \alpha'_c = \alpha_c + \sum_i k_{ic}

    counts k: (..., N, K); alpha: (..., K); result (..., K). Gelman et al., Bayesian Data Analysis (2013), section 3.4.

    >>> posterior([[3, 0, 1], [0, 0, 1]], [1.0, 1.0, 0.5]).tolist()
    [4.0, 1.0, 2.5]
    """
    xp, dtype, counts, alpha = _checked(counts=counts, alpha=alpha)
    with np.errstate(all="ignore"):
        return xp.astype(_posterior(xp, counts, alpha), dtype, copy=False)


def posterior_vjp(g: Array, counts: NonNegative, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of counts and alpha, :math:`\bar k_{ic} = \bar\alpha_c = g_c`."""
    xp, dtype, *arrays = _checked(counts=counts, alpha=alpha)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        g = xp.where(xp.isnan(after), xp.nan, cotangent(xp, g, after.shape))
        return _to_rows(xp, g, arrays[0], counts, dtype), unbroadcast(g, alpha, dtype)


def log_evidence(counts: Count, alpha: Positive) -> Array:
    r"""Logarithm of the probability of the counts, the class probabilities integrated out.

    .. math:: \log p(k; \alpha) = \sum_i \log \frac{n_i!}{\prod_c k_{ic}!} + \sum_c \log
              \frac{\Gamma(\alpha'_c)}{\Gamma(\alpha_c)} - \log \frac{\Gamma(\sum_c \alpha'_c)}{\Gamma(\sum_c \alpha_c)}

    with :math:`\alpha'` of `posterior`. counts: (..., N, K) whole numbers; alpha: (..., K); result (...). Counts that
    are negative or not whole: -inf with zero gradient. N = 0: log 1 = 0.

    Class after class against all later ones this is a product of K - 1 beta-binomial evidences, each at most 1, so
    nothing cancels. Gelman et al. (2013), section 3.4.

    >>> round(float(np.exp(log_evidence([[1, 1, 0]], [1.0, 1.0, 1.0]))), 15)  # all six outcomes alike
    0.166666666666667
    """
    xp, dtype, counts, alpha = _checked(counts=counts, alpha=alpha)
    with np.errstate(all="ignore"):
        return xp.astype(_log_evidence(xp, counts, alpha), dtype, copy=False)


def log_evidence_vjp(g: Array, counts: Count, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha; the counts have none.

    .. math:: \partial_{\alpha_c} = [\psi(\alpha'_c) - \psi(\alpha_c)]
              - \Bigl[\psi\bigl(\textstyle\sum \alpha'\bigr) - \psi\bigl(\sum \alpha\bigr)\Bigr]

    as in the beta-binomial evidence of class c against all others, where it is explained.
    """
    xp, dtype, k, a = _checked(counts=counts, alpha=alpha)
    with np.errstate(all="ignore"):
        slopes = _evidence_slopes(xp, k, a)
        g = cotangent(xp, g, slopes.shape[:-1])[..., None]
        return (unbroadcast(g * slopes, alpha, dtype),)


def maximum_likelihood(counts: NonNegative) -> Array:
    r"""The class probabilities that make the data most probable.

    .. math:: \hat p_c = \sum_i k_{ic} \Big/ \sum_{i c'} k_{ic'}

    counts: (..., N, K); result (..., K). No trials, or impossible data: nan. Gelman et al. (2013), section 3.4.

    >>> maximum_likelihood([[3, 0, 1], [0, 0, 4]]).tolist()
    [0.375, 0.0, 0.625]
    """
    xp, dtype, counts = _checked(counts=counts)
    with np.errstate(all="ignore"):
        sums, trials = _sums(xp, counts)
        return xp.astype(sums / trials, dtype, copy=False)


def maximum_likelihood_vjp(g: Array, counts: NonNegative) -> tuple[Array]:
    r"""Cotangent of the counts.

    .. math:: \bar k_{ic} = \Bigl(g_c - \sum_{c'} g_{c'} \hat p_{c'}\Bigr) \Big/ \sum_{j c'} k_{jc'}
    """
    xp, dtype, k = _checked(counts=counts)
    with np.errstate(all="ignore"):
        sums, trials = _sums(xp, k)
        return (_to_rows(xp, _quotient_vjp(xp, cotangent(xp, g, sums.shape), sums, trials), k, counts, dtype),)


def maximum_a_posteriori(counts: NonNegative, alpha: Positive) -> Array:
    r"""The mode of the posterior density.

    .. math:: \hat p_c = \frac{\alpha'_c - 1}{\sum_{c'} (\alpha'_{c'} - 1)} \quad
              \text{if all } \alpha'_c \ge 1 \text{ and one is larger}

    with :math:`\alpha'` of `posterior`. counts: (..., N, K); alpha: (..., K); result (..., K). All :math:`\alpha'_c =
    1`: every p is a mode, nan. An :math:`\alpha'_c < 1` makes the density infinite on the whole face :math:`p_c = 0`:
    nan, but for two classes, where that face is one point and the mode unless the other class has one too; the gradient
    is 0 there. It is the mode in p with respect to the uniform measure on the simplex. Gelman et al. (2013), section
    3.4.

    >>> maximum_a_posteriori([[3, 0, 1]], [2.0, 2.0, 2.0]).tolist()
    [0.5714285714285714, 0.14285714285714285, 0.2857142857142857]
    """
    xp, dtype, counts, alpha = _checked(counts=counts, alpha=alpha)
    with np.errstate(all="ignore"):
        less, inside, corner = _less_one(xp, counts, alpha)
        mode = less / xp.sum(less, axis=-1, keepdims=True)
        mode = xp.where(inside, mode, xp.where(corner, xp.astype(less >= 0, mode.dtype), xp.nan))
        return xp.astype(mode, dtype, copy=False)


def maximum_a_posteriori_vjp(g: Array, counts: NonNegative, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of counts and alpha.

    .. math:: \bar k_{ic} = \bar\alpha_c
              = \Bigl(g_c - \sum_{c'} g_{c'} \hat p_{c'}\Bigr) \Big/ \sum_{c'} (\alpha'_{c'} - 1)

    also where an :math:`\alpha'_c` is 1: the formula from inside.
    """
    xp, dtype, *arrays = _checked(counts=counts, alpha=alpha)
    with np.errstate(all="ignore"):
        less, inside, corner = _less_one(xp, *arrays)
        slope = _quotient_vjp(xp, cotangent(xp, g, less.shape), less, xp.sum(less, axis=-1, keepdims=True))
        slope = xp.where(inside, slope, xp.where(corner, xp.asarray(0.0), xp.nan))
        return _to_rows(xp, slope, arrays[0], counts, dtype), unbroadcast(slope, alpha, dtype)


def predictive_log_prob(new: Count, counts: NonNegative, alpha: Positive) -> Array:
    r"""Logarithm of the probability of new counts given the data.

    .. math:: \log p(k^* \mid k) = \log \frac{n^*!}{\prod_c k^*_c!} + \sum_c \log
              \frac{\Gamma(\alpha'_c + k^*_c)}{\Gamma(\alpha'_c)}
              - \log \frac{\Gamma(\sum_c \alpha'_c + n^*)}{\Gamma(\sum_c \alpha'_c)}

    with :math:`\alpha'` of `posterior`. new: (..., K) whole numbers, whose leading axes broadcast with the problems,
    each row a prediction of its own; counts: (..., N, K); alpha: (..., K); result (...). Impossible new counts: -inf
    with zero gradient. A Dirichlet-multinomial distribution; Gelman et al. (2013), section 3.4.

    >>> round(float(np.exp(predictive_log_prob([0, 0, 1], [[3, 0, 1]], [1.0, 1.0, 1.0]))), 15)  # 2/7
    0.285714285714286
    """
    xp, dtype, new, after = _before_prediction(new, counts, alpha)
    with np.errstate(all="ignore"):
        return xp.astype(_log_evidence(xp, new[..., None, :], after), dtype, copy=False)


def predictive_log_prob_vjp(g: Array, new: Count, counts: NonNegative, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of counts and alpha; the new counts have none.

    :math:`\bar k_{ic} = \bar\alpha_c = \partial_{\alpha'_c}`, the derivative of the evidence of the new counts at the
    posterior's parameter, as in `log_evidence_vjp`.
    """
    xp, dtype, new, after = _before_prediction(new, counts, alpha)
    with np.errstate(all="ignore"):
        slopes = _evidence_slopes(xp, new[..., None, :], after)
        slopes = cotangent(xp, g, slopes.shape[:-1])[..., None] * slopes
        return _to_rows(xp, slopes, _checked(counts=counts)[2], counts, dtype), unbroadcast(slopes, alpha, dtype)


def predictive_standard_deviation(new: Count, counts: NonNegative, alpha: Positive) -> Array:
    r"""Standard deviation of the probability of new counts under the posterior, relative to its mean.

    .. math:: \frac{\mathrm{sd}[p(k^* \mid p)]}{E[p(k^* \mid p)]} = \sqrt{e^\rho - 1}, \qquad
              e^\rho = \frac{B(\alpha' + 2 k^*)\, B(\alpha')}{B(\alpha' + k^*)^2}

    with :math:`\alpha'` of `posterior` and the multivariate beta function. Over the square root of S it is the exact
    standard error of a mean over S draws, which `monte_carlo.predictive <refengine.estimation.monte_carlo.predictive>`
    estimates. Arguments broadcast as in `predictive_log_prob`; impossible new counts, whose probability has no relative
    deviation: nan. Certified for :math:`\alpha'` from 1/2 to 1e5, none a thousand times another. By the moments of a
    Dirichlet distribution, Gelman et al. (2013), section 3.4.

    >>> round(float(predictive_standard_deviation([1, 0], np.zeros((0, 2)), [1.0, 1.0])) ** 2, 12)  # (1/12) / (1/4)
    0.333333333333
    """
    xp, dtype, new, after = _before_prediction(new, counts, alpha)
    with np.errstate(all="ignore"):
        known, new, after = _step(xp, new, after)
        return xp.astype(deviation(xp, _rho(xp, new, after))[0] + known, dtype, copy=False)


def predictive_standard_deviation_vjp(
    g: Array, new: Count, counts: NonNegative, alpha: Positive
) -> tuple[Array, Array]:
    r"""Cotangents of counts and alpha; the new counts have none.

    .. math:: \partial_{\alpha'_c} \rho = Q\Bigl(\sum_{c'} \alpha'_{c'}; n^*\Bigr) - Q(\alpha'_c; k^*_c), \qquad
              \partial \sqrt{e^\rho - 1} = \frac{e^\rho}{2 \sqrt{e^\rho - 1}} \partial \rho

    with Q of the beta-binomial pair, and on to the arguments as in `posterior_vjp`.
    """
    xp, dtype, new1, after = _before_prediction(new, counts, alpha)
    with np.errstate(all="ignore"):
        known, new1, after = _step(xp, new1, after)
        slope = deviation(xp, _rho(xp, new1, after))[1] + known
        trials = xp.sum(new1, axis=-1, keepdims=True)
        whole = digamma_fall(xp, xp.sum(after, axis=-1, keepdims=True), trials, trials)
        slopes = (cotangent(xp, g, slope.shape) * slope)[..., None] * (whole - digamma_fall(xp, after, new1, new1))
        return _to_rows(xp, slopes, _checked(counts=counts)[2], counts, dtype), unbroadcast(slopes, alpha, dtype)


def _step(xp: Any, new: Array, after: Array) -> tuple[Array, Array, Array]:
    """0, or nan where there is no deviation; the new counts, and the posterior's parameter."""
    defined, possible = _support(xp, new[..., None, :], after)
    use = defined & possible
    return (
        xp.where(use, xp.asarray(0.0), xp.nan),
        xp.where(use[..., None], new, 0.0),
        xp.where(use[..., None], after, 1.0),
    )


def _rho(xp: Any, new: Array, after: Array) -> Array:
    """The sum over classes, each against all later ones."""
    parts = two_outcomes_spread(
        xp, new[..., :-1], _later(xp, new)[..., :-1], after[..., :-1], _later(xp, after)[..., :-1]
    )
    return xp.sum(parts, axis=-1)


def _checked(**arguments: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *arrays`` in float64: counts (..., N, K), the others (..., K)."""
    xp, dtype, *_ = promote(**arguments)
    arrays = [as_float64(xp, name, a) for name, a in arguments.items()]  # counts beyond float32 stay whole
    size = arrays[0].shape[-1] if arrays[0].ndim else 0
    for name, array in zip(arguments, arrays, strict=True):
        rank = 2 if name == "counts" else 1
        if array.ndim < rank or array.shape[-1] != size or size == 0:
            axes = "..., N, K" if rank == 2 else "..., K"
            raise ValueError(f"{name} must have shape ({axes}) with K = {max(size, 1)}, got {tuple(array.shape)}")
    leads = [a.shape[: a.ndim - (2 if n == "counts" else 1)] for n, a in zip(arguments, arrays, strict=True)]
    try:
        np.broadcast_shapes(*leads)
    except ValueError:
        shapes = ", ".join(f"{name} {tuple(a.shape)}" for name, a in zip(arguments, arrays, strict=True))
        raise ValueError(f"leading axes do not broadcast: {shapes}") from None
    return xp, dtype, *arrays


def _to_rows(xp: Any, slopes: Array, counts: Array, like: Array, dtype: Any) -> Array:
    """Cotangents (..., K) given to each of the N rows."""
    shape = (*slopes.shape[:-1], *counts.shape[-2:])
    return unbroadcast(xp.broadcast_to(slopes[..., None, :], shape), like, dtype)


def _possible(xp: Any, counts: Array) -> Array:
    return xp.all((counts >= 0) & (counts < xp.inf), axis=(-2, -1))


def _prior(xp: Any, alpha: Array) -> Array:
    return xp.all((alpha > 0) & (alpha < xp.inf), axis=-1)


def _posterior(xp: Any, counts: Array, alpha: Array) -> Array:
    valid = (_possible(xp, counts) & _prior(xp, alpha))[..., None]
    return xp.where(valid, alpha + xp.sum(counts, axis=-2), xp.nan)


def _sums(xp: Any, counts: Array) -> tuple[Array, Array]:
    """Counts by class, and their sum; nan where there is no estimate."""
    sums = xp.sum(counts, axis=-2)
    trials = xp.sum(sums, axis=-1, keepdims=True)
    return sums, xp.where(_possible(xp, counts)[..., None] & (trials > 0), trials, xp.nan)


def _less_one(xp: Any, counts: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """The posterior's parameter less one, and whether the mode is inside or, for two classes, a corner."""
    after = _posterior(xp, counts, alpha)
    less = xp.where(xp.isnan(after), xp.nan, alpha + (xp.sum(counts, axis=-2) - 1))
    inside = xp.all(less >= 0, axis=-1, keepdims=True) & xp.any(less > 0, axis=-1, keepdims=True)
    corner = xp.any(less >= 0, axis=-1, keepdims=True) & xp.any(less < 0, axis=-1, keepdims=True)
    return less, inside, corner & (less.shape[-1] == 2)


def _quotient_vjp(xp: Any, g: Array, parts: Array, whole: Array) -> Array:
    """Cotangent of the parts in ``parts / sum(parts)``, by differences: equal cotangents cancel exactly."""
    differences = g[..., :, None] - g[..., None, :]
    return xp.sum(differences * (parts / whole)[..., None, :], axis=-1) / whole


def _before_prediction(new: Array, counts: Array, alpha: Array) -> tuple[Any, ...]:
    xp, dtype, counts, new, alpha = _checked(counts=counts, new=new, alpha=alpha)
    with np.errstate(all="ignore"):
        return xp, dtype, new, _posterior(xp, counts, alpha)


def _support(xp: Any, counts: Array, alpha: Array) -> tuple[Array, Array]:
    """Whether value and gradient are defined, and whether the counts are possible."""
    whole = (counts >= 0) & (counts < xp.inf) & (xp.floor(counts) == counts)
    defined = _prior(xp, alpha) & ~xp.any(xp.isnan(counts), axis=(-2, -1))
    return defined, xp.all(whole, axis=(-2, -1))


def _before(xp: Any, values: Array) -> Array:
    """The sums of all earlier values along the last axis."""
    sums = xp.cumulative_sum(values, axis=-1)
    return xp.concat([xp.zeros_like(sums[..., :1]), sums[..., :-1]], axis=-1)


def _later(xp: Any, values: Array) -> Array:
    """The sums of all later values along the last axis."""
    return xp.flip(_before(xp, xp.flip(values, axis=-1)), axis=-1)


def _log_evidence(xp: Any, counts: Array, alpha: Array) -> Array:
    defined, possible = _support(xp, counts, alpha)
    use = defined & possible
    k, a = xp.where(use[..., None, None], counts, 0.0), xp.where(use[..., None], alpha, 1.0)
    trials = k + _later(xp, k)
    k, trials = (xp.matrix_transpose(array)[..., :-1, :] for array in (k, trials))
    value = xp.sum(two_outcomes(xp, k, trials, a[..., :-1], _later(xp, a)[..., :-1]), axis=-1)
    return xp.where(defined, xp.where(possible, value, -xp.inf), xp.nan)


def _evidence_slopes(xp: Any, counts: Array, alpha: Array) -> Array:
    defined, possible = _support(xp, counts, alpha)
    use = (defined & possible)[..., None]
    hits, a = xp.sum(xp.where(use[..., None], counts, 0.0), axis=-2), xp.where(use, alpha, 1.0)
    others = (_before(xp, array) + _later(xp, array) for array in (hits, a))
    slopes, _ = two_slopes(xp, hits, next(others), a, next(others))
    return xp.where(defined[..., None], xp.where(use, slopes, 0.0), xp.nan)
