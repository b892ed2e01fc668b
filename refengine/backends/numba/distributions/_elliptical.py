"""Value and gradients of the multivariate normal and t log densities in one pass over rows of points.

With ``r = x - mean``, ``a = S^-1 r`` and ``q = r . a`` both depend on x through q alone:

    normal   -(q + log det S + D log(2 pi)) / 2, weight w = 1
    t        c(df) - (log det S + D log(2 pi)) / 2 - (df + D)/2 log(1 + q / df), weight w = (df + D) / (df + q)

and their slopes are ``-w a`` to x and ``(w a a^T - S^-1) / 2`` to S. Matrices are factorised first, once each. Rows
that share a matrix then go through the substitutions in blocks; each group of blocks accumulates a gradient of the
matrix of its own, and the groups are added in a fixed order, whatever the number of threads.
"""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numba
import numpy as np

from refengine._arrays import unbroadcast
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import parallel, sealed
from refengine.backends.numba.distributions import _matrix
from refengine.distributions._matrix import batched, cotangent

COVARIANCE, CHOLESKY, PRECISION = 0, 1, 2
_ROWS, _ROWS_OF_A_GROUP = 64, 1024
_HALF_LOG_TWO_PI = math.log(2 * math.pi) / 2
scalar = numba.njit(cache=True, nogil=True, error_model="numpy")
# sums may be taken in the order that vectorises: the same on every run and for any number of threads
summing = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
# (4^k - 1) B_2k / k: psi(h + 1/2) - psi(h) - 1/(2h) ~ sum_k ... / (2h)^2k
_HALF_STEP = np.array([1 / 2, -1 / 4, 1 / 2, -17 / 8, 31 / 2, -691 / 4, 5461 / 2, -929569 / 16])


@parallel
def _prepare(kind, matrices, lower, inverse, log_det):
    """Factors (a precision itself), inverses, log determinants of S; nan where undefined."""
    for m in numba.prange(matrices.shape[0]):
        a, factor, inv = matrices[m], lower[m], inverse[m]
        found = _matrix.take_lower(a, factor) if kind == CHOLESKY else _matrix.factorise(a, factor)
        log_det[m] = _matrix.log_det(factor) if found else math.nan
        if kind == PRECISION:
            log_det[m] = -log_det[m]
        if kind == CHOLESKY:
            for i in range(a.shape[0]):
                inv[i, i] = 1.0 / factor[i, i]
        else:
            work = np.zeros(a.shape)
            _matrix.inverse_of_lower(factor, work)
            _matrix.gram(work, inv)
        if kind == PRECISION:
            for i in range(a.shape[0]):
                for j in range(a.shape[0]):
                    factor[i, j] = 0.5 * a[i, j] + 0.5 * a[j, i]


@scalar
def _half_step(h):
    """``psi(h + 1/2) - psi(h) - 1 / (2h)``: positive steps of one, then the series."""
    total, z = 0.0, 2.0 * h
    while z < 30.0:
        total += 2.0 / (z * (z + 1.0)) / (z + 2.0)
        z += 2.0
    u, series = 1.0 / z, 0.0
    for k in range(len(_HALF_STEP) - 1, -1, -1):
        series = (_HALF_STEP[k] + series) * u * u
    return total + series


