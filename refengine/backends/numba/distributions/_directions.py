"""Rows of densities on the sphere: one pass over the vectors gives value and cotangents.

What depends on the concentration alone comes from the caller, once for each concentration. The gradient of a vector
that all rows share is gathered in a fixed number of groups, which are added in order whatever the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from refengine._arrays import unbroadcast
from refengine.backends.numba._parallel import parallel, sealed
from refengine.distributions._directions import arguments, cotangent

__all__: list[str] = []

_GROUPS, _BLOCK = 16, 128


@numba.njit(error_model="numpy", cache=True, fastmath={"reassoc", "contract"})
def _short_dot(x, y, start, stop):
    total = 0.0
    for j in range(start, stop):
        total += x[j] * y[j]
    return total


@numba.njit(error_model="numpy", cache=True)
def _dot(x, y):
    """In blocks, so that rounding grows with the number of blocks."""
    total = 0.0
    for start in range(0, x.size, _BLOCK):
        total += _short_dot(x, y, start, min(start + _BLOCK, x.size))
    return total


@numba.njit(error_model="numpy", cache=True)
def _exponential(cosine, kappa):
    """The logarithm of exp(kappa cosine), and its slopes."""
    return kappa * cosine, kappa, cosine


@numba.njit(error_model="numpy", cache=True)
def _power(cosine, kappa):
    """The logarithm of ((1 + cosine) / 2)^kappa, and its slopes."""
    if cosine < -1.0:
        return (-math.inf, 0.0, math.nan) if kappa >= 0.0 else (math.nan, math.nan, math.nan)
    share = math.log1p(0.5 * (cosine - 1.0)) if cosine > 0.0 else math.log1p(cosine) - math.log(2.0)
    if kappa == 0.0:
        return 0.0 * cosine, 0.0 * cosine, share
    return kappa * share, kappa / (1.0 + cosine), share


@parallel
def _loop(power, g, x, mu, kappa, change, slope, at_x, at_mu, value, dx, dmu, dkappa, shared_x, shared_mu):
    rows, size = g.size, x.shape[1]
    for group in numba.prange(_GROUPS):
        for i in range(group * rows // _GROUPS, (group + 1) * rows // _GROUPS):
            xi, mi = x[at_x[i]], mu[at_mu[i]]
            cosine = _dot(xi, mi)
            log_power, by_cosine, by_kappa = _power(cosine, kappa[i]) if power else _exponential(cosine, kappa[i])
            value[i] = log_power + change[i]
            weight = g[i] * (math.nan if math.isnan(cosine) else by_cosine)
            # beyond the sphere there is no slope, which is marked by nan beside a cosine that is a number
            outside = power and cosine < -1.0 and kappa[i] >= 0.0
            dkappa[i] = 0.0 if outside else g[i] * (by_kappa + slope[i])
            to_x, to_mu = (shared_x[group], shared_mu[group])
            if dx.shape[0] > 0:
                for j in range(size):
                    dx[i, j] = weight * mi[j]
            else:
                for j in range(size):
                    to_x[j] += weight * mi[j]
            if dmu.shape[0] > 0:
                for j in range(size):
                    dmu[i, j] = weight * xi[j]
            else:
                for j in range(size):
                    to_mu[j] += weight * xi[j]


def pass_over_rows(parts: Any, power: bool, g: Any, **given: Any) -> tuple[Any, tuple[Any, ...]]:
    """Value and cotangents; ``parts(kappa, D)`` are what the concentration adds to the value, and its slope."""
    _, dtype, x, mu, kappa = arguments(**given)
    batch = np.broadcast_shapes(x.shape[:-1], mu.shape[:-1], kappa.shape)
    rows, size = math.prod(batch), x.shape[-1]
    g = sealed(cotangent(g, np.empty(batch))).reshape(-1)
    known = [np.where((kappa >= 0) & (kappa < np.inf), kappa, np.nan)]
    known += parts(known[0], size)
    known = [sealed(np.broadcast_to(a, batch)).reshape(-1) for a in known]
    vectors, places, slopes, shared = [], [], [], []
    for v in (x, mu):
        own = v.shape[:-1]
        vectors.append(sealed(v).reshape(-1, size))
        index = np.arange(math.prod(own)).reshape(own)
        places.append(sealed(np.broadcast_to(index, batch)).reshape(-1))
        alone = math.prod(own) == 1 and rows > 1
        slopes.append(np.empty((0 if alone else rows, size)))
        shared.append(np.zeros((_GROUPS, size if alone else 0)))
    value, dkappa = np.empty(rows), np.empty(rows)
    if rows:
        _loop(power, g, *vectors, *known, *places, value, *slopes, dkappa, *shared)
    cotangents = [
        gathered.sum(axis=0).reshape(v.shape).astype(dtype, copy=False)
        if gathered.shape[1]
        else unbroadcast(slope.reshape(*batch, size), v, dtype)
        for v, slope, gathered in zip((x, mu), slopes, shared, strict=True)
    ]
    dk = unbroadcast(dkappa.reshape(batch), kappa, dtype)
    return value.reshape(batch).astype(dtype, copy=False), (*cotangents, dk)
