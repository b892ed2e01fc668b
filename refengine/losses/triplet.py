r"""Triplet loss: the positive is nearer to the anchor than the negative, by a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_shape, check_switch, promote
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import PAIR_REDUCTIONS, anchor_shares, checked_batch, kinds, reduced, weighted
from refengine.losses._rows import REDUCTIONS, across, direction, one_hot, reduce, spread

__all__ = [
    "loss",
    "loss_triplets",
    "loss_triplets_value_and_vjp",
    "loss_triplets_vjp",
    "loss_value_and_vjp",
    "loss_vjp",
]


def loss(
    x: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""`loss_triplets` over all triplets of a batch.

    .. math:: L = \frac{1}{T} \sum_{a} \; \sum_{p \ne a: y_p = y_a} \; \sum_{n: y_n \ne y_a}
              \max(0,\; d(x_a, x_p) - d(x_a, x_n) + m)

    x: (N, D), D >= 1, labels: (N,) integers; result: the T losses in the order of (a, p, n) for reduction "none", else
    (); float64 unless x is float32. "nonzero" is the mean over the losses that are not 0, and 0 where there is none.
    ``normalize_x=True`` measures between unit vectors, as FaceNet does with ``squared=True``: a row of zeros is nan
    in its triplets. squared, soft, nan and infinities: see `loss_triplets`. No triplets: the mean is nan, the sum 0.
    Errors as for `loss_triplets`.
    Source: Hermans et al. 2017, section 2 (batch all); Schroff et al. 2015, section 3.1.

    >>> x = np.array([[0.0], [1.0], [3.0], [0.5]])
    >>> losses = loss(x, np.array([0, 0, 1, 2]), margin=0.5, reduction="none")  # of anchor 0, then of anchor 1
    >>> np.abs(losses).tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    xp, dtype, x, y = _checked_batch(x, labels, margin, squared, soft, normalize_x, reduction)
    with np.errstate(all="ignore"):
        rows = direction(xp, x)[0] if normalize_x else x
        parts = [_hinge(xp, a, p, n, margin, squared, soft)[0] for (a, p, n), _ in _all(xp, rows, y)]
        losses = xp.concat([xp.zeros(0), *parts])
        return xp.astype(
            reduced(xp, losses, anchor_shares(xp, losses, losses, reduction), reduction), dtype, copy=False
        )


def loss_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array]:
    r"""Cotangent of x.

    The cotangents of `loss_triplets_vjp`, summed over all triplets in which a row takes part, as anchor, positive or
    negative; for unit vectors carried through :math:`\partial \hat x / \partial x = (I - \hat x \hat x^T) / \|x\|`.
    """
    constants: dict[str, Any] = {"margin": margin, "squared": squared, "soft": soft, "normalize_x": normalize_x}
    return loss_value_and_vjp(g, x, labels, **constants, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    normalize_x: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same distances, one anchor at a time."""
    xp, dtype, x, y = _checked_batch(x, labels, margin, squared, soft, normalize_x, reduction)
    with np.errstate(all="ignore"):
        to_x = direction(xp, x)
        rows = to_x[0] if normalize_x else x
        found = [(*_hinge(xp, a, p, n, margin, squared, soft), *slots) for (a, p, n), slots in _all(xp, rows, y)]
        losses = xp.concat([xp.zeros(0), *(part[0] for part in found)])
        shares = anchor_shares(xp, losses, losses, reduction)
        outer, start, at_anchor, dx = weighted(xp, g, shares, reduction), 0, [], xp.zeros(x.shape)
        for part, slope, (to_both, to_p, to_n), of_p, of_n in found:
            weight = (outer[start : start + part.shape[0]] * slope)[:, None]
            start += part.shape[0]
            at_anchor.append(xp.sum(weight * to_both, axis=0))
            # every p with all n, and the other way round
            shape = (*(int(xp.sum(xp.astype(places >= 0, xp.int64))) for places in (of_p, of_n)), x.shape[1])
            dx = dx - _placed(xp, xp.sum(xp.reshape(weight * to_p, shape), axis=1), of_p)
            dx = dx + _placed(xp, xp.sum(xp.reshape(weight * to_n, shape), axis=0), of_n)
        dx = dx + xp.stack(at_anchor) if at_anchor else dx
        if normalize_x:
            dx = across(xp, dx, to_x[0]) / to_x[2] / to_x[1]
        return xp.astype(reduced(xp, losses, shares, reduction), dtype, copy=False), (xp.astype(dx, dtype, copy=False),)