@scalar
def _constant(df, size):
    """``log(Gamma(h + D/2) / Gamma(h)) - D/2 log h`` for h = df/2, and its derivative to h."""
    h, d = 0.5 * df, 0.5 * size
    low = h + 1.0 if h < _gamma.SMALLEST else h
    high = h + d + 1.0 if h + d < _gamma.SMALLEST else h + d
    m, n = low - 0.5, high - 0.5
    step = n - m if m < 1e8 else d
    if 2.0 * abs(step) <= m:
        value = step * math.log(n / h) + m * _gamma.log1p_minus(step / m)
    else:
        value = step * (math.log(n / h) - 1.0) + m * math.log1p(step / m)
    value += _gamma.sigma(n)[0] - _gamma.sigma(m)[0]
    value += (step - d + (1.0 if low > h else 0.0)) * math.log(h) - (math.log(h + d) if high > h + d else 0.0)
    start, slope = (0.0, 0.0) if size % 2 == 0 else (0.5, _half_step(h))
    for k in range(size // 2):
        slope -= (start + k) / h / (h + start + k)
    return value, slope


@summing
def _sum_products(u, v, c):
    total = 0.0
    for n in range(c.size):
        total += c[n] * u[n] * v[n]
    return total


@scalar
def _load(x, mean, first, log_det, r, status):
    """Rows of ``x - mean`` as columns; status 0 inside the support, 1 outside, 2 undefined."""
    for n in range(r.shape[1]):
        row, centre = x[(first + n) % len(x)], mean[(first + n) % len(mean)]
        found = 2 if math.isnan(log_det) else 0
        for i in range(r.shape[0]):
            if math.isnan(row[i]) or not abs(centre[i]) < math.inf:
                found = 2
            elif math.isinf(row[i]):
                found = max(found, 1)
            r[i, n] = row[i] - centre[i]
        status[n] = found
        if found == 1:
            r[:, n] = 0.0


@scalar
def _radial(student, df, q, size, known):
    """Value but for the determinant, weight and slope to df; ``known`` holds the constants of the last df."""
    value = -size * _HALF_LOG_TWO_PI
    if not student:
        return value - 0.5 * q, 1.0, 0.0
    if known[0] != df:
        known[0] = df
        known[1], known[2] = _constant(df, size)
    t, total = q / df, df + q
    log_term, share = math.log1p(t), q / total
    rest = _gamma.log1p_minus(t) + t * share if t <= 0.5 else log_term - share
    value += known[1] - 0.5 * (df + size) * log_term
    return value, (df + size) / total, 0.5 * (known[2] - rest + size / df * share)


@scalar
def _solve(kind, matrix, r, a, z):
    """``a = S^-1 r`` and, unless the matrix is a precision, ``z = L^-1 r``, for columns r."""
    size, rows = r.shape
    if kind == PRECISION:
        a[:, :] = 0.0
        for i in range(size):
            for j in range(size):
                for n in range(rows):
                    a[i, n] += matrix[i, j] * r[j, n]
    else:
        a[:, :] = r
        _matrix.forward_rows(matrix, a)
        z[:, :] = a
        _matrix.backward_rows(matrix, a)


@scalar
def _block(kind, student, g, df, x, mean, first, matrix, inverse, log_det, value, dx, dmatrix, ddf):
    """The rows from ``first`` on, as many as ``value`` holds."""
    size, rows = matrix.shape[0], value.size
    status, c, known, total = np.empty(rows, np.int64), np.empty(rows), np.zeros(3), 0.0
    r, a, z = np.empty((size, rows)), np.empty((size, rows)), np.empty((size, rows))
    _load(x, mean, first, log_det, r, status)
    _solve(kind, matrix, r, a, z)
    for n in range(rows):
        q, k = 0.0, first + n
        for i in range(size):
            q += r[i, n] * a[i, n] if kind == PRECISION else z[i, n] * z[i, n]
        nu = df[k % len(df)]
        if student and not 0.0 < nu < math.inf:
            status[n] = 2
        radial, weight, slope = _radial(student, nu, q, size, known)
        value[n] = (radial - 0.5 * log_det, -math.inf, math.nan)[status[n]]
        out = (g[k % len(g)], 0.0, math.nan)[status[n]]
        ddf[n], c[n], total = out * slope, out * weight, total + out
        for i in range(size):
            dx[n, i] = -c[n] * a[i, n]
    for i in range(size):
        for j in range(i + 1):
            if kind == COVARIANCE:
                dmatrix[i, j] += 0.5 * (_sum_products(a[i], a[j], c) - total * inverse[i, j])
            elif kind == CHOLESKY:
                dmatrix[i, j] += _sum_products(a[i], z[j], c) - total * inverse[i, j]
            else:
                dmatrix[i, j] -= 0.5 * (_sum_products(r[i], r[j], c) - total * inverse[i, j])


@scalar
def _group(kind, student, g, df, x, mean, first, last, matrix, inverse, log_det, value, dx, dmatrix, ddf):
    """The rows from ``first`` to ``last``, block by block; the gradient of the matrix is theirs alone."""
    for i in range(first, last, _ROWS):
        j = min(i + _ROWS, last)
        out = value[i:j], dx[i:j], dmatrix, ddf[i:j]
        _block(kind, student, g, df, x, mean, i, matrix, inverse, log_det, out[0], out[1], out[2], out[3])
    if kind != CHOLESKY:
        for i in range(dmatrix.shape[0]):
            for j in range(i):
                dmatrix[j, i] = dmatrix[i, j]


@parallel
def _loop(kind, student, g, df, x, mean, matrices, inverse, log_det, size, value, dx, dmatrix, ddf):
    for k in numba.prange(dmatrix.shape[0]):
        m = k % matrices.shape[0]
        first, last = k * size, min((k + 1) * size, value.size)
        a, b, c, d = matrices[m], inverse[m], log_det[m], dmatrix[k]
        _group(kind, student, g, df, x, mean, first, last, a, b, c, value, dx, d, ddf)


def value_and_vjp(kind: int, g: Any, x: Any, mean: Any, df: Any = None, **matrix: Any) -> tuple[Any, dict[str, Any]]:
    """The log density, and the cotangents by name; the matrix comes as ``covariance=``, ``cholesky=`` or the like."""
    ((name, _),) = matrix.items()
    student = df is not None
    _, dtype, x1, mean1, df1, m1 = batched("x mean", name, x=x, mean=mean, df=df if student else 1.0, **matrix)
    size = x1.shape[-1]
    shape = np.broadcast_shapes(x1.shape[:-1], mean1.shape[:-1], np.shape(df1), m1.shape[:-2])
    g1 = cotangent(np, g, shape)
    rows = prod(shape)
    matrices = _rows(m1, shape, 2)
    lower, inverse, log_det = np.zeros(matrices.shape), np.zeros(matrices.shape), np.empty(len(matrices))
    _prepare(kind, matrices, lower, inverse, log_det)
    group = _ROWS_OF_A_GROUP if len(matrices) == 1 else 1
    value, dx, ddf = np.empty(rows), np.empty((rows, size)), np.empty(rows)
    dmatrix = np.zeros((-(-rows // group), size, size))
    vectors = _rows(g1, shape, 0), _rows(df1, shape, 0), _rows(x1, shape, 1), _rows(mean1, shape, 1)
    _loop(kind, student, *vectors, lower, inverse, log_det, group, value, dx, dmatrix, ddf)
    to_x = dx.reshape(*shape, size)
    to_matrix = dmatrix.sum(axis=0) if group > 1 else dmatrix.reshape(*shape, size, size)
    to_matrix = to_matrix.reshape((1,) * (m1.ndim - to_matrix.ndim) + to_matrix.shape)
    with np.errstate(all="ignore"):  # what float32 cannot hold
        cotangents = {"x": unbroadcast(to_x, x1, dtype), "mean": unbroadcast(-to_x, mean1, dtype)}
        cotangents |= {name: unbroadcast(to_matrix, m1, dtype), "df": unbroadcast(ddf.reshape(shape), df1, dtype)}
        return value.reshape(shape).astype(dtype, copy=False), cotangents


def _rows(array: np.ndarray, shape: tuple[int, ...], rank: int) -> np.ndarray:
    """A stack along one axis: one element for all rows, or one for each."""
    inner = array.shape[array.ndim - rank :]
    if array.size == prod(inner):
        return sealed(array).reshape(1, *inner)
    return sealed(np.broadcast_to(array, shape + inner)).reshape(-1, *inner)
