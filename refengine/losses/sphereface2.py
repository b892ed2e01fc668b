r"""SphereFace2: one binary classification for every class, with a common bias that is learnt."""

from __future__ import annotations

from math import exp, inf
from typing import Annotated, Any

import numpy as np

from refengine._arrays import as_float64, check_option, check_shape, elementwise, promote
from refengine.distributions._counts import finite, result
from refengine.domains import Array, Integers, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import GRADIENTS, Cosine, check_range, check_scale
from refengine.losses._rows import direction, one_hot, reduce, spread
from refengine.losses.cosine import similarity, similarity_vjp

__all__ = [
    "initial_bias",
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
]

Classes = Annotated[Array, Integers(2)]


def logits(
    cosine: Cosine,
    labels: Labels,
    bias: Real,
    *,
    scale: float = 40.0,
    margin: float = 0.4,
    t: float = 3.0,
    gradient: str = "exact",
) -> Array:
    r"""The logits of the binary classifications: similarities that are adjusted, with a margin on both sides.

    .. math:: z_{i y_i} = r (g(c_{i y_i}) - m) + b, \qquad z_{ij} = r (g(c_{ij}) + m) + b \;(j \ne y_i), \qquad
              g(c) = 2 \left(\frac{c + 1}{2}\right)^t - 1

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, bias b: one number; result (N, C), float64 unless every
    floating array is float32. A cosine outside [-1, 1] gives nan, a bias that is not finite nan everywhere. scale
    r > 0; margin m from 0 to 2; t >= 1, and 1 leaves the cosines as they are. Wrong shapes, labels, options, or
    constants out of range are a ValueError; values of a wrong kind a TypeError.
    Source: Wen et al. 2022 (SphereFace2), section 3, with the margin of SphereFace2-C.

    >>> import numpy as np
    >>> logits(np.array([[0.0, 0.0]]), np.array([0]), 3.0, scale=4.0, margin=0.25, t=2.0).tolist()  # g = -1/2
    [[0.0, 2.0]]
    """
    _check_constants(scale, margin, t, gradient)
    xp, dtype, c, hot, b = _checked_cosine(cosine, labels, bias)
    with np.errstate(all="ignore"):
        return xp.astype(_logits(xp, c, hot, b, scale, margin, t), dtype, copy=False)


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    bias: Real,
    *,
    scale: float = 40.0,
    margin: float = 0.4,
    t: float = 3.0,
    gradient: str = "exact",
) -> tuple[Array, Array]:
    r"""Cotangents of cosine and bias.

    .. math:: \bar c_{ij} = r \, g_{ij} \, t \left(\frac{c_{ij} + 1}{2}\right)^{t - 1}, \qquad
              \bar b = \sum_{ij} g_{ij}

    ``gradient="straight_through"`` takes g(c) for c plus a constant, with slope 1, as opensphere's code does.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "t": t}
    return logits_value_and_vjp(g, cosine, labels, bias, **constants, gradient=gradient)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    bias: Real,
    *,
    scale: float = 40.0,
    margin: float = 0.4,
    t: float = 3.0,
    gradient: str = "exact",
) -> tuple[Array, tuple[Array, Array]]:
    """``logits`` and its vjp."""
    _check_constants(scale, margin, t, gradient)
    xp, dtype, c, hot, b = _checked_cosine(cosine, labels, bias)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "C"), N=c.shape[0], C=c.shape[1])
    with np.errstate(all="ignore"):
        z = _logits(xp, c, hot, b, scale, margin, t)
        dc = scale * g * _slope(xp, (1 + c) / 2, t, gradient) + 0 * z
        found = z, dc, xp.sum(g + 0 * z) + 0 * b
        value, *cotangents = (xp.astype(v, dtype, copy=False) for v in found)
        return value, tuple(cotangents)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    bias: Real,
    *,
    scale: float = 40.0,
    margin: float = 0.4,
    t: float = 3.0,
    balance: float = 0.7,
    loss_weight: float = 1.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Binary cross-entropies of `logits`, the label's with weight lambda, those of the others with 1 - lambda.

    .. math:: L = \frac{a}{r N} \sum_i \Big( \lambda \log(1 + e^{-z_{i y_i}})
              + (1 - \lambda) \sum_{j \ne y_i} \log(1 + e^{z_{ij}}) \Big)

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C, bias: one number, learnt, which `initial_bias` can
    make; result: (N,) for reduction "none", else (); float64 unless every floating array is float32. balance lambda
    from 0 to 1; loss_weight a > 0, which is 50 in opensphere's code; there too the classes are summed, not averaged. A
    vector of zeros has no direction: nan for its row, and for every row where it is a class; a bias that is not finite:
    nan. No rows: the mean is nan, the sum 0. Other constants and errors as for `logits`.
    Source: Wen et al. 2022 (SphereFace2), section 3.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0]])  # g is 1 and -1/2: logits 1 and 0
    >>> given = {"scale": 1.0, "margin": 0.25, "t": 2.0, "balance": 0.5}
    >>> round(float(loss(x, np.eye(2), np.array([0]), 0.25, **given)), 12)
    0.503204434039
    >>> round(float(np.log1p(np.exp(-1)) / 2 + np.log(2) / 2), 12)
    0.503204434039
    """
    constants: dict[str, Any] = {"balance": balance, "loss_weight": loss_weight, "reduction": reduction}
    return _loss(None, x, weight, labels, bias, scale, margin, t, gradient, **constants)[0]


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    bias: Real,
    *,
    scale: float = 40.0,
    margin: float = 0.4,
    t: float = 3.0,
    balance: float = 0.7,
    loss_weight: float = 1.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, weight and bias.

    With the logistic function :math:`\sigma`,

    .. math:: \frac{\partial L_i}{\partial z_{i y_i}} = -\frac{a \lambda}{r} \sigma(-z_{i y_i}), \qquad
              \frac{\partial L_i}{\partial z_{ij}} = \frac{a (1 - \lambda)}{r} \sigma(z_{ij}), \qquad
              \bar b = \sum_{ij} \frac{\partial L_i}{\partial z_{ij}}

    times :math:`r g'(c)` as in `logits_vjp`, and from there on as in `refengine.losses.cosine.similarity`. Near
    :math:`\theta = \pi` the slope is taken from :math:`(1 + c) / 2 = \|\hat x + \hat w\|^2 / 4`, which does not cancel.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "t": t, "balance": balance}
    constants |= {"loss_weight": loss_weight, "gradient": gradient, "reduction": reduction}
    return loss_value_and_vjp(g, x, weight, labels, bias, **constants)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    bias: Real,
    *,
    scale: float = 40.0,
    margin: float = 0.4,
    t: float = 3.0,
    balance: float = 0.7,
    loss_weight: float = 1.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    constants: dict[str, Any] = {"balance": balance, "loss_weight": loss_weight, "reduction": reduction}
    return _loss(g, x, weight, labels, bias, scale, margin, t, gradient, **constants)


