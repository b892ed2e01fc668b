r"""Barlow Twins: the cross-correlation of the features of two views is the identity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_number, check_shape
from refengine.domains import Array, Real
from refengine.losses._rows import across, direction
from refengine.losses._views import centred, checked_views

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(x: Real, y: Real, *, off_diagonal: float = 0.005, epsilon: float = 0.0) -> Array:
    r"""Squared distance of the cross-correlation matrix from the identity.

    .. math:: L = \sum_i (1 - C_{ii})^2 + \lambda \sum_{i \ne j} C_{ij}^2, \qquad
              C_{ij} = \frac{\frac1N \sum_b \tilde x_{bi} \tilde y_{bj}}
              {\sqrt{\sigma^2_i(x) + \varepsilon} \, \sqrt{\sigma^2_j(y) + \varepsilon}}

    x, y: (N, D), D >= 1, row b of both from the same sample; the tilde takes each feature's mean over the batch away,
    :math:`\sigma^2` is its variance, the mean of squares. Result (), float64 unless both are float32. lambda is
    ``off_diagonal``, 0.0051 in the paper's code, which takes its batch normalisation's ``epsilon=1e-5``; the paper's
    equation has none. Without epsilon a feature that does not vary has no correlation, and the loss is nan, as it is
    for N = 1; with it such a feature correlates with nothing. Of two rows, without epsilon, every correlation is 1 or
    -1, and the gradient 0. epsilon >= 0. No rows: nan. A nan or an infinity makes everything nan. Wrong shapes or
    epsilon are a ValueError, values of a wrong kind a TypeError.
    Source: Zbontar et al. 2021, eq. 1 and eq. 2.

    >>> x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])  # features without correlation
    >>> float(loss(x, x)), float(loss(x, -x)), bool(np.isclose(loss(x, x[:, ::-1]), 2 + 0.01))
    (0.0, 8.0, True)
    """
    xp, dtype, x, y = _checked(x, y, off_diagonal, epsilon)
    with np.errstate(all="ignore"):
        return xp.astype(_matrix(xp, x, y, off_diagonal, epsilon)[0], dtype, copy=False)


def loss_vjp(g: Array, x: Real, y: Real, *, off_diagonal: float = 0.005, epsilon: float = 0.0) -> tuple[Array, Array]:
    r"""Cotangents of x and y.

    With the scaled features :math:`a_i = \tilde x_i / (\sqrt N \sqrt{\sigma_i^2 + \varepsilon})`, b in the same way of
    y, and G the derivative to C, :math:`-2 (1 - C_{ii})` on the diagonal and :math:`2 \lambda C_{ij}` beside it:

    .. math:: C_{ij} = a_i \cdot b_j, \qquad \frac{\partial L}{\partial x_i} =
              \frac{(I - a_i a_i^T) \sum_j G_{ij} b_j}{\sqrt N \sqrt{\sigma_i^2 + \varepsilon}}, \qquad
              I - a a^T = (I - \hat a \hat a^T) + (1 - \|a\|^2) \, \hat a \hat a^T

    which sums to 0 over the batch, as a and b do: the derivative of the mean has nothing to take away. On the diagonal
    :math:`1 - C = (\|a - b\|^2 + 1 - \|a\|^2 + 1 - \|b\|^2) / 2`, where nothing cancels.
    """
    return loss_value_and_vjp(g, x, y, off_diagonal=off_diagonal, epsilon=epsilon)[1]


def loss_value_and_vjp(
    g: Array, x: Real, y: Real, *, off_diagonal: float = 0.005, epsilon: float = 0.0
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same correlations."""
    xp, dtype, x, y = _checked(x, y, off_diagonal, epsilon)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        value, slopes, to_x, to_y = _matrix(xp, x, y, off_diagonal, epsilon)
        dx, dy = _pull(xp, slopes @ to_y.scaled, to_x), _pull(xp, slopes.T @ to_x.scaled, to_y)
        value, dx, dy = (xp.astype(part, dtype, copy=False) for part in (value, g * dx.T, g * dy.T))
        return value, (dx, dy)


class _Features(NamedTuple):
    """Centred features (D, N): unit vectors, the same over their root mean squares, how far the squares of those fall
    short of 1, and the length that was divided out in two factors, of which no square overflows or vanishes.
    """

    unit: Any
    scaled: Any
    short: Any
    most: Any
    norm: Any


def _matrix(xp: Any, x: Array, y: Array, off_diagonal: float, epsilon: float) -> tuple[Any, Any, _Features, _Features]:
    """The loss, its derivatives to the correlations (D, D), and the features of both views."""
    to_x, to_y = (_features(xp, v, epsilon) for v in (x, y))
    diagonal = xp.eye(x.shape[1], dtype=xp.float64) > 0
    off = xp.where(diagonal, 0.0, to_x.scaled @ to_y.scaled.T)
    apart = to_x.scaled - to_y.scaled
    gap = (xp.sum(apart * apart, axis=1) + to_x.short[:, 0] + to_y.short[:, 0]) / 2
    value = xp.sum(gap * gap) + off_diagonal * xp.sum(off * off)
    # one undefined feature leaves the whole undefined
    return value, xp.where(diagonal, -2 * gap[:, None], 2 * off_diagonal * off) + 0 * value, to_x, to_y


def _features(xp: Any, x: Array, epsilon: float) -> _Features:
    c, (n, d) = centred(xp, x), x.shape
    if n == 0:
        nothing = xp.full((d, 1), xp.nan)
        return _Features(c, c, nothing, nothing, nothing)
    unit, most, norm = direction(xp, c)
    if epsilon == 0:
        return _Features(unit, unit, 0 * most, most, norm)
    flat, least = most == 0, xp.asarray((n * epsilon) ** 0.5)
    length = xp.where(flat, 0.0, most * norm)
    most = xp.maximum(length, least)
    norm = xp.sqrt(1 + (xp.minimum(length, least) / most) ** 2)
    return _Features(xp.where(flat, 0.0, unit), c / most / norm, (least / most / norm) ** 2, most, norm)


def _pull(xp: Any, v: Array, to: _Features) -> Any:
    """Cotangent of the features from that of the scaled ones."""
    along = xp.sum(to.unit * v, axis=1, keepdims=True)
    flat = xp.all(to.unit == 0, axis=1, keepdims=True)
    # two points lie on a line, one has no direction
    turned = 0 * v if v.shape[1] < 3 else across(xp, v, to.unit)
    return xp.where(flat, v, turned + to.short * along * to.unit) / to.norm / to.most


def _checked(x: Array, y: Array, off_diagonal: float, epsilon: float) -> tuple[Any, Any, Any, Any]:
    check_number("off_diagonal", off_diagonal)
    if not check_number("epsilon", epsilon) >= 0:
        raise ValueError(f"epsilon must be at least 0, got {epsilon!r}")
    return checked_views(x, y)
