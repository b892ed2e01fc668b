r"""MagFace: ArcFace with a margin that grows with the length of the row, and a reward for length."""

from __future__ import annotations

from math import inf, pi
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_option, check_shape, elementwise, promote
from refengine.distributions._counts import cotangents, result
from refengine.domains import Array, Labels, NonNegative, Positive, Real
from refengine.losses import _heads
from refengine.losses._angle import with_margin
from refengine.losses._heads import Cosine, Head, check_range, check_scale
from refengine.losses._rows import label_entropy, reduce, spread
from refengine.losses.arcface import BOUNDARIES

__all__ = [
    "head",
    "lambda_bound",
    "lambda_bound_vjp",
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
]


def head(
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    regularizer: float = 35.0,
    boundary: str = "none",
) -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`.

    The regulariser is no sum over classes: `refengine.losses.sharded.loss_of_head` adds it to that of the merged sums.
    """
    margins = _margins(scale, lower_norm, upper_norm, lower_margin, upper_margin, boundary, regularizer)

    def bind(xp: Any, x: Array, weight: Array, y: Array) -> tuple[Head, Any, Any]:
        m, moves = _margin(xp, _length(xp, x), *margins)

        def turn(xp: Any, c: Array, sine: Array) -> Any:
            return _turn(xp, c, sine, m, moves, boundary)

        return found._replace(target=_target(m, boundary), turn=turn), weight, y

    def penalty(xp: Any, x: Array) -> tuple[Any, Any]:
        return _penalty(xp, _length(xp, x), margins, regularizer)

    found = Head(scale, _heads.plain, name="magface", bind=bind, penalty=penalty)
    return found


def logits(
    cosine: Cosine,
    labels: Labels,
    norms: NonNegative,
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    boundary: str = "none",
) -> Array:
    r"""Scaled cosines with the row's margin in the angle of the label's class.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \quad z_{i y_i} = s \cos(\theta_i + m(a_i)), \quad
              m(a) = l_m + \frac{u_m - l_m}{u_a - l_a} (\operatorname{clip}(a, l_a, u_a) - l_a)

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, norms: (N,) the lengths a of the rows; result (N, C),
    float64 unless every floating array is float32. A cosine outside [-1, 1] gives nan, a norm that is negative or nan
    gives nan for the label. scale s > 0, 0 < l_a < u_a, 0 <= l_m <= u_m <= pi. ``boundary`` is the rule beyond
    theta = pi - m, as in `refengine.losses.arcface`: the paper has none; the authors' code has "easy" by default, else
    "monotonic". Wrong shapes, labels, options, or constants out of range are a ValueError, values of a wrong kind a
    TypeError. Source: Meng et al. 2021, section 3.

    >>> margins = {"lower_norm": 1.0, "upper_norm": 3.0, "lower_margin": 0.0, "upper_margin": np.pi / 2}
    >>> c, labels, norms = np.array([[0.0], [0.0], [0.0]]), np.array([0, 0, 0]), np.array([0.5, 2.0, 9.0])
    >>> logits(c, labels, norms, scale=1.0, **margins).round(6).ravel().tolist()  # cos(pi / 2 + 0, pi / 4, pi / 2)
    [0.0, -0.707107, -1.0]
    """
    margins = _margins(scale, lower_norm, upper_norm, lower_margin, upper_margin, boundary)
    xp, dtype, cosine, a = _checked_cosine(cosine, norms)
    with np.errstate(all="ignore"):
        m, _ = _margin(xp, a, *margins)
        z = _heads.logits(xp.astype(cosine, xp.float64, copy=False), labels, scale, _target(m[:, None], boundary))
        return xp.astype(z, dtype, copy=False)


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    norms: NonNegative,
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    boundary: str = "none",
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and norms.

    .. math:: \frac{\partial z_y}{\partial c_y} = s \frac{\sin(\theta + m)}{\sin\theta}, \qquad
              \frac{\partial z_y}{\partial a} = -s \sin(\theta + m) \, m'(a), \quad
              m'(a) = \frac{u_m - l_m}{u_a - l_a} \, [l_a \le a \le u_a]

    At the ends of the interval the derivative from inside holds; beyond them the clip leaves none. Where the boundary
    rule takes c or -1 instead there is none either, and :math:`-s (\sin m + m \cos m) m'(a)` for "monotonic".
    """
    constants: dict[str, Any] = {"lower_norm": lower_norm, "upper_norm": upper_norm, "lower_margin": lower_margin}
    constants |= {"upper_margin": upper_margin, "boundary": boundary, "scale": scale}
    return logits_value_and_vjp(g, cosine, labels, norms, **constants)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    norms: NonNegative,
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    boundary: str = "none",
) -> tuple[Array, tuple[Array, Array]]:
    """``logits`` and its vjp."""
    margins = _margins(scale, lower_norm, upper_norm, lower_margin, upper_margin, boundary)
    xp, dtype, cosine, a = _checked_cosine(cosine, norms)
    _, _, c, hot = _heads.checked_cosine(cosine, labels)
    g = as_float64(xp, "g", g)
    with np.errstate(all="ignore"):
        m, moves = _margin(xp, a, *margins)
        z, (dc,) = _heads.logits_value_and_vjp(g, c, labels, scale, _target(m[:, None], boundary))
        own = xp.sum(xp.where(hot, c, 0.0), axis=1)
        *_, turn = with_margin(xp, own, xp.sqrt((1 - own) * (1 + own)), m, boundary)
        da = xp.where(moves == 0, 0.0, scale * xp.sum(xp.where(hot, g, 0.0), axis=1) * turn * moves) + 0 * m * own
        return _results(xp, dtype, z, dc, da)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    regularizer: float = 35.0,
    boundary: str = "none",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits`, plus a convex function of the length that is least at its upper end.

    .. math:: L = \frac{1}{N} \sum_i \left[ -\log \frac{e^{s \cos(\theta_{i y_i} + m(a_i))}}
              {e^{s \cos(\theta_{i y_i} + m(a_i))} + \sum_{j \ne y_i} e^{s \cos \theta_{ij}}}
              + \lambda_g \, g(a_i) \right], \qquad g(a) = \frac{1}{a} + \frac{a}{u_a^2}, \quad a_i = \|x_i\|

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. Both m and g take the length clipped to [l_a, u_a]. regularizer is lambda_g >= 0:
    the paper's 35 lies above `lambda_bound`, 22.6 for these margins; FaceX-Zoo's 20 below it. A vector of zeros has no
    direction: nan for its row, and for every row where it is a class. No rows: the mean is nan, the sum 0. The rest is
    as for `logits`. Source: Meng et al. 2021, section 3.

    >>> x = np.array([[3.0, 0.0]])  # one class: the softmax has no loss; 1 / 10 + 10 / 110^2 at the clipped length
    >>> round(float(loss(x, x, np.array([0]), regularizer=1.0)), 12), round(0.1 + 10 / 110**2, 12)
    (0.100826446281, 0.100826446281)
    """
    margins = _margins(scale, lower_norm, upper_norm, lower_margin, upper_margin, boundary, regularizer)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        losses, *_ = _rows(xp, x, weight, y, scale, margins, regularizer, boundary)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    regularizer: float = 35.0,
    boundary: str = "none",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    Those of `refengine.losses.arcface.loss_vjp` at the margin m(a), across x; and along it, as the margin is a function
    of the length, with p the probability of the label:

    .. math:: \hat x_i \cdot \frac{\partial L_i}{\partial x_i} = s (1 - p_i) \sin(\theta_i + m(a_i)) \, m'(a_i)
              + \lambda_g \left( \frac{1}{u_a^2} - \frac{1}{a_i^2} \right) [l_a \le a_i \le u_a]

    m' as in `logits_vjp`: out of the interval the row's gradient is orthogonal to it. At the upper end the second term
    is 0. At theta = 0 and pi the part across x is 0, the part along it is not.
    """
    constants: dict[str, Any] = {"lower_norm": lower_norm, "upper_norm": upper_norm, "lower_margin": lower_margin}
    constants |= {"upper_margin": upper_margin, "regularizer": regularizer, "boundary": boundary, "scale": scale}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 64.0,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    regularizer: float = 35.0,
    boundary: str = "none",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same angles."""
    margins = _margins(scale, lower_norm, upper_norm, lower_margin, upper_margin, boundary, regularizer)
    xp, dtype, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    of_rows = spread(xp, g, x.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, slopes, rows, turn, of_length = _rows(xp, x, weight, y, scale, margins, regularizer, boundary)
        dx, dw, own_slopes = _heads.pull(xp, of_rows * slopes, rows)
        dx = dx + (own_slopes * turn[:, None] + of_rows * of_length[:, None]) * rows.to_x[0]
        return _results(xp, dtype, reduce(xp, losses, reduction), dx, dw)


def lambda_bound(
    lower_norm: Positive, upper_norm: Positive, lower_margin: NonNegative, upper_margin: NonNegative, scale: Positive
) -> Array:
    r"""The least weight of the regulariser for which the loss of every row has one minimum in its length.

    .. math:: \lambda_g \ge s \, m' \, \frac{u_a^2 \, l_a^2}{u_a^2 - l_a^2}, \qquad m' = \frac{u_m - l_m}{u_a - l_a}

    lower_norm, upper_norm, lower_margin, upper_margin, scale: broadcast together; float64 unless all are float32. nan
    unless 0 < l_a < u_a, 0 <= l_m <= u_m and s > 0, all finite. With this weight the loss falls with the length at
    l_a whatever the angle is: :math:`\lambda_g (1 / l_a^2 - 1 / u_a^2) \ge s m'` is the largest slope that the margin
    can have. Source: Meng et al. 2021, section 3, on convergence.

    >>> round(float(lambda_bound(10.0, 110.0, 0.45, 0.8, 64.0)), 3)
    22.587
    """
    xp, dtype, *arrays = elementwise(**_named(lower_norm, upper_norm, lower_margin, upper_margin, scale))
    with np.errstate(all="ignore"):
        low, high, below, above, s = arrays
        return result(xp, dtype, s * (above - below) * _shape(low, high), _good(xp, *arrays))


def lambda_bound_vjp(
    g: Array,
    lower_norm: Positive,
    upper_norm: Positive,
    lower_margin: NonNegative,
    upper_margin: NonNegative,
    scale: Positive,
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of all five, in order.

    With :math:`Q = u_a^2 l_a^2 / ((u_a - l_a)^2 (u_a + l_a))` the bound is :math:`s (u_m - l_m) Q`, and

    .. math:: \frac{Q_{l_a}}{Q} = \frac{2 u_a}{l_a (u_a - l_a)} - \frac{1}{u_a + l_a}, \qquad
              \frac{Q_{u_a}}{Q} = -\frac{2 l_a}{u_a (u_a - l_a)} - \frac{1}{u_a + l_a}
    """
    named = _named(lower_norm, upper_norm, lower_margin, upper_margin, scale)
    xp, dtype, g, *arrays = elementwise(g=g, **named)
    with np.errstate(all="ignore"):
        low, high, below, above, s = arrays
        q, apart = _shape(low, high), above - below
        of_low = 2 * high / (low * (high - low)) - 1 / (high + low)
        of_high = -2 * low / (high * (high - low)) - 1 / (high + low)
        slopes = (s * apart * q * of_low, s * apart * q * of_high, -s * q, s * q, apart * q)
        return cotangents(g, dtype, _good(xp, *arrays), *zip(slopes, named.values(), strict=True))


def _named(low: Array, high: Array, below: Array, above: Array, scale: Array) -> dict[str, Array]:
    return {
        "lower_norm": low,
        "upper_norm": high,
        "lower_margin": below,
        "upper_margin": above,
        "scale": scale,
    }


def _shape(low: Array, high: Array) -> Any:
    return (high / (high - low)) ** 2 * low / (high + low) * low


def _good(xp: Any, low: Array, high: Array, below: Array, above: Array, s: Array) -> Any:
    margins = (below >= 0) & (below <= above) & (above < inf)
    return (low > 0) & (low < high) & (high < inf) & margins & (s > 0) & (s < inf)


def _results(xp: Any, dtype: Any, value: Array, one: Array, other: Array) -> tuple[Any, tuple[Any, Any]]:
    """Value and cotangents in the dtype of the inputs."""
    value, one, other = (xp.astype(part, dtype, copy=False) for part in (value, one, other))
    return value, (one, other)


def _rows(
    xp: Any,
    x: Array,
    weight: Array,
    y: Array,
    scale: float,
    margins: tuple[float, ...],
    regularizer: float,
    boundary: str,
) -> tuple[Any, ...]:
    """The losses, the softmax's slopes, the rows beside the classes; dt/da, and the regulariser's derivative."""
    a = _length(xp, x)
    m, moves = _margin(xp, a, *margins)
    rows = _heads.beside(xp, x, weight, y, scale, _target(m, boundary))
    losses, slopes = label_entropy(xp, rows.z, rows.hot, scale)
    added, of_length = _penalty(xp, a, margins, regularizer)
    return losses + added, slopes, rows, _turn(xp, rows.cosine, rows.sine, m, moves, boundary), of_length


def _length(xp: Any, x: Array) -> Any:
    largest = xp.max(xp.abs(x), axis=1)
    return largest * xp.sqrt(xp.sum((x / largest[:, None]) ** 2, axis=1))


def _turn(xp: Any, c: Array, sine: Array, m: Array, moves: Array, boundary: str) -> Any:
    """dt/da, 0 where the length is clipped."""
    return xp.where(moves == 0, 0.0, with_margin(xp, c, sine, m, boundary)[3] * moves)


def _penalty(xp: Any, a: Array, margins: tuple[float, ...], regularizer: float) -> tuple[Any, Any]:
    """The regulariser of each length, and its derivative, 0 where that is clipped."""
    low, high, *_ = margins
    held = xp.clip(a, low, high)
    slope = regularizer * (a - high) * (a + high) / high / high / a / a
    return regularizer * (1 / held + held / high / high), xp.where((a >= low) & (a <= high), slope, 0.0)


def _margin(xp: Any, a: Array, low: float, high: float, below: float, above: float) -> tuple[Any, Any]:
    """The margin of each length, and its derivative: 0 where the clip holds; nan for no length."""
    slope = (above - below) / (high - low)
    a = xp.where(a >= 0, a, xp.nan)
    return below + slope * (xp.clip(a, low, high) - low), xp.where((a >= low) & (a <= high), slope + 0 * a, 0.0)


def _target(margin: Array, boundary: str) -> Any:
    return lambda xp, c, sine: with_margin(xp, c, sine, margin, boundary)[:3]


def _margins(
    scale: float,
    lower_norm: float,
    upper_norm: float,
    lower_margin: float,
    upper_margin: float,
    boundary: str,
    regularizer: float = 0.0,
) -> tuple[float, float, float, float]:
    check_option("boundary", boundary, BOUNDARIES)
    check_scale(scale)
    check_scale(lower_norm, "lower_norm")
    check_range("lower_margin", lower_margin, 0, pi)
    check_range("upper_margin", upper_margin, float(lower_margin), pi)
    check_range("regularizer", regularizer, 0, inf)
    if not float(lower_norm) < check_scale(upper_norm, "upper_norm"):
        raise ValueError(f"upper_norm must be above lower_norm = {lower_norm!r}, got {upper_norm!r}")
    return float(lower_norm), float(upper_norm), float(lower_margin), float(upper_margin)


def _checked_cosine(cosine: Array, norms: Array) -> tuple[Any, Any, Any, Any]:
    xp, dtype, cosine, a = promote(cosine=cosine, norms=norms)
    check_shape("cosine", cosine, ("N", "C"))
    check_shape("norms", a, ("N",), N=cosine.shape[0])
    return xp, dtype, cosine, xp.astype(a, xp.float64, copy=False)
