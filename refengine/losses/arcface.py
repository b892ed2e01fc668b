r"""ArcFace: a margin added to the angle between a row and its class."""

from __future__ import annotations

from math import cos, inf, pi, sin
from typing import Annotated, Any

import numpy as np

from refengine._arrays import as_float64, check_labels, check_number, check_option, check_shape, promote
from refengine.domains import Array, Interval, Labels, Real
from refengine.losses._rows import (
    REDUCTIONS,
    across,
    check_rows_and_classes,
    direction,
    label_entropy,
    one_hot,
    reduce,
    spread,
    tangent,
)

__all__ = ["logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]

BOUNDARIES = ("none", "monotonic", "easy", "clip", "identity")
GRADIENTS = ("exact", "straight_through")
Cosine = Annotated[Array, Interval(-1, 1, closed=True)]


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

    >>> logits(np.array([[0.0, 0.5]]), np.array([0]), scale=2.0, margin=np.pi / 6).round(15).tolist()
    [[-1.0, 1.0]]
    """
    xp, dtype, c, hot = _checked_cosine(cosine, labels, scale, margin, boundary, gradient)
    with np.errstate(all="ignore"):
        value, *_ = _margin(xp, c, xp.sqrt((1 - c) * (1 + c)), margin, boundary)
        return xp.astype(scale * xp.where(hot, value, c), dtype, copy=False)


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
    xp, dtype, c, hot = _checked_cosine(cosine, labels, scale, margin, boundary, gradient)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    with np.errstate(all="ignore"):
        sine = xp.sqrt((1 - c) * (1 + c))
        value, p, q = _margin(xp, c, sine, margin, boundary)
        if gradient == "straight_through":
            p, q = 1 + 0 * c, 0 * c
        slope = xp.where(hot, p + xp.where(q == 0, 0.0, q * c / sine), 1 + 0 * c)
        return xp.astype(scale * xp.where(hot, value, c), dtype, copy=False), (
            xp.astype(scale * g * slope, dtype, copy=False),
        )


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

    >>> x = np.array([[1.0, 1.0]])  # 45 degrees from both classes; the margin of 45 degrees makes the target's cosine 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), scale=np.sqrt(2), margin=np.pi / 4)), 15)
    1.313261687518223
    >>> round(float(np.log1p(np.e)), 15)
    1.313261687518223
    """
    constants = {"scale": scale, "margin": margin, "boundary": boundary, "gradient": gradient}
    xp, dtype, x, weight, y = _checked_rows(x, weight, labels, constants, reduction)
    with np.errstate(all="ignore"):
        *_, losses, _ = _rows(xp, x, weight, y, constants)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


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
    constants = {"scale": scale, "margin": margin, "boundary": boundary, "gradient": gradient}
    xp, dtype, x, weight, y = _checked_rows(x, weight, labels, constants, reduction)
    rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        hot, (unit, *length), (unit_w, *length_w), e_x, e_w, fall, losses, slopes = _rows(xp, x, weight, y, constants)
        slopes = scale * rows * slopes
        others = xp.where(hot, 0.0, slopes)
        target = xp.sum(xp.where(hot, slopes, 0.0), axis=1, keepdims=True) * fall
        dx = (across(xp, others @ unit_w, unit) + target * e_x) / length[0] / length[1]
        of_class = xp.astype(hot, xp.float64).T @ (target * e_w)
        dw = (across(xp, others.T @ unit, unit_w) + of_class) / length_w[0] / length_w[1]
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return value, (xp.astype(dx, dtype, copy=False), xp.astype(dw, dtype, copy=False))


def _margin(xp: Any, c: Array, sine: Array, margin: float, boundary: str) -> tuple[Any, Any, Any]:
    """The target's value for ``cos(theta) = c, sin(theta) = sine``; p and q in minus its derivative, p sine + q c.

    cos(theta + m) = c cos m - sine sin m and sin(theta + m) = sine cos m + c sin m: the angle itself is not needed.
    """
    cosine_m, sine_m = cos(margin), sin(margin)
    value, zero = c * cosine_m - sine * sine_m, 0.0 * c
    if boundary == "none" or margin == 0:  # without a margin every rule is the cosine itself
        return value, cosine_m + zero, sine_m + zero
    holds = c > 0 if boundary == "easy" else c > -cosine_m
    below = {"clip": -1.0 + zero, "monotonic": c - margin * sine_m}.get(boundary, c)
    p_below = zero if boundary == "clip" else 1.0 + zero
    return xp.where(holds, value, below), xp.where(holds, cosine_m, p_below), xp.where(holds, sine_m + zero, zero)


def _rows(xp: Any, x: Array, weight: Array, y: Array, constants: dict[str, Any]) -> tuple[Any, ...]:
    """Directions of x and weight; unit tangents, minus the target's derivative to its angle; losses and slopes."""
    to_x, to_w, hot = direction(xp, x), direction(xp, weight), one_hot(xp, y, weight.shape[0])
    own = xp.take(to_w[0], y, axis=0)
    sine, e_x = tangent(xp, to_x[0], own)
    _, e_w = tangent(xp, own, to_x[0])
    c = xp.clip(to_x[0] @ to_w[0].T, -1.0, 1.0)
    target = xp.sum(xp.where(hot, c, 0.0), axis=1)
    value, p, q = _margin(xp, target, sine, constants["margin"], constants["boundary"])
    losses, slopes = label_entropy(xp, xp.where(hot, value[:, None], c), hot, constants["scale"])
    fall = sine if constants["gradient"] == "straight_through" else p * sine + q * target
    return hot, to_x, to_w, e_x, e_w, fall[:, None], losses, slopes


def _check_constants(scale: float, margin: float, boundary: str, gradient: str) -> None:
    check_option("boundary", boundary, BOUNDARIES)
    check_option("gradient", gradient, GRADIENTS)
    if not 0 < check_number("scale", scale) < inf:
        raise ValueError(f"scale must be positive and finite, got {scale!r}")
    if not 0 <= check_number("margin", margin) <= pi:
        raise ValueError(f"margin must lie in 0..pi (radians), got {margin!r}")


def _checked_cosine(cosine: Array, labels: Array, *constants: Any) -> tuple[Any, Any, Any, Any]:
    _check_constants(*constants)
    xp, dtype, c = promote(cosine=cosine)
    check_shape("cosine", c, ("N", "C"))
    hot = one_hot(xp, check_labels("labels", labels, *c.shape), c.shape[1])
    c = xp.astype(c, xp.float64, copy=False)
    return xp, dtype, xp.where(xp.abs(c) <= 1, c, xp.nan), hot


def _checked_rows(x: Array, weight: Array, labels: Array, constants: Any, reduction: str) -> tuple[Any, ...]:
    _check_constants(**constants)
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (C, D) with C >= 1, got {tuple(weight.shape)}")
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y
