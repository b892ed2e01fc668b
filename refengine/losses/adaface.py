r"""AdaFace: a margin that turns from the angle to the cosine with the quality of the row, told by its length."""

from __future__ import annotations

from math import inf, pi
from typing import Annotated, Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_option, check_shape, elementwise, promote
from refengine.distributions._counts import cotangents
from refengine.domains import Array, Interval, Labels, NonNegative, Real
from refengine.losses import _heads
from refengine.losses._angle import shifted
from refengine.losses._heads import Cosine, Head, Others, Target, check_range, check_scale
from refengine.losses._rows import label_entropy, reduce, spread

__all__ = [
    "Statistics",
    "head",
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
    "quality",
    "quality_vjp",
    "update",
    "update_vjp",
]

ANGLES = ("none", "clip")
Quality = Annotated[Array, Interval(-1, 1, closed=True)]


class Statistics(NamedTuple):
    """Mean and standard deviation of the lengths of rows, both ()."""

    mean: NonNegative
    deviation: NonNegative


def head(
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    h: float = 0.333,
    eps: float = 1e-3,
    mean: float | None = None,
    deviation: float | None = None,
    ddof: int = 1,
    boundary: str = "none",
    clip_cos: float = 0.0,
) -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`.

    Without mean and deviation those of the rows count that a shard is given: all of the batch.
    """
    _check(scale, margin, boundary, clip_cos)
    statistics = _check_statistics(h, eps, mean, deviation, ddof)

    def bind(xp: Any, x: Array, weight: Array, y: Array) -> tuple[Head, Any, Any]:
        target, others = _target(xp, x, margin, statistics, boundary, clip_cos)
        return Head(scale, target, name="adaface", others=others), weight, y

    return Head(scale, _heads.plain, name="adaface", bind=bind)


def quality(
    norms: NonNegative, mean: NonNegative, deviation: NonNegative, *, h: float = 0.333, eps: float = 1e-3
) -> Array:
    r"""Where a length lies among the lengths of all rows, from -1 to 1.

    .. math:: \hat z = \operatorname{clip}\left(h \, \frac{\|x\| - \mu}{\sigma + \epsilon}, -1, 1\right)

    norms, mean, deviation: broadcast together; float64 unless all are float32. With h = 1/3, 3 standard deviations
    reach the ends. The paper's text has no epsilon; 1e-3 is the authors' code. h >= 0, eps >= 0. A negative or infinite
    argument, and 0 / 0, are nan. Source: Kim et al. 2022 (AdaFace), section 3.3.

    >>> quality(np.array([18.0, 20.0, 29.0]), 20.0, 4.0, h=0.5, eps=0.0).tolist()
    [-0.25, 0.0, 1.0]
    """
    _check_quality(h, eps)
    xp, dtype, a, mean, deviation = elementwise(norms=norms, mean=mean, deviation=deviation)
    with np.errstate(all="ignore"):
        value, *_ = _quality(xp, a, mean, deviation, h, eps)
        return xp.astype(value, dtype, copy=False)


def quality_vjp(
    g: Array, norms: NonNegative, mean: NonNegative, deviation: NonNegative, *, h: float = 0.333, eps: float = 1e-3
) -> tuple[Array, Array, Array]:
    r"""Cotangents of norms, mean and deviation; training does not use them: there the quality counts as a constant.

    .. math:: \frac{\partial \hat z}{\partial \|x\|} = -\frac{\partial \hat z}{\partial \mu}
              = \frac{h}{\sigma + \epsilon}, \qquad
              \frac{\partial \hat z}{\partial \sigma} = -h \, \frac{\|x\| - \mu}{(\sigma + \epsilon)^2}

    0 beyond the ends, and the derivative from inside at them.
    """
    _check_quality(h, eps)
    like = norms, mean, deviation
    xp, dtype, g, a, mean, deviation = elementwise(g=g, norms=norms, mean=mean, deviation=deviation)
    with np.errstate(all="ignore"):
        value, inside, slope, fall = _quality(xp, a, mean, deviation, h, eps)
        slope, fall = (xp.where(inside, s, 0.0) for s in (slope, fall))
        return cotangents(g, dtype, value == value, *zip((slope, -slope, -fall), like, strict=True))


def update(
    norms: NonNegative, mean: NonNegative, deviation: NonNegative, *, ema_weight_on_new: float = 0.99, ddof: int = 1
) -> Statistics:
    r"""Moving averages of the mean and the standard deviation of the lengths, after one batch.

    .. math:: \mu' = \alpha \mu_B + (1 - \alpha) \mu, \quad \sigma' = \alpha \sigma_B + (1 - \alpha) \sigma, \qquad
              \mu_B = \frac1N \sum_i a_i, \quad \sigma_B^2 = \frac{1}{N - \mathrm{ddof}} \sum_i (a_i - \mu_B)^2

    norms: (N,), mean, deviation: (); result: mean and deviation, (); float64 unless all are float32.
    ``ema_weight_on_new`` is alpha, from 0 to 1, the weight of the batch. The paper gives 0.99 to the batch, as its
    formula reads; the authors' configuration has 0.01, their head's default is 1. They update before the loss.
    ``ddof``, 0 or 1, is 1 in their code: the deviation of one row is nan, that of none nan too. A norm that is negative
    or nan: nan. Source: Kim et al. 2022 (AdaFace), section 3.3.

    >>> [float(v) for v in update(np.array([1.0, 3.0]), 6.0, 4.0, ema_weight_on_new=0.5, ddof=0)]
    [4.0, 2.5]
    """
    xp, dtype, a, mean, deviation = _checked_norms(norms, mean, deviation, ema_weight_on_new, ddof)
    with np.errstate(all="ignore"):
        new_mean, new_deviation, _ = _statistics(xp, a, ddof)
        old = 1 - ema_weight_on_new
        found = (ema_weight_on_new * new_mean + old * mean, ema_weight_on_new * new_deviation + old * deviation)
        return Statistics(*(xp.astype(v, dtype, copy=False) for v in found))


def update_vjp(
    g: Statistics,
    norms: NonNegative,
    mean: NonNegative,
    deviation: NonNegative,
    *,
    ema_weight_on_new: float = 0.99,
    ddof: int = 1,
) -> tuple[Array, Array, Array]:
    r"""Cotangents of norms, mean and deviation.

    .. math:: \frac{\partial \mu_B}{\partial a_i} = \frac1N, \qquad
              \frac{\partial \sigma_B}{\partial a_i} = \frac{a_i - \mu_B}{(N - \mathrm{ddof}) \, \sigma_B}

    The latter is 0 where all lengths are equal: the mean of the one-sided derivatives.
    """
    xp, dtype, a, mean, deviation = _checked_norms(norms, mean, deviation, ema_weight_on_new, ddof)
    of_mean, of_deviation = (as_float64(xp, "g", part) for part in g)
    check_shape("g", of_mean, ())
    check_shape("g", of_deviation, ())
    with np.errstate(all="ignore"):
        new_mean, new_deviation, slopes = _statistics(xp, a, ddof)
        n = max(a.shape[0], 1)
        da = ema_weight_on_new * (of_mean / n + of_deviation * slopes) + 0 * (new_mean + new_deviation)
        old = 1 - ema_weight_on_new
        parts = (da, old * of_mean + 0 * new_mean, old * of_deviation + 0 * new_deviation)
        return tuple(xp.astype(part, dtype, copy=False) for part in parts)


def logits(
    cosine: Cosine,
    labels: Labels,
    quality: Quality,
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    boundary: str = "none",
    clip_cos: float = 0.0,
) -> Array:
    r"""Scaled cosines with an angular and an additive margin at the label's class, which depend on the quality.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad
              z_{i y_i} = s \left( \cos(\theta_i - m \hat z_i) - m - m \hat z_i \right)

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, quality: (N,) in [-1, 1]; result (N, C), float64 unless
    every floating array is float32. A cosine out of its range gives nan, a quality out of it gives nan for the label.
    Quality -1 is ArcFace with margin m, quality 0 is CosFace with it. scale s > 0, margin m from 0 to 1.
    ``clip_cos`` e keeps all cosines within -1 + e and 1 - e; ``boundary="clip"`` keeps the label's angle, with the
    margin, within e and pi - e. The paper has neither; the authors' code has "clip" and 1e-3. Wrong shapes, labels,
    options, or constants out of range are a ValueError, values of a wrong kind a TypeError.
    Source: Kim et al. 2022 (AdaFace), section 3.3.

    >>> c, labels, q = np.array([[0.5, 0.0], [0.5, 0.0]]), np.array([0, 0]), np.array([0.0, 1.0])
    >>> logits(c, labels, q, scale=1.0, margin=np.pi / 6).round(12).tolist()  # 1/2 - m and cos(30 degrees) - 2 m
    [[-0.023598775598, 0.0], [-0.181172147412, 0.0]]
    """
    _check(scale, margin, boundary, clip_cos)
    xp, dtype, c, hot, q = _checked_cosine(cosine, labels, quality)
    with np.errstate(all="ignore"):
        z, *_ = _logits(xp, c, hot, q, margin, boundary, clip_cos)
        return xp.astype(scale * z, dtype, copy=False)


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    quality: Quality,
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    boundary: str = "none",
    clip_cos: float = 0.0,
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and quality.

    .. math:: \frac{\partial z_y}{\partial c_y} = s \frac{\sin(\theta - m \hat z)}{\sin\theta}, \qquad
              \frac{\partial z_y}{\partial \hat z} = s m \left( \sin(\theta - m \hat z) - 1 \right)

    At c = 1 and -1 the first is its one-sided limit, inf or -inf unless :math:`m \hat z = 0`. A clip leaves no
    derivative beyond its ends, and that from inside at them; where the angle is clipped, -s m remains of the second.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "boundary": boundary, "clip_cos": clip_cos}
    return logits_value_and_vjp(g, cosine, labels, quality, **constants)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    quality: Quality,
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    boundary: str = "none",
    clip_cos: float = 0.0,
) -> tuple[Array, tuple[Array, Array]]:
    """``logits`` and its vjp."""
    _check(scale, margin, boundary, clip_cos)
    xp, dtype, c, hot, q = _checked_cosine(cosine, labels, quality)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    with np.errstate(all="ignore"):
        z, slopes, turn = _logits(xp, c, hot, q, margin, boundary, clip_cos)
        dq = scale * xp.sum(xp.where(hot, g * turn, 0.0), axis=1)
        parts = scale * z, scale * g * slopes, dq
        value, dc, dq = (xp.astype(part, dtype, copy=False) for part in parts)
        return value, (dc, dq)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    h: float = 0.333,
    eps: float = 1e-3,
    mean: float | None = None,
    deviation: float | None = None,
    ddof: int = 1,
    boundary: str = "none",
    clip_cos: float = 0.0,
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{z_i}}{e^{z_i} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}, \qquad
              z_i = s \left( \cos(\theta_{i y_i} - m \hat z_i) - m - m \hat z_i \right)

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. The quality of a row is `quality` of its length beside ``mean`` and ``deviation``,
    which `update` averages over batches; None stands for those of this batch, as with a weight of 1 on the new ones,
    and with ddof = 1 a batch of one row is nan. Lengths that differ little have few digits in common with their mean:
    then the quality is known as well as they are, which is less well than the result's unit says. In the plane, D = 2,
    the parts of a gradient lie along one line and may cancel near 90 degrees, with the same effect. The
    authors' code takes lengths within 0.001 and 100. A vector of zeros has no direction: nan for its row, and for every
    row where it is a class; in the batch's statistics its length counts. No rows: the mean is nan, the sum 0. The rest
    is as for `logits`. Source: Kim et al. 2022 (AdaFace), section 3.3.

    >>> x = np.array([[2.0, 0.0]])  # of mean length: CosFace with the margin, cosines 1 - 1 and 0
    >>> round(float(loss(x, np.eye(2), np.array([0]), margin=1.0, mean=2.0, deviation=1.0)), 12)
    0.69314718056
    """
    _check(scale, margin, boundary, clip_cos)
    statistics = _check_statistics(h, eps, mean, deviation, ddof)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        losses, *_ = _rows(xp, x, weight, y, scale, margin, statistics, boundary, clip_cos)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    h: float = 0.333,
    eps: float = 1e-3,
    mean: float | None = None,
    deviation: float | None = None,
    ddof: int = 1,
    boundary: str = "none",
    clip_cos: float = 0.0,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight, for the quality held.

    As in `refengine.losses.arcface.loss_vjp`, with the unit tangent e at :math:`\hat x` towards :math:`\hat w`:

    .. math:: \frac{\partial z_y}{\partial x} = s \sin(\theta - m \hat z) \, \frac{e}{\|x\|}

    The quality counts as a constant, as in the paper, although it is computed from x: a row's gradient is orthogonal to
    it. At theta = 0 and pi the term is 0, as it is where a clip holds.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "h": h, "eps": eps, "mean": mean}
    constants |= {"deviation": deviation, "ddof": ddof, "boundary": boundary, "clip_cos": clip_cos}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    margin: float = 0.4,
    h: float = 0.333,
    eps: float = 1e-3,
    mean: float | None = None,
    deviation: float | None = None,
    ddof: int = 1,
    boundary: str = "none",
    clip_cos: float = 0.0,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same angles."""
    _check(scale, margin, boundary, clip_cos)
    statistics = _check_statistics(h, eps, mean, deviation, ddof)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    of_rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, slopes, rows = _rows(xp, x, weight, y, scale, margin, statistics, boundary, clip_cos)
        dx, dw, _ = _heads.pull(xp, of_rows * slopes, rows)
        parts = reduce(xp, losses, reduction), dx, dw
        value, dx, dw = (xp.astype(part, dtype, copy=False) for part in parts)
        return value, (dx, dw)


def _quality(xp: Any, a: Array, mean: Array, deviation: Array, h: float, eps: float) -> tuple[Any, ...]:
    """The quality; whether it is inside the ends; h / (sigma + eps), and that times (a - mean) / (sigma + eps)."""
    good = (a >= 0) & (a < inf) & (mean >= 0) & (mean < inf) & (deviation >= 0) & (deviation < inf)
    width = xp.where(good, deviation + eps, xp.nan)
    place = (a - mean) / width
    z = h * place
    return xp.clip(z, -1.0, 1.0), xp.abs(z) <= 1, h / width, h * place / width


def _statistics(xp: Any, a: Array, ddof: int) -> tuple[Any, Any, Any]:
    """Mean and deviation, and the derivatives of the latter."""
    n = a.shape[0]
    if n == 0:
        nothing = xp.sum(a) + xp.nan
        return nothing, nothing, a
    a = xp.where((a >= 0) & (a < inf), a, xp.nan)
    size = xp.max(a)
    size = xp.where(size == 0, 1.0, size)
    a = a / size
    mean = xp.sum(a) / n
    apart = a - mean
    apart = apart - xp.sum(apart) / n  # the mean is rounded
    length = xp.sqrt(xp.sum(apart * apart))
    alone = xp.nan if n <= ddof else 1.0
    root = alone * max(n - ddof, 1) ** 0.5
    equal = xp.max(a) == xp.min(a)
    apart, length, mean = xp.where(equal, 0.0, apart), xp.where(equal, 0.0, length), xp.where(equal, xp.max(a), mean)
    return size * mean, size * (length / root), xp.where(equal, 0.0, apart / length) / root


def _shifted(
    xp: Any, c: Array, sine: Array, q: Array, margin: float, boundary: str, clip_cos: float
) -> tuple[Any, Any, Any, Any]:
    """The target's value, -dt/dtheta, dt/dc, and dt/dquality."""
    shift, moves = -margin * xp.where(xp.abs(q) <= 1, q, xp.nan), c == c
    if clip_cos > 0:
        moves = xp.abs(c) <= 1 - clip_cos
        kept = xp.clip(c, clip_cos - 1, 1 - clip_cos)
        sine = xp.where(moves, sine, xp.sqrt((1 - kept) * (1 + kept)) + 0 * sine)
        c = kept
    value, fall, slope = shifted(xp, c, sine, shift)
    below = xp.where(fall > 0, value * value / (1 + fall), 1 - fall)  # 1 - sin(theta + shift) keeps its digits
    turns = c == c
    if boundary == "clip":
        angle = xp.atan2(sine, c) + shift
        turns = (angle >= clip_cos) & (angle <= pi - clip_cos)
        end = xp.cos(xp.clip(angle, clip_cos, pi - clip_cos))
        value = xp.where(turns, value, end)
    turn = -margin * xp.where(turns, below, 1.0)
    fall, slope = (xp.where(moves & turns, part, 0 * value) for part in (fall, slope))
    return value - margin + shift, fall, slope, turn + 0 * value


def _clipped(xp: Any, c: Array, clip_cos: float) -> tuple[Any, Any]:
    """The cosines within their clip, and their derivatives."""
    return xp.clip(c, clip_cos - 1, 1 - clip_cos), xp.where(xp.abs(c) <= 1 - clip_cos, 1.0 + 0 * c, 0 * c)


def _logits(
    xp: Any, c: Array, hot: Array, q: Array, margin: float, boundary: str, clip_cos: float
) -> tuple[Any, Any, Any]:
    own = xp.sum(xp.where(hot, c, 0.0), axis=1, keepdims=True)
    sine = xp.sqrt((1 - own) * (1 + own))
    value, _, slope, turn = _shifted(xp, own, sine, q[:, None], margin, boundary, clip_cos)
    others, moves = _clipped(xp, c, clip_cos)
    return xp.where(hot, value, others), xp.where(hot, slope, moves), turn


def _rows(
    xp: Any,
    x: Array,
    weight: Array,
    y: Array,
    scale: float,
    margin: float,
    statistics: tuple[Any, ...],
    boundary: str,
    clip_cos: float,
) -> tuple[Any, Any, Any]:
    """The losses, the softmax's slopes, and the rows beside the classes."""
    target, others = _target(xp, x, margin, statistics, boundary, clip_cos)
    rows = _heads.beside(xp, x, weight, y, scale, target, others=others)
    losses, slopes = label_entropy(xp, rows.z, rows.hot, scale)
    return losses, slopes, rows


def _target(
    xp: Any, x: Array, margin: float, statistics: tuple[Any, ...], boundary: str, clip_cos: float
) -> tuple[Target, Others]:
    """The target at the quality of these rows, and what the clip leaves of the other cosines."""
    h, eps, mean, deviation, ddof = statistics
    largest = xp.max(xp.abs(x), axis=1)
    norm = xp.sqrt(xp.sum((x / xp.where(largest == 0, 1.0, largest)[:, None]) ** 2, axis=1))
    a = largest * norm
    of_batch, spread_of_batch, _ = _statistics(xp, a, ddof)
    mean, deviation = of_batch if mean is None else mean, spread_of_batch if deviation is None else deviation
    q, *_ = _quality(xp, a, xp.asarray(mean), xp.asarray(deviation), h, eps)

    def target(xp: Any, c: Any, sine: Any) -> tuple[Any, ...]:
        return _shifted(xp, c, sine, q, margin, boundary, clip_cos)[:3]

    return target, lambda xp, c, own, sine: _clipped(xp, c, clip_cos)


def _check_quality(h: float, eps: float) -> None:
    check_range("h", h, 0, inf)
    check_range("eps", eps, 0, inf)


def _check_ddof(ddof: int) -> None:
    if isinstance(ddof, bool) or ddof not in (0, 1):
        raise ValueError(f"ddof must be 0 or 1, got {ddof!r}")


def _check_statistics(
    h: float, eps: float, mean: float | None, deviation: float | None, ddof: int
) -> tuple[float, float, float | None, float | None, int]:
    _check_quality(h, eps)
    _check_ddof(ddof)
    mean = None if mean is None else check_range("mean", mean, 0, inf)
    deviation = None if deviation is None else check_range("deviation", deviation, 0, inf)
    return h, eps, mean, deviation, ddof


def _check(scale: float, margin: float, boundary: str, clip_cos: float) -> None:
    check_option("boundary", boundary, ANGLES)
    check_scale(scale)
    check_range("margin", margin, 0, 1)
    check_range("clip_cos", clip_cos, 0, 1)


def _checked_cosine(cosine: Array, labels: Array, quality: Array) -> tuple[Any, Any, Any, Any, Any]:
    xp, dtype, cosine, q = promote(cosine=cosine, quality=quality)
    _, _, c, hot = _heads.checked_cosine(cosine, labels)
    check_shape("quality", q, ("N",), N=c.shape[0])
    return xp, dtype, c, hot, xp.astype(q, xp.float64, copy=False)


def _checked_norms(norms: Array, mean: Array, deviation: Array, weight: float, ddof: int) -> tuple[Any, ...]:
    check_range("ema_weight_on_new", weight, 0, 1)
    _check_ddof(ddof)
    xp, dtype, a, mean, deviation = promote(norms=norms, mean=mean, deviation=deviation)
    check_shape("norms", a, ("N",))
    check_shape("mean", mean, ())
    check_shape("deviation", deviation, ())
    return xp, dtype, *(xp.astype(v, xp.float64, copy=False) for v in (a, mean, deviation))
