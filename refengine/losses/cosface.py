r"""CosFace, also called LMCL and AM-Softmax: a margin subtracted from the cosine of the own class."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions._counts import cotangents, finite, result, sigmoid
from refengine.domains import Array, Integers, Interval, Labels, NonNegative, Real, Unit
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, Target, check_range, check_scale

__all__ = [
    "head",
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
    "lower_bound",
    "lower_bound_vjp",
    "margin_bound",
    "scale_bound",
    "scale_bound_vjp",
]

Classes = Annotated[Array, Integers(2)]
Dimensions = Annotated[Array, Integers(1)]
Margin = Annotated[Array, Interval(0, 2, closed=True)]


def head(*, scale: float = 64.0, margin: float = 0.35) -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`."""
    return Head(scale, _target(scale, margin), name="cosface", constants=(margin,))


def logits(cosine: Cosine, labels: Labels, *, scale: float = 64.0, margin: float = 0.35) -> Array:
    r"""Scaled cosines, that of the label's class less the margin.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad z_{i y_i} = s (c_{i y_i} - m)

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C; result (N, C), float64 unless cosine is float32. A cosine
    outside [-1, 1] gives nan. scale s > 0; margin m from 0 to 2. Wrong shapes, labels, or constants out of range are a
    ValueError; labels that are not integers, constants and cotangents that are not real numbers a TypeError.
    The margin belongs to the label alone: taken from every class it would cancel, and leave the loss of
    `refengine.losses.normface`. Source: Wang et al. 2018 (CosFace), eq. 4.

    >>> logits(np.array([[0.5, 0.25]]), np.array([0]), scale=4.0, margin=0.25).tolist()
    [[1.0, 1.0]]
    """
    return _heads.logits(cosine, labels, scale, _target(scale, margin))


def logits_vjp(g: Array, cosine: Cosine, labels: Labels, *, scale: float = 64.0, margin: float = 0.35) -> tuple[Array]:
    r"""Cotangent of cosine: :math:`s g`, for the label as for the others, since the margin is a constant."""
    return logits_value_and_vjp(g, cosine, labels, scale=scale, margin=margin)[1]


def logits_value_and_vjp(
    g: Array, cosine: Cosine, labels: Labels, *, scale: float = 64.0, margin: float = 0.35
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, _target(scale, margin))


