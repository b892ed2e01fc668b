r"""Rate of Poisson counts under a gamma prior: :math:`k_i \sim \mathrm{Poisson}(\lambda)`, :math:`\lambda \sim
\mathrm{Gamma}(\mathrm{concentration}, \mathrm{rate})`.

Data: counts (..., N); prior: concentration, rate (...). Axes before N are independent problems. The posterior, the
estimates and the data of a prediction take counts as real numbers >= 0, so that each datum has a derivative;
probabilities of counts, `log_evidence` and the new counts of `predictive_log_prob`, take whole ones. No data, N = 0,
leave the prior.

Impossible data (negative, infinite, nan) have no posterior: nan. Parameters that are not positive and finite: nan.
Results are float32 when every floating array is, else float64, and float64 inside. Shapes that do not broadcast are a
ValueError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import elementwise, promote, unbroadcast
from refengine.domains import Array, Count, NonNegative, Positive
from refengine.estimation._evidence import poisson, poisson_slopes
from refengine.estimation._problem import cotangent, cotangents, problem, to_every
from refengine.estimation._spread import deviation, poisson_spread, poisson_spread_slopes

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
    """Concentration and rate of a gamma distribution, each (...)."""

    concentration: Positive
    rate: Positive


def posterior(counts: NonNegative, concentration: Positive, rate: Positive) -> Parameters:
    r"""Parameters of the posterior gamma distribution.

    .. math:: a' = a + \sum_i k_i, \qquad b' = b + N

    counts k: (..., N); concentration a, rate b: (...); the fields of the result: (...). Gelman et al., Bayesian Data
    Analysis (2013), section 2.6.

    >>> after = posterior([3, 0], 1.0, 0.5)
    >>> float(after.concentration), float(after.rate)
    (4.0, 2.5)
    """
    xp, dtype, counts, a, b = problem("counts", counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        return Parameters(*(xp.astype(p, dtype, copy=False) for p in _posterior(xp, counts, a, b)))


def posterior_vjp(
    g: Parameters, counts: NonNegative, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of counts, concentration and rate; g may hold None for a field without cotangent.

    .. math:: \bar k_i = \bar a', \qquad \bar a = \bar a', \qquad \bar b = \bar b'
    """
    xp, dtype, *arrays = problem("counts", counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        to_a, to_b = (_where(xp, after[0], c) for c in cotangents(xp, g, after[0].shape, after[1].shape))
        return _spread(xp, dtype, to_a, to_b, arrays[0].shape[-1], counts, concentration, rate)


def log_evidence(counts: Count, concentration: Positive, rate: Positive) -> Array:
    r"""Logarithm of the probability of the counts, the rate integrated out.

    .. math:: \log p(k; a, b) = \log\Gamma(a') - \log\Gamma(a) + a \log b - a' \log b' - \sum_i \log k_i!

    with a' and b' of `posterior`. counts: (..., N) whole numbers; concentration, rate: (...); result (...). Counts that
    are negative or not whole: -inf with zero gradient. N = 0: log 1 = 0.

    The largest likelihood and Occam's factor, both at most 1, are added, so nothing cancels. Gelman et al. (2013),
    section 2.6; MacKay (1992) for the factor.

    >>> float(log_evidence([0], 1.0, 1.0)), round(-float(np.log(2)), 15)  # a geometric distribution
    (-0.6931471805599453, -0.693147180559945)
    """
    xp, dtype, counts, a, b = problem("counts", counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        return xp.astype(_log_evidence(xp, counts, a, b), dtype, copy=False)


def log_evidence_vjp(g: Array, counts: Count, concentration: Positive, rate: Positive) -> tuple[Array, Array]:
    r"""Cotangents of concentration and rate; the counts have none.

    .. math:: \partial_a = \psi(a') - \psi(a) + \log \frac{b}{b'} = \log\Bigl(1 + \frac ea\Bigr) + h(a) - h(a'), \qquad
              \partial_b = \frac ab - \frac{a'}{b'} = -\frac eb

    where :math:`e = (b \sum_i k_i - N a) / b'` has no rounding errors but its own and
    :math:`h(a) = \log a - \psi(a)`.
    """
    xp, dtype, k, a, b = problem("counts", counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        to_a, to_b = _evidence_slopes(xp, k, a, b)
        g = cotangent(xp, g, to_a.shape)
        return unbroadcast(g * to_a, concentration, dtype), unbroadcast(g * to_b, rate, dtype)


def maximum_likelihood(counts: NonNegative) -> Array:
    r"""The rate that makes the data most probable: the mean.

    .. math:: \hat\lambda = \frac1N \sum_i k_i

    counts: (..., N); result (...). No data, or impossible data: nan. Gelman et al. (2013), section 2.6.

    >>> float(maximum_likelihood([3, 0]))
    1.5
    """
    xp, dtype, counts = problem("counts", counts=counts)
    with np.errstate(all="ignore"):
        mean = _valid_data(xp, counts, xp.sum(counts, axis=-1) / _or_nan(counts.shape[-1]))
        return xp.astype(mean, dtype, copy=False)


def maximum_likelihood_vjp(g: Array, counts: NonNegative) -> tuple[Array]:
    r"""Cotangent of the counts, :math:`\bar k_i = g / N`."""
    xp, dtype, k = problem("counts", counts=counts)
    with np.errstate(all="ignore"):
        to_k = _valid_data(xp, k, cotangent(xp, g, k.shape[:-1]) / _or_nan(k.shape[-1]))
        return (to_every(xp, to_k, k.shape[-1], counts, dtype),)


def maximum_a_posteriori(counts: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""The mode of the posterior density.

    .. math:: \hat\lambda = \frac{a' - 1}{b'} \quad \text{if } a' \ge 1, \text{ else } 0

    with a' and b' of `posterior`. counts: (..., N); concentration, rate: (...); result (...). For a' < 1 the density is
    infinite at 0, which counts as its mode; the gradient is 0 there, and at a' = 1 that of the formula. It is the mode
    in the rate: that of the log rate would be the posterior mean. Gelman et al. (2013), section 2.6.

    >>> float(maximum_a_posteriori([3, 0], 2.0, 0.5))
    1.6
    """
    xp, dtype, counts, a, b = problem("counts", counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        less, after = _less_one(xp, counts, a, b)
        mode = xp.where(less > 0, less / after, 0.0)
        return xp.astype(_where(xp, after, mode), dtype, copy=False)


def maximum_a_posteriori_vjp(
    g: Array, counts: NonNegative, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of counts, concentration and rate.

    .. math:: \partial_{a'} = \frac1{b'}, \qquad \partial_{b'} = -\frac{a' - 1}{b'^2}

    and from there as in `posterior_vjp`.
    """
    xp, dtype, *arrays = problem("counts", counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        less, after = _less_one(xp, *arrays)
        g = _where(xp, after, xp.where(less >= 0, cotangent(xp, g, after.shape), 0.0))
        return _spread(
            xp, dtype, g / after, -g / after * (less / after), arrays[0].shape[-1], counts, concentration, rate
        )


def predictive_log_prob(new: Count, counts: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Logarithm of the probability of a new count given the data.

    .. math:: \log p(k^* \mid k) = \log \frac{\Gamma(a' + k^*)}{\Gamma(a')\, k^*!}
              + a' \log \frac{b'}{b' + 1} - k^* \log(b' + 1)

    with a' and b' of `posterior`. new: whole numbers that broadcast with the problems (...), each a prediction of its
    own; counts: (..., N); concentration, rate: (...). Impossible new counts: -inf with zero gradient. A negative
    binomial distribution; Gelman et al. (2013), section 2.6.

    >>> round(float(np.exp(predictive_log_prob(0, [3, 0], 1.0, 1.0))), 12)  # (3/4)^4
    0.31640625
    """
    xp, dtype, new, after = _before_prediction(new, counts, concentration, rate)
    with np.errstate(all="ignore"):
        return xp.astype(_log_evidence(xp, new[..., None], *after), dtype, copy=False)


def predictive_log_prob_vjp(
    g: Array, new: Count, counts: NonNegative, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of counts, concentration and rate; the new count has none.

    Those of the evidence of the new count at the posterior's parameters, :math:`\partial_{a'}` and
    :math:`\partial_{b'}` of `log_evidence_vjp`, and from there as in `posterior_vjp`.
    """
    size = problem("counts", counts=counts)[2].shape[-1]
    xp, dtype, new, after = _before_prediction(new, counts, concentration, rate)
    with np.errstate(all="ignore"):
        to_a, to_b = _evidence_slopes(xp, new[..., None], *after)
        g = cotangent(xp, g, to_a.shape)
        return _spread(xp, dtype, g * to_a, g * to_b, size, counts, concentration, rate)


def predictive_standard_deviation(new: Count, counts: NonNegative, concentration: Positive, rate: Positive) -> Array:
    r"""Standard deviation of the probability of a new count under the posterior, relative to its mean.

    .. math:: \frac{\mathrm{sd}[p(k^* \mid \lambda)]}{E[p(k^* \mid \lambda)]} = \sqrt{e^\rho - 1}, \qquad
              e^\rho = \frac{\Gamma(a' + 2 k^*)\, \Gamma(a')}{\Gamma(a' + k^*)^2}
              \frac{(b' + 1)^{2 a' + 2 k^*}}{b'^{a'} (b' + 2)^{a' + 2 k^*}}

    with a' and b' of `posterior`. Over the square root of S it is the exact standard error of a mean over S draws;
    `monte_carlo.predictive <refengine.estimation.monte_carlo.predictive>` estimates it. Arguments broadcast as in
    `predictive_log_prob`; impossible new counts, whose probability has no relative deviation: nan. Certified for
    posterior parameters from 1/2 to 1e5. By the moments of a gamma distribution, NIST DLMF 5.9.1.

    >>> round(float(predictive_standard_deviation(0, [], 1.0, 1.0)) ** 2, 12)  # E e^(-2 x) = 1/3, (E e^-x)^2 = 1/4
    0.333333333333
    """
    xp, dtype, new, after = _before_prediction(new, counts, concentration, rate)
    with np.errstate(all="ignore"):
        known, *arguments = _step(xp, new, after)
        return xp.astype(deviation(xp, poisson_spread(xp, *arguments))[0] + known, dtype, copy=False)


def predictive_standard_deviation_vjp(
    g: Array, new: Count, counts: NonNegative, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array]:
    r"""Cotangents of counts, concentration and rate; the new count has none.

    .. math:: \partial_{a'} \rho = -\log\Bigl(1 - \frac{1}{(b' + 1)^2}\Bigr) - Q(a'; k^*), \qquad
              \partial_{b'} \rho = \frac{2 (k^* b' - a')}{b' (b' + 1) (b' + 2)}

    with Q of the beta-binomial pair; :math:`\partial \sqrt{e^\rho - 1} = e^\rho \partial \rho / (2 \sqrt{e^\rho - 1})`,
    and on to the arguments as in `posterior_vjp`.
    """
    size = problem("counts", counts=counts)[2].shape[-1]
    xp, dtype, new, after = _before_prediction(new, counts, concentration, rate)
    with np.errstate(all="ignore"):
        known, *arguments = _step(xp, new, after)
        slope = deviation(xp, poisson_spread(xp, *arguments))[1] + known
        g = cotangent(xp, g, slope.shape) * slope
        to_a, to_b = (g * part for part in poisson_spread_slopes(xp, *arguments))
        return _spread(xp, dtype, to_a, to_b, size, counts, concentration, rate)


def _step(xp: Any, new: Array, after: tuple[Array, Array]) -> tuple[Array, Array, Array, Array]:
    """0, or nan where there is no deviation; the new count, and the posterior's parameters."""
    defined, possible = _support(xp, new[..., None], *after)
    use = defined & possible
    count = xp.where(use, new, 0.0)
    return xp.where(use, xp.asarray(0.0), xp.nan), count, xp.where(use, after[0], 1.0), xp.where(use, after[1], 1.0)


def _or_nan(size: int) -> float:
    return float(size) if size else float("nan")


def _valid_data(xp: Any, counts: Array, result: Array) -> Array:
    return xp.where(xp.all((counts >= 0) & (counts < xp.inf), axis=-1), result, xp.nan)


def _valid(xp: Any, counts: Array, a: Array, b: Array, result: Array) -> Array:
    prior = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf)
    return xp.where(prior, _valid_data(xp, counts, result), xp.nan)


def _posterior(xp: Any, counts: Array, a: Array, b: Array) -> tuple[Array, Array]:
    events = xp.sum(counts, axis=-1)
    after = a + events + 0.0 * b, b + 1.0 * counts.shape[-1] + 0.0 * (a + events)
    first, second = (_valid(xp, counts, a, b, p) for p in after)
    return first, second


def _less_one(xp: Any, counts: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """A' - 1, where 1 is taken from the whole number, so that a small concentration stays; and b'."""
    return a + (xp.sum(counts, axis=-1) - 1), _posterior(xp, counts, a, b)[1]


def _where(xp: Any, parameter: Array, value: Array) -> Array:
    return xp.where(xp.isnan(parameter), xp.nan, value)


def _spread(
    xp: Any, dtype: Any, to_a: Array, to_b: Array, size: int, counts: Array, concentration: Array, rate: Array
) -> tuple[Array, Array, Array]:
    """Cotangents of the arguments from those of the posterior's parameters."""
    return (
        to_every(xp, to_a, size, counts, dtype),
        unbroadcast(to_a, concentration, dtype),
        unbroadcast(to_b, rate, dtype),
    )


def _before_prediction(new: Array, counts: Array, concentration: Array, rate: Array) -> tuple[Any, ...]:
    _, _, *arrays = problem("counts", counts=counts, concentration=concentration, rate=rate)
    xp, dtype, *_ = promote(new=new, counts=counts, concentration=concentration, rate=rate)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
    _, _, new, _ = elementwise(new=new, posterior=after[0])
    return xp, dtype, new, after


def _support(xp: Any, counts: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Whether value and gradient are defined, and whether the counts are possible."""
    prior = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf)
    whole = (counts >= 0) & (counts < xp.inf) & (xp.floor(counts) == counts)
    return prior & ~xp.any(xp.isnan(counts), axis=-1), xp.all(whole, axis=-1)


def _log_evidence(xp: Any, counts: Array, a: Array, b: Array) -> Array:
    defined, possible = _support(xp, counts, a, b)
    use = defined & possible
    value = poisson(xp, xp.where(use[..., None], counts, 0.0), xp.where(use, a, 1.0), xp.where(use, b, 1.0))
    return xp.where(defined, xp.where(possible, value, -xp.inf), xp.nan)


def _evidence_slopes(xp: Any, counts: Array, a: Array, b: Array) -> tuple[Array, Array]:
    defined, possible = _support(xp, counts, a, b)
    use = defined & possible
    events = xp.sum(xp.where(use[..., None], counts, 0.0), axis=-1)
    slopes = poisson_slopes(xp, events, 1.0 * counts.shape[-1], xp.where(use, a, 1.0), xp.where(use, b, 1.0))
    first, second = (xp.where(defined, xp.where(possible, slope, 0.0), xp.nan) for slope in slopes)
    return first, second
