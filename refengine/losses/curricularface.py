r"""CurricularFace: ArcFace with hard classes whose weight grows while training goes on."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_labels, check_option, check_shape, promote
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._angle import angular_margin
from refengine.losses._heads import Cosine, Head, check_range, check_scale
from refengine.losses._rows import one_hot
from refengine.losses.arcface import BOUNDARIES

__all__ = [
    "head",
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
    "update",
    "update_value_and_vjp",
    "update_vjp",
]

WEIGHS = ("old", "new")


def head(t: Real, *, scale: float = 64.0, margin: float = 0.5, boundary: str = "none") -> Head:
    """The head as a value, for `refengine.losses.sharded`, whose ``label_angles`` it needs; arguments as for `loss`.

    The gradients have a third, that of t, to be summed over the shards.
    """
    xp, _, t = promote(t=t)
    target, others, slopes_of = _head(xp, t, scale, margin, boundary)
    return Head(scale, target, name="curricularface", others=others, slopes_of=slopes_of, by_label=True)


def logits(
    cosine: Cosine, labels: Labels, t: Real, *, scale: float = 64.0, margin: float = 0.5, boundary: str = "none"
) -> Array:
    r"""Scaled cosines, the label's with a margin in the angle, those above it modulated.

    .. math:: z_{i y_i} = s \cos(\theta_i + m), \qquad
              z_{ij} = \begin{cases} s \, c_{ij} & c_{ij} \le \cos(\theta_i + m) \\
              s \, c_{ij} (t + c_{ij}) & c_{ij} > \cos(\theta_i + m) \end{cases} \quad (j \ne y_i)

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, t: one number, which `update` makes, 0 at first; result
    (N, C), float64 unless every floating array is float32. A class is hard strictly above :math:`\cos(\theta_i + m)`,
    where its logit jumps. A cosine outside [-1, 1] gives nan, and a row of nan if it is the label's; a t that is not
    finite: nan everywhere. scale s > 0; margin m from 0 to pi radians; ``boundary`` is as in
    `refengine.losses.arcface.logits` and changes the label's logit alone, not the comparison: the paper has "none", the
    authors' code "monotonic". Wrong shapes, labels, options, or constants out of range are a ValueError; values of a
    wrong kind a TypeError. Source: Huang et al. 2020 (CurricularFace), section 3.

    >>> import numpy as np
    >>> logits(np.array([[0.0, 0.5, -0.75]]), np.array([0]), 0.25, scale=16.0, margin=np.pi / 6).round(12).tolist()
    [[-8.0, 6.0, -12.0]]
    """
    cosine, target, others, _ = _checked_cosine(cosine, t, scale, margin, boundary)
    return _heads.logits(cosine, labels, scale, target, others)


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    t: Real,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and t: s g, times the slope of each logit.

    .. math:: \frac{\partial \, c (t + c)}{\partial c} = t + 2 c, \qquad \frac{\partial \, c (t + c)}{\partial t} = c

    for the hard classes, 1 and 0 for the others; at the label as in `refengine.losses.arcface.logits_vjp`. Which
    classes are hard is held constant. Training holds t constant too.
    """
    return logits_value_and_vjp(g, cosine, labels, t, scale=scale, margin=margin, boundary=boundary)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    t: Real,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
) -> tuple[Array, tuple[Array, Array]]:
    """``logits`` and its vjp."""
    cosine, target, others, slopes_of = _checked_cosine(cosine, t, scale, margin, boundary)
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, target, others, slopes_of)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    t: Real,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s \cos(\theta_{i y_i} + m)}}
              {e^{s \cos(\theta_{i y_i} + m)} + \sum_{j \ne y_i} e^{s N(t, c_{ij})}}, \qquad
              N(t, c) = \begin{cases} c & c \le \cos(\theta_{i y_i} + m) \\ c (t + c) & c > \cos(\theta_{i y_i} + m)
              \end{cases}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C, t: one number; result: (N,) for reduction "none",
    else (); float64 unless every floating array is float32. The authors update t before they use it:
    ``loss(x, weight, labels, update(cosine, labels, t))``. Without a hard class it is `refengine.losses.arcface`. The
    loss jumps where a class becomes hard, which is decided on the rounded cosines. A vector of zeros has no direction:
    nan for its row, and for every row where it is a class; a t that is not finite: nan. One class: exactly 0. No rows:
    the mean is nan, the sum 0. Constants and errors as for `logits`.
    Source: Huang et al. 2020 (CurricularFace), section 3.

    >>> import numpy as np
    >>> x = np.array([[1.0, 1.0]])  # both cosines are sqrt(1/2); the margin of 45 degrees makes the label's logit 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), 0.0, scale=2.0, margin=np.pi / 4)), 12)
    1.313261687518
    >>> round(float(np.log1p(np.e)), 12)
    1.313261687518
    """
    x, weight, target, others, _ = _checked_rows(x, weight, t, scale, margin, boundary)
    return _heads.loss(x, weight, labels, scale, target, reduction, others=others)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    t: Real,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    reduction: str = "mean",
) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, weight and t.

    With p the softmax of the logits, :math:`\partial L / \partial c_{ij} = s p_{ij} (t + 2 c_{ij})` for the hard
    classes, :math:`s p_{ij}` for the others, and from there on as in `refengine.losses.cosine.similarity`; the label's
    part is that of `refengine.losses.arcface.loss_vjp`. And :math:`\partial L_i / \partial t = s \sum_j p_{ij} c_{ij}`
    over the hard classes. Which classes are hard is held constant. Training holds t constant too.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "boundary": boundary}
    return loss_value_and_vjp(g, x, weight, labels, t, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    t: Real,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    x, weight, target, others, slopes_of = _checked_rows(x, weight, t, scale, margin, boundary)
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, target, reduction, others=others, slopes_of=slopes_of)


def update(cosine: Cosine, labels: Labels, t: Real, *, momentum: float = 0.99, weighs: str = "old") -> Array:
    r"""The next t: a moving average of the labels' mean cosine.

    .. math:: t' = \alpha \, t + (1 - \alpha) \, r \text{ ("old")}, \quad \alpha \, r + (1 - \alpha) \, t
              \text{ ("new")}, \qquad r = \frac{1}{N} \sum_i c_{i y_i}

    cosine: (N, C) in [-1, 1], without margin or scale; labels: (N,) integers below C; t: one number; result (), float64
    unless every floating array is float32. Momentum alpha from 0 to 1, the weight of the old t or of the new cosines:
    the paper prints "new" with alpha = 0.99, the authors' code has 0.01 for the new ones, which is "old", and which
    they say is right. A label's cosine outside [-1, 1], or no row: nan. Wrong shapes, labels, options, or a momentum
    out of range are a ValueError; values of a wrong kind a TypeError.
    Source: Huang et al. 2020 (CurricularFace), section 3.

    >>> import numpy as np
    >>> float(update(np.array([[0.5, 0.1], [0.2, 0.25]]), np.array([0, 1]), 1.0, momentum=0.75))  # r = 0.375
    0.84375
    """
    xp, dtype, c, hot, t = _checked_update(cosine, labels, t)
    old, new = _shares(momentum, weighs)
    with np.errstate(all="ignore"):
        return xp.astype(old * t + new * _mean(xp, c, hot), dtype, copy=False)


def update_vjp(
    g: Array, cosine: Cosine, labels: Labels, t: Real, *, momentum: float = 0.99, weighs: str = "old"
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and t.

    :math:`(1 - \alpha) g / N` at the labels ("old"; alpha g / N for "new"), 0 elsewhere; and :math:`\alpha g`, or
    :math:`(1 - \alpha) g`. Training holds both constant.
    """
    return update_value_and_vjp(g, cosine, labels, t, momentum=momentum, weighs=weighs)[1]


