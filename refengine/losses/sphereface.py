r"""SphereFace, the angular softmax: a margin that multiplies the angle between a row and its class."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import elementwise
from refengine.distributions._counts import finite, result
from refengine.domains import Array, Count, Labels, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head, check_range, check_scale
from refengine.losses._psi import psi_target

__all__ = [
    "annealing",
    "head",
    "logits",
    "logits_value_and_vjp",
    "logits_vjp",
    "loss",
    "loss_value_and_vjp",
    "loss_vjp",
]


def head(
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float | None = None,
    psi: str = "piecewise",
    gradient: str = "exact",
) -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`."""
    target = psi_target(margin, annealing, psi, gradient)
    constants = margin, annealing, psi, gradient
    return Head(None if scale is None else check_scale(scale), target, name="sphereface", constants=constants)


def annealing(
    iteration: Count, *, base: float = 1000.0, gamma: float = 0.12, power: float = 1.0, minimum: float = 5.0
) -> Array:
    r"""The lambda of `loss` and of `refengine.losses.l_softmax` at a step of the training.

    .. math:: \lambda = \max(\lambda_{\min}, \lambda_0 (1 + \gamma n)^{-p})

    iteration n: broadcasts; float64. The authors' Caffe layer raises n before it uses it: its first step has n = 1.
    base > 0; gamma, power and minimum >= 0; the defaults are those of face.evoLVe. A negative n, or one that is not
    whole: nan. Constants out of range are a ValueError, constants that are not real numbers a TypeError.
    Source: the Caffe layer released with Liu et al. (2017), SphereFace.

    >>> annealing(np.array([0, 25, 10000])).tolist()
    [1000.0, 250.0, 5.0]
    """
    check_scale(base, "base")
    for name, value in (("gamma", gamma), ("power", power), ("minimum", minimum)):
        check_range(name, value, 0, inf)
    xp, dtype, n = elementwise(iteration=iteration)
    with np.errstate(all="ignore"):
        found = base * xp.exp(-power * xp.log1p(gamma * n))
        return result(xp, dtype, xp.where(found > minimum, found, minimum), finite(xp, n))


def logits(
    cosine: Cosine,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float = 64.0,
    psi: str = "piecewise",
    gradient: str = "exact",
) -> Array:
    r"""Scaled cosines with the margin in the angle of the label's class, on normalised features.

    .. math:: z_{ij} = s \, c_{ij} \;(j \ne y_i), \qquad
              z_{i y_i} = s \frac{\lambda \cos\theta_i + \psi(\theta_i)}{1 + \lambda}, \quad
              \psi(\theta) = (-1)^k \cos(m \theta) - 2k, \quad \theta \in [k \pi / m, (k + 1) \pi / m]

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C; result (N, C), float64 unless cosine is float32. A cosine
    outside [-1, 1] gives nan. Margin m >= 1, real; annealing lambda >= 0, to be lowered while training; scale s > 0.
    ``psi="cosine"`` has :math:`\cos(m \theta)` at every angle, which rises again beyond pi / m: 1.35 or 1.7 are usual
    then. Wrong shapes, labels, options, or constants out of range are a ValueError; labels that are not integers,
    constants and cotangents that are not real numbers a TypeError. Source: Liu et al. 2017 (SphereFace), section 3.

    >>> import numpy as np
    >>> logits(np.array([[-1.0, 0.25]]), np.array([0]), margin=2.0, scale=1.0).tolist()  # psi(pi) = 1 - 2 m
    [[-3.0, 0.25]]
    """
    check_scale(scale)
    return _heads.logits(cosine, labels, scale, psi_target(margin, annealing, psi, gradient))


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float = 64.0,
    psi: str = "piecewise",
    gradient: str = "exact",
) -> tuple[Array]:
    r"""Cotangent of cosine: s g, times the slope of the target at the label.

    .. math:: \frac{d\psi}{dc} = m \frac{|\sin(m \theta)|}{\sin\theta}

    which is :math:`m^2` at c = 1, and at c = -1 for whole m; inf at c = -1 for others. The plain cosine has
    :math:`m \sin(m \theta) / \sin\theta`, and :math:`(-1)^{m + 1} m^2` at c = -1.
    ``gradient="straight_through"`` has slope 1: the margin counts as a constant.
    """
    constants: dict[str, Any] = {"margin": margin, "annealing": annealing, "scale": scale, "psi": psi}
    return logits_value_and_vjp(g, cosine, labels, **constants, gradient=gradient)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float = 64.0,
    psi: str = "piecewise",
    gradient: str = "exact",
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    check_scale(scale)
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, psi_target(margin, annealing, psi, gradient))


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float | None = None,
    psi: str = "piecewise",
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy with the margin, on the length of the features or on a given scale.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{a_i \psi(\theta_{i y_i})}}
              {e^{a_i \psi(\theta_{i y_i})} + \sum_{j \ne y_i} e^{a_i \cos \theta_{ij}}}, \qquad
              a_i = \|x_i\| \text{ or } s

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. ``scale=None`` is the paper's, :math:`a_i = \|x_i\|`: a row of zeros then has the
    loss log C, and its angle counts as 0. With a scale, a row of zeros is nan. A class vector of zeros has no
    direction: every row is nan. psi, annealing and the other constants: see `logits`. The margin is the label's alone:
    a text that has :math:`\cos(m \theta_j)` for every class is wrong. pytorch-metric-learning cuts m to an integer.
    One class: exactly 0. No rows: the mean is nan, the sum 0. Errors as for `logits`.
    Source: Liu et al. 2017 (SphereFace), section 3; scale and plain cosine: Liu et al. 2022 (SphereFace revived).

    >>> import numpy as np
    >>> x = np.array([[0.0, 2.0]])  # perpendicular to its class: psi = cos(2 * 90 degrees) = -1, against 1
    >>> round(float(loss(x, np.eye(2), np.array([0]), margin=2.0)), 12), round(float(np.log1p(np.exp(4))), 12)
    (4.018149927918, 4.018149927918)
    """
    target = psi_target(margin, annealing, psi, gradient)
    return _heads.loss(x, weight, labels, None if scale is None else check_scale(scale), target, reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float | None = None,
    psi: str = "piecewise",
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With e the unit tangent at :math:`\hat x` towards :math:`\hat w`, and t the target:

    .. math:: \frac{\partial (\|x\| t)}{\partial x} = t \hat x - t' e, \qquad
              \frac{\partial (\|x\| t)}{\partial w} = -t' \frac{\|x\|}{\|w\|} e_w, \qquad -\psi' = m |\sin(m \theta)|

    the others give what they give in `refengine.losses.w_norm_softmax`. At theta = 0 and pi the term of e is 0. A row
    of zeros takes its class's direction for its own, which gives the softmax's gradient: the derivative from that side.
    ``gradient="straight_through"`` has sin(theta) for -t': the margin counts as a constant, as in opensphere's code.
    The gradient in the first Caffe code is not that of any loss: its coefficients are normalised once more.
    """
    constants: dict[str, Any] = {"margin": margin, "annealing": annealing, "scale": scale, "psi": psi}
    return loss_value_and_vjp(g, x, weight, labels, **constants, gradient=gradient, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    scale: float | None = None,
    psi: str = "piecewise",
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same angles."""
    target, scale = psi_target(margin, annealing, psi, gradient), None if scale is None else check_scale(scale)
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, target, reduction)
