r"""AdaCos: softmax on cosines whose scale follows from the number of classes, or from the batch."""

from __future__ import annotations

from math import inf, log, pi, sqrt
from typing import Annotated, Any

import numpy as np

from refengine._arrays import as_float64, check_option, check_shape, elementwise, promote
from refengine.distributions._counts import cotangents, finite, result
from refengine.domains import Array, Integers, Interval, Labels, NonNegative, Positive, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, check_range
from refengine.losses.cosine import similarity

__all__ = [
    "dynamic_scale",
    "dynamic_scale_value_and_vjp",
    "dynamic_scale_vjp",
    "exact_scale",
    "exact_scale_vjp",
    "fixed_scale",
    "head",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
]

MODES = ("fixed", "dynamic")
SCOPES = ("target", "all")
EVEN = ("lower", "mean")
TIMINGS = ("before", "after")
STEPS = 60
Classes = Annotated[Array, Integers(2)]
Angle = Annotated[Array, Interval(0, pi / 2)]


def head(classes: int) -> Head:
    """The head with `fixed_scale` as a value, for `refengine.losses.sharded`; classes: all, in whatever shards.

    It is NormFace's. Of `dynamic_scale`, which is a constant to the gradient, `refengine.losses.normface.head` makes
    the head in the same way.
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ValueError(f"classes must be an integer of at least 2, got {classes!r}")
    return Head(sqrt(2) * log(classes - 1), _heads.plain, name="normface")


def fixed_scale(classes: Classes) -> Array:
    r"""The scale of the first step, and of fixed AdaCos.

    .. math:: s = \sqrt 2 \, \log(C - 1)

    classes: broadcasts; float64. The other cosines are taken to be 0 and the angle of the label pi / 4. 0 for two
    classes; fewer, or a number that is not whole: nan. Source: Zhang et al. 2019 (AdaCos), section 3.

    >>> round(float(fixed_scale(1001)), 9)  # sqrt(2) * 6.907755279
    9.769041201
    """
    xp, dtype, n = elementwise(classes=classes)
    with np.errstate(all="ignore"):
        return result(xp, dtype, sqrt(2) * xp.log(n - 1), finite(xp, n) & (n >= 2))


def exact_scale(others: Positive, angle: Angle) -> Array:
    r"""The scale at which the label's probability has its steepest slope exactly at this angle.

    .. math:: \frac{\partial^2}{\partial\theta^2} \frac{e^{s \cos\theta}}{B + e^{s \cos\theta}} = 0
              \iff s \sin^2\theta \; (B - e^{s \cos\theta}) = \cos\theta \; (B + e^{s \cos\theta})

    others B: the sum of the other exponentials, C - 1 where their cosines are 0; angle in radians, 0 to pi / 2:
    broadcast together; float64 unless both are float32. Of two solutions the larger one, of which the paper's
    :math:`\log B / \cos\theta` is the approximation for large B. nan where there is none, as for B = 9 at pi / 4, and
    for arguments out of their domain. Source: Zhang et al. 2019 (AdaCos), section 3, without its last approximation.

    >>> round(float(exact_scale(999.0, np.pi / 4)), 3), round(float(fixed_scale(1000)), 3)
    (9.336, 9.768)
    """
    xp, dtype, b, angle = elementwise(others=others, angle=angle)
    with np.errstate(all="ignore"):
        s, *_ = _steepest(xp, b, angle)
        return result(xp, dtype, s, s == s)


def exact_scale_vjp(g: Array, others: Positive, angle: Angle) -> tuple[Array, Array]:
    r"""Cotangents by the implicit function theorem.

    With :math:`T = \tanh((\log B - s \cos\theta) / 2)` the equation is
    :math:`F = s \sin^2\theta \, T - \cos\theta = 0`, and

    .. math:: \frac{ds}{dB} = -\frac{F_B}{F_s}, \quad \frac{ds}{d\theta} = -\frac{F_\theta}{F_s}, \quad
              F_s = \sin^2\theta \, T - h \cos\theta, \quad F_B = \frac{h}{B}, \quad
              F_\theta = \sin\theta (1 + 2 s \cos\theta \, T + s h), \quad h = \frac{s \sin^2\theta}{2} (1 - T^2)
    """
    like = others, angle
    xp, dtype, g, b, angle = elementwise(g=g, others=others, angle=angle)
    with np.errstate(all="ignore"):
        s, t, h, steep = _steepest(xp, b, angle)
        moved = xp.sin(angle) * (1 + 2 * s * xp.cos(angle) * t + s * h)
        slopes = (-h / b / steep, like[0]), (-moved / steep, like[1])
        return cotangents(g, dtype, s == s, *slopes)


def _steepest(xp: Any, b: Array, angle: Array) -> tuple[Any, Any, Any, Any]:
    """The solution s, and T, h and F_s there.

    F is concave where T > 0, and negative at s = log B / cos(theta): Newton's steps from there fall to the larger root,
    and reach the top of F, where its slope changes sign, only if there is none.
    """
    good = (b > 1) & (b < inf) & (angle > 0) & (angle < pi / 2)
    log_b, cosine, square = xp.log(xp.where(good, b, xp.nan)), xp.cos(angle), xp.sin(angle) ** 2
    s = log_b / cosine

    def at(s: Any) -> tuple[Any, Any, Any]:
        half = (log_b - s * cosine) / 2
        t = xp.tanh(half)
        h = s * square / 2 / xp.cosh(half) ** 2
        return t, h, square * t - h * cosine

    for _ in range(STEPS):
        t, _, steep = at(s)
        step = (s * square * t - cosine) / steep
        s = xp.where((steep < 0) & (s > 0), s - step, xp.nan)
    return s, *at(s)


def dynamic_scale(
    cosine: Cosine,
    labels: Labels,
    previous_scale: NonNegative,
    *,
    median_scope: str = "target",
    median_even: str = "lower",
) -> Array:
    r"""The scale at which the label's probability has its steepest slope near the batch's median angle.

    .. math:: s = \frac{\log B}{\cos(\min(\pi / 4, \theta_{\mathrm{med}}))}, \qquad
              B = \frac{1}{N} \sum_i \sum_{k \ne y_i} e^{s_{\mathrm{previous}} c_{ik}}

    cosine: (N, C) in [-1, 1] with C >= 2, labels: (N,) integers below C, previous_scale: one number, at first
    `fixed_scale`; result (), float64 unless every floating array is float32. The median is that of the labels' angles,
    or with ``median_scope="all"`` that of all N x C angles. An even number of angles has the lower one of the middle
    two, or with ``median_even="mean"`` their mean. Negative where B < 1. No rows, a cosine outside [-1, 1], a scale
    that is negative or infinite: nan. Wrong shapes, labels or options are a ValueError, values of a wrong kind a
    TypeError. Source: Zhang et al. 2019 (AdaCos), section 3.

    >>> c = np.array([[0.9, 0.0, 0.0]])  # B = 2, and 0.9 is the cosine of an angle below pi / 4
    >>> round(float(dynamic_scale(c, np.array([0]), 5.0)), 12), round(float(np.log(2)) / 0.9, 12)
    (0.770163533955, 0.770163533955)
    """
    xp, dtype, c, hot, s = _checked_cosine(cosine, labels, previous_scale, median_scope, median_even)
    with np.errstate(all="ignore"):
        return xp.astype(_dynamic(xp, c, hot, s, median_scope, median_even)[0], dtype, copy=False)


def dynamic_scale_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    previous_scale: NonNegative,
    *,
    median_scope: str = "target",
    median_even: str = "lower",
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and previous_scale, which training does not use: there the scale counts as a constant.

    With q the softmax over all :math:`s_{\mathrm{previous}} c_{ik}, k \ne y_i`, and d the cosine of the median angle:

    .. math:: \frac{\partial s}{\partial c_{ik}} = \frac{s_{\mathrm{previous}} q_{ik}}{d}, \qquad
              \frac{\partial s}{\partial s_{\mathrm{previous}}} = \frac{\sum q_{ik} c_{ik}}{d}, \qquad
              \frac{\partial s}{\partial d} = -\frac{s}{d}

    d is a cosine itself, unless the median is the mean of two angles: :math:`\sin(\theta_{\mathrm{med}}) /
    (2 \sin\theta_a)` is then its slope in each, 1/2 where both are equal, inf for one alone at c = 1. Beyond pi / 4 d
    is constant. Of equal angles those in front, row by row, count as the smaller ones.
    """
    return dynamic_scale_value_and_vjp(
        g, cosine, labels, previous_scale, median_scope=median_scope, median_even=median_even
    )[1]


