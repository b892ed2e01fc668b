r"""Proxy-NCA: each row is told from the proxies of the other classes by a softmax of squared distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import Head
from refengine.losses._pairs import log_sum_exp
from refengine.losses._rows import label_entropy, reduce, spread

__all__ = ["head", "loss", "loss_value_and_vjp", "loss_vjp"]


def head(*, scale: float = 1.0, include_positive: bool = False) -> Head:
    r"""The head as a value, for `refengine.losses.sharded`; constants as for `loss`.

    The logits are minus the distances, :math:`2 \sigma (c - 1)`. Without the positive
    `refengine.losses.sharded.loss_of_head` makes the loss of the merged sums.
    """
    _check(scale, include_positive)

    def target(xp: Any, c: Array, sine: Array) -> tuple[Any, Any, Any]:
        return -_apart(xp, c, sine), sine, 1 + 0 * c

    def others(xp: Any, c: Array, own: Array, sine: Array) -> tuple[Any, Any]:
        return c - 1, 1.0

    return Head(2 * scale, target, name="proxy_nca", others=others, with_label=include_positive)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 1.0,
    include_positive: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Minus the log of the own proxy's power beside the sum of the others', rows and proxies normalised.

    .. math:: L = -\frac1N \sum_i \log \frac{e^{-\sigma \|\hat x_i - \hat w_{y_i}\|^2}}
              {\sum_{j \ne y_i} e^{-\sigma \|\hat x_i - \hat w_j\|^2}}, \qquad
              \|\hat x - \hat w\|^2 = 2 - 2 \cos\theta

    x: (N, D), weight: (C, D) the proxies, D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none",
    else (); float64 unless both are float32. The paper has sigma = 1 and leaves the own proxy out of the sum: the loss
    can be negative, and needs C >= 2. ``include_positive`` sums over all proxies, which is
    `refengine.losses.normface` at the scale 2 sigma (pytorch-metric-learning, and ProxyNCA++ with its temperature
    1 / sigma). A vector of zeros has no direction: nan for its row, and for every row where it is a proxy. No rows: the
    mean is nan, the sum 0. Wrong shapes, labels, or constants out of range are a ValueError, values of a wrong kind a
    TypeError. Source: Movshovitz-Attias et al. 2017, eq. 4 and 8; scale: Teh et al. 2020.

    >>> x = np.array([[3.0, 0.0]])  # squared distances 0 to its proxy and 2 to both others: log(2 e^-2)
    >>> round(float(loss(x, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.array([0]))), 12)
    -1.30685281944
    """
    _check(scale, include_positive)
    xp, dtype, x, weight, y = _checked(x, weight, labels, include_positive, reduction)
    with np.errstate(all="ignore"):
        losses, *_ = _rows(xp, x, weight, y, scale, include_positive)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 1.0,
    include_positive: bool = False,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With q the softmax of :math:`2 \sigma c_{ij}` over the proxies in the sum, the label's q being 0 where it is left
    out,

    .. math:: \frac{\partial L_i}{\partial c_{ij}} = 2 \sigma (q_{ij} - [j = y_i])

    and from there on as in `refengine.losses.cosine.similarity`.
    """
    constants: dict[str, Any] = {"scale": scale, "include_positive": include_positive, "reduction": reduction}
    return loss_value_and_vjp(g, x, weight, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 1.0,
    include_positive: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    _check(scale, include_positive)
    xp, dtype, x, weight, y = _checked(x, weight, labels, include_positive, reduction)
    of_rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, slopes, rows = _rows(xp, x, weight, y, scale, include_positive)
        dx, dw, _ = _heads.pull(xp, of_rows * slopes, rows)
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False))


def _rows(xp: Any, x: Array, weight: Array, y: Array, scale: float, include_positive: bool) -> tuple[Any, Any, Any]:
    """The losses, their derivatives to the scaled cosines, and the rows beside the proxies.

    Without the own proxy: the log-sum-exp of minus the others' distances, plus the own distance, which keeps its digits
    where it is small.
    """
    rows = _heads.beside(xp, x, weight, y, 2 * scale, _heads.plain)
    if include_positive:
        return *label_entropy(xp, rows.z, rows.hot, 2 * scale), rows
    total, shares = log_sum_exp(xp, 2 * scale * (rows.z - 1), ~rows.hot)
    own = 2 * scale * _apart(xp, rows.cosine, rows.sine)
    slopes = xp.where(rows.hot, -1.0 + 0 * total, shares + 0 * own[:, None])
    return total[:, 0] + own, slopes, rows


def _apart(xp: Any, c: Array, sine: Array) -> Any:
    """1 - c, which keeps its digits where it is small."""
    return xp.where(c > 0, sine * sine / (1 + xp.abs(c)), 1 - c)


def _check(scale: float, include_positive: bool) -> None:
    check_switch("include_positive", include_positive)
    _heads.check_scale(scale)


def _checked(x: Array, weight: Array, labels: Array, include_positive: bool, reduction: str) -> Any:
    found = _heads.checked_rows(x, weight, labels, reduction)
    if found[3].shape[0] < 2 and not include_positive:
        raise ValueError(f"weight must have shape (C, D) with C >= 2, got {tuple(found[3].shape)}")
    return found
