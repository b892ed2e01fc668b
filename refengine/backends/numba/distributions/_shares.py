r"""Multinomial probabilities in centred form, for one row.

With ``m = k + 1/2``, where ``log k! = m log m - m + log(2 pi)/2 + sigma(m)`` (`refengine.backends.numba._gamma`), with
``M = n + 1/2`` and c positive counts of shares w, of which m M-fold shares are ``m + e``,

    log f = sum_i [m_i log(1 + e_i/m_i) - e_i] + M (sum_i w_i - 1) + (1-c)/2 log(2 pi M) - sum_i log(w_i) / 2
            + sigma(M) - sum_i sigma(m_i),

all sums over the positive counts. The half powers are set against each other: that of the largest count is left
out, so that each of the others stands as ``log(2 pi w_i M) / 2``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends.numba import _gamma
from refengine.backends.numba.distributions._rows import cross, exponential, inline, plus, settled

_TWO_PI = 2 * math.pi
_SMALL, _LARGE = 1e-290, 1e290
POSSIBLE, IMPOSSIBLE, UNDEFINED = 0, 1, 2


@numba.njit(error_model="numpy", cache=True)
def kind_of(k):
    """Whether the counts of a row are whole numbers from 0 on."""
    kind = POSSIBLE
    for i in range(k.size):
        if math.isnan(k[i]):
            return UNDEFINED
        if not (0.0 <= k[i] < math.inf and math.floor(k[i]) == k[i]):
            kind = IMPOSSIBLE
    return kind


@inline
def bent(m, e, log_share):
    """``m log(1 + t) - e`` for t = e / m; ``log_share`` is log(1 + t) for where t < -1/2."""
    t = e / m
    if abs(t) <= 0.5:
        return m * _gamma.log1p_minus(t)
    return m * (math.log1p(t) if t > -0.5 else log_share) - e


@numba.njit(error_model="numpy", cache=True)
def weigh(z, high, low):
    """The exponentials of logits as pairs in ``high`` and ``low``; their sum as a pair, and the shift."""
    top = z[0]
    for i in range(1, z.size):
        top = max(top, z[i])
    shift = 0.0 if abs(top) < 500.0 else top
    s, s_low = 0.0, 0.0
    for i in range(z.size):
        high[i], low[i] = exponential(z[i] - shift)
        s, s_low = plus(s, s_low + low[i], high[i])
    s, s_low = settled(s, s_low)
    return s, s_low, shift


@numba.njit(error_model="numpy", cache=True)
def excess(k, n, i, high, low, s, s_low, others):
    """``n w_i - k_i`` for the share w of a weight; ``others`` is the share of all but the only positive count."""
    if k[i] == n and n > 0.0:
        return -n * others
    return cross(high[i], low[i], n, 0.0, k[i], s, s_low) / s


@numba.njit(error_model="numpy", cache=True)
def unchosen(k, high, s):
    """The share of all weights whose count is 0."""
    others = 0.0
    for i in range(k.size):
        others += high[i] if k[i] == 0.0 else 0.0
    return others / s


@numba.njit(error_model="numpy", cache=True)
def log_density(k, n, high, low, s, s_low, others, logs, shift):
    """The value for normalised shares; ``logs - shift`` are the logarithms of weights too small to have one."""
    top = 0
    for i in range(k.size):
        top = i if k[i] > k[top] else top
    # one positive count: the coefficient is 1
    if k[top] == n:
        return n * (math.log1p(-others) if others < 0.5 else logs[top] - shift - math.log(s))
    m_n = n + 0.5
    value, lost = -m_n * others, 0.0
    for i in range(k.size):
        if k[i] > 0.0:
            m = k[i] + 0.5
            # the excess over m is that over k, less half of what the share lacks to 1
            e = cross(high[i], low[i], n, 0.0, k[i], s, s_low) / s + 0.5 * ((high[i] - s) / s)
            share = high[i] * (m_n / m / s)
            plain = _SMALL < share < _LARGE and high[i] > _SMALL
            log_share = math.log(share) if plain else logs[i] - shift + math.log(m_n / m / s)
            power = 0.5 * (log_share + math.log(m / m_n)) if i == top else 0.5 * (log_share + math.log(_TWO_PI * m))
            value, lost = plus(value, lost, bent(m, e, log_share))
            value, lost = plus(value, lost, -power - _gamma.sigma(m)[0])
    return value + (lost + _gamma.sigma(m_n)[0])