def update_value_and_vjp(
    g: Array, cosine: Cosine, labels: Labels, t: Real, *, momentum: float = 0.99, weighs: str = "old"
) -> tuple[Array, tuple[Array, Array]]:
    """``update`` and its vjp."""
    xp, dtype, c, hot, previous = _checked_update(cosine, labels, t)
    old, new = _shares(momentum, weighs)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        value = old * previous + new * _mean(xp, c, hot)
        g = g + 0 * value  # nan where the value is
        found = value, xp.where(hot, new * g / max(c.shape[0], 1), 0.0), old * g
        value, *cotangents = (xp.astype(v, dtype, copy=False) for v in found)
        return value, tuple(cotangents)


def _mean(xp: Any, c: Array, hot: Array) -> Any:
    return xp.sum(xp.where(hot, c, 0.0)) / (c.shape[0] or xp.nan)


def _shares(momentum: float, weighs: str) -> tuple[float, float]:
    """The weights of the old t and of the new cosines."""
    check_option("weighs", weighs, WEIGHS)
    check_range("momentum", momentum, 0, 1)
    return (momentum, 1 - momentum) if weighs == "old" else (1 - momentum, momentum)


def _checked_update(cosine: Array, labels: Array, t: Array) -> Any:
    xp, dtype, cosine, t = promote(cosine=cosine, t=t)
    check_shape("t", t, ())
    check_shape("cosine", cosine, ("N", "C"))
    hot = one_hot(xp, check_labels("labels", labels, *cosine.shape), cosine.shape[1])
    c, t = (xp.astype(a, xp.float64, copy=False) for a in (cosine, t))
    return xp, dtype, xp.where(xp.abs(c) <= 1, c, xp.nan), hot, xp.where(xp.isfinite(t), t, xp.nan)


