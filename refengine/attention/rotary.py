r"""Rotary position embedding: pairs of features turned by angles in proportion to the position."""

from __future__ import annotations

from decimal import Decimal, localcontext
from math import inf
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_number, check_option, promote, unbroadcast
from refengine.attention._arguments import check_broadcasts, check_cotangent
from refengine.domains import Array, Real

__all__ = ["rotate", "rotate_vjp"]

LAYOUTS = ("interleaved", "half")
_SPLIT = 2.0**27 + 1


def rotate(x: Real, positions: Real, *, base: float = 10000.0, layout: str = "interleaved") -> Array:
    r"""Queries or keys with the i-th pair of features turned by the position times the i-th frequency.

    .. math:: \begin{pmatrix} y_a \\ y_b \end{pmatrix} =
        \begin{pmatrix} \cos m \theta_i & -\sin m \theta_i \\ \sin m \theta_i & \cos m \theta_i \end{pmatrix}
        \begin{pmatrix} x_a \\ x_b \end{pmatrix}, \qquad \theta_i = \beta^{-2 i / D}, \quad i = 0, \dots, D / 2 - 1

    x (..., L, D) with an even D, positions m (...), whole or not, which broadcast to (..., L); the result has the shape
    of x, float64 unless x is float32 and positions are that or integers. ``layout`` says which features are a pair:
    "interleaved", the paper's, (2 i, 2 i + 1); "half", that of GPT-NeoX, Hugging Face and ONNX, (i, i + D / 2). A
    weight trained for one is wrong for the other. Angles carry twice the working precision: a late position is as
    accurate as an early one. An infinite or nan position gives nan. Definition: Su et al. 2021, eq. 15 and eq. 34.

    >>> rotate(np.array([[1.0, 0.0]]), np.array([0])), rotate(np.array([[1.0, 0.0]]), np.array([1])).round(4)
    (array([[1., 0.]]), array([[0.5403, 0.8415]]))
    """
    xp, dtype, x, positions, angles = _checked(x, positions, base, layout)
    with np.errstate(all="ignore"):
        cosine, sine, _ = angles
        a, b = _split(x, layout)
        return xp.astype(_joined(xp, a * cosine - b * sine, a * sine + b * cosine, layout), dtype, copy=False)


def rotate_vjp(
    g: Array, x: Real, positions: Real, *, base: float = 10000.0, layout: str = "interleaved"
) -> tuple[Array, Array]:
    r"""Cotangents of x and positions.

    The matrix is orthogonal: :math:`\bar x` is g turned back by the same angles. As :math:`\partial y_a / \partial m =
    -\theta_i y_b` and :math:`\partial y_b / \partial m = \theta_i y_a`,

    .. math:: \bar m = \sum_i \theta_i \, (g_b y_a - g_a y_b)
    """
    xp, dtype, x, positions, angles = _checked(x, positions, base, layout)
    g = as_float64(xp, "g", g)
    check_cotangent(g, tuple(x.shape))
    with np.errstate(all="ignore"):
        cosine, sine, frequencies = angles
        (a, b), (ga, gb) = _split(x, layout), _split(g, layout)
        dx = _joined(xp, ga * cosine + gb * sine, gb * cosine - ga * sine, layout)
        turned = gb * (a * cosine - b * sine) - ga * (a * sine + b * cosine)
        dm = xp.sum(frequencies * turned, axis=-1)
        return xp.astype(dx, dtype, copy=False), unbroadcast(dm, positions, dtype)


def _angles(xp: Any, positions: Any, base: float, pairs: int) -> tuple[Any, Any, Any]:
    """Cosines and sines (..., L, D / 2) of positions times frequencies, and the frequencies."""
    with localcontext() as context:
        context.prec = 40
        exact = [Decimal(base) ** (Decimal(-i) / Decimal(pairs)) for i in range(pairs)]
        high = [float(f) for f in exact]
        low = [float(f - Decimal(h)) for f, h in zip(exact, high, strict=True)]
    frequencies, rest = (xp.asarray(f, dtype=xp.float64) for f in (high, low))
    m = positions[..., None]
    angle = m * frequencies
    upper_m, upper_f = (_SPLIT * v - (_SPLIT * v - v) for v in (m, frequencies))
    lower_m, lower_f = m - upper_m, frequencies - upper_f
    error = ((upper_m * upper_f - angle) + upper_m * lower_f + lower_m * upper_f) + lower_m * lower_f
    error = error + m * rest
    c, s, c_rest, s_rest = xp.cos(angle), xp.sin(angle), xp.cos(error), xp.sin(error)
    return c * c_rest - s * s_rest, s * c_rest + c * s_rest, frequencies


def _split(x: Any, layout: str) -> tuple[Any, Any]:
    """The first and the second features of the pairs."""
    half = x.shape[-1] // 2
    return (x[..., :half], x[..., half:]) if layout == "half" else (x[..., 0::2], x[..., 1::2])


def _joined(xp: Any, a: Any, b: Any, layout: str) -> Any:
    if layout == "half":
        return xp.concat([a, b], axis=-1)
    return xp.reshape(xp.stack([a, b], axis=-1), (*a.shape[:-1], 2 * a.shape[-1]))


def _checked(x: Array, positions: Array, base: float, layout: str) -> tuple[Any, ...]:
    check_option("layout", layout, LAYOUTS)
    if not 0 < check_number("base", base) < inf:
        raise ValueError(f"base must be positive and finite, got {base!r}")
    xp, dtype, x, _ = promote(x=x, positions=positions)
    positions = as_float64(xp, "positions", positions)
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ValueError(f"x must have shape (..., L, D) with an even D, got {tuple(x.shape)}")
    check_broadcasts("positions", positions, tuple(x.shape[:-1]), "(..., L)")
    with np.errstate(all="ignore"):
        angles = _angles(xp, positions, float(base), x.shape[-1] // 2)
    return xp, dtype, xp.astype(x, xp.float64, copy=False), positions, angles
