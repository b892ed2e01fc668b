r"""Angular loss: the angle at the negative, in the triangle that it forms with a positive pair, is bounded."""

from __future__ import annotations

from math import pi, tan
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import checked_batch, kinds, log_sum_exp, softplus, weighted
from refengine.losses._positives import POSITIVE_REDUCTIONS, positive_shares, reduce_positives, whole_batch
from refengine.losses._rows import across, direction

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(x: Real, labels: Labels, *, alpha: float = pi / 4, normalize_x: bool = True, reduction: str = "mean") -> Array:
    r"""Log of one plus the exponentials of every positive pair's products with all its negatives.

    .. math:: L_{ap} = \log\Big[1 + \sum_{n: y_n \ne y_a} e^{f_{apn}}\Big], \qquad
              f_{apn} = 4 \tan^2 \alpha \, (x_a + x_p)^T x_n - 2 (1 + \tan^2 \alpha) \, x_a^T x_p

    x: (N, D), D >= 1, labels: (N,) integers; float64 unless x is float32. The pairs a != p are those of one label;
    "mean" is over them, "sum" counts each once, "none" is the symmetric matrix (N, N) with zeros elsewhere, "nonzero"
    the mean over the losses that are not 0, and 0 where there is none. alpha, in radians, is in [0, pi/2): pi/4 here,
    36 to 55 degrees in the paper, 40 degrees in pytorch-metric-learning, which moreover does not normalise the
    negatives: it differs wherever the rows are not of length 1. The paper drops the terms that are constant
    for unit vectors; ``normalize_x=False`` takes the same formula of x as it is. The paper forms one pair for each
    label, which is all pairs where every label has two rows.
    Without negatives a loss is 0. No positive pair: the mean is nan, the others 0. A nan or an infinity makes
    everything nan, as every row meets it, and with ``normalize_x`` so does a row of zeros. Wrong shapes or options are
    a ValueError, values of a wrong kind a TypeError. Source: Wang et al. 2017, section 3.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # f = 4 * 0 - 4 * 1
    >>> bool(np.isclose(loss(x, np.array([0, 0, 1])), np.log1p(np.exp(-4)), rtol=1e-14))
    True
    """
    xp, dtype, x, y = _checked(x, labels, alpha, normalize_x, reduction)
    with np.errstate(all="ignore"):
        rows = whole_batch(xp, direction(xp, x)[0] if normalize_x else x)
        losses, shares, _ = _pairs(xp, rows, y, alpha, reduction)
        return xp.astype(reduce_positives(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    alpha: float = pi / 4,
    normalize_x: bool = True,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With :math:`q_{apn} = e^{f_{apn}} / (1 + \sum_m e^{f_{apm}})`, :math:`\sigma_{ap}` their sum over n, and
    :math:`t = \tan^2 \alpha`, the derivatives to the products of rows are

    .. math:: \frac{\partial L_{ap}}{\partial x_a^T x_n} = \frac{\partial L_{ap}}{\partial x_p^T x_n} = 4 t \, q_{apn},
              \qquad \frac{\partial L_{ap}}{\partial x_a^T x_p} = -2 (1 + t) \, \sigma_{ap}

    and with G their sum over the pairs :math:`\bar x = (G + G^T) x`, for unit vectors projected onto the tangents:
    :math:`(I - \hat x \hat x^T) / \|x\|`.
    """
    constants: dict[str, Any] = {"alpha": alpha, "normalize_x": normalize_x, "reduction": reduction}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    alpha: float = pi / 4,
    normalize_x: bool = True,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same products, one anchor at a time."""
    xp, dtype, x, y = _checked(x, labels, alpha, normalize_x, reduction)
    with np.errstate(all="ignore"):
        unit, largest, norm = direction(xp, x)
        rows = whole_batch(xp, unit if normalize_x else x)
        losses, shares, pull = _pairs(xp, rows, y, alpha, reduction)
        slopes = pull(weighted(xp, g, shares, reduction))
        dx = (slopes + slopes.T) @ rows
        dx = across(xp, dx, unit) / norm / largest if normalize_x else dx
        value = xp.astype(reduce_positives(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _pairs(xp: Any, rows: Array, y: Array, alpha: float, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N, N) and their shares; the map of their cotangents to the products of rows (N, N)."""
    positive, negative = kinds(xp, y)
    products = rows @ rows.T
    t = tan(alpha) ** 2
    to_negative, to_pair = 4 * t, 2 * (1 + t)

    def of_anchor(a: int) -> tuple[Any, Any, Any]:
        """Losses of all pairs with this anchor (N,), their derivatives to f in total (N,) and for each n (N, N)."""
        f = to_negative * (products[a, :] + products) - to_pair * products[a, :][:, None]
        total, softmax = log_sum_exp(xp, f, xp.broadcast_to(negative[a, :], f.shape))
        found, slope = softplus(xp, total)
        return found[:, 0], slope[:, 0], slope * softmax

    n = y.shape[0]
    found = [of_anchor(a)[0] for a in range(n)]
    losses = xp.where(positive, xp.stack(found), 0.0) if found else xp.zeros((0, 0))

    def pull(weights: Array) -> Any:
        slopes = xp.zeros((n, n))
        for a in range(n):
            _, in_total, each = of_anchor(a)
            w = xp.where(positive[a, :], weights[a, :], 0.0)
            of_p = to_negative * xp.where(positive[a, :][:, None], w[:, None] * each, 0.0)
            own = xp.sum(of_p, axis=0) - to_pair * xp.where(positive[a, :], w * in_total, 0.0)
            slopes = slopes + of_p + xp.where(xp.arange(n)[:, None] == a, own[None, :], 0.0)
        return slopes

    return losses, positive_shares(xp, losses, positive, reduction), pull


def _checked(x: Array, labels: Array, alpha: float, normalize_x: bool, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, POSITIVE_REDUCTIONS)
    check_switch("normalize_x", normalize_x)
    if not 0 <= check_number("alpha", alpha) < pi / 2:
        raise ValueError(f"alpha must be in [0, pi/2), in radians, got {alpha!r}")
    return checked_batch(x, labels)
