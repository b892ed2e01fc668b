r"""ALiBi: a penalty on every score in proportion to the distance of the key, steeper for some heads."""

from __future__ import annotations

import numpy as np

from refengine._arrays import check_option, promote
from refengine.attention._arguments import check_cotangent
from refengine.attention._offsets import ahead, check_count
from refengine.domains import Array, Real

__all__ = ["bias", "bias_vjp", "slopes"]

DISTANCES = ("signed", "absolute")


def slopes(heads: int) -> tuple[float, ...]:
    r"""The slopes that the paper fixes, :math:`m_h = 2^{-8 h / H}` for h = 1..H, H a power of 2.

    Other numbers of heads follow the authors' code: the slopes of the power of 2 below, then every other one of the
    next power. Definition: Press et al. 2022, section 3.

    >>> slopes(4)
    (0.25, 0.0625, 0.015625, 0.00390625)
    """
    heads = check_count("heads", heads, 1)
    whole = 1 << (heads.bit_length() - 1)
    below = [2.0 ** (-8 * h / whole) for h in range(1, whole + 1)]
    return *below, *(2.0 ** (-4 * h / whole) for h in range(1, 2 * (heads - whole), 2))


def bias(slopes: Real, *, queries: int, keys: int, alignment: str = "top_left", distance: str = "signed") -> Array:
    r"""The bias that is added to the scores.

    .. math:: B_{hij} = -m_h \, (i - j)

    slopes: (..., H); the result has shape (..., H, queries, keys), float64 unless the slopes are float32.
    ``distance="signed"`` continues the paper's line to keys after the query, which its causal mask hides, as positive
    numbers; "absolute" takes :math:`-m_h |i - j|`, as FlashAttention does. With ``alignment="bottom_right"`` query i
    stands at i + K - Q. Definition: Press et al. 2022, section 3.

    >>> bias(np.array([0.5]), queries=2, keys=2)
    array([[[ 0. ,  0.5],
            [-0.5,  0. ]]])
    """
    xp, dtype, m, away = _checked(slopes, queries, keys, alignment, distance)
    with np.errstate(all="ignore"):
        return xp.astype(m[..., None, None] * away, dtype, copy=False)


def bias_vjp(
    g: Array, slopes: Real, *, queries: int, keys: int, alignment: str = "top_left", distance: str = "signed"
) -> tuple[Array]:
    r"""Cotangent of the slopes.

    .. math:: \bar m_h = -\sum_{ij} g_{hij} \, (i - j)
    """
    xp, dtype, m, away = _checked(slopes, queries, keys, alignment, distance)
    _, _, g = promote(g=g)
    check_cotangent(g, (*m.shape, *away.shape))
    with np.errstate(all="ignore"):
        total = xp.sum(xp.astype(g, xp.float64, copy=False) * away, axis=(-2, -1))
        return (xp.astype(total, dtype, copy=False),)


def _checked(slopes: Array, queries: int, keys: int, alignment: str, distance: str) -> tuple[Array, ...]:
    """``xp, dtype``, the slopes, and j - i or minus its size, in float64."""
    check_option("distance", distance, DISTANCES)
    xp, dtype, m = promote(slopes=slopes)
    if m.ndim < 1:
        raise ValueError(f"slopes must have shape (..., H), got {tuple(m.shape)}")
    away = ahead(xp, check_count("queries", queries), check_count("keys", keys), alignment)
    away = xp.astype(away, xp.float64) + 0.0
    return xp, dtype, xp.astype(m, xp.float64, copy=False), -xp.abs(away) if distance == "absolute" else away
