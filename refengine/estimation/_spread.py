r"""How far a posterior spreads the probability p of new data: the second moment of p over its squared mean.

:math:`\rho = \log E[p^2] - 2 \log E[p] \ge 0`, so that :math:`\sqrt{e^\rho - 1}` is the standard deviation of p over
its mean. For counts it is a second difference of log gammas along the step that new counts make, and under a narrow
posterior the square of something small: again Stirling's leading terms are cancelled on paper.
"""

from __future__ import annotations

from typing import Any

from refengine.domains import Array
from refengine.estimation._evidence import excess
from refengine.special._saddle_point import _DIGAMMA, _STIRLING, log1p_minus
from refengine.special._second_difference import _reciprocal, _series, _times, digamma_fall

_SHIFT = 12
_STEP_TERMS = (28, 14, 11, 10, 9, 8, 8, 7, 7, 7, 6, 6)  # of the series in 1 / (2y + 1)^2, for y from j + 1/2


def two_outcomes_spread(xp: Any, k: Array, m: Array, a: Array, b: Array) -> Array:
    """Rho of k successes and m failures under a beta distribution."""
    c, n = a + b, k + m
    e = excess(xp, k, b, a, m, c + n)
    powers = _deviance(xp, a, k, e) + _deviance(xp, b, m, -e)
    halves = _half(xp, a, k) + (_half(xp, b, m) - _half(xp, c, n))
    return powers + halves + (stirling_fall(xp, a, k) + (stirling_fall(xp, b, m) - stirling_fall(xp, c, n)))


def two_outcomes_spread_slopes(xp: Any, k: Array, m: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Derivatives of rho to a and b: the large shapes' logarithms, which may cancel, are merged by means of e."""
    c, n = a + b, k + m
    e = excess(xp, k, b, a, m, c + n)
    both, rest, large = digamma_fall(xp, c, n, n), _beyond_log(xp, c, n), xp.minimum(a, b) >= _SHIFT
    slopes = []
    for x, d, sign in ((a, k, -1), (b, m, 1)):
        share = sign * e * ((c + n) / (x + d))
        logs = xp.log1p((share / c) * ((2 * n - share) / (c + 2 * n)))
        slopes.append(xp.where(large, logs + (rest - _beyond_log(xp, x, d)), both - digamma_fall(xp, x, d, d)))
    return slopes[0], slopes[1]


def _beyond_log(xp: Any, x: Array, d: Array) -> Array:
    """The second difference of ``log x - psi(x)`` with step d, by Stirling's series."""
    r = _reciprocal(x, d, d)
    return r[3] / 2 + _times(_times(r, r), _series(_DIGAMMA, x, d, d))[3]


def poisson_spread(xp: Any, k: Array, a: Array, b: Array) -> Array:
    """Rho of a Poisson count k under a gamma distribution of concentration a and rate b."""
    e = excess(xp, k, b, a, 1.0 + 0.0 * k, b + 1)
    return _deviance(xp, a, k, e) + _half(xp, a, k) + stirling_fall(xp, a, k)


def poisson_spread_slopes(xp: Any, k: Array, a: Array, b: Array) -> tuple[Array, Array]:
    to_a = -xp.log1p(-1 / (b + 1) ** 2) - digamma_fall(xp, a, k, k)
    return to_a, 2 * excess(xp, k, b, a, 1.0 + 0.0 * k, b + 1) / b / (b + 2)


def deviation(xp: Any, rho: Array) -> tuple[Array, Array]:
    """``sqrt(exp(rho) - 1)`` and its derivative to rho, 0 where nothing is spread."""
    value = xp.exp(rho / 2) * xp.sqrt(-xp.expm1(-rho))
    return value, xp.where(rho > 0, (value + 1 / value) / 2, 0.0 * rho)


def stirling_fall(xp: Any, x: Array, k: Array) -> Array:
    """``S(x) + S(x + 2k) - 2 S(x + k)`` for Stirling's error S and x >= 1/2, as `stirling_error` climbs."""
    low = x < _SHIFT
    total = 0.0 * (x + k)
    for j, terms in enumerate(_STEP_TERMS):
        r = tuple(part / 2 for part in _reciprocal(x + (j + 0.5), k, k))
        square = _times(r, r)
        step = (0.0 * r[0],) * 4
        for i in range(terms, 0, -1):
            step = _times((1 / (2 * i + 1) + step[0], *step[1:]), square)
        total = total + xp.where(low, step[3], 0.0)
    y = xp.where(low, x + _SHIFT, x)
    return total + _times(_reciprocal(y, k, k), _series(_STIRLING, y, k, k))[3]


def _deviance(xp: Any, a: Array, k: Array, e: Array) -> Array:
    """``-a [log(1 + e/a) - e/a] - (a + 2k) [log(1 - e/(a + 2k)) + e/(a + 2k)] >= 0``."""
    return -a * log1p_minus(xp, e / a) - (a + 2 * k) * log1p_minus(xp, -e / (a + 2 * k))


def _half(xp: Any, a: Array, k: Array) -> Array:
    """``-log(1 - (k / (a + k))^2) / 2``."""
    return -xp.log1p(-((k / (a + k)) ** 2)) / 2
