r"""Digamma and trigamma with twice the digits, for x > 0 below 2^63: what is left where sums of them cancel.

Arguments climb by :math:`\psi(x) = \psi(x+1) - 1/x` to at least 32, where twelve terms of the asymptotic series (NIST
DLMF 5.11.2 and 5.15.8) are exact to 2^-105.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from refengine.distributions._twice import Pair, add, product, quotient, scaled, settled, total
from refengine.domains import Array

_CLIMB, _LEADING = 32, 11


def _split(x: Fraction) -> tuple[float, float]:
    return float(x), float(x - Fraction(float(x)))


_BERNOULLI = [  # B_2, B_4, ...
    *map(Fraction, ("1/6", "-1/30", "1/42", "-1/30", "5/66", "-691/2730", "7/6", "-3617/510", "43867/798")),
    *map(Fraction, ("-174611/330", "854513/138", "-236364091/2730")),
]
_DIGAMMA = [_split(b / (2 * k)) for k, b in enumerate(_BERNOULLI, 1)]
_TRIGAMMA = [_split(b) for b in _BERNOULLI]
_ATANH = [_split(Fraction(1, 2 * k + 1)) for k in range(24)]
_LOG_2 = (0.6931471805599453, 2.3190468138462996e-17)


def times(x: Pair, y: Pair) -> Pair:
    """The product of two pairs."""
    high, low = product(x[0], y[0])
    return settled(high, low + (x[0] * y[1] + x[1] * y[0]))


def minus(x: Pair) -> Pair:
    return -x[0], -x[1]


def inverse(x: Pair) -> Pair:
    return quotient((0.0 * x[0] + 1, 0.0 * x[1]), x)


def log(xp: Any, x: Pair) -> Pair:
    """The logarithm for 1 <= x < 2^63: halved until it is next to 1, then the series of 2 artanh((x-1)/(x+1))."""
    (high, low), exponent = x, 0.0 * x[0]
    for power in (32, 16, 8, 4, 2, 1):
        large = high >= 2.0**power
        factor = xp.where(large, xp.asarray(2.0**-power), 1.0)
        high, low, exponent = high * factor, low * factor, exponent + xp.where(large, xp.asarray(1.0 * power), 0.0)
    large = high > 1.414
    half = xp.where(large, xp.asarray(0.5), 1.0)
    near, exponent = (high * half, low * half), exponent + xp.astype(large, xp.float64)
    one = 0.0 * high + 1, 0.0 * low
    z = quotient(add(near, minus(one)), add(near, one))
    series = _power_series(_ATANH, times(z, z))
    log_2 = 0.0 * high + _LOG_2[0], 0.0 * high + _LOG_2[1]
    return add(scaled(log_2, exponent), times((2 * z[0], 2 * z[1]), series))


def _power_series(coefficients: list[tuple[float, float]], s: Pair) -> Pair:
    """``sum_k coefficients[k] s^k`` by Horner's scheme, of whose last terms one number is enough."""
    tail = 0.0 * s[0]
    for c, _ in reversed(coefficients[_LEADING:]):
        tail = c + s[0] * tail
    value = tail, 0.0 * tail
    for c, rest in reversed(coefficients[:_LEADING]):
        value = times(s, value)
        value = add((0.0 * s[0] + c, 0.0 * s[0] + rest), value)
    return value


def digamma_and_trigamma(xp: Any, x: Pair) -> tuple[Pair, Pair]:
    """Both functions of the pairs x."""
    steps = xp.astype(xp.arange(_CLIMB), xp.float64)
    small = x[0] < _CLIMB
    ladder = add(
        (x[0][..., None] + 0.0 * steps, x[1][..., None] + 0.0 * steps), (0.0 * x[0][..., None] + steps, 0.0 * steps)
    )
    rungs = inverse(ladder)
    first, second = (_where(xp, small, _last(total(xp, part))) for part in (rungs, times(rungs, rungs)))
    shift = xp.where(small, xp.asarray(1.0 * _CLIMB), 0.0)
    y = add(x, (shift, 0.0 * shift))
    r = inverse(y)
    s = times(r, r)
    half = r[0] / 2, r[1] / 2
    one = 0.0 * r[0] + 1, 0.0 * r[1]
    digamma = add(add(log(xp, y), minus(half)), minus(times(s, _power_series(_DIGAMMA, s))))
    trigamma = times(r, add(add(one, half), times(s, _power_series(_TRIGAMMA, s))))
    return add(digamma, minus(first)), add(trigamma, second)


def _last(x: Pair) -> Pair:
    return x[0][..., 0], x[1][..., 0]


def _where(xp: Any, condition: Array, x: Pair) -> Pair:
    return xp.where(condition, x[0], 0.0), xp.where(condition, x[1], 0.0)