def initial_bias(
    classes: Classes, *, scale: float = 40.0, margin: float = 0.4, t: float = 3.0, balance: float = 0.7
) -> Array:
    r"""The bias at which the loss of perpendicular vectors is stationary: where to start.

    .. math:: b = \log \frac{2 z}{1 - z + \sqrt{(1 - z)^2 + 4 z e^{a_y - a_i}}} - a_i, \qquad
              z = \frac{\lambda}{(1 - \lambda)(C - 1)}, \quad a_y = r (g(0) - m), \quad a_i = r (g(0) + m)

    classes: broadcasts; float64. It solves :math:`\lambda \sigma(-a_y - b) = (1 - \lambda)(C - 1) \sigma(a_i + b)`. For
    z > 1, few classes, the denominator cancels, to 0 for large r m, and opensphere's code takes the logarithm of that.
    Fewer than 2 classes, a number that is not whole, or balance 0 or 1: nan. Source: Wen et al. 2022 (SphereFace2),
    section 3; the closed form is that of opensphere's code.

    >>> float(initial_bias(8, margin=0.0, t=1.0, balance=0.875))  # z = 1, a = 0: b = log(2 / 2)
    0.0
    """
    _check_constants(scale, margin, t, "exact")
    _check_balance(balance)
    xp, dtype, n = elementwise(classes=classes)
    with np.errstate(all="ignore"):
        z = balance / ((1 - balance) * (n - 1)) if 0 < balance < 1 else xp.nan + n
        middle = 2 * 0.5**t - 1
        root = xp.sqrt((1 - z) * (1 - z) + 4 * z * exp(-2 * scale * margin))
        few = xp.log((root + (z - 1)) / 2) - scale * (middle - margin)
        many = xp.log(2 * z / (root + (1 - z))) - scale * (middle + margin)
        return result(xp, dtype, xp.where(z > 1, few, many), finite(xp, n) & (n >= 2))


