"""Value and gradients of the log density of Cholesky factors of correlation matrices, one matrix at a time.

All gammas of the normaliser are taken from one, ``c = eta + (D-1)/2``: with ``sigma`` of
`refengine.backends.numba._gamma`, ``m_0 = c - 1/2`` and ``m = m_0 - n/2``,

    log Gamma(c) - log Gamma(c - n/2) = n/2 (log m_0 - 1) - m log(1 - n / (2 m_0)) + sigma(m_0) - sigma(m).
"""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numba
import numpy as np

from refengine._arrays import unbroadcast
from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import parallel
from refengine.distributions import lkj_cholesky as reference
from refengine.distributions._matrix import batched, cotangent
from refengine.distributions.lkj_cholesky import *

scalar = numba.njit(cache=True, nogil=True, error_model="numpy")
_LOG_PI = math.log(math.pi)


@scalar
def _gammas(c, b, n):
    """``log Gamma(c) - log Gamma(b)`` for c = b + n/2, and its derivative; what is small is raised by one."""
    value, step, top, low = 0.0, 0.5 * n, c - 0.5, b - 0.5
    if c < _gamma.SMALLEST:
        value, step, top = value - math.log(c), step + 1.0, c + 0.5
    if b < _gamma.SMALLEST:
        value, step, low = value + math.log(b), step - 1.0, b + 0.5
    y = step / top
    if abs(y) <= 0.5:
        value += step * (math.log(top) - y) - low * _gamma.log1p_minus(-y)
    else:
        value += step * (math.log(top) - 1.0) - low * math.log(low / top)
    value += _gamma.sigma(top)[0] - _gamma.sigma(low)[0]
    return value, _gamma.digamma_difference(b, 0.5 * n)


@scalar
def _one(g, x, eta, dx):
    """Value and slope to the concentration; that to the diagonal is written."""
    size, outside = x.shape[0], False
    bad = not 0.0 < eta < math.inf
    for i in range(size):
        for j in range(i + 1):
            bad = bad or math.isnan(x[i, j])
            outside = outside or math.isinf(x[i, j])
        outside = outside or not x[i, i] > 0.0
    if bad:
        for i in range(size):
            dx[i, : i + 1] = math.nan
        return math.nan, math.nan
    if outside:
        return -math.inf, 0.0
    value, slope = 0.0, 0.0
    for i in range(1, size):
        power, ratio = 2.0 * eta + (size - 3 - i), _gammas(eta + 0.5 * (size - 1), eta + 0.5 * (size - 1 - i), i)
        log_entry = math.log(x[i, i])
        value += power * log_entry + ratio[0] - 0.5 * i * _LOG_PI
        slope += 2.0 * log_entry + ratio[1]
        dx[i, i] = g * power / x[i, i]
    return value, slope


@parallel
def _loop(g, x, eta, value, dx, deta):
    for n in numba.prange(value.size):
        value[n], slope = _one(g[n], x[n], eta[n], dx[n])
        deta[n] = g[n] * slope


def _launch(g: Any, x: Any, concentration: Any) -> tuple[Any, tuple[Any, Any]]:
    _, dtype, x1, eta = batched("", "x", x=x, concentration=concentration)
    shape, inner = np.broadcast_shapes(x1.shape[:-2], eta.shape), x1.shape[-2:]
    vectors = [np.broadcast_to(a, shape).copy().reshape(-1) for a in (cotangent(np, g, shape), eta)]
    matrices = np.broadcast_to(x1, shape + inner).copy().reshape(-1, *inner)
    value, deta, dx = np.empty(prod(shape)), np.empty(prod(shape)), np.zeros(matrices.shape)
    _loop(vectors[0], matrices, vectors[1], value, dx, deta)
    to_x = unbroadcast(dx.reshape(shape + inner), x1, dtype)
    return value.reshape(shape).astype(dtype, copy=False), (to_x, unbroadcast(deta.reshape(shape), eta, dtype))


@kernel_of(reference.log_prob)
def log_prob(x, concentration):
    return log_prob_value_and_vjp(1.0, x, concentration)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, concentration):
    return log_prob_value_and_vjp(g, x, concentration)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, concentration):
    return _launch(g, x, concentration)
