"""What tiles are made with, in float32 and float64: matrix products that scale and add, and an exponential."""

from __future__ import annotations

from math import factorial
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numba.np.linalg import _BLAS

contracted = numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")

_SHIFT = 1.5 * 2.0**52
_LOG_2_HIGH, _LOG_2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 33 bits
_INVERSE_FACTORIALS = tuple(1 / factorial(n) for n in range(12, 1, -1))

_ONE, _HALF, _LOWEST, _PER_LOG_2 = np.float32([1, 0.5, -104, 1.4426950408889634])
_SHIFT_32 = np.float32(1.5 * 2.0**23)
_LOG_2_HIGH_32, _LOG_2_LOW_32 = np.float32([0.693145751953125, 1.42860682030941723e-6])  # the first has 16 bits
_FIRST_32, *_REST = np.float32([1 / factorial(n) for n in range(7, 1, -1)])
_INVERSE_FACTORIALS_32 = tuple(_REST)


def product(out: Any, a: Any, b: Any, alpha: Any, beta: Any) -> None:
    """In compiled code: ``out = alpha a @ b + beta out``; out in C order, alpha and beta arrays of one number."""


def fall(x: Any) -> Any:
    """In compiled code: ``exp(x)`` for x <= 0 without branches, so that loops over it use vector instructions."""


@overload(product)
def _product(out, a, b, alpha, beta):
    gemm, kind = _BLAS().numba_xxgemm(out.dtype), ord("s" if out.dtype == numba.float32 else "d")
    a_rows, b_rows = a.layout == "C", b.layout == "C"
    of_a, of_b = ord("n" if a_rows else "t"), ord("n" if b_rows else "t")

    def in_fortran_order(out, a, b, alpha, beta):  # where every matrix is its transpose: out' = b' a'
        m, n = out.shape
        k, wide_a, wide_b = a.shape[1], a.shape[1 if a_rows else 0], b.shape[1 if b_rows else 0]
        gemm(kind, of_b, of_a, n, m, k, alpha.ctypes, b.ctypes, wide_b, a.ctypes, wide_a, beta.ctypes, out.ctypes, n)

    return in_fortran_order


@overload(fall)
def _fall(x):
    return (lambda x: _fall_32(x)) if x == numba.float32 else (lambda x: _fall_64(x))


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
