"""Softmax over the last axis, with masks and a stated rule for rows that attend to nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import promote
from refengine.attention._arguments import check_cotangent, check_mask
from refengine.attention._scores import to_scores, weigh
from refengine.domains import Array, Mask, Real

__all__ = ["softmax", "softmax_vjp"]


def softmax(z: Real, *, mask: Mask | None = None, empty_row: str = "zero") -> Array:
    r"""Weights in proportion to the exponentials of the scores.

    .. math:: p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}

    z: (..., K), ``mask`` (True = attend) broadcasts to it; the result has the shape of z, float64 unless z is float32.
    The sum runs over the attended entries: those that the mask allows and that are not -inf. All others are exactly 0
    and may hold nan. A row without any is 0, nan or 1 / K as ``empty_row`` says ("zero", "nan", "mean"), or a
    ValueError ("error"). An attended nan or +inf makes its row nan. Definition: Vaswani et al. 2017, eq. 1.

    >>> softmax(np.array([0.0, 0.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """
    xp, dtype, z, mask = checked(z, mask)
    with np.errstate(all="ignore"):
        return xp.astype(weigh(z, mask, empty_row).p, dtype, copy=False)


def softmax_vjp(g: Array, z: Real, *, mask: Mask | None = None, empty_row: str = "zero") -> tuple[Array]:
    r"""Cotangent of z.

    .. math:: \frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j), \qquad
        \bar z_j = p_j \Big(g_j - \sum_i p_i g_i\Big)

    Exactly 0 where an entry is not attended, and so in empty rows under every rule.
    """
    xp, dtype, z, mask, g = checked(z, mask, g)
    with np.errstate(all="ignore"):
        return (xp.astype(to_scores(weigh(z, mask, empty_row), g), dtype, copy=False),)


def checked(z: Array, mask: Any, *g: Array) -> Any:
    """``xp, dtype, z, mask``, and g where it is given; float64."""
    xp, dtype, *given = promote(**dict(zip(("z", "g"), (z, *g), strict=False)))
    z, *cotangents = (xp.astype(a, xp.float64, copy=False) for a in given)
    if z.ndim < 1:
        raise ValueError(f"z must have shape (..., K), got {tuple(z.shape)}")
    for cotangent in cotangents:
        check_cotangent(cotangent, tuple(z.shape))
    return xp, dtype, z, check_mask(xp, mask, tuple(z.shape), "(..., K)"), *cotangents