def _all(xp: Any, x: Array, y: Array) -> Any:
    """For each anchor: anchor, positive and negative rows of all its triplets, and where the rows of x stand there.

    The place of a row among the positives, or the negatives, is -1 for a row that is none.
    """
    for mask_p, mask_n, own in _anchors(xp, x, y):
        p, n = (xp.nonzero(mask)[0] for mask in (mask_p, mask_n))
        shape = (p.shape[0], n.shape[0])
        at_p, at_n = (xp.reshape(xp.broadcast_to(at, shape), (-1,)) for at in (p[:, None], n[None, :]))
        anchor = xp.broadcast_to(own, (at_p.shape[0], x.shape[1]))
        places = (xp.where(m, xp.cumulative_sum(xp.astype(m, xp.int64)) - 1, -1) for m in (mask_p, mask_n))
        yield (anchor, xp.take(x, at_p, axis=0), xp.take(x, at_n, axis=0)), tuple(places)


def _anchors(xp: Any, x: Array, y: Array) -> Any:
    positive, negative = kinds(xp, y)
    return ((positive[i, :], negative[i, :], x[i, :]) for i in range(x.shape[0]))


def _placed(xp: Any, rows: Array, places: Array) -> Any:
    """The rows at their places; zeros where a place is -1."""
    if rows.shape[0] == 0:
        return xp.zeros((places.shape[0], rows.shape[1]))
    return xp.where((places >= 0)[:, None], xp.take(rows, xp.where(places >= 0, places, 0), axis=0), 0.0)


def loss_triplets(
    anchor: Real,
    positive: Real,
    negative: Real,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    reduction: str = "mean",
) -> Array:
    r"""Hinge on the difference of two distances, for triplets that were already chosen.

    .. math:: L = \frac{1}{T} \sum_t \max(0,\; d(a_t, p_t) - d(a_t, n_t) + m)

    anchor, positive, negative: (T, D); result (T,) for reduction "none", else (); float64 unless all are float32. d is
    the Euclidean distance, or its square for ``squared=True``. Vectors are taken as they are: FaceNet normalises them
    first. ``soft=True`` is the softplus of d(a, p) - d(a, n), without margin. A triplet with a nan or an infinity is
    nan. No triplets: the mean is nan, the sum 0.
    Wrong shapes or reductions are a ValueError, values that are not real numbers, or for squared and soft not booleans,
    a TypeError.
    Source: Schroff et al. 2015, section 3.1 (squared); Hermans et al. 2017, section 2 (unsquared, soft).

    >>> a, p, n = (np.array([[v, 0.0]]) for v in (0.0, 3.0, 2.0))
    >>> float(loss_triplets(a, p, n, margin=0.5)), float(loss_triplets(a, p, n, margin=0.5, squared=True))
    (1.5, 5.5)
    """
    xp, dtype, a, p, n = _checked(anchor, positive, negative, margin, squared, soft, reduction)
    with np.errstate(all="ignore"):
        losses, _, _ = _hinge(xp, a, p, n, margin, squared, soft)
        return xp.astype(reduce(xp, losses, reduction), dtype, copy=False)


def loss_triplets_vjp(
    g: Array,
    anchor: Real,
    positive: Real,
    negative: Real,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    reduction: str = "mean",
) -> tuple[Array, Array, Array]:
    r"""Cotangents of anchor, positive, negative.

    With :math:`h = d(a, p) - d(a, n) + m` and the slope :math:`\sigma`, 1 for h > 0 and 0 for h <= 0, the kink
    included, or the logistic function of h for the softplus:

    .. math:: \bar p = -\sigma \nabla_{a} d(a, p), \quad \bar n = \sigma \nabla_{a} d(a, n), \quad
              \bar a = -\bar p - \bar n

    :math:`\nabla_a d(a, p) = (a - p) / \|a - p\|`, or 2 (a - p) for squared distances, for which
    :math:`\bar a = 2 \sigma (n - p)`. At distance 0 the unsquared distance has a kink in all directions, whose
    one-sided derivatives have mean 0: the gradient is 0.
    """
    return loss_triplets_value_and_vjp(
        g, anchor, positive, negative, margin=margin, squared=squared, soft=soft, reduction=reduction
    )[1]


def loss_triplets_value_and_vjp(
    g: Array,
    anchor: Real,
    positive: Real,
    negative: Real,
    *,
    margin: float = 0.2,
    squared: bool = False,
    soft: bool = False,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array, Array]]:
    """``loss_triplets`` and its vjp from the same distances."""
    xp, dtype, a, p, n = _checked(anchor, positive, negative, margin, squared, soft, reduction)
    rows = spread(xp, g, a.shape[0], reduction)[:, None]
    with np.errstate(all="ignore"):
        losses, slope, (to_both, to_p, to_n) = _hinge(xp, a, p, n, margin, squared, soft)
        outer = rows * slope[:, None]
        value = xp.astype(reduce(xp, losses, reduction), dtype, copy=False)
        return value, (
            xp.astype(outer * to_both, dtype, copy=False),
            xp.astype(-outer * to_p, dtype, copy=False),
            xp.astype(outer * to_n, dtype, copy=False),
        )


