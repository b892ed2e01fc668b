r"""Partial FC: a margin head on a random part of the classes, among them those of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_labels, check_shape, namespace, promote
from refengine.domains import Array, Indices, Labels, Real, Unit
from refengine.losses import combined_margin
from refengine.losses._heads import check_range, checked_rows

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp", "sample"]


def sample(labels: Labels, uniforms: Unit, *, rate: float = 0.1) -> Indices:
    r"""The classes that take part: those of the labels, and others at random up to a share of all.

    .. math:: K = \max(\lfloor r C \rfloor, |P|), \qquad P = \{y_1, \dots, y_N\}

    labels: (N,) integers below C, uniforms: (C,), one number in [0, 1] for each class; result (K,) int64, in rising
    order: P and, of the other classes, those with the largest uniforms. Of equal uniforms the lowest index wins.
    ``rate`` is r, above 0 and up to 1, its product with C rounded to float64 before the floor; 1 keeps every class.
    Classes on several ranks: each calls this with its own uniforms and those labels that it holds, less its first
    index. Wrong shapes, labels, uniforms out of [0, 1] or a rate out of range are a ValueError, values of a wrong kind
    a TypeError. Not differentiable. Source: An et al. 2022, section 3.2; insightface's code for the rounding.

    >>> sample(np.array([4, 4]), np.array([0.25, 0.75, 0.5, 0.75, 0.0, 0.125]), rate=0.5).tolist()
    [1, 3, 4]
    """
    if not 0 < check_range("rate", rate, 0, 1):
        raise ValueError(f"rate must be above 0, got {rate!r}")
    xp, _, u = promote(uniforms=uniforms)
    check_shape("uniforms", u, ("C",))
    classes = u.shape[0]
    if classes == 0 or not bool(xp.all((u >= 0) & (u <= 1))):
        raise ValueError("uniforms must have shape (C,) with C >= 1 and lie in 0..1")
    y = check_labels("labels", labels, np.shape(labels)[0] if np.shape(labels) else 0, classes)
    present, _ = _places(xp, xp.unique_values(y), xp.arange(classes))
    order = xp.argsort(-xp.where(present, 2.0, xp.astype(u, xp.float64, copy=False)), stable=True)
    count = max(int(rate * classes), int(xp.sum(xp.astype(present, xp.int64))))
    return xp.astype(xp.sort(order[:count]), xp.int64, copy=False)


def loss(
    x: Real,
    weight: Real,
    labels: Labels,
    sampled: Indices,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> Array:
    r"""Softmax cross-entropy with the combined margin, whose sum goes over the sampled classes.

    .. math:: L = -\frac{1}{N} \sum_i \log \frac{e^{z_i}}{e^{z_i} + \sum_{j \in \mathcal S, j \ne y_i}
              e^{s \cos \theta_{ij}}}, \qquad z_i = s (\cos(m_1 \theta_{i y_i} + m_2) - m_3)

    x: (N, D), weight: (C, D), D >= 1, labels: (N,) integers below C, sampled: (K,) class indices in strictly rising
    order, as `sample` gives them, with every label among them; result: (N,) for reduction "none", else (); float64
    unless both floating arrays are float32. The sum is not scaled up to all classes: the loss is lower than
    `refengine.losses.combined_margin`'s, with which it agrees when all classes are sampled. Any other head does the
    same on ``weight[sampled]`` with the labels' places in ``sampled``. Constants, zeros and errors are as there; a
    sampled array that is not in order or lacks a label is a ValueError. Source: An et al. 2022, section 3.2.

    >>> x, w = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> part = loss(x, w, np.array([0]), np.array([0, 2]), scale=2.0, m2=0.0)  # cosines 1 and 0
    >>> round(float(part), 12), round(float(np.log1p(np.exp(-2.0))), 12)
    (0.126928011043, 0.126928011043)
    """
    part, places, _ = _part(x, weight, labels, sampled)
    constants: dict[str, Any] = {"scale": scale, "m1": m1, "m2": m2, "m3": m3, "gradient": gradient}
    return combined_margin.loss(x, part, places, **constants, reduction=reduction)


def loss_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    sampled: Indices,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, Array]:
    r"""Cotangents of x and weight.

    Those of `refengine.losses.combined_margin.loss_vjp` for the sampled classes, and for the others

    .. math:: \frac{\partial L}{\partial w_j} = 0, \quad j \notin \mathcal S
    """
    constants: dict[str, Any] = {"scale": scale, "m1": m1, "m2": m2, "m3": m3, "gradient": gradient}
    return loss_value_and_vjp(g, x, weight, labels, sampled, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    weight: Real,
    labels: Labels,
    sampled: Indices,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    gradient: str = "exact",
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same angles."""
    part, places, spread_out = _part(x, weight, labels, sampled)
    constants: dict[str, Any] = {"scale": scale, "m1": m1, "m2": m2, "m3": m3, "gradient": gradient}
    value, (dx, dw) = combined_margin.loss_value_and_vjp(g, x, part, places, **constants, reduction=reduction)
    return value, (dx, spread_out(dw))


def _places(xp: Any, rising: Array, wanted: Array) -> tuple[Any, Any]:
    """Which of the wanted numbers are in an array in rising order, and where."""
    if rising.shape[0] == 0:
        return wanted != wanted, wanted
    places = xp.clip(xp.searchsorted(rising, wanted), 0, rising.shape[0] - 1)
    return xp.take(rising, places, axis=0) == wanted, places


def _part(x: Array, weight: Array, labels: Array, sampled: Array) -> tuple[Any, Any, Any]:
    """The sampled class vectors, the labels' places among them, and the way back to all classes."""
    xp, _, x, weight = promote(x=x, weight=weight)
    *_, y = checked_rows(x, weight, labels, "mean")
    kept = check_labels("sampled", sampled, namespace(sampled).asarray(sampled).shape[0], weight.shape[0])
    if bool(xp.any(kept[1:] <= kept[:-1])):
        raise ValueError("sampled must be in strictly rising order")
    found, places = _places(xp, kept, y)
    if not bool(xp.all(found)):
        raise ValueError("sampled must hold every label")

    def spread_out(dw: Array) -> Any:
        held, where = _places(xp, kept, xp.arange(weight.shape[0]))
        return xp.where(held[:, None], xp.take(dw, where, axis=0), xp.zeros_like(dw[:1, :]))

    return xp.take(weight, kept, axis=0), places, spread_out
