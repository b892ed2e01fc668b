r"""The combined margin: a factor and a sum in the angle of the own class, and a margin on its cosine."""

from __future__ import annotations

from math import inf, pi
from typing import Any

from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, Target, check_range, check_scale

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]


def head(*, scale: float = 64.0, m1: float = 1.0, m2: float = 0.5, m3: float = 0.0, gradient: str = "exact") -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`."""
    target = _target(scale, m1, m2, m3, gradient)
    return Head(scale, target, name="combined_margin", constants=(m1, m2, m3, gradient))


def logits(
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
) -> Array:
    r"""Scaled cosines with the three margins at the label's class.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad z_{i y_i} = s (\cos(m_1 \theta_i + m_2) - m_3), \quad
              \theta_i = \arccos c_{i y_i}

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C; result (N, C), float64 unless cosine is float32. A cosine
    outside [-1, 1] gives nan. scale s > 0, factor m1 > 0, m2 in radians, -pi to pi, m3 finite. There is no rule beyond
    :math:`m_1 \theta + m_2 = \pi`: the cosine rises again. (1, 0, m3) is CosFace, (1, m2, 0) ArcFace, (m1, 0, 0)
    SphereFace on normalised features with the plain cosine. Published settings: (1, 0.3, 0.2) and (0.9, 0.4, 0.15).
    Wrong shapes, labels, options, or constants out of range are a ValueError; labels that are not integers, constants
    and cotangents that are not real numbers a TypeError. Source: Deng et al. 2019 (ArcFace), eq. 4.

    >>> import numpy as np
    >>> logits(np.array([[0.5, 0.25]]), np.array([0]), scale=4.0, m1=2.0, m2=0.0, m3=0.25).round(12).tolist()
    [[-3.0, 1.0]]
    """
    return _heads.logits(cosine, labels, scale, _target(scale, m1, m2, m3, gradient))


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
) -> tuple[Array]:
    r"""Cotangent of cosine: s g, times the slope of the margin at the label.

    .. math:: \frac{d \cos(m_1 \theta + m_2)}{dc} = m_1 \frac{\sin(m_1 \theta + m_2)}{\sin\theta}

    At c = 1 and -1 its limit, inf with the sign of the numerator; where that is 0 too, which is for m2 = 0 at c = 1,
    and for whole m1 at c = -1, the limit is :math:`m_1^2` and :math:`(-1)^{m_1 + 1} m_1^2`.
    ``gradient="straight_through"`` has slope 1: the margins count as constants.
    """
    return logits_value_and_vjp(g, cosine, labels, scale=scale, m1=m1, m2=m2, m3=m3, gradient=gradient)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, _target(scale, m1, m2, m3, gradient))


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s (\cos(m_1 \theta_{i y_i} + m_2) - m_3)}}
              {e^{s (\cos(m_1 \theta_{i y_i} + m_2) - m_3)} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. The angle comes from the vectors, not from the cosine. A vector of zeros has no
    direction: nan for its row, and for every row where it is a class. One class: exactly 0. No rows: the mean is nan,
    the sum 0. Constants and errors as for `logits`. insightface's PyTorch code leaves m1 and m2 out when m3 > 0: its
    (1, 0.3, 0.2) is CosFace with 0.2. Source: Deng et al. 2019 (ArcFace), eq. 4.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0]])  # the three margins turn the own cosine, 1, into that of the other class, 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), m1=2.0, m2=np.pi / 3, m3=0.5)), 12)
    0.69314718056
    """
    return _heads.loss(x, weight, labels, scale, _target(scale, m1, m2, m3, gradient), reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    As in `refengine.losses.arcface.loss_vjp`, with the unit tangent e at :math:`\hat x` towards :math:`\hat w`:

    .. math:: \frac{\partial z_y}{\partial x} = s \, m_1 \sin(m_1 \theta + m_2) \frac{e}{\|x\|}

    and 0 at theta = 0 and pi, where e is undefined and the mean of the one-sided derivatives is 0.
    ``gradient="straight_through"`` has sin(theta) for :math:`m_1 \sin(m_1 \theta + m_2)`.
    """
    constants: dict[str, Any] = {"scale": scale, "m1": m1, "m2": m2, "m3": m3, "gradient": gradient}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    target = _target(scale, m1, m2, m3, gradient)
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, target, reduction)


def _target(scale: float, m1: float, m2: float, m3: float, gradient: str) -> Target:
    check_scale(scale)
    check_scale(m1, "m1")
    check_range("m2", m2, -pi, pi)
    check_range("m3", m3, -inf, inf)

    def target(xp: Any, c: Array, sine: Array) -> tuple[Any, Any, Any]:
        cosine, fall, slope = _heads.multiple_angle(xp, c, sine, m1, m2)
        return cosine - m3, fall, slope

    return _heads.with_gradient(target, gradient)
