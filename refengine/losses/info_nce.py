r"""InfoNCE, or NT-Xent: each positive pair is told from the other rows by a softmax of cosines."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    against_all,
    against_all_vjp,
    checked_batch,
    cosines,
    cosines_vjp,
    kinds,
    log_sum_exp,
    reduced,
    softplus,
    weighted,
)
from refengine.losses._rows import REDUCTIONS

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

DENOMINATORS = ("all", "negatives")


def loss(
    x: Real, labels: Labels, *, temperature: float = 0.1, denominator: str = "all", reduction: str = "mean"
) -> Array:
    r"""Minus the log-probability of each positive among the other rows.

    .. math:: L_{ip} = -\log \frac{e^{c_{ip} / T}}{\sum_{a \ne i} e^{c_{ia} / T}}, \qquad
              L = \frac{1}{|P|} \sum_{(i, p) \in P} L_{ip}

    x: (N, D), D >= 1, labels: (N,) integers; P holds the ordered pairs i != p of one label, c are cosines. Result:
    (N, N) with zeros outside of P for reduction "none", else (); float64 unless x is float32. In SimCLR each label
    stands for two views of one image: N pairs. ``denominator="negatives"`` sums over the positive p itself and the
    rows of other labels only (pytorch-metric-learning), which differs where a label has more than two rows.
    T > 0; 0.1 is a common choice. No pair: the mean is nan, the sum 0. A row of zeros, a nan or an infinity makes
    everything nan. Wrong shapes, options or T are a ValueError, values of a wrong kind a TypeError.
    Source: Chen et al. 2020, eq. 1.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0
    >>> losses = loss(x, np.array([0, 0, 1]), temperature=0.5, reduction="none")
    >>> bool(np.isclose(losses[0, 1], np.log1p(np.exp(-2)), rtol=1e-15)), float(losses[0, 2])
    (True, 0.0)
    """
    xp, dtype, x, y = _checked(x, labels, temperature, denominator, reduction)
    with np.errstate(all="ignore"):
        losses, shares, _ = _pairs(xp, cosines(xp, x)[0], y, temperature, denominator, reduction)
        return xp.astype(_reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    temperature: float = 0.1,
    denominator: str = "all",
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With :math:`q_{ia}` the softmax of a row over the denominator's terms, the weights :math:`w_{ip}` of the pairs in
    the result and :math:`W_i = \sum_p w_{ip}`,

    .. math:: G_{ia} = \frac{1}{T} (W_i q_{ia} - w_{ia}), \qquad
              \bar x_i = \frac{(I - \hat x_i \hat x_i^T) \sum_j (G_{ij} + G_{ji}) \hat x_j}{\|x_i\|}

    With "negatives" every pair has a softmax of its own: -sigma(h) at the positive and sigma(h) times the softmax of
    the negatives, with h how far their log-sum-exp is above :math:`c_{ip} / T`.
    """
    constants: dict[str, Any] = {"temperature": temperature, "denominator": denominator, "reduction": reduction}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    temperature: float = 0.1,
    denominator: str = "all",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same cosines."""
    xp, dtype, x, y = _checked(x, labels, temperature, denominator, reduction)
    with np.errstate(all="ignore"):
        c, to_x = cosines(xp, x)
        losses, shares, pull = _pairs(xp, c, y, temperature, denominator, reduction)
        dx = cosines_vjp(xp, pull(weighted(xp, g, shares, reduction)), to_x)
        value = xp.astype(_reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _pairs(xp: Any, c: Array, y: Array, temperature: float, denominator: str, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N, N) and their shares, 0 where there is no positive; the map of their cotangents to the cosines."""
    positive, negative = kinds(xp, y)
    scale = 1 / temperature
    if denominator == "all":
        losses, top, softmax = against_all(xp, c, scale)
    else:
        total, softmax = log_sum_exp(xp, scale * c, negative)
        losses, sigma = softplus(xp, total - scale * c)

    def pull(weights: Array) -> Any:
        if denominator == "all":
            return against_all_vjp(xp, weights, top, softmax, scale)
        weights = xp.where(positive, weights * sigma, 0.0)
        return scale * (xp.sum(weights, axis=1, keepdims=True) * softmax - weights)

    count = xp.sum(xp.astype(positive, xp.float64))
    divisor = xp.maximum(count, xp.asarray(1.0)) if reduction == "mean" else 1.0
    return xp.where(positive, losses, 0.0), xp.astype(positive, xp.float64) / divisor, pull


def _reduced(xp: Any, losses: Array, shares: Array, reduction: str) -> Any:
    total = reduced(xp, losses, shares, reduction if reduction == "none" else "sum")
    return xp.where(xp.any(shares > 0), total, xp.nan) if reduction == "mean" else total


def _checked(
    x: Array, labels: Array, temperature: float, denominator: str, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("denominator", denominator, DENOMINATORS)
    check_option("reduction", reduction, REDUCTIONS)
    if not 0 < check_number("temperature", temperature) < inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature!r}")
    return checked_batch(x, labels)