def loss(
    x: Real, weight: Real, labels: Labels, *, scale: float = 64.0, margin: float = 0.35, reduction: str = "mean"
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s (\cos\theta_{i y_i} - m)}}
              {e^{s (\cos\theta_{i y_i} - m)} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. A vector of zeros has no direction: nan for its row, and for every row where it is
    a class. One class: exactly 0. No rows: the mean is nan, the sum 0. A small loss is an exponential, whose rounded
    exponent, up to 2 s, gives it a relative error of the order of s units in the last place. Errors as for `logits`.
    Source: Wang et al. 2018 (CosFace), eq. 4; F. Wang et al. 2018 (AM-Softmax) have s = 30.

    >>> x = np.array([[1.0, 0.0]])  # the margin makes up for the difference of the cosines, 1 and 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), margin=1.0)), 15)
    0.693147180559945
    """
    return _heads.loss(x, weight, labels, scale, _target(scale, margin), reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.35,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With p the softmax of the logits, :math:`\partial L / \partial c_{ij} = s (p_{ij} - [j = y_i])`, and from there on
    as in `refengine.losses.cosine.similarity`. At c = 1 and -1 the cosine has its extremum, and its gradient is 0.
    """
    return loss_value_and_vjp(g, x, weight, labels, scale=scale, margin=margin, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.35,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, _target(scale, margin), reduction)


def scale_bound(classes: Classes, probability: Unit) -> Array:
    r"""The least scale at which a sample at its class's centre can have this probability.

    .. math:: s \ge \frac{C - 1}{C} \log \frac{(C - 1) P}{1 - P}

    classes, probability: broadcast together; float64 unless probability is a float32 array. It is the scale at which
    the bound of `refengine.losses.normface.lower_bound` is -log P: centres at the corners of a regular simplex,
    which needs C <= D + 1. Negative below P = 1/C; -inf at P = 0, inf at P = 1. Less than 2 classes, a number
    that is not whole, P outside [0, 1]: nan. Source: Wang et al. 2018
    (CosFace), section 3, on the normalization of features.

    >>> round(float(scale_bound(2, 0.9)), 12)  # log(9) / 2
    1.098612288668
    """
    xp, dtype, n, p = elementwise(classes=classes, probability=probability)
    with np.errstate(all="ignore"):
        return result(xp, dtype, (n - 1) / n * xp.log((n - 1) * (p / (1 - p))), _good(xp, n, p))


def scale_bound_vjp(g: Array, classes: Classes, probability: Unit) -> tuple[Array]:
    r"""Cotangent of the probability.

    .. math:: \frac{ds}{dP} = \frac{C - 1}{C} \frac{1}{P (1 - P)}
    """
    like = probability
    xp, dtype, g, n, p = elementwise(g=g, classes=classes, probability=probability)
    with np.errstate(all="ignore"):
        return cotangents(g, dtype, _good(xp, n, p), ((n - 1) / n / p / (1 - p), like))


def lower_bound(classes: Classes, scale: NonNegative, margin: Margin) -> Array:
    r"""The least loss that any rows and class vectors can have at this scale and margin.

    .. math:: L \ge \log(1 + (C - 1) e^{-s (C / (C - 1) - m)})

    classes, scale, margin: broadcast together; float64 unless scale and margin are float32. Without a margin it is
    `refengine.losses.normface.lower_bound`, and it is attained where that is: a margin takes s m from the logit of
    every label, whatever the angles. At a margin above C / (C - 1) the best row has a probability below 1 / C. Fewer
    than 2 classes, a number that is not whole, a scale or margin out of range: nan.
    Source: Wang et al. 2017 (NormFace), section 3, with the margin of Wang et al. 2018 (CosFace), eq. 4.

    >>> round(float(lower_bound(2, 1.0, 0.5)), 12) == round(float(np.log1p(np.exp(-1.5))), 12)
    True
    """
    xp, dtype, n, s, m = elementwise(classes=classes, scale=scale, margin=margin)
    with np.errstate(all="ignore"):
        z = xp.log(n - 1) - s * (n / (n - 1) - m)
        value = xp.maximum(z, 0.0 * z) + xp.log1p(xp.exp(-xp.abs(z)))
        return result(xp, dtype, value, _bounded(xp, n, s, m))


def lower_bound_vjp(g: Array, classes: Classes, scale: NonNegative, margin: Margin) -> tuple[Array, Array]:
    r"""Cotangents of scale and margin: :math:`-\sigma(z) (C / (C - 1) - m)` and :math:`s \, \sigma(z)`.

    :math:`z = \log(C - 1) - s (C / (C - 1) - m)` is what the softplus is taken of, sigma the logistic function.
    """
    likes = scale, margin
    xp, dtype, g, n, s, m = elementwise(g=g, classes=classes, scale=scale, margin=margin)
    with np.errstate(all="ignore"):
        gap = n / (n - 1) - m
        share = sigmoid(xp, xp.log(n - 1) - s * gap)
        return cotangents(g, dtype, _bounded(xp, n, s, m), *zip((-share * gap, share * s), likes, strict=True))


def _bounded(xp: Any, n: Array, s: Array, m: Array) -> Any:
    return finite(xp, n) & (n >= 2) & (s >= 0) & (s < math.inf) & (m >= 0) & (m <= 2)


def margin_bound(classes: Classes, dimensions: Dimensions) -> Array:
    r"""The largest margin that class centres on a sphere can keep: 1 less their largest cosine at best.

    .. math:: m \le \begin{cases} 1 - \cos(2 \pi / C) & D = 2 \\ C / (C - 1) & C \le D + 1 \end{cases}

    and :math:`m < C / (C - 1)`, which is then returned, for C > D + 1 > 3. classes, dimensions: broadcast together;
    float64 unless both are float32 arrays. On a line, D = 1, two classes have 2 and more have 0. Less than 2
    classes, less than 1 dimension, numbers that are not whole: nan. The paper's bounds are for the centres of balanced
    classes, equally far from each other. Source: Wang et al. 2018 (CosFace), section 3,
    theoretical analysis.

    >>> float(margin_bound(2, 5)), round(float(margin_bound(6, 2)), 12), float(margin_bound(5, 4))
    (2.0, 0.5, 1.25)
    """
    xp, dtype, n, d = elementwise(classes=classes, dimensions=dimensions)
    with np.errstate(all="ignore"):
        good = finite(xp, n) & finite(xp, d) & (n >= 2) & (d >= 1)
        half = xp.sin(math.pi / n)
        found = xp.where(d == 2, 2 * half * half, xp.where((d == 1) & (n > 2), 0.0, n / (n - 1)))
        return result(xp, dtype, found, good)


def _good(xp: Any, n: Array, p: Array) -> Any:
    return finite(xp, n) & (n >= 2) & (p >= 0) & (p <= 1)


def _target(scale: float, margin: float) -> Target:
    check_scale(scale)
    check_range("margin", margin, 0, 2)
    return lambda xp, c, sine: (c - margin, sine, 1 + 0 * c)
