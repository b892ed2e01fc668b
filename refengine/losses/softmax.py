r"""Softmax cross-entropy, from labels or from target probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_labels, check_option, check_shape, promote
from refengine.domains import Array, Labels, NonNegative, Real
from refengine.losses._rows import REDUCTIONS, check_logits, label_entropy, one_hot, reduce, soft_row, spread

__all__ = [
    "cross_entropy",
    "cross_entropy_value_and_vjp",
    "cross_entropy_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
]


def loss(logits: Real, labels: Labels, *, reduction: str = "mean") -> Array:
    r"""Minus the log-probability that a softmax gives to the labels.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{z_{i y_i}}}{\sum_j e^{z_{ij}}}

    logits: (N, C) with C >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else (); float64
    unless the logits are float32. Small losses keep their relative accuracy: they are log1p of the other exponentials.
    A logit of -inf has probability 0, and the loss of a row labelled so is inf; a row with +inf or nan, or
    only -inf, is nan. One class: exactly 0. No rows: the mean is nan, the sum 0.
    Wrong shapes, labels or reductions are a ValueError, labels that are not integers a TypeError.
    Source: Goodfellow et al. 2016, eq. 6.30.

    >>> round(float(loss(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))), 15)
    0.693147180559945
    >>> float(loss(np.array([[0.0, -100.0]]), np.array([0])))
    3.720075976020836e-44
    """
    xp, dtype, z, y = _checked_labels(logits, labels, reduction)
    with np.errstate(all="ignore"):
        losses, _ = label_entropy(xp, z, one_hot(xp, y, z.shape[1]))
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_vjp(g: Array, logits: Real, labels: Labels, *, reduction: str = "mean") -> tuple[Array]:
    r"""Cotangent of the logits.

    .. math:: \frac{\partial L_i}{\partial z_{ij}} = p_{ij} - [j = y_i], \qquad
              p_{i y_i} - 1 = -\sum_{j \ne y_i} p_{ij}

    where the label has the largest logit, the right-hand form is the one evaluated.
    """
    return loss_value_and_vjp(g, logits, labels, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, logits: Real, labels: Labels, *, reduction: str = "mean"
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same exponentials."""
    xp, dtype, z, y = _checked_labels(logits, labels, reduction)
    rows = spread(xp, g, z.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, slopes = label_entropy(xp, z, one_hot(xp, y, z.shape[1]))
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return value, (xp.astype(rows * slopes, dtype, copy=False),)


def cross_entropy(logits: Real, target_probabilities: NonNegative, *, reduction: str = "mean") -> Array:
    r"""Cross-entropy of a softmax relative to given probabilities.

    .. math:: L = -\frac{1}{N} \sum_i \sum_j t_{ij} \log \frac{e^{z_{ij}}}{\sum_k e^{z_{ik}}}

    logits, target_probabilities: (N, C) with C >= 1; result: (N,) for reduction "none", else (); float64 unless both
    are float32. Rows of t need not sum to 1, as in smoothed labels that lost mass; a negative t gives nan. A
    probability 0 of a class with t = 0 adds nothing; with t > 0 the loss is inf. Otherwise as in `loss`.
    Source: Goodfellow et al. 2016, eq. 3.51.

    >>> round(float(cross_entropy(np.array([[0.0, 0.0]]), np.array([[0.25, 0.75]]))), 15)
    0.693147180559945
    """
    xp, dtype, z, t = _checked_targets(logits, target_probabilities, reduction)
    with np.errstate(all="ignore"):
        losses, _, _ = _target_entropy(xp, z, t)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def cross_entropy_vjp(
    g: Array, logits: Real, target_probabilities: NonNegative, *, reduction: str = "mean"
) -> tuple[Array, Array]:
    r"""Cotangents of logits and target_probabilities.

    .. math:: \frac{\partial L_i}{\partial z_{ij}} = p_{ij} \sum_k t_{ik} - t_{ij}
              = p_{ij} \sum_{k \ne j} t_{ik} - t_{ij} (1 - p_{ij}), \qquad
              \frac{\partial L_i}{\partial t_{ij}} = -\log p_{ij}

    with the second form at the largest logit, where 1 - p is the share of the others.
    """
    return cross_entropy_value_and_vjp(g, logits, target_probabilities, reduction=reduction)[1]


def cross_entropy_value_and_vjp(
    g: Array, logits: Real, target_probabilities: NonNegative, *, reduction: str = "mean"
) -> tuple[Array, tuple[Array, Array]]:
    """``cross_entropy`` and its vjp from the same exponentials."""
    xp, dtype, z, t = _checked_targets(logits, target_probabilities, reduction)
    rows = spread(xp, g, z.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, dz, dt = _target_entropy(xp, z, t)
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return value, (xp.astype(rows * dz, dtype, copy=False), xp.astype(rows * dt, dtype, copy=False))


def _target_entropy(xp: Any, z: Array, t: Array) -> tuple[Any, Any, Any]:
    """The losses (N,) and their derivatives to z and t."""
    t = xp.where(xp.all(t >= 0, axis=1, keepdims=True), t, xp.nan)
    top = one_hot(xp, xp.argmax(z, axis=1), z.shape[1])
    gap, rest, shares = soft_row(xp, z, top, 1.0)
    minus_log = gap + xp.log1p(rest)
    terms = xp.where((t == 0) & ~xp.isnan(minus_log), 0.0, t * minus_log)
    other_t = xp.sum(xp.where(top, 0.0, t), axis=1, keepdims=True)
    at_top = other_t / (1 + rest) - t * (rest / (1 + rest))
    dz = xp.where(top, at_top, shares * xp.sum(t, axis=1, keepdims=True) - t)
    return xp.sum(terms, axis=1), dz + 0 * rest, xp.where(xp.isnan(t), xp.nan, minus_log)


def _checked_labels(logits: Array, labels: Array, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, z = promote(logits=logits)
    check_logits(z)
    return xp, dtype, xp.astype(z, xp.float64, copy=False), check_labels("labels", labels, *z.shape)


def _checked_targets(logits: Array, target: Array, reduction: str) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, z, t = promote(logits=logits, target_probabilities=target)
    check_logits(z)
    check_shape("target_probabilities", t, ("N", "C"), N=z.shape[0], C=z.shape[1])
    return xp, dtype, xp.astype(z, xp.float64, copy=False), xp.astype(t, xp.float64, copy=False)
