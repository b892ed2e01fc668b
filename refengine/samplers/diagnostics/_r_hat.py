"""The potential scale reduction factor."""

from __future__ import annotations

from math import nan, sqrt
from typing import Any

from refengine.domains import Array
from refengine.samplers.diagnostics._draws import halves, median, normal_scores, of_each


def r_hat(draws: Array) -> Array:
    r"""Rank-normalised split :math:`\hat R`: how much the chains disagree, 1 where they do not.

    .. math:: \hat R = \sqrt{\frac{N - 1 + B / W}{N}}, \qquad B = \frac N{M-1} \sum_m (\bar z_m - \bar z)^2, \qquad
              W = \frac1M \sum_m s_m^2

    of the normal scores z of the draws' ranks in the M = 2C half chains of N draws, and once more of the distances of
    the draws from their median; the larger one. draws: (C, N, ...) with at least two chains; result (...). Vehtari et
    al. (2021), eq. 1 to 4 and 14.

    Two chains that each stay where they are, far apart:

    >>> float(r_hat([[0.0, 1.0, 0.0, 1.0], [8.0, 9.0, 8.0, 9.0]])) > 1.5
    True
    """
    return of_each(_of_one, "draws", draws, fewest_chains=2)


def _of_one(xp: Any, draws: Array) -> float:
    split = halves(xp, draws)
    folded = xp.abs(split - median(xp, split))
    found = [_r_hat(xp, normal_scores(xp, part)) for part in (split, folded)]
    # as Python's max in arviz-stats: nan stays where it comes first
    return max(*found)


def _r_hat(xp: Any, scores: Array) -> float:
    count = scores.shape[1]
    between = count * float(xp.var(xp.mean(scores, axis=1), correction=1))
    within = float(xp.mean(xp.var(scores, axis=1, correction=1)))
    ratio = between / within if within else (nan if between == 0 else between * float("inf"))
    return sqrt((ratio + count - 1) / count) if ratio == ratio else nan