def dynamic_scale_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    previous_scale: NonNegative,
    *,
    median_scope: str = "target",
    median_even: str = "lower",
) -> tuple[Array, tuple[Array, Array]]:
    """``dynamic_scale`` and its vjp."""
    xp, dtype, c, hot, s = _checked_cosine(cosine, labels, previous_scale, median_scope, median_even)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        value, dc, ds = _dynamic(xp, c, hot, s, median_scope, median_even)
        dc = xp.where(dc == 0, 0 * c, g * dc) + 0 * value
        return xp.astype(value, dtype, copy=False), (
            xp.astype(dc, dtype, copy=False),
            xp.astype(g * ds, dtype, copy=False),
        )


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    mode: str = "fixed",
    previous_scale: float | None = None,
    median_scope: str = "target",
    median_even: str = "lower",
    scale_timing: str = "before",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of cosines, scaled by `fixed_scale` or by `dynamic_scale` of the batch.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s \cos\theta_{i y_i}}}{\sum_j e^{s \cos \theta_{ij}}}

    x: (N, D), weight: (C, D), D >= 1, C >= 2, labels: (N,) integers below C; result: (N,) for reduction "none", else
    (); float64 unless both are float32. ``mode="dynamic"`` takes s from this batch and from previous_scale, of which
    None stands for the fixed one, before the first step; with ``scale_timing="after"`` the loss still has the previous
    scale itself. In fixed mode the options of the dynamic one make no difference. A vector of zeros has no direction:
    nan for its row and for every row where it is a class, and for all where the batch's scale depends on it. No rows:
    the mean is nan, the sum 0. Wrong shapes, labels, options, or a scale out of range are a ValueError, values of a
    wrong kind a TypeError. Source: Zhang et al. 2019 (AdaCos), section 3.

    >>> x = np.array([[1.0, 0.0, 0.0]])  # fixed scale sqrt(2) log(2) for three classes, cosines 1, 0, 0
    >>> round(float(loss(x, np.eye(3), np.array([0]))), 12), round(float(np.log1p(2 * 2 ** -np.sqrt(2))), 12)
    (0.559860589108, 0.559860589108)
    """
    options = mode, previous_scale, median_scope, median_even, scale_timing
    x, weight, s, sign = _batch_scale(x, weight, labels, options, reduction)
    return _heads.loss(x, sign * weight, labels, s, _heads.plain, reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    mode: str = "fixed",
    previous_scale: float | None = None,
    median_scope: str = "target",
    median_even: str = "lower",
    scale_timing: str = "before",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight, for the scale held: :math:`\partial L / \partial c_{ij} = s (p_{ij} - [j = y_i])`.

    The batch's scale counts as a constant, as in the paper, although it is computed from x and weight.
    """
    constants: dict[str, Any] = {"previous_scale": previous_scale, "median_scope": median_scope}
    constants |= {"median_even": median_even, "scale_timing": scale_timing, "reduction": reduction}
    return loss_value_and_vjp(g, x, weight, labels, mode=mode, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    mode: str = "fixed",
    previous_scale: float | None = None,
    median_scope: str = "target",
    median_even: str = "lower",
    scale_timing: str = "before",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp."""
    options = mode, previous_scale, median_scope, median_even, scale_timing
    x, weight, s, sign = _batch_scale(x, weight, labels, options, reduction)
    value, (dx, dw) = _heads.loss_value_and_vjp(g, x, sign * weight, labels, s, _heads.plain, reduction)
    return value, (dx, sign * dw)


def _batch_scale(x: Array, weight: Array, labels: Array, options: Any, reduction: str) -> tuple[Any, Any, Any, float]:
    """X and weight as arrays; the size of the scale, and its sign, which turns the class vectors: s c = |s| (-c)."""
    mode, previous, median_scope, median_even, timing = options
    check_option("mode", mode, MODES)
    check_option("scale_timing", timing, TIMINGS)
    _check_options(median_scope, median_even)
    xp, _, x, weight = promote(x=x, weight=weight)
    _, _, rows, classes, y = _heads.checked_rows(x, weight, labels, reduction)
    _check_classes("weight must have shape (C, D)", weight, weight.shape[0])
    s = sqrt(2) * log(weight.shape[0] - 1)
    if mode == "fixed":
        return x, weight, s, 1.0
    s = s if previous is None else check_range("previous_scale", previous, 0, inf)
    if timing == "after" or x.shape[0] == 0:
        return x, weight, s, 1.0
    found = dynamic_scale(
        similarity(rows, classes), y, xp.asarray(s), median_scope=median_scope, median_even=median_even
    )
    return x, weight, xp.abs(found), -1.0 if float(found) < 0 else 1.0


def _dynamic(xp: Any, c: Array, hot: Array, s: Array, scope: str, even: str) -> tuple[Any, Any, Any]:
    """The scale, its derivatives to the cosines and to the previous scale."""
    if c.shape[0] == 0:
        return s + xp.nan, c, s + xp.nan
    t = s * c
    others = xp.where(hot, -xp.inf, t)
    top, least = xp.max(others), xp.min(xp.where(hot, xp.inf, t))
    root = xp.exp((others - top) / 2)  # a slope in the last tiny numbers is rounded but once
    e = root * root
    count = c.shape[0] * (c.shape[1] - 1)
    # for equal cosines the mean is 1 and its logarithm needs the differences from 1
    close = xp.log1p(xp.sum(xp.where(hot, 0.0, xp.expm1(t - top))) / count)
    log_b = top + xp.where(top - least < 1, close, xp.log(xp.sum(e) / count)) + log(c.shape[1] - 1)
    d, slopes = _median_cosine(xp, c, hot, scope, even)
    value, total = log_b / d + 0 * xp.sum(t), xp.sum(e)
    dc = root * (root * (s / d / total)) - xp.where(slopes == 0, 0.0, value / d * slopes)
    return value, dc, xp.sum(e * c) / total / d + 0 * value


def _median_cosine(xp: Any, c: Array, hot: Array, scope: str, even: str) -> tuple[Any, Any]:
    """cos(min(pi / 4, median angle)) and its derivatives to the cosines."""
    flat = xp.reshape(c, (-1,))
    # the angles in rising order; what does not take part comes last
    order = xp.argsort(-flat if scope == "all" else xp.reshape(xp.where(hot, -c, 2.0), (-1,)), stable=True)
    n = c.shape[0] * (c.shape[1] if scope == "all" else 1)
    places = [order[(n - 1) // 2], order[n // 2 if even == "mean" else (n - 1) // 2]]
    a, b = flat[places[0]], flat[places[1]]
    sine_a, sine_b = xp.sqrt((1 - a) * (1 + a)), xp.sqrt((1 - b) * (1 + b))
    d = xp.where(a == b, a, (xp.sqrt((1 + a) * (1 + b)) - xp.sqrt((1 - a) * (1 - b))) / 2)
    sine = xp.sqrt((1 - d) * (1 + d))
    index, slopes = xp.arange(flat.shape[0]), xp.zeros_like(flat)
    for place, own in zip(places, (sine_a, sine_b), strict=True):
        slopes = slopes + xp.where(index == place, xp.where(a == b, 0.5 + 0 * a, sine / (2 * own)), 0.0)
    inside = d > sqrt(0.5)
    return xp.where(inside, d, sqrt(0.5) + 0 * d), xp.reshape(xp.where(inside, slopes, 0.0), c.shape)


def _check_options(median_scope: str, median_even: str) -> None:
    check_option("median_scope", median_scope, SCOPES)
    check_option("median_even", median_even, EVEN)


def _check_classes(start: str, array: Array, classes: int) -> None:
    if classes < 2:
        raise ValueError(f"{start} with C >= 2, got {tuple(array.shape)}")


def _checked_cosine(
    cosine: Array, labels: Array, previous: Array, median_scope: str, median_even: str
) -> tuple[Any, Any, Any, Any, Any]:
    _check_options(median_scope, median_even)
    xp, dtype, cosine, s = promote(cosine=cosine, previous_scale=previous)
    _, _, c, hot = _heads.checked_cosine(cosine, labels)
    _check_classes("cosine must have shape (N, C)", c, c.shape[1])
    check_shape("previous_scale", s, ())
    s = xp.astype(s, xp.float64, copy=False)
    return xp, dtype, c, hot, xp.where((s >= 0) & (s < inf), s, xp.nan)
