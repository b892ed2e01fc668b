r"""MV-softmax: a margin at the own class, and more weight for the classes that a row is mistaken for."""

from __future__ import annotations

from math import inf, pi
from typing import Any

from refengine._arrays import check_option
from refengine.domains import Array, Labels, Real
from refengine.losses import _heads
from refengine.losses._angle import angular_margin
from refengine.losses._heads import Cosine, Head, Others, Target, check_range, check_scale

__all__ = ["head", "logits", "logits_value_and_vjp", "logits_vjp", "loss", "loss_value_and_vjp", "loss_vjp"]

BASES = ("am", "arc")
HARD_WEIGHTS = ("adaptive", "fixed")
BOUNDARIES = ("none", "easy")


def head(
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
) -> Head:
    """The head as a value, for `refengine.losses.sharded`, whose ``label_angles`` it needs; constants as for `loss`."""
    target, others = _head(scale, margin, t, base, hard_weight, boundary)
    return Head(scale, target, name="mv_softmax", others=others, by_label=True)


def logits(
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
) -> Array:
    r"""Scaled cosines, the label's with a margin, those above it raised.

    .. math:: z_{i y_i} = s f_i, \qquad f_i = \cos\theta_i - m \text{ ("am")}, \quad \cos(\theta_i + m) \text{ ("arc")}
    .. math:: z_{ij} = \begin{cases} s \, c_{ij} & c_{ij} \le f_i \\
              s \, (t c_{ij} + t - 1) & c_{ij} > f_i \end{cases} \quad (j \ne y_i)

    which multiplies :math:`e^{s c}` by :math:`h = e^{s (t - 1)(c + 1)}` for a hard class, strictly above the label's
    logit; with ``hard_weight="fixed"`` by :math:`e^{s (t - 1)}`. t >= 1; t = 1 is the base alone. At c = f the logit
    jumps. cosine: (N, C) in [-1, 1], labels: (N,) integers below C; result (N, C), float64 unless cosine is float32. A
    cosine outside [-1, 1] gives nan, and a row of nan if it is the label's. scale s > 0; margin m from 0 to 2 for "am",
    0 to pi radians for "arc". ``boundary="easy"`` leaves the margin out of the label's logit, but not of f in the
    comparison, unless c > m for "am", c > 0 for "arc", as FaceX-Zoo does.
    Wrong shapes, labels, options, or constants out of range are a ValueError; labels that are not integers, constants
    and cotangents that are not real numbers a TypeError. Source: Wang et al. 2020 (MV-softmax), section 3; h in the
    parametrisation of Wang et al. 2018 (SV-softmax).

    >>> import numpy as np
    >>> logits(np.array([[0.5, 0.5, 0.0]]), np.array([0]), scale=4.0, margin=0.25, t=1.5).tolist()
    [[1.0, 5.0, 0.0]]
    """
    target, others = _head(scale, margin, t, base, hard_weight, boundary)
    return _heads.logits(cosine, labels, scale, target, others)


def logits_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
) -> tuple[Array]:
    r"""Cotangent of cosine: s g, times the slope of each logit.

    :math:`t` for a hard class (1 for "fixed"), 1 for the others; at the label as in
    `refengine.losses.cosface.logits_vjp` or `refengine.losses.arcface.logits_vjp`, 1 where the margin is left out.
    Which classes are hard is held constant, and so at c = f the derivative is that from below.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "t": t, "base": base, "hard_weight": hard_weight}
    return logits_value_and_vjp(g, cosine, labels, **constants, boundary=boundary)[1]


def logits_value_and_vjp(
    g: Array,
    cosine: Cosine,
    labels: Labels,
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
) -> tuple[Array, tuple[Array]]:
    """``logits`` and its vjp."""
    target, others = _head(scale, margin, t, base, hard_weight, boundary)
    return _heads.logits_value_and_vjp(g, cosine, labels, scale, target, others)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy of `logits` at the cosines between the rows and the class vectors.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{s f_i}}{e^{s f_i} + \sum_{j \ne y_i} h_{ij} e^{s c_{ij}}}, \qquad
              h_{ij} = \begin{cases} 1 & c_{ij} \le f_i \\ e^{s (t - 1)(c_{ij} + 1)} & c_{ij} > f_i \end{cases}

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C; result: (N,) for reduction "none", else ();
    float64 unless both are float32. The loss jumps where c = f, which is decided on the rounded cosines. A vector of
    zeros has no direction: nan for its row, and for every row where it is a class. One class: exactly 0. No rows: the
    mean is nan, the sum 0. Constants and errors as for `logits`. FaceX-Zoo does not normalise the rows itself.
    Source: Wang et al. 2020 (MV-softmax), section 3.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0]])  # cosines 1 and 0; f = 1 - 1.25 < 0, so h = e^{4 * 0.5} for the other class
    >>> round(float(loss(x, np.eye(2), np.array([0]), scale=4.0, margin=1.25, t=1.5)), 12)
    3.048587351574
    >>> round(float(np.log1p(np.exp(2.0 + 4.0 * 0.25))), 12)
    3.048587351574
    """
    target, others = _head(scale, margin, t, base, hard_weight, boundary)
    return _heads.loss(x, weight, labels, scale, target, reduction, others=others)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    With p the softmax of the logits, the other classes have :math:`\partial L / \partial c_{ij} = s p_{ij} t` where
    they are hard ("adaptive"), :math:`s p_{ij}` elsewhere, and from there on as in
    `refengine.losses.cosine.similarity`; the label's part is that of `refengine.losses.cosface` or
    `refengine.losses.arcface`. Which classes are hard is held constant.
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "t": t, "base": base, "hard_weight": hard_weight}
    return loss_value_and_vjp(g, x, weight, labels, **constants, boundary=boundary, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    *,
    scale: float = 32.0,
    margin: float = 0.35,
    t: float = 1.12,
    base: str = "am",
    hard_weight: str = "adaptive",
    boundary: str = "none",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    target, others = _head(scale, margin, t, base, hard_weight, boundary)
    return _heads.loss_value_and_vjp(g, x, weight, labels, scale, target, reduction, others=others)


def _head(scale: float, margin: float, t: float, base: str, hard_weight: str, boundary: str) -> tuple[Target, Others]:
    check_option("base", base, BASES)
    check_option("hard_weight", hard_weight, HARD_WEIGHTS)
    check_option("boundary", boundary, BOUNDARIES)
    check_scale(scale)
    check_range("margin", margin, 0, 2 if base == "am" else pi)
    check_range("t", t, 1, inf)

    def with_margin(xp: Any, c: Array, sine: Array, boundary: str) -> tuple[Any, Any, Any]:
        if base == "arc":
            return angular_margin(xp, c, sine, margin, boundary)
        return xp.where((c > margin) | (boundary == "none"), c - margin, c), sine, 1 + 0 * c

    def others(xp: Any, c: Array, own: Array, sine: Array) -> tuple[Any, Any]:
        f, *_ = with_margin(xp, own, sine, "none")
        hard, unknown = c > f, 0 * f
        factor = t if hard_weight == "adaptive" else 1.0
        return xp.where(hard, factor * c + (t - 1), c + unknown), xp.where(hard, factor + 0 * c, 1 + 0 * c + unknown)

    return lambda xp, c, sine: with_margin(xp, c, sine, boundary), others
