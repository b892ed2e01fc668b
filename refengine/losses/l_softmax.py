r"""L-Softmax, the large-margin softmax: the angle of the own class is multiplied, lengths stay as they are."""

from __future__ import annotations

from typing import Any

from refengine.domains import Array, Labels, NonNegative, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head
from refengine.losses._psi import psi_target

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]


def head(*, margin: float = 4.0, annealing: float = 0.0, gradient: str = "exact") -> Head:
    """The head as a value, for `refengine.losses.sharded`; constants as for `loss`.

    With margin 1 the logits are the inner products; a bias is one more entry of the class vectors, beside a 1 in x.
    """
    target = psi_target(margin, annealing, "piecewise", gradient)
    return Head(None, target, weight_length=True, name="l_softmax", constants=(margin, annealing, gradient))


def logits(
    cosine: Cosine,
    labels: Labels,
    row_lengths: NonNegative,
    class_lengths: NonNegative,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    gradient: str = "exact",
) -> Array:
    r"""Inner products, given as cosines and lengths, with the margin in the angle of the label's class.

    .. math:: z_{ij} = \|w_j\| \|x_i\| c_{ij} \;(j \ne y_i), \qquad
              z_{i y_i} = \|w_{y_i}\| \|x_i\| \frac{\lambda \cos\theta_i + \psi(\theta_i)}{1 + \lambda}

    with :math:`\psi(\theta) = (-1)^k \cos(m \theta) - 2k` for :math:`\theta \in [k \pi / m, (k + 1) \pi / m]`.
    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, row_lengths: (N,), class_lengths: (C,); result (N, C),
    float64 unless every floating array is float32. A cosine outside [-1, 1], a length that is negative or not finite:
    nan. Margin m >= 1; annealing lambda >= 0, which `refengine.losses.sphereface.annealing` lowers while training.
    Wrong shapes, labels, options, or constants out of range are a ValueError; values of a wrong kind a TypeError.
    Source: Liu et al. 2016, section 3 (L-Softmax).

    >>> import numpy as np
    >>> logits(np.array([[-1.0, 0.25]]), np.array([0]), [2.0], [1.0, 4.0], margin=2.0).tolist()  # psi(pi) = 1 - 2 m
    [[-6.0, 2.0]]
    """
    target = psi_target(margin, annealing, "piecewise", gradient)
    return _heads.logits_with_lengths(None, cosine, labels, (row_lengths, class_lengths), target)[0]


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    row_lengths: NonNegative,
    class_lengths: NonNegative,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    gradient: str = "exact",
) -> tuple[Array, Array, Array]:
    r"""Cotangents of cosine, row_lengths and class_lengths.

    With t the label's cosine with its margin, and :math:`e_{ij}` that or :math:`c_{ij}`,

    .. math:: \bar c_{ij} = \|x_i\| \|w_j\| g_{ij} \frac{de_{ij}}{dc_{ij}}, \qquad
              \overline{\|x_i\|} = \sum_j g_{ij} \|w_j\| e_{ij}, \qquad
              \overline{\|w_j\|} = \sum_i g_{ij} \|x_i\| e_{ij}

    with the slope of `refengine.losses.sphereface.logits_vjp`. Where a length is 0 the first is 0 at every angle.
    """
    constants: dict[str, Any] = {"margin": margin, "annealing": annealing, "gradient": gradient}
    return logits_value_and_vjp(g, cosine, labels, row_lengths, class_lengths, **constants)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    row_lengths: NonNegative,
    class_lengths: NonNegative,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    gradient: str = "exact",
) -> tuple[Array, tuple[Array, Array, Array]]:
    """``logits`` and its vjp."""
    target = psi_target(margin, annealing, "piecewise", gradient)
    return _heads.logits_with_lengths(g, cosine, labels, (row_lengths, class_lengths), target)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of inner products, with the margin in the angle of the label's class.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{\|w_{y_i}\| \|x_i\| t(\theta_{i y_i})}}
              {e^{\|w_{y_i}\| \|x_i\| t(\theta_{i y_i})} + \sum_{j \ne y_i} e^{w_j \cdot x_i}}, \qquad
              t = \frac{\lambda \cos\theta + \psi(\theta)}{1 + \lambda}

    with :math:`\psi(\theta) = (-1)^k \cos(m \theta) - 2k` for :math:`\theta \in [k \pi / m, (k + 1) \pi / m]`.
    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. Margin m >= 1, whole numbers in the paper; annealing lambda >= 0. The length in the
    sum is that of each class j, not of the label's. The angle of a vector of zeros counts as 0. One class: exactly 0.
    No rows: the mean is nan, the sum 0. Wrong shapes, labels, options, or constants out of range are a ValueError,
    labels that are not integers and constants that are not real numbers a TypeError. Source: Liu et al. 2016, section
    3 (L-Softmax).

    >>> import numpy as np
    >>> x = np.array([[0.0, 2.0]])  # perpendicular to its class: 3 * 2 * psi = -6, against 1 * 2
    >>> w = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> round(float(loss(x, w, np.array([0]), margin=2.0)), 12), round(float(np.log1p(np.exp(8))), 12)
    (8.000335406373, 8.000335406373)
    """
    target = psi_target(margin, annealing, "piecewise", gradient)
    return _heads.loss(x, weight, labels, None, target, reduction, weight_length=True)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With e the unit tangent at :math:`\hat x` towards :math:`\hat w`, and its mirror image :math:`e_w`:

    .. math:: \frac{\partial (\|w\| \|x\| t)}{\partial x} = \|w\| (t \hat x - t' e), \qquad
              \frac{\partial (\|w\| \|x\| t)}{\partial w} = \|x\| (t \hat w - t' e_w)

    and :math:`-\psi' = m |\sin(m \theta)|`. At theta = 0 and pi the term of e is 0. A vector of
    zeros takes the direction that it meets for its own, which gives the softmax's gradient.
    ``gradient="straight_through"`` has sin(theta) for -t'.
    """
    constants: dict[str, Any] = {"margin": margin, "annealing": annealing, "gradient": gradient}
    return loss_value_and_vjp(g, x, weight, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    margin: float = 4.0,
    annealing: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same angles."""
    target = psi_target(margin, annealing, "piecewise", gradient)
    return _heads.loss_value_and_vjp(g, x, weight, labels, None, target, reduction, weight_length=True)