def _hinge(
    xp: Any, a: Array, p: Array, n: Array, margin: float, squared: bool, soft: bool
) -> tuple[Any, Any, tuple[Any, Any, Any]]:
    """Losses and their slopes (T,), and the gradients of ``d(a, p) - d(a, n)``, d(a, p) and d(a, n) to the anchor."""
    difference, *gradients = _squared(xp, a, p, n) if squared else _unsquared(xp, a, p, n)
    h = difference if soft else difference + margin
    if not soft:
        return xp.where(h > 0, h, 0.0 * h), xp.where(h > 0, 1.0, 0.0 * h), tuple(gradients)
    small = xp.exp(-xp.abs(h))
    slope = xp.where(h > 0, 1 / (1 + small), small / (1 + small))
    return xp.where(h > 0, h, 0.0 * h) + xp.log1p(small), slope, tuple(gradients)


def _squared(xp: Any, a: Array, p: Array, n: Array) -> tuple[Any, Any, Any, Any]:
    # |a - p|^2 - |a - n|^2 = (n - p) . ((a - p) + (a - n)) keeps its digits where p and n are close together
    return xp.sum((n - p) * ((a - p) + (a - n)), axis=1), 2 * (n - p), 2 * (a - p), 2 * (a - n)


def _unsquared(xp: Any, a: Array, p: Array, n: Array) -> tuple[Any, Any, Any, Any]:
    """The difference of squares over the sum of the distances; their directions, and the difference of those.

    With e = (a - p) / d_p, f = (a - n) / d_n, Delta = d_p - d_n: e - f = (n - p - e Delta) / d_n = (n - p - f Delta) /
    d_p, of which the one with the larger denominator keeps its digits. A power of two is divided out, so that no
    square overflows and the hinge is exact where the distances are.
    """
    larger = xp.maximum(_length(xp, a - p)[0], _length(xp, a - n)[0])
    size = xp.where(larger > 0, 2.0 ** xp.floor(xp.log2(larger)), 1.0)
    to_p, to_n, between = (a - p) / size, (a - n) / size, (n - p) / size
    (d_p, e), (d_n, f) = _length(xp, to_p), _length(xp, to_n)
    both = xp.where(larger > 0, d_p + d_n, 1.0)
    difference = xp.sum(between * (to_p + to_n), axis=1, keepdims=True) / both
    nearer = xp.where(d_p <= d_n, e, f)
    e_minus_f = (between - nearer * difference) / xp.where(larger > 0, xp.maximum(d_p, d_n), 1.0)
    # e - f is orthogonal to e + f: where that points along an axis, the component of e - f there is a tiny difference
    middle = e + f
    big = one_hot(xp, xp.argmax(xp.abs(middle), axis=1), a.shape[1]) & (xp.sum(e * f, axis=1, keepdims=True) > 0)
    rest = xp.sum(xp.where(big, 0.0, e_minus_f * middle), axis=1, keepdims=True)
    e_minus_f = xp.where(big, -rest / xp.where(big, middle, 1.0), e_minus_f)
    return (difference * size)[:, 0], e_minus_f, e, f


def _length(xp: Any, v: Array) -> tuple[Any, Any]:
    """The length of each row, (T, 1), and its direction, which is 0 for a row of zeros."""
    unit, largest, norm = direction(xp, v)
    zero = largest == 0
    return xp.where(zero, 0.0, largest * norm), xp.where(zero, 0.0, unit)


def _checked(
    anchor: Array, positive: Array, negative: Array, margin: float, squared: bool, soft: bool, reduction: str
) -> tuple[Any, ...]:
    check_option("reduction", reduction, REDUCTIONS)
    check_number("margin", margin)
    check_switch("squared", squared)
    check_switch("soft", soft)
    xp, dtype, a, p, n = promote(anchor=anchor, positive=positive, negative=negative)
    check_shape("anchor", a, ("T", "D"))
    for name, v in (("positive", p), ("negative", n)):
        check_shape(name, v, ("T", "D"), T=a.shape[0], D=a.shape[1])
    if a.shape[1] == 0:
        raise ValueError(f"anchor must have shape (T, D) with D >= 1, got {tuple(a.shape)}")
    finite = xp.all(xp.isfinite(a) & xp.isfinite(p) & xp.isfinite(n), axis=1, keepdims=True)
    return xp, dtype, *(xp.where(finite, xp.astype(v, xp.float64, copy=False), xp.nan) for v in (a, p, n))


def _checked_batch(
    x: Array, labels: Array, margin: float, squared: bool, soft: bool, normalize_x: bool, reduction: str
) -> tuple[Any, Any, Any, Any]:
    check_option("reduction", reduction, PAIR_REDUCTIONS)
    check_number("margin", margin)
    check_switch("squared", squared)
    check_switch("soft", soft)
    check_switch("normalize_x", normalize_x)
    return checked_batch(x, labels)
