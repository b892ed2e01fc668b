r"""ElasticFace: ArcFace or CosFace with a margin of its own, drawn at random, for every row."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_option, check_shape, promote
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, check_scale

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]

BASES = ("arc", "cos")


def head(margins: Real, *, scale: float = 64.0, base: str = "arc") -> Head:
    """The head of these rows as a value, for `refengine.losses.sharded`; margins (N,) and constants as for `loss`.

    The gradients have a third, that of the margins, to be summed over the shards.
    """
    check_option("base", base, BASES)
    check_scale(scale)
    xp, _, m = promote(margins=margins)
    check_shape("margins", m, ("N",))
    target, slopes_of = _target(xp, xp.astype(m, xp.float64, copy=False), base)
    found = Head(scale, target, name="elasticface", constants=(base,), slopes_of=slopes_of)

    def bind(xp: Any, x: Array, weight: Array, y: Array) -> tuple[Head, Any, Any]:
        check_shape("margins", m, ("N",), N=x.shape[0])
        return found, weight, y

    return found._replace(bind=bind)


def logits(cosine: Cosine, labels: Labels, margins: Real, *, scale: float = 64.0, base: str = "arc") -> Array:
    r"""Scaled cosines with each row's own margin at the label's class.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad
              z_{i y_i} = s \cos(\theta_i + m_i) \text{ ("arc")}, \quad s (\cos\theta_i - m_i) \text{ ("cos")}

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, margins: (N,), in radians for "arc"; result (N, C),
    float64 unless every floating array is float32. The paper draws the margins from a normal distribution in every
    step, with mean 0.5 (arc) or 0.35 (cos) and deviation 0.0125 to 0.05; here they are given, so that the result is a
    pure function, and none is clipped: beyond theta + m = pi the cosine rises again, as in the authors' code. To have
    the larger margins at the harder rows (ElasticFace+), sort them before. A cosine outside [-1, 1] gives nan, a margin
    that is not finite a label's logit of nan. Wrong shapes, labels, options or a scale that is not positive are a
    ValueError, values of a wrong kind a TypeError. Source: Boutros et al. 2022 (ElasticFace), section 3.

    >>> import numpy as np
    >>> logits(np.array([[0.5, 0.25], [0.5, 0.25]]), np.array([0, 1]), [0.25, -0.5], scale=4.0, base="cos").tolist()
    [[1.0, 1.0], [2.0, 3.0]]
    """
    cosine, m, target, _ = _checked_cosine(cosine, margins, scale, base)
    return _heads.logits(cosine, labels, scale, target)


def logits_vjp(
    g: Array, cosine: Cosine, labels: Labels, margins: Real, *, scale: float = 64.0, base: str = "arc"
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and margins: s g, at the label times

    .. math:: \frac{d \cos(\theta + m)}{dc} = \frac{\sin(\theta + m)}{\sin\theta}, \qquad
              \frac{d \cos(\theta + m)}{dm} = -\sin(\theta + m)

    or 1 and -1 for "cos". At c = 1 and -1 the first is inf, with the sign of the sine of m and of its opposite, and 1
    for m = 0. The authors hold the margins constant.
    """
    return logits_value_and_vjp(g, cosine, labels, margins, scale=scale, base=base)[1]


def logits_value_and_vjp(
    g: Array, cosine: Cosine, labels: Labels, margins: Real, *, scale: float = 64.0, base: str = "arc"
) -> tuple[Array, tuple[Array, Array]]:
    """``logits`` and its vjp."""
    cosine, m, target, slopes_of = _checked_cosine(cosine, margins, scale, base)
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, target, slopes_of=slopes_of)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    margins: Real,
    *,
    scale: float = 64.0,
    base: str = "arc",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s \cos(\theta_{i y_i} + m_i)}}
              {e^{s \cos(\theta_{i y_i} + m_i)} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C, margins: (N,); result: (N,) for reduction "none",
    else (); float64 unless every floating array is float32. A vector of zeros has no direction: nan for its row, and
    for every row where it is a class. One class: exactly 0. No rows: the mean is nan, the sum 0. Constants, margins and
    errors as for `logits`. Equal margins: `refengine.losses.arcface` or `refengine.losses.cosface`.
    Source: Boutros et al. 2022 (ElasticFace), section 3.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0]])  # the margin makes up for the difference of the cosines, 1 and 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), np.array([1.0]), base="cos")), 15)
    0.693147180559945
    """
    x, weight, m, target, _ = _checked_rows(x, weight, margins, scale, base)
    return _heads.loss(x, weight, labels, scale, target, reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    margins: Real,
    *,
    scale: float = 64.0,
    base: str = "arc",
    reduction: str = "mean",
) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, weight and margins.

    Those of x and weight are as in `refengine.losses.arcface.loss_vjp` and `refengine.losses.cosface.loss_vjp`. With p
    the softmax of the logits,

    .. math:: \frac{\partial L_i}{\partial m_i} = s (1 - p_{i y_i}) \sin(\theta_i + m_i)
              \text{ ("arc")}, \quad s (1 - p_{i y_i}) \text{ ("cos")}
    """
    return loss_value_and_vjp(g, x, weight, labels, margins, scale=scale, base=base, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    margins: Real,
    *,
    scale: float = 64.0,
    base: str = "arc",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    x, weight, m, target, slopes_of = _checked_rows(x, weight, margins, scale, base)
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, target, reduction, slopes_of=slopes_of)


def _target(xp: Any, margins: Array, base: str) -> tuple[Any, Any]:
    """The target and the slopes to the margins."""
    m = xp.where(xp.isfinite(margins), margins, xp.nan)

    def fall(c: Array, sine: Array) -> Any:
        at = xp.reshape(m, c.shape)
        return sine * xp.cos(at) + c * xp.sin(at) if base == "arc" else 1 + 0 * (c + at)

    def target(xp: Any, c: Array, sine: Array) -> tuple[Any, Any, Any]:
        at = xp.reshape(m, c.shape)
        if base == "cos":
            return c - at, sine + 0 * at, 1 + 0 * (c + at)
        slope = xp.cos(at) + xp.where(at == 0, 0.0, xp.sin(at) * (c / sine))
        return c * xp.cos(at) - sine * xp.sin(at), fall(c, sine), slope

    def slopes_of(xp: Any, weights: Array, hot: Array, c: Array, own: Array, sine: Array) -> tuple[Any]:
        at_label = xp.sum(xp.where(hot, weights, 0.0), axis=1, keepdims=True)
        return ((-at_label * fall(own, sine))[:, 0],)

    return target, slopes_of


def _checked_cosine(cosine: Array, margins: Array, scale: float, base: str) -> Any:
    check_option("base", base, BASES)
    check_scale(scale)
    xp, _, cosine, margins = promote(cosine=cosine, margins=margins)
    check_shape("cosine", cosine, ("N", "C"))
    check_shape("margins", margins, ("N",), N=cosine.shape[0])
    return cosine, margins, *_target(xp, xp.astype(margins, xp.float64, copy=False), base)


def _checked_rows(x: Array, weight: Array, margins: Array, scale: float, base: str) -> Any:
    check_option("base", base, BASES)
    check_scale(scale)
    xp, _, x, weight, margins = promote(x=x, weight=weight, margins=margins)
    check_shape("x", x, ("N", "D"))
    check_shape("margins", margins, ("N",), N=x.shape[0])
    return x, weight, margins, *_target(xp, xp.astype(margins, xp.float64, copy=False), base)
