"""Weights from their logarithms, and who descends from whom, for one sample in compiled code."""

from __future__ import annotations

from math import exp, log

import numba
import numpy as np

MULTINOMIAL, STRATIFIED, SYSTEMATIC = range(3)
SCHEMES = ("multinomial", "stratified", "systematic")


@numba.njit(cache=True)
def precise_sum(values):
    """The sum with one carried rounding error: its own does not grow with the number of values.

    Ogita, Rump and Oishi (2005), SIAM Journal on Scientific Computing 26, algorithm 4.4.
    """
    total, lost = 0.0, 0.0
    for value in values:
        after = total + value
        back = after - total
        lost += (total - (after - back)) + (value - back)
        total = after
    return total + lost if np.isfinite(total) else total


@numba.njit(cache=True, error_model="numpy")
def weigh(log_weights, weights):
    """Set the weights that sum to 1; the log mean weight and the effective number. nan where none is above 0."""
    top, size = -np.inf, log_weights.size
    for value in log_weights:
        top = value if np.isnan(value) or value > top else top
    for n in range(size):
        weights[n] = exp(log_weights[n] - top)
    total = precise_sum(weights)
    weights /= total
    return log(total) - log(size) + top, 1 / precise_sum(weights * weights)


@numba.njit(cache=True, error_model="numpy")
def choose_ancestors(weights, uniforms, scheme, from_left, sums, chosen):
    """For every uniform the first draw whose sum of weights is above it (or not below, ``from_left``), by bisection.

    ``sums`` is room for the sums. None is chosen behind the last draw of a positive weight.
    """
    total, last, count = 0.0, 0, uniforms.size
    for n in range(weights.size):
        total += weights[n]
        sums[n] = total
        last = n if weights[n] > 0 else last
    for m in range(count):
        u = uniforms[0 if scheme == SYSTEMATIC else m]
        v = u if scheme == MULTINOMIAL else (m + u) / count
        low, high = 0, weights.size
        while low < high:
            middle = (low + high) // 2
            if sums[middle] < v or (sums[middle] == v and not from_left):
                low = middle + 1
            else:
                high = middle
        chosen[m] = min(low, last)
