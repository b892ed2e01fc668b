"""What distributions over K categories share: choices from uniforms, divergences, frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape, promote
from refengine.distributions._rows import every, rows
from refengine.distributions._twice import Pair, add, cross, single
from refengine.domains import Array


def choose(noise: Array, p: Array) -> tuple[Any, Array, int]:
    """``xp, index, K``: for uniforms (..., n) and one row of p (..., K) each, the categories (..., n); -1 for nan."""
    xp, _, u = promote(noise=noise)
    if u.ndim == 0:
        raise ValueError(f"noise must have shape (..., n), got {tuple(u.shape)}")
    p = xp.asarray(p)
    xp, _, wide, u = rows({"p": p[..., None, :] if p.ndim else p}, {"noise": u})
    with np.errstate(all="ignore"):
        return xp, inverted(xp, u, wide), wide.shape[-1]


def inverted(xp: Any, u: Array, p: Array) -> Array:
    """(...): the smallest i with ``u c_K < c_i``, where c are the sums of p; -1 where p or u is not valid."""
    good = every(xp, (p >= 0) & (p <= 1)) & xp.any(p > 0, axis=-1, keepdims=True) & (u > 0) & (u < 1)
    return xp.where(good[..., 0], first_above(xp, u, single(p)), -1)


def first_above(xp: Any, u: Array, p: Pair) -> Array:
    """(...): the smallest i with ``u c_K < c_i``, where c are the sums of p, taken with twice the digits."""
    sums = [(p[0][..., :1], p[1][..., :1])]
    for i in range(1, p[0].shape[-1]):
        sums.append(add(sums[-1], (p[0][..., i : i + 1], p[1][..., i : i + 1])))
    high, low = (xp.concat([s[j] for s in sums], axis=-1) for j in (0, 1))
    one = 1 + 0 * high
    passed = cross(single(u * one), (high[..., -1:] * one, low[..., -1:] * one), single(one), (high, low)) >= 0
    return xp.sum(xp.astype(passed, xp.int64), axis=-1)


def log_ratio(xp: Any, p: Array, q: Array) -> Array:
    """``log(p / q)`` of positive numbers, with relative accuracy where they are nearly equal."""
    near = (p >= q / 2) & (p <= 2 * q)
    quotient = p / q
    fits = (quotient > 1e-290) & (quotient < 1e290)
    far = xp.where(fits, xp.log(quotient), xp.log(p) - xp.log(q))
    return xp.where(near, xp.log1p((p - q) / q), far)


def divergence(xp: Any, p: Array, q: Array) -> Array:
    """``p log(p / q)`` of every entry, with 0 log 0 = 0 and inf where q is 0 and p is not."""
    return xp.where(p == 0, 0.0, xp.where(q == 0, xp.inf, p * log_ratio(xp, p, q)))


def divergence_slopes(xp: Any, p: Array, q: Array) -> tuple[Array, Array]:
    """Derivatives of the sum of `divergence` to p and q: 0 where it is infinite, inf to p where both are 0."""
    dp = xp.where(p == 0, xp.where(q == 0, xp.inf + 0 * q, -xp.inf), log_ratio(xp, p, q) + 1)
    dq = xp.where(p == 0, 0.0, -p / q)
    finite = ~xp.any((q == 0) & (p > 0), axis=-1, keepdims=True)
    return xp.where(finite, dp, 0.0), xp.where(finite, dq, 0.0)


def frequencies(data: Array) -> Array:
    """Shares (K,) of the columns of non-negative data (N, K)."""
    xp, dtype, data, total = _summed(data)
    with np.errstate(all="ignore"):
        return xp.astype(xp.sum(data, axis=0) / total, dtype, copy=False)


def frequencies_vjp(g: Array, data: Array) -> Array:
    """The cotangent of the data: the part of g without its mean, over the sum."""
    xp, _, g = promote(g=g)
    xp, dtype, data, total = _summed(data)
    with np.errstate(all="ignore"):
        g = as_float64(xp, "g", g)
        share = xp.sum(data, axis=0) / total
        # g_i - sum_j g_j p_j, where the p sum to one
        slope = xp.sum((g[:, None] - g[None, :]) * share[None, :], axis=1) / total
        return xp.astype(xp.broadcast_to(slope[None, :], data.shape), dtype, copy=False)


def _summed(data: Array) -> tuple[Any, Any, Array, Array]:
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "K"))
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        total = xp.sum(x)
        good = xp.all((x >= 0) & (x < xp.inf)) & (total > 0)
        return xp, dtype, x, xp.where(good, total, xp.nan)
