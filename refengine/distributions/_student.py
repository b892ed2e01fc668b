r"""The normaliser of Student's distribution without its large terms.

With y = df/2,

.. math:: \delta(y) = \log\Gamma(y + 1/2) - \log\Gamma(y) - \tfrac12 \log y = -\tfrac12 \sum_{k=0}^{n-1}
          \log\left(1 + \frac{1}{4 (y+k)(y+k+1)}\right) + \delta(y + n),

where every term is negative, and from y = 12 on the asymptotic series is exact to rounding. Its derivative

.. math:: \delta'(y) = \sum_{k=0}^{n-1} \frac{1}{4 (y+k)(y+k+1/2)(y+k+1)} + \delta'(y + n) > 0

is what is left of :math:`\psi(y + 1/2) - \psi(y) - 1/(2y)` (after NIST DLMF 5.11.13).
"""

from __future__ import annotations

from typing import Any

from refengine.domains import Array

_CLIMB = 12
# delta(y) ~ sum_k c_k / y^(2k+1): c_k = -(2^(2k+2) - 1) B_(2k+2) / (2^(2k+2) (k+1) (2k+1))
_SERIES = (
    *(-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432, 691 / 180224, -5461 / 425984),
    *(929569 / 15728640, -3202291 / 8912896, 221930581 / 79691776),
)


def product(xp: Any, y: Array) -> tuple[Array, Array]:
    """The product of the terms of the sum, and the argument that they lead to."""
    low = y < _CLIMB
    p = xp.ones_like(y)
    for k in range(_CLIMB):
        p = p * (1 + xp.where(low, 0.25 / (y + k) / (y + k + 1), 0.0))
    return p, xp.where(low, y + _CLIMB, y)


def rest(xp: Any, y: Array) -> Array:
    """delta(y) for y >= 12."""
    r = 1 / y
    series = 0.0 * r
    for c in reversed(_SERIES):
        series = c + series * r * r
    return series * r


def slope(xp: Any, y: Array) -> tuple[Array, Array]:
    """The first and second derivative of delta."""
    low = y < _CLIMB
    first, second = xp.zeros_like(y), xp.zeros_like(y)
    for k in range(_CLIMB):
        a, b, c = y + k, y + k + 0.5, y + k + 1
        term = xp.where(low, 0.25 / a / b / c, 0.0)
        first, second = first + term, second - term * (1 / a + 1 / b + 1 / c)
    r = 1 / xp.where(low, y + _CLIMB, y)
    one, two = 0.0 * r, 0.0 * r
    for k in range(len(_SERIES) - 1, -1, -1):
        n = 2 * k + 1
        one, two = -n * _SERIES[k] + one * r * r, n * (n + 1) * _SERIES[k] + two * r * r
    return first + one * r * r, second + two * r * r * r
