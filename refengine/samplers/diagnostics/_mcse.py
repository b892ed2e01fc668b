"""Monte Carlo standard errors of estimates from dependent draws."""

from __future__ import annotations

from math import ceil, floor, isnan, sqrt
from typing import Any

from refengine._arrays import check_option, special_functions
from refengine.domains import Array
from refengine.samplers.diagnostics._draws import check_probability, of_each, sorted_draws
from refengine.samplers.diagnostics._ess import of_mean, of_quantile

ONE_SIGMA = (0.1586553, 0.8413447)


def mcse_mean(draws: Array) -> Array:
    r"""The standard error of the mean of all draws.

    .. math:: \frac s{\sqrt{S_{\text{eff}}}}, \qquad s^2 = \frac1{CN - 1} \sum (x - \bar x)^2

    draws: (C, N, ...); result (...). Vehtari et al. (2021), section 4.4.

    >>> float(mcse_mean([[3.0, 3.0, 3.0, 3.0]]))
    0.0
    """

    def of_one(xp: Any, one: Array) -> float:
        return sqrt(float(xp.var(one, correction=1))) / _root(of_mean(xp, one))

    return of_each(of_one, "draws", draws)


def mcse_sd(draws: Array, *, effective: str = "draws") -> Array:
    r"""The standard error of the standard deviation of all draws.

    .. math:: \sqrt{\frac{\overline{d^2} - \bar d^2}{4\, \bar d\, S_{\text{eff}}}}, \qquad d = (x - \bar x)^2

    ``effective`` says whose effective sample size that is: "draws" as in arviz-stats 0.8, or "squares", that of d, on
    whose average the standard deviation rests. They differ most for antithetic draws, whose squares are no better
    than dependent ones: "draws" gives an error that is far too small there. Constant draws: nan. draws: (C, N, ...);
    result (...). Source: Kenney and Keeping (1951), Mathematics of Statistics, section 7.9, for independent draws.

    With d = 1, 0, 1, 4 twice and the largest size that 8 draws can have, the root of (4.5 - 1.5**2) / (6 * 7.225):

    >>> round(float(mcse_sd([[0.0, 1.0, 0.0, 3.0, 0.0, 1.0, 0.0, 3.0]])), 3)
    0.228
    """
    check_option("effective", effective, ("draws", "squares"))

    def of_one(xp: Any, one: Array) -> float:
        squares = (one - xp.mean(one)) ** 2
        mean = float(xp.mean(squares))
        size = of_mean(xp, one if effective == "draws" else squares)
        excess = float(xp.mean(squares**2)) - mean**2
        return _root(excess / size / mean / 4) if mean else float("nan")

    return of_each(of_one, "draws", draws)


def mcse_quantile(draws: Array, probability: float) -> Array:
    r"""The standard error of a quantile: half the distance of the order statistics that are one sigma away.

    .. math:: \tfrac12 (x_{(\lceil b \rceil)} - x_{(\lfloor a \rfloor)}), \qquad a, b = CN\, F^{-1}(0.1587, 0.8413)

    with the distribution function F of Beta(:math:`S_{\text{eff}}\, p + 1, S_{\text{eff}} (1 - p) + 1`). draws: (C, N,
    ...); result (...). Vehtari et al. (2021), section 4.4, appendix A.

    >>> float(mcse_quantile([[3.0, 3.0, 3.0, 3.0]], 0.5))
    0.0
    """
    p = check_probability("probability", probability)

    def of_one(xp: Any, one: Array) -> float:
        size, ordered = of_quantile(xp, one, p), sorted_draws(xp, one)
        total = ordered.shape[0]
        shape = size * p + 1, size * (1 - p) + 1
        inverse = special_functions(xp).betaincinv
        ends = (inverse(*(xp.asarray(v, dtype=xp.float64) for v in (*shape, q))) for q in ONE_SIGMA)
        low, high = (float(end) * total - 1 for end in ends)
        first = 0 if isnan(low) else floor(max(low, 0))
        last = total - 1 if isnan(high) else ceil(min(high, total - 1))
        return (float(ordered[last]) - float(ordered[first])) / 2

    return of_each(of_one, "draws", draws)


def _root(x: float) -> float:
    return sqrt(x) if x >= 0 else float("nan")
