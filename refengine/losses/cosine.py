r"""Cosine similarity of every row with every class."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape, promote
from refengine.domains import Array, Real
from refengine.losses._rows import across, check_rows_and_classes, direction

__all__ = ["similarity", "similarity_value_and_vjp", "similarity_vjp"]


def similarity(x: Real, weight: Real) -> Array:
    r"""Cosine of the angle between each row and each class vector.

    .. math:: c_{ij} = \frac{x_i \cdot w_j}{\|x_i\| \, \|w_j\|}

    x: (N, D), weight: (C, D), with D >= 1; result (N, C), float64 unless both are float32. Lengths from 1e-300 to
    1e300 are taken without overflow, and the result never leaves [-1, 1]. A vector of zeros has no direction: its row
    or column is nan. Other shapes are a ValueError, values that are not real numbers a TypeError.
    Source: Deng et al. 2019 (ArcFace), before eq. 2; Wang et al. 2017 (NormFace) for its use.

    >>> similarity(np.array([[3.0, 4.0]]), np.array([[2.0, 0.0], [0.0, -7.0]])).tolist()
    [[0.6, -0.8]]
    """
    xp, dtype, x, weight = _checked(x, weight)
    with np.errstate(all="ignore"):
        unit, unit_weight = direction(xp, x)[0], direction(xp, weight)[0]
        return xp.astype(xp.clip(unit @ unit_weight.T, -1.0, 1.0), dtype, copy=False)


def similarity_vjp(g: Array, x: Real, weight: Real) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With unit vectors :math:`\hat x, \hat w`, the derivative of :math:`x / \|x\|` is the projection across
    :math:`\hat x`, over the length:

    .. math:: \frac{\partial c_{ij}}{\partial x_i} = \frac{\hat w_j - c_{ij} \hat x_i}{\|x_i\|}, \qquad
              \bar x_i = \frac{(I - \hat x_i \hat x_i^T) \sum_j g_{ij} \hat w_j}{\|x_i\|}

    and the same with the two exchanged. nan where a vector of zeros takes part: every class meets such a row.
    """
    xp, dtype, x, weight = _checked(x, weight)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=x.shape[0], C=weight.shape[0])
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(xp, x)
        unit_weight, largest_weight, norm_weight = direction(xp, weight)
        dx = across(xp, g @ unit_weight, unit) / norm / largest
        dw = across(xp, g.T @ unit, unit_weight) / norm_weight / largest_weight
        return xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False)


def similarity_value_and_vjp(g: Array, x: Real, weight: Real) -> tuple[Array, tuple[Array, Array]]:
    """``similarity`` and its vjp."""
    return similarity(x, weight), similarity_vjp(g, x, weight)


def _checked(x: Array, weight: Array) -> tuple[Any, Any, Any, Any]:
    xp, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False)