def _logits(xp: Any, c: Array, hot: Array, b: Array, scale: float, margin: float, t: float) -> Any:
    half = (1 + c) / 2
    return scale * ((2 * half**t - 1) + margin * _sign(xp, hot)) + b


def _sign(xp: Any, hot: Array) -> Any:
    """-1 for the label, 1 for the others."""
    return 1 - 2 * xp.astype(hot, xp.float64)


def _slope(xp: Any, half: Array, t: float, gradient: str) -> Any:
    """g'(c), for ``half`` (1 + c) / 2."""
    return 1 + 0 * half if gradient == "straight_through" or t == 1 else t * half ** (t - 1)


def _half(xp: Any, c: Array, unit: Array, unit_w: Array) -> Any:
    """(1 + c) / 2, a quarter of the square of the directions' sum where these are nearly opposite."""
    opposite = c < -0.9
    rows, columns = xp.nonzero(opposite)
    if rows.shape[0] == 0:
        return (1 + c) / 2
    both = xp.take(unit, rows, axis=0) + xp.take(unit_w, columns, axis=0)
    order = xp.cumulative_sum(xp.astype(xp.reshape(opposite, (-1,)), xp.int64)) - 1
    near = xp.take(xp.sum(both * both, axis=1) / 4, xp.where(order < 0, 0, order), axis=0)
    return xp.where(opposite, xp.reshape(near, c.shape), (1 + c) / 2)


def _loss(
    g: Array | None,
    x: Array,
    weight: Array,
    labels: Array,
    bias: Array,
    scale: float,
    margin: float,
    t: float,
    gradient: str,
    balance: float,
    loss_weight: float,
    reduction: str,
) -> tuple[Any, Any]:
    """The loss, and the cotangents where g is given."""
    _check_constants(scale, margin, t, gradient)
    _check_balance(balance)
    check_scale(loss_weight, "loss_weight")
    xp, dtype, x, weight, bias = promote(x=x, weight=weight, bias=bias)
    b = _usable(xp, bias)
    _, _, x, weight, y = _heads.checked_rows(x, weight, labels, reduction)
    with np.errstate(all="ignore"):
        hot, c = one_hot(xp, y, weight.shape[0]), similarity(x, weight)
        c = c + 0 * xp.sum(c, axis=1, keepdims=True)  # nan in one class is nan in the row
        z = _logits(xp, c, hot, b, scale, margin, t)
        sign = _sign(xp, hot)
        wrong = sign * z  # how far each decision is on the wrong side
        e = xp.exp(-xp.abs(wrong))
        factor = loss_weight / scale * (balance * (1 - sign) / 2 + (1 - balance) * (1 + sign) / 2)
        losses = xp.sum(factor * (xp.log1p(e) + xp.where(wrong > 0, wrong, 0 * wrong)), axis=1)
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        if g is None:
            return value, ()
        rows = spread(xp, g, x.shape[0], reduction)[:, None]
        dz = rows * factor * sign * xp.where(wrong > 0, 1 / (1 + e), e / (1 + e))
        half = _half(xp, c, direction(xp, x)[0], direction(xp, weight)[0])
        dx, dw = similarity_vjp(scale * dz * _slope(xp, half, t, gradient), x, weight)
        return value, tuple(xp.astype(v, dtype, copy=False) for v in (dx, dw, xp.sum(dz) + 0 * b))


def _usable(xp: Any, bias: Array) -> Any:
    check_shape("bias", bias, ())
    bias = xp.astype(bias, xp.float64, copy=False)
    return xp.where(xp.isfinite(bias), bias, xp.nan)


def _checked_cosine(cosine: Array, labels: Array, bias: Array) -> Any:
    xp, dtype, cosine, bias = promote(cosine=cosine, bias=bias)
    _, _, c, hot = _heads.checked_cosine(cosine, labels)
    return xp, dtype, c, hot, _usable(xp, bias)


def _check_balance(balance: float) -> None:
    check_range("balance", balance, 0, 1)


def _check_constants(scale: float, margin: float, t: float, gradient: str) -> None:
    check_option("gradient", gradient, GRADIENTS)
    check_scale(scale)
    check_range("margin", margin, 0, 2)
    check_range("t", t, 1, inf)
