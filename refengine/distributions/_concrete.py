r"""The common part of the concrete distributions: :math:`v = l - t y` and K times its softmax, less 1.

With y the logarithm of a point of the simplex, the density of y is
:math:`(K-1)! \, t^{K-1} \prod_i s_i` for :math:`s = \operatorname{softmax}(l - t y)`.
"""

from __future__ import annotations

import math
from typing import Any

from refengine._arrays import unbroadcast
from refengine.distributions._deviance import against, bent, beside, exponentials
from refengine.distributions._rows import every, largest, sum_row
from refengine.domains import Array


def valid(xp: Any, y: Array, l: Array, t: Array) -> Array:
    """(..., 1): whether parameters lie in their domains and nothing is nan."""
    return every(xp, (xp.abs(l) < xp.inf) & ~xp.isnan(y)) & (t > 0) & (t < xp.inf)


def log_density(xp: Any, y: Array, l: Array, t: Array) -> tuple[Array, Array]:
    """The value (..., 1) for finite y, and ``K s - 1``."""
    size = y.shape[-1]
    z = l - t * y
    one = 1 + 0 * z
    w, shift = exponentials(xp, z)
    e, _, s = against(xp, one, size * one[..., :1], w)
    shares = sum_row(xp, bent(xp, one, e, (z - shift) + (math.log(size) - xp.log(s[0]))))
    constant = math.lgamma(size) - size * math.log(size)
    return shares + constant + (size - 1) * xp.log(t), e


def quantile(xp: Any, u: Array, l: Array, t: Array) -> tuple[Array, Array, Array]:
    """``y, s, w``: the logarithms and the entries of the softmax of ``w = (l + Gumbel noise) / t``."""
    w = (l - xp.log(-xp.log(u))) / t
    gap = w - xp.max(w, axis=-1, keepdims=True)
    rest = sum_row(xp, xp.where(largest(xp, w), 0.0, xp.exp(gap)))
    return gap - xp.log1p(rest), xp.exp(gap) / (1 + rest), w


def less_share(xp: Any, g: Array, s: Array, terms: Array) -> Array:
    """``g_i (1 - s_i)`` less the sum of all other terms, for shares s, one of which may round to 1."""
    top = largest(xp, s)
    return g * beside(xp, s, top) - beside(xp, terms, top)


def spread(xp: Any, u: Array, w: Array, t: Array, back: Array) -> tuple[Array, Array, Array]:
    """Cotangents of the uniforms, logits and temperature from that of w."""
    return back / t / (-xp.log(u) * u), back / t, -sum_row(xp, xp.where(back == 0, 0.0, back * w)) / t


def cotangents(xp: Any, good: Array, slopes: Any, arguments: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """Those of a vector, of the logits and of the temperature, nan in rows that are not good."""
    first, second, third = (xp.where(good, slope, xp.nan) for slope in slopes)
    return (
        unbroadcast(first, arguments[0], dtype),
        unbroadcast(second, arguments[1], dtype),
        unbroadcast(third[..., 0], arguments[2], dtype),
    )
