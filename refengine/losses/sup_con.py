r"""Supervised contrastive loss: the positives of an anchor share a softmax of cosines over all other rows."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import (
    ANCHOR_REDUCTIONS,
    against_all,
    against_all_vjp,
    anchor_shares,
    checked_batch,
    cosines,
    cosines_vjp,
    kinds,
    log_sum_exp,
    reduced,
    softplus,
    weighted,
)

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]


def loss(x: Real, labels: Labels, *, temperature: float = 0.1, outside: bool = True, reduction: str = "mean") -> Array:
    r"""Mean over the positives outside or inside of the logarithm.

    .. math:: L_i^{out} = -\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{c_{ip} / T}}{\sum_{a \ne i} e^{c_{ia} / T}}
              , \qquad
              L_i^{in} = -\log \frac{1}{|P_i|} \sum_{p \in P_i} \frac{e^{c_{ip} / T}}{\sum_{a \ne i} e^{c_{ia} / T}}

    x: (N, D), D >= 1, labels: (N,) integers; :math:`P_i` are the other rows of i's label, c are cosines. Result: (N,)
    for reduction "none", else (); float64 unless x is float32. The denominator holds the positives too. The paper's
    own code multiplies by T over a base temperature, 0.07; its equation does not. An anchor without positives has the
    loss 0: it counts for "mean", not for "valid_anchor" nor "nonzero" (pytorch-metric-learning), which are 0 where
    none is left. With one positive each, both are :func:`info_nce.loss <refengine.losses.info_nce.loss>`.
    T > 0. No rows: the mean is nan. A row of zeros, a nan
    or an infinity makes everything nan. Wrong shapes, options or T are a ValueError, values of a wrong kind a
    TypeError. Source: Khosla et al. 2020, eq. 2 (out) and eq. 3 (in).

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 1.0]])  # cosines 1 and 0
    >>> value = loss(x, np.array([0, 0, 1, 1]), temperature=0.5)
    >>> bool(np.isclose(value, np.log1p(2 * np.exp(-2)), rtol=1e-15))
    True
    """
    xp, dtype, x, y = _checked(x, labels, temperature, outside, reduction)
    with np.errstate(all="ignore"):
        losses, shares, _ = _anchors(xp, cosines(xp, x)[0], y, temperature, outside, reduction)
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)


def loss_vjp(
    g: Array, x: Real, labels: Labels, *, temperature: float = 0.1, outside: bool = True, reduction: str = "mean"
) -> tuple[Array]:
    r"""Cotangent of x.

    With q the softmax of a row over a != i and :math:`r_{ip}` that over the positives alone:

    .. math:: \frac{\partial L_i^{out}}{\partial c_{ia}} = \frac{1}{T} \Big(q_{ia} - \frac{[a \in P_i]}{|P_i|}\Big),
              \qquad
              \frac{\partial L_i^{in}}{\partial c_{ia}} = \frac{1}{T} \big(q_{ia} - [a \in P_i] \, r_{ia}\big)

    carried through the cosines of both rows of a pair as in `refengine.losses.info_nce`. Inside, the share of the
    negatives is the logistic function of h, their log-sum-exp above that of the positives: q - r is
    :math:`-\sigma(h) \, r` at a positive.
    """
    constants: dict[str, Any] = {"temperature": temperature, "outside": outside, "reduction": reduction}
    return loss_value_and_vjp(g, x, labels, **constants)[1]


def loss_value_and_vjp(
    g: Array, x: Real, labels: Labels, *, temperature: float = 0.1, outside: bool = True, reduction: str = "mean"
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same cosines."""
    xp, dtype, x, y = _checked(x, labels, temperature, outside, reduction)
    with np.errstate(all="ignore"):
        c, to_x = cosines(xp, x)
        losses, shares, pull = _anchors(xp, c, y, temperature, outside, reduction)
        dx = cosines_vjp(xp, pull(weighted(xp, g, shares, reduction)), to_x)
        value = xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False),)


def _anchors(xp: Any, c: Array, y: Array, temperature: float, outside: bool, reduction: str) -> tuple[Any, Any, Any]:
    """Losses (N,) and their shares; the map of their cotangents to the cosines."""
    positive, negative = kinds(xp, y)
    scale = 1 / temperature
    counts = xp.sum(xp.astype(positive, xp.float64), axis=1)
    each = xp.where(positive, 1 / xp.where(counts > 0, counts, 1.0)[:, None], 0.0)
    if outside:
        by_pair, top, softmax = against_all(xp, c, scale)
        losses = xp.sum(xp.where(positive, each * by_pair, 0.0), axis=1)

        def pull(weights: Array) -> Any:
            return against_all_vjp(xp, weights[:, None] * each, top, softmax, scale)
    else:
        z = scale * (c - xp.max(c, axis=1, keepdims=True)) if c.shape[0] else c
        sum_p, of_p = log_sum_exp(xp, z, positive)
        sum_n, of_n = log_sum_exp(xp, z, negative)
        h, sigma = softplus(xp, xp.where((counts > 0)[:, None], sum_n - sum_p, -xp.inf))
        losses = xp.where(counts > 0, h[:, 0] + xp.log(counts), 0.0)

        def pull(weights: Array) -> Any:
            return scale * weights[:, None] * sigma * (of_n - of_p)

    return losses, anchor_shares(xp, losses, counts > 0, reduction), pull


def _checked(x: Array, labels: Array, temperature: float, outside: bool, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_switch("outside", outside)
    check_option("reduction", reduction, ANCHOR_REDUCTIONS)
    if not 0 < check_number("temperature", temperature) < inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature!r}")
    return checked_batch(x, labels)
