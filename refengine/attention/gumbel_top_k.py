r"""Several different positions at once: Gumbel top-k, sampling without replacement.

Logits z lie on the last axis (..., K). For logits of -inf and bad rows see `refengine.attention.hard`.
"""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from refengine._arrays import check_labels, namespace
from refengine.attention._choices import gumbels, gumbels_good, handed_back, shares
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import rows, sum_row
from refengine.domains import Array, Indices, Real, Unit

__all__ = ["log_prob", "log_prob_vjp", "noise", "sample"]


def sample(logits: Real, u: Unit, *, k: int) -> Array:
    r"""The k positions with the largest perturbed logits, in their order.

    .. math:: s_1, \dots, s_k = \operatorname*{arg\,top-k}_i \; z_i - \log(-\log u_i)

    logits, u: (..., K), leading axes broadcast, 1 <= k <= K; result: (..., k) of int64; equal ones come from left to
    right. They are k draws from :math:`\operatorname{softmax}(z)` without replacement, and the first of them is
    `refengine.attention.hard.sample_gumbel_max`. -1 from where no position is left that can be chosen; a row of -1 for
    u outside (0, 1) and where there is no distribution. No derivative. k outside 1..K: ValueError.
    Source: Kool, van Hoof and Welling (2019), section 2.3.

    >>> sample([0.0, 2.0, 1.0], [0.5, 0.5, 0.5], k=2).tolist()
    [1, 2]
    """
    xp, _, z, u = rows({"logits": logits, "u": u})
    if isinstance(k, bool) or not hasattr(k, "__index__") or not 1 <= index(k) <= z.shape[-1]:
        raise ValueError(f"k must be a whole number in 1..{z.shape[-1]}, got {k!r}")
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        w = xp.where(s.open, gumbels(xp, z, xp.where(s.open, u, 0.5)), -xp.inf)
        place = xp.argsort(w, axis=-1, descending=True, stable=True)[..., : index(k)]
        left = xp.arange(index(k)) < xp.sum(xp.astype(s.open, xp.int64), axis=-1, keepdims=True)
        return xp.where(gumbels_good(xp, s, u) & left, xp.astype(place, xp.int64), -1)


def log_prob(logits: Real, indices: Indices) -> Array:
    r"""Logarithm of the probability of drawing these positions, in this order, without replacement.

    .. math:: \log P = \sum_{j=1}^k \Bigl(z_{s_j} - \log \sum_{i \notin \{s_1, \dots, s_{j-1}\}} e^{z_i}\Bigr)

    logits: (..., K), indices: (..., k) of integers, leading axes broadcast; result: (...). Positions that are repeated,
    out of range or have a logit of -inf: -inf with zero gradient. No indices: 0.
    Source: Kool, van Hoof and Welling (2019), section 2.3; Plackett-Luce.

    >>> round(float(np.exp(log_prob([0.0, 0.0, 0.0], [2, 0]))), 12)  # 1/3 of 1/2
    0.166666666667
    """
    xp, dtype, z, found = _drawn(logits, indices)
    with np.errstate(all="ignore"):
        value, _, possible, good = _steps(xp, z, found)
        value = xp.where(possible, value, -xp.inf)
        return xp.astype(xp.where(good, value, xp.nan)[..., 0], dtype, copy=False)


def log_prob_vjp(g: Array, logits: Real, indices: Indices) -> tuple[Array]:
    r"""Cotangent of the logits, with :math:`q^{(j)}` the softmax of the positions left before the draw j.

    .. math:: \frac{\partial \log P}{\partial z_i} = \sum_j \bigl([i = s_j] - q^{(j)}_i\bigr)
    """
    xp, dtype, z, found = _drawn(logits, indices)
    _, _, z, g = rows({"logits": z}, {"g": g})
    with np.errstate(all="ignore"):
        _, slope, possible, good = _steps(xp, z, found)
        return handed_back(xp, good, dtype, (g * xp.where(possible, slope, 0.0), logits))


def _drawn(logits: Array, indices: Array) -> tuple[Any, Any, Array, Array]:
    """``xp, dtype, logits, indices`` with their leading axes broadcast."""
    xp = namespace(logits, indices)
    indices = xp.asarray(indices)
    if indices.ndim == 0:
        raise ValueError(f"indices must have shape (..., k), got {tuple(indices.shape)}")
    flat = xp.reshape(indices, (-1,))
    checked = xp.reshape(check_labels("indices", flat, flat.shape[0]), indices.shape)
    _, dtype, z, _ = rows({"logits": logits}, {"indices": xp.astype(xp.sum(checked, axis=-1), xp.int64)})
    return xp, dtype, z, xp.broadcast_to(checked, (*z.shape[:-1], indices.shape[-1]))


def _steps(xp: Any, z: Array, indices: Array) -> tuple[Array, Array, Array, Array]:
    """Value (..., 1), its derivatives to the logits, and rows (..., 1) that are possible, and that are good."""
    good = shares(xp, z).good
    left, possible = z > -xp.inf, good | ~good
    value, slope = xp.zeros(good.shape, dtype=xp.float64), xp.zeros(z.shape, dtype=xp.float64)
    for j in range(indices.shape[-1]):
        hot = xp.arange(z.shape[-1]) == indices[..., j : j + 1]
        possible = possible & xp.any(hot & left, axis=-1, keepdims=True)
        s = shares(xp, xp.where(left, z, -xp.inf))
        value = value + sum_row(xp, xp.where(hot, s.log_p, 0.0))
        slope = slope + xp.where(hot, s.rest, -s.p)
        left = left & ~hot
    return value, slope, possible, good
