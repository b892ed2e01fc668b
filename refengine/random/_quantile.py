"""The quantile of the standard normal distribution at uniform numbers, to a unit in the last place.

SciPy's carries a few rounding errors more in the middle. Here that part is made of sums and products alone, whose bits
are the same wherever arithmetic is that of IEEE 754.
"""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from refengine._arrays import special_functions
from refengine.domains import Array

MIDDLE = 0.5 - exp(-2)  # where SciPy's algorithm goes over to the tail
HIGH, LOW = 2.5066282746310007, -1.8328579980459167e-16  # the square root of 2 pi
SPLIT = 2.0**27 + 1
SERIES = (
    1.0471975511965979,
    2.3029076935875077,
    6.250471648263066,
    18.76456431142644,
    59.77344266653667,
    197.98421442561263,
    674.1930328095475,
    2340.642492316005,
    8438.907093558908,
    22330.870201174566,
    359115.7472197311,
    -6462075.795061206,
    148943637.11573312,
    -2524298819.20462,
    34638297174.9776,
    -377213188280.36145,
    3252749046536.9604,
    -21900930652564.96,
    112837917486575.02,
    -429876718905451.94,
    1143365067951627.8,
    -1900206327948607.5,
    1495389195562443.5,
)
"""(z / (q sqrt(2 pi)) - 1) / q^2 in powers of q^2, with q = u - 1/2 and z the quantile: interpolated in Chebyshev's
points up to the end of the middle, relative error 3e-19 of z."""


def quantile(xp: Any, u: Array) -> Array:
    """Where the distribution function is u, for 2^-53 <= u <= 1 - 2^-53."""
    q = u - 0.5
    middle = xp.abs(q) < MIDDLE
    with np.errstate(all="ignore"):
        tail = special_functions(xp).ndtri(xp.where(middle, 0.125, xp.minimum(u, 1 - u)))
    return xp.where(middle, _middle(xp, q), xp.where(q < 0, tail, -tail))


def _middle(xp: Any, q: Array) -> Array:
    """A + (a t + e), where a + e is q sqrt(2 pi) to about 100 bits and t the small rest."""
    v, t = q * q, xp.zeros_like(q)
    for coefficient in reversed(SERIES):
        t = t * v + coefficient
    a = q * HIGH
    return a + (a * (t * v) + (_rest_of_product(q, a) + q * LOW))


def _rest_of_product(q: Array, product: Array) -> Array:
    """What rounding took from q times `HIGH` (Dekker 1971)."""
    left, right = _halves(q), _halves(HIGH)
    return ((left[0] * right[0] - product) + left[0] * right[1] + left[1] * right[0]) + left[1] * right[1]


def _halves(x: Any) -> tuple[Any, Any]:
    big = SPLIT * x
    high = big - (big - x)
    return high, x - high
