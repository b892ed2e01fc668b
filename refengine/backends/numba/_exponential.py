"""The exponential of numbers that are not positive, in float32 and float64, without branches."""

from __future__ import annotations

from math import factorial
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

contracted = numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")

_SHIFT = 1.5 * 2.0**52
_LOG_2_HIGH, _LOG_2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 33 bits
_INVERSE_FACTORIALS = tuple(1 / factorial(n) for n in range(12, 1, -1))

_ONE, _HALF, _LOWEST, _PER_LOG_2 = map(np.float32, (1, 0.5, -104, 1.4426950408889634))
_SHIFT_32 = np.float32(1.5 * 2.0**23)
_LOG_2_HIGH_32, _LOG_2_LOW_32 = map(np.float32, (0.693145751953125, 1.42860682030941723e-6))  # the first has 16 bits
_FIRST_32 = np.float32(1 / factorial(7))
_INVERSE_FACTORIALS_32 = tuple(np.float32(1 / factorial(n)) for n in range(6, 1, -1))


def fall(x: Any) -> Any:
    """In compiled code: ``exp(x)`` for x <= 0 without branches, so that loops over it use vector instructions."""


@overload(fall)
def _fall(x):
    return (lambda x: _fall_32(x)) if x == types.float32 else (lambda x: _fall_64(x))


@contracted
def _fall_64(x: float) -> float:
    """With x = n log 2 + r and |r| <= log(2) / 2 the series of exp(r) is cut after r^13 / 13!; the rest is below 2^-57.

    Adding 1.5 * 2^52 leaves n in the last bits; 2^n is applied in two factors, which may end below 2^-1022.
    """
    x = -1400.0 if x < -1400 else x
    shifted = x * 1.4426950408889634 + _SHIFT
    n = shifted - _SHIFT
    r = (x - n * _LOG_2_HIGH) - n * _LOG_2_LOW
    series = 1 / 6227020800
    for inverse in _INVERSE_FACTORIALS:
        series = series * r + inverse
    half = n * 0.5 + _SHIFT
    return (1 + (r + r * r * series)) * _power_of_2(half) * _power_of_2((n - (half - _SHIFT)) + _SHIFT)


@contracted
def _power_of_2(shifted: float) -> float:
    return np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)


@contracted
def _fall_32(x: Any) -> Any:
    """The same in float32; the series is cut after r^7 / 7!, and the rest is below 2^-27."""
    x = _LOWEST if x < _LOWEST else x
    shifted = x * _PER_LOG_2 + _SHIFT_32
    n = shifted - _SHIFT_32
    r = (x - n * _LOG_2_HIGH_32) - n * _LOG_2_LOW_32
    series = _FIRST_32
    for inverse in _INVERSE_FACTORIALS_32:
        series = series * r + inverse
    half = n * _HALF + _SHIFT_32
    return (_ONE + (r + r * r * series)) * _power_of_2_32(half) * _power_of_2_32((n - (half - _SHIFT_32)) + _SHIFT_32)


@contracted
def _power_of_2_32(shifted: Any) -> Any:
    return np.int32((np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)
