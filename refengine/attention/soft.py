r"""Soft attention over image regions: the expected annotation, its gate, and the doubly stochastic penalty."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, promote, unbroadcast
from refengine.attention._arguments import check_broadcasts, check_cotangent, check_mask
from refengine.attention._scores import average, average_backward, check_axis, check_batch, to_scores, weigh
from refengine.domains import Array, Mask, Real

__all__ = [
    "context",
    "context_value_and_vjp",
    "context_vjp",
    "doubly_stochastic_penalty",
    "doubly_stochastic_penalty_vjp",
]


def context(
    scores: Real, v: Real, gate: Real | None = None, *, mask: Mask | None = None, empty_row: str = "zero"
) -> Array:
    r"""The expected annotation under the softmax of the scores, times a gate.

    .. math:: \hat z_t = \beta_t \sum_i \alpha_{ti} a_i, \qquad
        \alpha_{ti} = \frac{e^{e_{ti}}}{\sum_k e^{e_{tk}}}

    scores (..., T, K), the annotations v (..., K, V), gate (..., T), ``mask`` (True = attend) broadcasts to the scores;
    batch axes broadcast; the result has shape (..., T, V), float64 unless every array is float32. Without a gate
    :math:`\beta = 1`; the gate is taken as it is, the paper's is a sigmoid of the previous state. Locations that are
    masked or -inf are left out and may hold nan. A step that attends to none gives 0, nan or the mean of all
    annotations as ``empty_row`` says ("zero", "nan", "mean"), or a ValueError ("error").
    Definition: Xu et al. 2015, eq. 4 to eq. 6, eq. 13; the gate in section 4.2.1.

    >>> context(np.array([[0.0, 0.0]]), np.array([[1.0], [3.0]]), np.array([0.5]))  # half of the mean
    array([[1.]])
    """
    xp, dtype, a, mask = _checked(mask, scores=scores, v=v, gate=gate)
    with np.errstate(all="ignore"):
        value = average(weigh(a["scores"], mask, empty_row), a["v"], empty_row)
        return xp.astype(value if gate is None else a["gate"][..., None] * value, dtype, copy=False)


def context_vjp(
    g: Array, scores: Real, v: Real, gate: Real | None = None, *, mask: Mask | None = None, empty_row: str = "zero"
) -> tuple[Array, ...]:
    r"""Cotangents of scores and v, and of gate where it is given.

    With the cotangent :math:`G_t` of step t

    .. math:: \bar\beta_t = G_t \cdot \sum_i \alpha_{ti} a_i, \qquad
        \bar a_i = \sum_t \beta_t \alpha_{ti} G_t, \qquad
        \bar e_{ti} = \beta_t \alpha_{ti} \Big(G_t \cdot a_i - \sum_k \alpha_{tk} G_t \cdot a_k\Big)

    Locations that are not attended have cotangents of exactly 0, and so have the scores of empty rows.
    """
    return context_value_and_vjp(g, scores, v, gate, mask=mask, empty_row=empty_row)[1]


def context_value_and_vjp(
    g: Array, scores: Real, v: Real, gate: Real | None = None, *, mask: Mask | None = None, empty_row: str = "zero"
) -> tuple[Array, tuple[Array, ...]]:
    """`context` and its cotangents from the same weights."""
    xp, dtype, a, mask = _checked(mask, g=g, scores=scores, v=v, gate=gate)
    g, beta = a["g"], None if gate is None else a["gate"][..., None]
    with np.errstate(all="ignore"):
        weights = weigh(a["scores"], mask, empty_row)
        mean = average(weights, a["v"], empty_row)
        check_cotangent(g, tuple(mean.shape))
        dp, dv = average_backward(weights, g if beta is None else beta * g, a["v"])
        found = [unbroadcast(to_scores(weights, dp), a["scores"], dtype), unbroadcast(dv, a["v"], dtype)]
        if beta is not None:
            found.append(unbroadcast(xp.sum(g * mean, axis=-1), a["gate"], dtype))
        return xp.astype(mean if beta is None else beta * mean, dtype, copy=False), tuple(found)


def doubly_stochastic_penalty(
    alpha: Real, *, strength: float = 1.0, target: float = 1.0, mask: Mask | None = None
) -> Array:
    r"""How far the attention that each location gets over all steps is from the same amount.

    .. math:: L = \lambda \sum_i \Big(\theta - \sum_t \alpha_{ti}\Big)^2

    alpha: (..., T, K), weights of K locations at T steps; the result has shape (...), float64 unless alpha is float32.
    ``strength`` is :math:`\lambda`. ``target`` is :math:`\theta`, 1 in the paper; a port has T / K = 16 / 196.
    ``mask``, which broadcasts to (..., T), says which steps count (True): padded steps give weights too, and what is
    masked may hold nan. Definition: Xu et al. 2015, eq. 14.

    >>> float(doubly_stochastic_penalty(np.array([[0.5, 0.5], [0.5, 0.0]])))  # sums 1 and 1/2
    0.25
    """
    xp, dtype, alpha, steps = _checked_weights(alpha, strength, target, mask)
    with np.errstate(all="ignore"):
        short = target - xp.sum(xp.where(steps, alpha, 0.0), axis=-2)
        return xp.astype(strength * xp.sum(short * short, axis=-1), dtype, copy=False)


def doubly_stochastic_penalty_vjp(
    g: Array, alpha: Real, *, strength: float = 1.0, target: float = 1.0, mask: Mask | None = None
) -> tuple[Array]:
    r"""Cotangent of alpha, 0 at masked steps.

    .. math:: \bar\alpha_{ti} = -2 \lambda g \Big(\theta - \sum_s \alpha_{si}\Big)
    """
    xp, dtype, alpha, steps = _checked_weights(alpha, strength, target, mask)
    _, _, g = promote(g=g)
    check_cotangent(g, tuple(alpha.shape[:-2]))
    g = xp.astype(g, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        short = target - xp.sum(xp.where(steps, alpha, 0.0), axis=-2, keepdims=True)
        slope = -2 * strength * g[..., None, None] * short
        return (xp.astype(xp.where(steps, slope, xp.zeros_like(alpha)), dtype, copy=False),)


def _checked(mask: Any, **arguments: Any) -> Any:
    """``xp, dtype, arrays, mask`` of a context, in float64."""
    names = [name for name, a in arguments.items() if name != "gate" or a is not None]
    xp, dtype, *given = promote(**{name: arguments[name] for name in names})
    a = {name: xp.astype(v, xp.float64, copy=False) for name, v in zip(names, given, strict=True)}
    batch = check_batch(scores=a["scores"], v=a["v"])
    steps, keys = a["scores"].shape[-2:]
    check_axis("v", a["v"], -2, keys, "K", "scores")
    if "gate" in a:
        check_broadcasts("gate", a["gate"], (*batch, steps), "(..., T)")
    scores = a["scores"]
    return xp, dtype, a, check_mask(xp, mask, tuple(scores.shape), "(..., T, K)")


def _checked_weights(alpha: Array, strength: Any, target: Any, mask: Any) -> Any:
    check_number("strength", strength)
    check_number("target", target)
    xp, dtype, alpha = promote(alpha=alpha)
    check_batch(alpha=alpha)
    steps = check_mask(xp, mask, tuple(alpha.shape[:-1]), "(..., T)")
    steps = xp.ones_like(alpha, dtype=xp.bool) if steps is None else xp.broadcast_to(steps, alpha.shape[:-1])[..., None]
    return xp, dtype, xp.astype(alpha, xp.float64, copy=False), steps
