r"""Range loss: the largest distances within a class shrink, the nearest two class means part."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_number, check_shape
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import checked_batch, kinds
from refengine.losses._rows import one_hot

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(
    x: Real,
    labels: Labels,
    *,
    k: int = 2,
    margin: float = 2e4,
    intra_weight: float = 5e-5,
    inter_weight: float = 1e-4,
) -> Array:
    r"""Harmonic mean of the k largest squared distances of each class, and a hinge on the nearest class means.

    .. math:: L = \alpha \sum_c \frac{k}{\sum_{j=1}^k 1 / D_j^c}
                  + \beta \Big[M - \min_{c \ne c'} \|\bar x_c - \bar x_{c'}\|^2\Big]_+

    x: (N, D), D >= 1, labels: (N,) integers, of any size; result: (), float64 unless x is float32. :math:`D_1^c \ge
    D_2^c \ge \dots` are the squared distances between the pairs of rows of the class, :math:`\bar x_c` the mean of its
    rows; several codes take the distances themselves. A class of fewer than k pairs takes all it has, one row alone
    gives 0; where one of the k distances is 0, so is the mean, the limit of the formula. One class alone has no second
    term. Between equal distances the pair that comes first in row-major order is taken. k = 2, M, alpha
    (``intra_weight``) and beta (``inter_weight``) are quoted from the paper at second hand; M suits features that are
    not normalised. A nan or an infinity gives nan.
    Wrong shapes, labels or k are a ValueError, values of a wrong kind a TypeError.
    Source: Zhang et al. 2017, section 3.2.

    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]])  # squared distances 9, 4, 1 within the first class; means 4/3 and 7
    >>> float(loss(x, np.array([0, 0, 0, 1]), intra_weight=13.0, inter_weight=0.0))
    72.0
    """
    xp, dtype, x, y = _checked(x, labels, k, margin, intra_weight, inter_weight)
    with np.errstate(all="ignore"):
        value, _ = _loss(xp, x, y, k, margin, intra_weight, inter_weight)
        return xp.astype(value, dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    k: int = 2,
    margin: float = 2e4,
    intra_weight: float = 5e-5,
    inter_weight: float = 1e-4,
) -> tuple[Array]:
    r"""Cotangent of x.

    With H the harmonic mean of a class and :math:`D = \|x_p - x_q\|^2` one of its k distances,

    .. math:: \frac{\partial H}{\partial D} = \frac{H^2}{k D^2}, \qquad
              \frac{\partial D}{\partial x_p} = 2 (x_p - x_q) = -\frac{\partial D}{\partial x_q}

    and for the nearest means, where the hinge is positive (0 at its kink),
    :math:`\partial L / \partial x_i = -2 \beta (\bar x_c - \bar x_{c'}) / n_c` for the :math:`n_c` rows of c.
    The ratios H / D are taken from :math:`r_j = D_k / D_j`, the smallest of them over each: :math:`H / D_j =
    k \, r_j / \sum r`.
    """
    constants: dict[str, Any] = {"k": k, "margin": margin, "intra_weight": intra_weight, "inter_weight": inter_weight}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    k: int = 2,
    margin: float = 2e4,
    intra_weight: float = 5e-5,
    inter_weight: float = 1e-4,
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, k, margin, intra_weight, inter_weight)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        value, dx = _loss(xp, x, y, k, margin, intra_weight, inter_weight)
        return xp.astype(value, dtype, copy=False), (xp.astype(g * dx, dtype, copy=False),)


def _loss(
    xp: Any, x: Array, y: Array, k: int, margin: float, intra_weight: float, inter_weight: float
) -> tuple[Any, Any]:
    """The loss and its gradient."""
    if x.shape[0] == 0:
        return xp.sum(x), x
    value, slopes = _intra(xp, x, y, k)
    dx = intra_weight * 2 * _apart(xp, slopes, x)
    value = intra_weight * value
    classes = xp.unique_values(y)
    member = xp.astype(one_hot(xp, xp.searchsorted(classes, y), classes.shape[0]), xp.float64)
    counts = xp.sum(member, axis=0)[:, None]
    means = xp.sum(member[:, :, None] * x[:, None, :], axis=0) / counts
    if classes.shape[0] > 1:
        smallest, nearest = _extreme(xp, -_squares(xp, means), 1, _above(xp, classes.shape[0]))
        h = margin + smallest[0]
        value = value + inter_weight * xp.where(h > 0, h, 0.0 * h)
        of_means = -2 * _apart(xp, xp.astype(nearest[0], xp.float64), means) / counts
        dx = dx + inter_weight * xp.where(h > 0, 1.0, 0.0 * h) * (member @ of_means)
    bad = xp.any(xp.isnan(x))
    return xp.where(bad, xp.nan, value), xp.where(bad, xp.nan, dx)


def _intra(xp: Any, x: Array, y: Array, k: int) -> tuple[Any, Any]:
    """The sum of the classes' harmonic means, and its derivatives to the squared distances, above the diagonal."""
    squares = _squares(xp, x)
    same = kinds(xp, y)[0] & _above(xp, x.shape[0])
    value, slopes = xp.asarray(0.0), 0.0 * squares
    for label in xp.unique_values(y):
        mask = same & (y == label)[:, None]
        count = min(k, int(xp.sum(xp.astype(mask, xp.int64))))
        if count == 0:
            continue
        found, places = _extreme(xp, squares, count, mask)
        least = found[-1]
        ratios = [xp.where(d == least, 1.0, least / d) for d in found]
        total = sum(ratios)
        value = value + count * least / total
        for ratio, place in zip(ratios, places, strict=True):
            slopes = slopes + xp.where(place, count * (ratio / total) ** 2, 0.0)
    return value, slopes


def _extreme(xp: Any, values: Array, count: int, mask: Array) -> tuple[list[Any], list[Any]]:
    """The ``count`` largest entries under the mask, the largest first, the first among equals; where each stands."""
    flat, left = xp.reshape(values, (-1,)), xp.reshape(mask, (-1,))
    found, places = [], []
    for _ in range(count):
        candidates = xp.where(left, flat, -xp.inf)
        place = (xp.arange(flat.shape[0]) == xp.argmax(candidates)) & left
        found.append(xp.sum(xp.where(place, flat, 0.0)))
        places.append(xp.reshape(place, values.shape))
        left = left & ~place
    return found, places


def _squares(xp: Any, x: Array) -> Any:
    apart = x[:, None, :] - x[None, :, :]
    return xp.sum(apart * apart, axis=2)


def _apart(xp: Any, slopes: Array, x: Array) -> Any:
    """Every slope, above the diagonal, times the difference of its two rows: added to the one, taken from the other."""
    return xp.sum((slopes + slopes.T)[:, :, None] * (x[:, None, :] - x[None, :, :]), axis=1)


def _above(xp: Any, n: int) -> Any:
    return xp.arange(n)[:, None] < xp.arange(n)[None, :]


def _checked(
    x: Array, labels: Array, k: int, margin: float, intra_weight: float, inter_weight: float
) -> tuple[Any, Any, Any, Any]:
    for name, value in (("margin", margin), ("intra_weight", intra_weight), ("inter_weight", inter_weight)):
        check_number(name, value)
    if check_number("k", k) < 1 or k != int(k):
        raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
    return checked_batch(x, labels)
