"""Triangular factors and substitutions on one matrix at a time, for the matrix kernels.

Vectors that share a matrix go through a substitution together: they lie as (D, rows), so that the innermost loop runs
along the rows, on the vector unit.
"""

from __future__ import annotations

import math

import numba

scalar = numba.njit(cache=True, nogil=True, error_model="numpy")
_LN2 = math.log(2.0)


@scalar
def factorise(a, lower):
    """Write Cholesky's factor of the symmetric part of a, row by row; whether there is one."""
    for i in range(a.shape[0]):
        for j in range(i + 1):
            rest = 0.5 * a[i, j] + 0.5 * a[j, i]
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            if i == j:
                if not 0.0 < rest < math.inf:
                    return False
                lower[i, i] = math.sqrt(rest)
            else:
                lower[i, j] = rest / lower[j, j]
            if not abs(lower[i, j]) < math.inf:
                return False
    return True


@scalar
def take_lower(a, lower):
    """Copy the lower triangle of a; whether it is a factor."""
    for i in range(a.shape[0]):
        for j in range(i + 1):
            lower[i, j] = a[i, j]
            if not abs(a[i, j]) < math.inf:
                return False
        if not lower[i, i] > 0.0:
            return False
    return True


@scalar
def inverse_of_lower(lower, inverse):
    """Write the lower triangular ``L^-1``, column by column; what lies above is left alone."""
    for j in range(lower.shape[0]):
        inverse[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, lower.shape[0]):
            rest = 0.0
            for k in range(j, i):
                rest -= lower[i, k] * inverse[k, j]
            inverse[i, j] = rest / lower[i, i]


@scalar
def gram(lower, result):
    """Write ``L^T L`` of a lower triangle."""
    size = lower.shape[0]
    for i in range(size):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, size):
                total += lower[k, i] * lower[k, j]
            result[i, j] = result[j, i] = total


@scalar
def forward_rows(lower, b):
    """Replace the columns of b (D, rows) by ``L^-1 b``."""
    for i in range(lower.shape[0]):
        for k in range(i):
            c = lower[i, k]
            for n in range(b.shape[1]):
                b[i, n] -= c * b[k, n]
        for n in range(b.shape[1]):
            b[i, n] /= lower[i, i]


@scalar
def backward_rows(lower, b):
    """Replace the columns of b (D, rows) by ``L^-T b``."""
    for i in range(lower.shape[0] - 1, -1, -1):
        for k in range(i + 1, lower.shape[0]):
            c = lower[k, i]
            for n in range(b.shape[1]):
                b[i, n] -= c * b[k, n]
        for n in range(b.shape[1]):
            b[i, n] /= lower[i, i]


@scalar
def log_det(lower):
    """``2 log det L``: mantissas are multiplied, exponents added as integers."""
    mantissa, exponent = 1.0, 0
    for i in range(lower.shape[0]):
        m, e = math.frexp(lower[i, i])
        mantissa, shift = math.frexp(mantissa * m)
        exponent += e + shift
    if mantissa < 0.7:
        mantissa, exponent = 2.0 * mantissa, exponent - 1
    return 2.0 * (math.log(mantissa) + exponent * _LN2)
