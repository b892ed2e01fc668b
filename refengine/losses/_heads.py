r"""What the class-level heads share: a margin head is its target function of the angle, and this text.

A target is a function ``target(xp, c, sine)`` of the cosine and sine of the angle :math:`\theta` between a row and its
own class. It returns ``value, fall, slope``: t, its derivative :math:`-dt/d\theta`, and :math:`dt/dc`, which is
``fall / sine`` with the limit where the sine is 0; a fourth is t - c dt/dc, where it can be had without cancellation.
Everything here is float64; results get the dtype of the inputs.

The logits are :math:`a_{ij} c_{ij}` for the other classes and :math:`a_{iy} t(\theta_i)` for the label, with the
amplitude a = s; or :math:`\|x_i\|` (scale None); or :math:`\|x_i\| \|w_j\|` (scale None, ``weight_length``).

A head that changes the other classes too has a function ``others(xp, c, own, sine)`` of all cosines (N, C) and of the
label's cosine and sine (N, 1). It returns what stands for c, -inf to leave a class out, and the derivative to c. Where
target or others depend on an argument, ``slopes_of(xp, weights, hot, c, own, sine)`` gives its cotangents, from the
weights :math:`s \, \partial L / \partial z` (N, C); own and sine are (N, 1) there too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np

from refengine._arrays import as_float64, check_labels, check_number, check_option, check_shape, promote
from refengine.domains import Array, Interval
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

GRADIENTS = ("exact", "straight_through")
Cosine = Annotated[Array, Interval(-1, 1, closed=True)]
Target: TypeAlias = Callable[[Any, Any, Any], tuple[Any, ...]]
Others: TypeAlias = Callable[[Any, Any, Any, Any], tuple[Any, Any]]
SlopesOf: TypeAlias = Callable[[Any, Any, Any, Any, Any, Any], tuple[Any, ...]]
Bind: TypeAlias = Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]


def check_scale(scale: Any, name: str = "scale") -> float:
    """ValueError unless the scale is positive and finite."""
    if not 0 < check_number(name, scale) < inf:
        raise ValueError(f"{name} must be positive and finite, got {scale!r}")
    return float(scale)


def check_range(name: str, value: Any, low: float, high: float) -> float:
    """ValueError unless ``low <= value <= high`` and the value is finite."""
    if not low <= check_number(name, value) <= high or abs(float(value)) == inf:
        raise ValueError(f"{name} must be finite and lie in {low:g}..{high:g}, got {value!r}")
    return float(value)


def plain(xp: Any, c: Array, sine: Array) -> tuple[Any, Any, Any]:
    """The target without a margin: the cosine itself."""
    return c, sine, 1 + 0 * c


def multiple_angle(xp: Any, c: Array, sine: Array, factor: float, shift: float) -> tuple[Any, ...]:
    r"""The target :math:`\cos(m \theta + b)`, its ``fall`` :math:`m \sin(m \theta + b)`, and its slope.

    For a whole m the angle is counted from the nearer end: :math:`m \theta = m \pi - m \phi`, so that near pi the sine
    keeps its digits. The slope is inf at c = 1 and -1, unless the fall is 0 too.
    """
    if factor == 1 and shift == 0:
        return plain(xp, c, sine)
    fold = (c < 0) if factor == round(factor) else (c != c)
    angle = factor * xp.atan2(sine, xp.where(fold, -c, c))
    angle = xp.where(fold, shift - angle, shift + angle)
    sign = xp.where(fold, (-1.0) ** round(factor) + 0 * c, 1 + 0 * c)
    fall = factor * sign * xp.sin(angle)
    at_end = factor * factor * xp.where(fold, -sign, sign)
    return sign * xp.cos(angle), fall, xp.where((sine == 0) & (fall == 0), at_end, fall / sine)


def cosines(xp: Any, c: Array, own: Array, sine: Array) -> tuple[Any, Any]:
    """The other classes as they are."""
    return c, 1.0


def no_slopes(xp: Any, weights: Array, hot: Array, c: Array, own: Array, sine: Array) -> tuple[Any, ...]:
    """Target and others depend on no argument."""
    return ()


def with_gradient(target: Target, gradient: str) -> Target:
    """The target, or for "straight_through" the same values with the derivatives of the cosine itself."""
    check_option("gradient", gradient, GRADIENTS)
    if gradient == "exact":
        return target
    return lambda xp, c, sine: (target(xp, c, sine)[0], *plain(xp, c, sine)[1:])


def logits(cosine: Array, labels: Array, scale: float, target: Target, others: Others = cosines) -> Any:
    """The scaled cosines, with the target at the label."""
    xp, dtype, c, hot = checked_cosine(cosine, labels)
    with np.errstate(all="ignore"):
        own, sine = _at_label(xp, c, hot)
        value, *_ = target(xp, own, sine)
        return xp.astype(scale * xp.where(hot, value, others(xp, c, own, sine)[0]), dtype, copy=False)


def logits_value_and_vjp(
    g: Array,
    cosine: Array,
    labels: Array,
    scale: float,
    target: Target,
    others: Others = cosines,
    slopes_of: SlopesOf = no_slopes,
) -> tuple[Any, Any]:
    """`logits` and the cotangents of the cosines and of what `slopes_of` adds."""
    xp, dtype, c, hot = checked_cosine(cosine, labels)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    with np.errstate(all="ignore"):
        own, sine = _at_label(xp, c, hot)
        value, _, slope, *_ = target(xp, own, sine)
        z, other_slopes = others(xp, c, own, sine)
        slopes = scale * g * xp.where(hot, slope, other_slopes + 0 * c)
        found = slopes, *slopes_of(xp, scale * g, hot, c, own, sine)
        cotangents = tuple(xp.astype(v, dtype, copy=False) for v in found)
        return xp.astype(scale * xp.where(hot, value, z), dtype, copy=False), cotangents


def logits_with_lengths(
    g: Array | None, cosine: Array, labels: Array, lengths: tuple[Array, ...], target: Target
) -> tuple[Any, Any]:
    """The entries times the lengths of the rows, and of the classes if given; and the cotangents where g is given.

    Where a length is 0 the logit is 0 at every angle, and so is its slope.
    """
    names = ("row_lengths", "class_lengths")[: len(lengths)]
    xp, dtype, cosine, *given = promote(cosine=cosine, **dict(zip(names, lengths, strict=True)))
    _, _, c, hot = checked_cosine(cosine, labels)
    for name, array, axis in zip(names, given, (0, 1), strict=False):
        check_shape(name, array, ("NC"[axis],), **{"NC"[axis]: c.shape[axis]})
    of_rows, *of_classes = (xp.where((a >= 0) & (a < inf), xp.astype(a, xp.float64), xp.nan) for a in given)
    one = xp.ones_like(c)
    down, along = of_rows[:, None] * one, of_classes[0][None, :] * one if of_classes else one
    with np.errstate(all="ignore"):
        own, sine = _at_label(xp, c, hot)
        value, _, slope, *_ = target(xp, own, sine)
        entries = xp.where(hot, value, c)
        value = xp.astype(down * (along * entries), dtype, copy=False)
        if g is None:
            return value, ()
        g = as_float64(xp, "g", g)
        check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
        nothing = (down == 0) | (along == 0)
        dc = xp.where(nothing, 0 * c, down * (along * (g * xp.where(hot, slope, 1 + 0 * c))))
        unknown = 0 * (down * along)
        found = [dc, xp.sum(g * along * entries + unknown, axis=1)]
        found += [xp.sum(g * down * entries + unknown, axis=0)] if of_classes else []
        return value, tuple(xp.astype(v, dtype, copy=False) for v in found)


def _at_label(xp: Any, c: Array, hot: Array) -> tuple[Any, Any]:
    own = xp.sum(xp.where(hot, c, 0.0), axis=1, keepdims=True)
    return own, xp.sqrt((1 - own) * (1 + own))


def loss(
    x: Array,
    weight: Array,
    labels: Array,
    scale: float | None,
    target: Target,
    reduction: str,
    weight_length: bool = False,
    others: Others = cosines,
) -> Any:
    """Softmax cross-entropy of the logits at the angles between rows and class vectors."""
    xp, dtype, x, weight, y = checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        rows = beside(xp, x, weight, y, scale, target, weight_length, others)
        losses, _ = label_entropy(xp, rows.z, rows.hot, rows.amplitude)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_value_and_vjp(
    g: Array,
    x: Array,
    weight: Array,
    labels: Array,
    scale: float | None,
    target: Target,
    reduction: str,
    weight_length: bool = False,
    others: Others = cosines,
    slopes_of: SlopesOf = no_slopes,
) -> tuple[Any, tuple[Any, ...]]:
    """`loss` and the cotangents of x and weight, and of what `slopes_of` adds."""
    xp, dtype, x, weight, y = checked_rows(x, weight, labels, reduction)
    of_rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        rows = beside(xp, x, weight, y, scale, target, weight_length, others)
        losses, slopes = label_entropy(xp, rows.z, rows.hot, rows.amplitude)
        dx, dw, _ = pull(xp, of_rows * slopes, rows)
        added = slopes_of(xp, of_rows * slopes * (1.0 if scale is None else scale), rows.hot, *rows.angles)
        total = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return total, tuple(xp.astype(v, dtype, copy=False) for v in (dx, dw, *added))


class Head(NamedTuple):
    """A head with its constants: what its module's function ``head`` gives, for `refengine.losses.sharded`.

    ``name``, its module's, and ``constants``, those of the target, tell a backend which of its kernels is this head's.
    Where the target depends on the rows, or a class has several vectors (``sub_centers``: weight is (C, K, D)),
    ``bind(xp, x, weight, y)`` gives the head for these rows, one vector a class and place, and the labels among those.
    ``by_label``: others looks at the label's angle. ``turn(xp, c, sine)``: dt / d(length of x), (N,).
    ``penalty(xp, x)``: what a row's loss has beside the softmax, and its derivative to the length. ``with_label``:
    whether the label belongs to the denominator.
    """

    scale: Any
    target: Target
    weight_length: bool = False
    name: str = ""
    constants: tuple[Any, ...] = ()
    others: Others = cosines
    slopes_of: SlopesOf = no_slopes
    bind: Bind | None = None
    sub_centers: bool = False
    by_label: bool = False
    turn: Callable[[Any, Any, Any], Any] | None = None
    penalty: Callable[[Any, Any], tuple[Any, Any]] | None = None
    with_label: bool = True


class Rows(NamedTuple):
    """Rows beside class vectors: what `beside` finds and `pull` goes back through.

    ``angles`` holds all cosines, and the cosine and sine of the label's angle; ``cosine`` and ``sine`` are the latter.
    """

    hot: Any
    to_x: Any
    to_w: Any
    own: Any
    angles: Any
    other_slopes: Any
    at_label: Any
    z: Any
    amplitude: Any
    free: bool
    weight_length: bool

    @property
    def cosine(self) -> Any:
        return self.angles[1][:, 0]

    @property
    def sine(self) -> Any:
        return self.angles[2][:, 0]


def beside(
    xp: Any,
    x: Array,
    weight: Array,
    y: Array,
    scale: Any,
    target: Target,
    weight_length: bool = False,
    others: Others = cosines,
    angles: tuple[Any, Any] | None = None,
) -> Rows:
    """The logits over their amplitude, z, with the directions, lengths and targets from which they come.

    A label that is no index of weight belongs to a class elsewhere: all classes here are others to that row. For
    ``others`` that looks at the label, ``angles`` gives cosine and sine of all labels' angles, (N,) each.
    """
    hot = one_hot(xp, y, weight.shape[0])
    (unit, *length_x), (unit_w, *length_w) = direction(xp, x), direction(xp, weight)
    y = xp.clip(y, 0, weight.shape[0] - 1)
    own = xp.take(unit_w, y, axis=0)
    if scale is None:  # a zero vector has an amplitude of 0, and counts as parallel to what it meets
        axis = xp.broadcast_to(xp.astype(xp.arange(x.shape[1]) == 0, xp.float64), own.shape)
        if weight_length:
            no_class = length_w[0] == 0
            length_w[1], unit_w = xp.where(no_class, 1.0, length_w[1]), xp.where(no_class, 0.0, unit_w)
            own = xp.where(xp.take(no_class, y, axis=0), xp.where(length_x[0] == 0, axis, unit), own)
        no_row = length_x[0] == 0
        length_x[1], unit = xp.where(no_row, 1.0, length_x[1]), xp.where(no_row, own, unit)
    sine, _ = tangent(xp, unit, own)
    c = xp.clip(unit @ unit_w.T, -1.0, 1.0)
    own_c = xp.sum(xp.where(hot, c, 0.0), axis=1)
    if weight_length:
        own_c = xp.where(xp.take(length_w[0], y, axis=0)[:, 0] == 0, 1.0, own_c)
    own_c, sine = (own_c, sine) if angles is None else angles
    value, fall, slope, *radial = target(xp, own_c, sine)
    radial = radial[0] if radial else value - slope * own_c
    steep = (sine < 1e-4) | (xp.abs(slope) > 4 * (xp.abs(value) + xp.abs(fall)))
    singular = steep & ~((slope == 1) & (radial == 0))
    at_label = tuple(v[:, None] for v in (value, fall, slope, radial, xp.abs(own_c) > 0.8, singular))
    all_angles = c, own_c[:, None], sine[:, None]
    z, other_slopes = others(xp, *all_angles)
    z = xp.where(hot, value[:, None], z) * ((length_w[0] * length_w[1]).T if weight_length else 1.0)
    amplitude = length_x[0] * length_x[1] if scale is None else scale
    lengths = (unit, *length_x), (unit_w, *length_w)
    return Rows(hot, *lengths, own, all_angles, other_slopes, at_label, z, amplitude, scale is None, weight_length)


def pull(xp: Any, slopes: Array, rows: Rows) -> tuple[Any, Any, Any]:
    r"""Cotangents of x and weight from those of ``amplitude * z``; and that of the label's target, (N, 1).

    In the matrix product :math:`(I - \hat x \hat x^T) \hat w` stands for the label too, times dt/dc, unless this would
    cancel: where the directions are nearly parallel, -dt/dtheta goes along the unit tangent instead.
    """
    hot, (unit, *length_x), (unit_w, *length_w), own, _, other_slopes, at_label, _, amplitude, free, weight_length = (
        rows
    )
    value, fall, slope, radial, parallel, singular = at_label
    slopes = slopes if free else slopes * amplitude
    slopes = slopes * xp.where(hot, 1.0, other_slopes + 0 * slopes)
    own_slopes = xp.sum(xp.where(hot, slopes, 0.0), axis=1, keepdims=True)

    def parts(apart: Any, at: Any, toward: Any, lengths: bool) -> tuple[Any, Any]:
        """The derivatives for the product with the other directions, and what the label adds beside it."""
        kept = xp.where(hot, xp.where(apart, 0.0, slope * slopes), slopes)
        along = (xp.where(apart, value, radial) if lengths else 0.0) * at
        return kept, own_slopes * (along + xp.where(apart, fall * tangent(xp, at, toward)[1], 0.0))

    kept, at_own = parts(singular if free else parallel, unit, own, free)
    if weight_length:
        size_w = length_w[0] * length_w[1]
        dx = kept @ (size_w * unit_w) + (xp.astype(hot, xp.float64) @ size_w) * at_own
    else:
        dx = kept @ unit_w + at_own if free else (across(xp, kept @ unit_w, unit) + at_own) / length_x[1] / length_x[0]
    kept, at_own = parts(singular if weight_length else parallel, own, unit, weight_length)
    size, of_class = amplitude if free else 1.0, xp.astype(hot, xp.float64).T
    dw, at_own = (size * kept).T @ unit, of_class @ (size * at_own)
    dw = dw + at_own if weight_length else (across(xp, dw, unit_w) + at_own) / length_w[1] / length_w[0]
    return dx, dw, own_slopes


def checked_cosine(cosine: Array, labels: Array) -> tuple[Any, Any, Any, Any]:
    """``xp, dtype, cosine, hot``: the cosines in float64, nan outside [-1, 1], and where the labels are."""
    xp, dtype, c = promote(cosine=cosine)
    check_shape("cosine", c, ("N", "C"))
    hot = one_hot(xp, check_labels("labels", labels, *c.shape), c.shape[1])
    c = xp.astype(c, xp.float64, copy=False)
    return xp, dtype, xp.where(xp.abs(c) <= 1, c, xp.nan), hot


def checked_rows(x: Array, weight: Array, labels: Array, reduction: str) -> tuple[Any, Any, Any, Any, Any]:
    """``xp, dtype, x, weight, labels`` of a head, the vectors in float64."""
    check_option("reduction", reduction, REDUCTIONS)
    xp, dtype, x, weight = promote(x=x, weight=weight)
    check_rows_and_classes(x, weight)
    if weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (C, D) with C >= 1, got {tuple(weight.shape)}")
    y = check_labels("labels", labels, x.shape[0], weight.shape[0])
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(weight, xp.float64, copy=False), y