def _head(xp: Any, t: Array, scale: float, margin: float, boundary: str) -> tuple[Any, Any, Any]:
    """Target, others, and the slope to t."""
    check_option("boundary", boundary, BOUNDARIES)
    check_scale(scale)
    check_range("margin", margin, 0, pi)
    check_shape("t", t, ())
    t = xp.astype(t, xp.float64, copy=False)
    t = xp.where(xp.isfinite(t), t, xp.nan)

    def target(xp: Any, c: Array, sine: Array) -> tuple[Any, ...]:
        value, fall, slope = angular_margin(xp, c, sine, margin, boundary)
        return value + 0 * t, fall + 0 * t, slope + 0 * t

    def limit(xp: Any, own: Array, sine: Array) -> Any:
        return angular_margin(xp, own, sine, margin, "none")[0]

    def others(xp: Any, c: Array, own: Array, sine: Array) -> tuple[Any, Any]:
        f = limit(xp, own, sine)
        unknown = 0 * f + 0 * t
        return xp.where(c > f, c * (t + c), c + unknown), xp.where(c > f, t + 2 * c, 1 + 0 * c + unknown)

    def slopes_of(xp: Any, weights: Array, hot: Array, c: Array, own: Array, sine: Array) -> tuple[Any]:
        f = limit(xp, own, sine)
        return (xp.sum(weights * xp.where((c > f) & ~hot, c, 0 * (c + f))) + 0 * t,)

    return target, others, slopes_of


def _checked_cosine(cosine: Array, t: Array, scale: float, margin: float, boundary: str) -> Any:
    xp, _, cosine, t = promote(cosine=cosine, t=t)
    return cosine, *_head(xp, t, scale, margin, boundary)


def _checked_rows(x: Array, weight: Array, t: Array, scale: float, margin: float, boundary: str) -> Any:
    xp, _, x, weight, t = promote(x=x, weight=weight, t=t)
    return x, weight, *_head(xp, t, scale, margin, boundary)
