r"""Ranked list loss: positives within one distance of the anchor, negatives beyond another; the worst weigh most."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    ANCHOR_REDUCTIONS,
    anchor_shares,
    checked_batch,
    distances,
    kinds,
    log_sum_exp,
    reduced,
    valid_anchors,
    weighted,
)
from refengine.losses._positives import nan_for_zeros, whole_batch

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

WEIGHTS = ("detached", "full")


def loss(
    x: Real,
    labels: Labels,
    *,
    alpha: float = 1.2,
    margin: float = 0.4,
    positive_temperature: float = 0.0,
    negative_temperature: float = 10.0,
    imbalance: float = 0.5,
    weights: str = "detached",
    normalize_x: bool = True,
    reduction: str = "mean",
) -> Array:
    r"""Weighted means of the hinges that are not 0, over the positives and over the negatives of an anchor.

    .. math:: L_i = (1 - \lambda) \frac{\sum_{p: h_p > 0} e^{T_p h_p} h_p}{\sum_{p: h_p > 0} e^{T_p h_p}}
                  + \lambda \frac{\sum_{n: h_n > 0} e^{T_n h_n} h_n}{\sum_{n: h_n > 0} e^{T_n h_n}}, \qquad
              h_p = d_{ip} - (\alpha - m), \quad h_n = \alpha - d_{in}

    x: (N, D), D >= 1, labels: (N,) integers; d are Euclidean distances, of unit vectors unless ``normalize_x=False``;
    result (N,) for reduction "none", else (); float64 unless x is float32. m is ``margin``, :math:`\lambda`
    ``imbalance``, :math:`T_p` and :math:`T_n` the temperatures: 0 weighs alike. Only pairs on the wrong side of their
    threshold, strictly, count in the denominators: a pair that crosses it enters with the weight 1, at which the mean
    jumps. A mean over no pair is 0.
    ``weights`` decides what the gradient is, not what the value is: the paper chooses the weights as the sizes of the
    gradients, which is "detached"; "full" differentiates them too, as pytorch-metric-learning does, which moreover
    adds 1e-5 for every row to the denominators and leaves out negatives at distance 0.
    "valid_anchor" is the mean over the anchors that have a positive and a negative, "nonzero" that over the losses that
    are not 0; both are 0 where no row is left. No rows: the mean is nan. A nan or an infinity makes everything nan, and
    with ``normalize_x`` so does a row of zeros. Wrong shapes or options are a ValueError, values of a wrong kind a
    TypeError. Source: Wang et al. (2019), section 3.

    >>> x = np.array([[0.0], [1.0], [0.5], [0.25]])
    >>> constants = {"normalize_x": False, "negative_temperature": 0.0, "reduction": "none"}
    >>> bool(np.isclose(loss(x, np.array([0, 0, 1, 1]), **constants)[0], (1 - 0.8) / 2 + (0.7 + 0.95) / 4))
    True
    """
    xp, dtype, x, y = _checked(x, labels, weights, normalize_x, reduction)
    constants = _constants(alpha, margin, positive_temperature, negative_temperature, imbalance)
    with np.errstate(all="ignore"):
        losses, _, shares = _anchors(xp, distances(xp, x, normalize_x)[0], y, *constants, weights, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    alpha: float = 1.2,
    margin: float = 0.4,
    positive_temperature: float = 0.0,
    negative_temperature: float = 10.0,
    imbalance: float = 0.5,
    weights: str = "detached",
    normalize_x: bool = True,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    With q the softmax of a kind's :math:`T h` over the pairs that count and :math:`\bar h = \sum q h`,

    .. math:: \frac{\partial \bar h}{\partial h_j} = q_j \quad \text{(detached)}, \qquad
              \frac{\partial \bar h}{\partial h_j} = q_j \big(1 + T (h_j - \bar h)\big) \quad \text{(full)}

    carried through the distances as in `refengine.losses.contrastive`, whose derivative at 0 is 0.
    """
    constants: dict[str, Any] = {"alpha": alpha, "margin": margin, "positive_temperature": positive_temperature}
    constants |= {"negative_temperature": negative_temperature, "imbalance": imbalance, "weights": weights}
    return loss_value_and_vjp(g, x, labels, **constants, normalize_x=normalize_x, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    alpha: float = 1.2,
    margin: float = 0.4,
    positive_temperature: float = 0.0,
    negative_temperature: float = 10.0,
    imbalance: float = 0.5,
    weights: str = "detached",
    normalize_x: bool = True,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances."""
    xp, dtype, x, y = _checked(x, labels, weights, normalize_x, reduction)
    constants = _constants(alpha, margin, positive_temperature, negative_temperature, imbalance)
    with np.errstate(all="ignore"):
        d, pull = distances(xp, x, normalize_x)
        losses, slopes, shares = _anchors(xp, d, y, *constants, weights, reduction)
        dx = pull(weighted(xp, g, shares, reduction)[:, None] * slopes)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _anchors(
    xp: Any,
    d: Array,
    y: Array,
    alpha: float,
    margin: float,
    temperatures: tuple[float, float],
    imbalance: float,
    weights: str,
    reduction: str,
) -> tuple[Any, Any, Any]:
    """Losses (N,), their derivatives to the distances (N, N), and their shares."""
    positive, negative = kinds(xp, y)
    hinges = ((positive, d - (alpha - margin), 1 - imbalance), (negative, alpha - d, -imbalance))
    losses, slopes = xp.zeros(y.shape[0]), xp.zeros(d.shape)
    for (mask, h, part), temperature in zip(hinges, temperatures, strict=True):
        counts = mask & ~(h <= 0)
        _, q = log_sum_exp(xp, temperature * h, counts)
        mean = xp.sum(xp.where(counts, q * h, 0.0), axis=1, keepdims=True)
        losses = losses + abs(part) * mean[:, 0]
        slope = q * (1 + temperature * (h - mean)) if weights == "full" else q
        slopes = slopes + part * xp.where(counts, slope, 0.0)
    return losses, slopes, anchor_shares(xp, losses, valid_anchors(xp, positive, negative), reduction)


def _constants(
    alpha: float, margin: float, positive_temperature: float, negative_temperature: float, imbalance: float
) -> tuple[float, float, tuple[float, float], float]:
    temperatures = (
        check_number("positive_temperature", positive_temperature),
        check_number("negative_temperature", negative_temperature),
    )
    if not 0 <= check_number("imbalance", imbalance) <= 1:
        raise ValueError(f"imbalance must be in [0, 1], got {imbalance!r}")
    return check_number("alpha", alpha), check_number("margin", margin), temperatures, imbalance


def _checked(x: Array, labels: Array, weights: str, normalize_x: bool, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_option("weights", weights, WEIGHTS)
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    check_switch("normalize_x", normalize_x)
    xp, dtype, x, y = checked_batch(x, labels)
    return xp, dtype, whole_batch(xp, nan_for_zeros(xp, x) if normalize_x else x), y
