r"""ArcFace: a margin added to the angle between a row and its class."""

from __future__ import annotations

from math import pi
from typing import Any

from refengine._arrays import check_number, check_option
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._angle import angular_margin
from refengine.losses._heads import GRADIENTS, Cosine, Head, Target

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]

BOUNDARIES = ("none", "monotonic", "easy", "clip", "identity")


def head(*, scale: float = 64.0, margin: float = 0.5, boundary: str = "none", gradient: str = "exact") -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`."""
    target = target_of(scale, margin, boundary, gradient)
    return Head(scale, target, name="arcface", constants=(margin, boundary, gradient))


def logits(
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
) -> Array:
    r"""Scaled cosines with the margin in the angle of the label's class.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad z_{i y_i} = s \cos(\theta_i + m), \quad
              \theta_i = \arccos c_{i y_i}

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C; result (N, C), float64 unless cosine is float32. A cosine
    outside [-1, 1] gives nan. scale s > 0; margin m in radians, 0 to pi. Beyond :math:`\theta = \pi - m` (strictly:
    the margin holds for c > cos(pi - m)) the cosine would rise again; ``boundary`` says what happens there:

    - "none": it rises (the paper's text); "clip": the angle stops at pi, z = -s;
    - "monotonic": z = s (c - m sin m); "identity": z = s c; both jump at the boundary;
    - "easy": the margin holds for c > 0 only, z = s c elsewhere, with a jump at c = 0.

    Wrong shapes, labels, options, a scale or margin out of range are a ValueError; labels that are not integers,
    constants and cotangents that are not real numbers a TypeError. Source: Deng et al. 2019, eq. 3 (boundary "none").

    >>> import numpy as np
    >>> logits(np.array([[0.0, 0.5]]), np.array([0]), scale=2.0, margin=np.pi / 6).round(15).tolist()
    [[-1.0, 1.0]]
    """
    return _heads.logits(cosine, labels, scale, target_of(scale, margin, boundary, gradient))


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
) -> tuple[Array]:
    r"""Cotangent of cosine: s g, times the slope of the margin at the label.

    .. math:: \frac{d \cos(\theta + m)}{dc} = \frac{\sin(\theta + m)}{\sin\theta}
              \quad\text{since}\quad \frac{d\theta}{dc} = -\frac{1}{\sin\theta}

    1 where the boundary rule takes c itself, 0 where it clips. At c = 1 and c = -1 it is the one-sided limit: +inf
    and -inf for 0 < m < pi. ``gradient="straight_through"`` has slope 1 everywhere: the margin counts as a constant.
    """
    return logits_value_and_vjp(g, cosine, labels, scale=scale, margin=margin, boundary=boundary, gradient=gradient)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, target_of(scale, margin, boundary, gradient))


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s \cos(\theta_{i y_i} + m)}}
              {e^{s \cos(\theta_{i y_i} + m)} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. scale, margin, boundary: see `logits`; the angle comes from the vectors, not
    from the cosine. A vector of zeros has no direction: nan for its row, and for every row where it is a class. One
    class: exactly 0. No rows: the mean is nan, the sum 0. A small loss is an exponential, whose exponent, up to 2 s, is
    rounded: its relative error is of the order of s units in the last place. Errors as for `logits`.
    Source: Deng et al. 2019, eq. 3.

    >>> import numpy as np
    >>> x = np.array([[1.0, 1.0]])  # 45 degrees from both classes; the margin of 45 degrees makes the target's cosine 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), scale=np.sqrt(2), margin=np.pi / 4)), 15)
    1.313261687518223
    >>> round(float(np.log1p(np.e)), 15)
    1.313261687518223
    """
    return _heads.loss(x, weight, labels, scale, target_of(scale, margin, boundary, gradient), reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With :math:`G_{ij} = s\,(p_{ij} - [j = y_i])` the classes other than the target give what they give in
    `refengine.losses.cosine.similarity`. For the target :math:`\partial \cos(\theta + m) / \partial c` is infinite at
    c = 1, but the vectors know better: with e the unit tangent at :math:`\hat x` towards :math:`\hat w`,

    .. math:: \frac{\partial \theta}{\partial x} = -\frac{e}{\|x\|}, \quad
              \frac{\partial z_y}{\partial x} = s \sin(\theta + m) \frac{e}{\|x\|}, \quad
              e = \frac{\hat w - c \hat x}{\sin\theta}

    is bounded, and so for w. Where the boundary rule takes c, the factor is sin(theta); where it clips, 0.
    At theta = 0 and theta = pi there is no direction: all one-sided derivatives have the same length, their mean is 0,
    and the target's term contributes 0. ``gradient="straight_through"`` takes sin(theta) everywhere, which is
    :math:`\partial L / \partial c_y = s (p_y - 1)`, as in insightface's PyTorch code, where the margin is added
    outside of the graph. For one class everything is 0.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "boundary": boundary, "gradient": gradient}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    target = target_of(scale, margin, boundary, gradient)
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, target, reduction)


def target_of(scale: float, margin: float, boundary: str, gradient: str) -> Target:
    _check_constants(scale, margin, boundary, gradient)
    return _heads.with_gradient(lambda xp, c, sine: angular_margin(xp, c, sine, margin, boundary), gradient)


def _check_constants(scale: float, margin: float, boundary: str, gradient: str) -> None:
    check_option("boundary", boundary, BOUNDARIES)
    check_option("gradient", gradient, GRADIENTS)
    _heads.check_scale(scale)
    if not 0 <= check_number("margin", margin) <= pi:
        raise ValueError(f"margin must lie in 0..pi (radians), got {margin!r}")
