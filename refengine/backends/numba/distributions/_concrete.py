"""One row of the concrete distributions: the sum of the logarithms of a softmax, and K times its entries, less 1."""

from __future__ import annotations

import math

import numba

from refengine.backends.numba.distributions import _shares
from refengine.backends.numba.distributions._rows import plus

INSIDE, OUTSIDE, UNDEFINED = 0, 1, 2


@numba.njit(error_model="numpy", cache=True)
def valid(l, t):
    """Whether the parameters lie in their domains."""
    good = 0.0 < t < math.inf
    for i in range(l.size):
        good &= abs(l[i]) < math.inf
    return good


@numba.njit(error_model="numpy", cache=True)
def log_density(y, l, t, e, work):
    """The value; ``e`` becomes ``K s - 1``. Near equal shares each is set against 1/K, as K counts of 1."""
    size, high, low, z = y.size, work[0], work[1], work[2]
    top = 0
    for i in range(size):
        z[i] = l[i] - t * y[i]
        top = i if z[i] > z[top] else top
    s, s_low, shift = _shares.weigh(z, high, low)
    value, lost = math.lgamma(float(size)) - size * math.log(float(size)), 0.0
    for i in range(size):
        # the sum of w_j - w_i over all j, over the sum of the w, with the other sign
        own, own_low = size * high[i], size * low[i]
        e[i] = ((own - s) + (own_low - s_low) + _product_error(size, high[i])) / s
        share = (z[i] - shift) + math.log(size / s)
        value, lost = plus(value, lost, _shares.bent(1.0, e[i], share))
    return value + (lost + (size - 1) * math.log(t))


@numba.njit(error_model="numpy", cache=True)
def _product_error(size, x):
    """What rounding took from ``size * x``."""
    c = (2.0**27 + 1) * x
    x_high = c - (c - x)
    return (size * x_high - size * x) + size * (x - x_high)
