r"""Softmax cross-entropy with normalised class vectors and no bias, the modified softmax of SphereFace."""

from __future__ import annotations

from refengine.domains import Array, Labels, NonNegative, Real
from refengine.losses import _heads
from refengine.losses._heads import Cosine, Head

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]


def head() -> Head:
    """The head as a value, for `refengine.losses.sharded`."""
    return Head(None, _heads.plain, name="w_norm_softmax")


def logits(cosine: Cosine, labels: Labels, row_lengths: NonNegative) -> Array:
    r"""Cosines times the length of the row.

    .. math:: z_{ij} = \|x_i\| \, c_{ij}

    cosine: (N, C) in [-1, 1], labels: (N,) integers below C, which make no difference here; row_lengths: (N,); result
    (N, C), float64 unless every floating array is float32. A cosine outside [-1, 1], a length that is negative or not
    finite: nan. Wrong shapes or labels are a ValueError, values of a wrong kind a TypeError.
    Source: Liu et al. 2017 (SphereFace), section 3.

    >>> import numpy as np
    >>> logits(np.array([[0.5, -0.25]]), np.array([0]), np.array([4.0])).tolist()
    [[2.0, -1.0]]
    """
    return _heads.logits_with_lengths(None, cosine, labels, (row_lengths,), _heads.plain)[0]


def logits_vjp(g: Array, cosine: Cosine, labels: Labels, row_lengths: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents of cosine and row_lengths: :math:`\|x_i\| g_{ij}` and :math:`\sum_j g_{ij} c_{ij}`."""
    return logits_value_and_vjp(g, cosine, labels, row_lengths)[1]


def logits_value_and_vjp(
    g: Array, cosine: Cosine, labels: Labels, row_lengths: NonNegative
) -> tuple[Array, tuple[Array, Array]]:
    """``logits`` and its vjp."""
    return _heads.logits_with_lengths(g, cosine, labels, (row_lengths,), _heads.plain)


def loss(x: Real, weight: Real, labels: Labels, *, reduction: str = "mean") -> Array:
    r"""Softmax cross-entropy of the rows' components along the class directions.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{\|x_i\| \cos\theta_{i y_i}}}{\sum_j e^{\|x_i\| \cos \theta_{ij}}},
              \qquad \|x_i\| \cos\theta_{ij} = x_i \cdot \frac{w_j}{\|w_j\|}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. A row of zeros is like any other: its loss is log C. A class vector of zeros has no
    direction: every row is nan. One class: exactly 0. No rows: the mean is nan, the sum 0. Wrong shapes, labels or
    reductions are a ValueError, labels that are not integers a TypeError.
    Source: Liu et al. 2017 (SphereFace), section 3.

    >>> import numpy as np
    >>> round(float(loss(np.array([[3.0, 1.0]]), np.array([[0.5, 0.0], [0.0, 7.0]]), np.array([0]))), 12)
    0.126928011043
    >>> round(float(np.log1p(np.exp(1.0 - 3.0))), 12)
    0.126928011043
    """
    return _heads.loss(x, weight, labels, None, _heads.plain, reduction)


def loss_vjp(g: Array, x: Real, weight: Real, labels: Labels, *, reduction: str = "mean") -> tuple[Array, Array]:
    r"""Cotangents of x and weight, with p the softmax and :math:`G_{ij} = p_{ij} - [j = y_i]`.

    .. math:: \bar x_i = \sum_j G_{ij} \hat w_j, \qquad
              \bar w_j = \frac{(I - \hat w_j \hat w_j^T) \sum_i G_{ij} x_i}{\|w_j\|}
    """
    return loss_value_and_vjp(g, x, weight, labels, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array, x: Real, weight: Real, labels: Labels, *, reduction: str = "mean"
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same products."""
    return _heads.loss_value_and_vjp(g, x, weight, labels, None, _heads.plain, reduction)
