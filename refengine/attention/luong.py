r"""Luong's global attention: the scores that he compares, the location weights, and the context they give."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_option, check_shape
from refengine.attention._alignment import attend, checked, concat, dot, general, rounded
from refengine.attention._arguments import check_cotangent, check_mask
from refengine.attention._rows import top_of
from refengine.attention._scores import check_axis, to_scores, weigh
from refengine.domains import Array, Mask, Real

__all__ = [
    "attention",
    "attention_value_and_vjp",
    "attention_vjp",
    "location_weights",
    "location_weights_vjp",
    "score_concat",
    "score_concat_vjp",
    "score_dot",
    "score_dot_vjp",
    "score_general",
    "score_general_vjp",
]

SCORES = ("dot", "general", "concat")


def score_dot(q: Real, k: Real) -> Array:
    r"""Products of queries and keys.

    .. math:: S_{ij} = q_i \cdot k_j

    q (..., Q, D), k (..., K, D), whose batch axes broadcast; the result has shape (..., Q, K), float64 unless both are
    float32. There is no scale. Definition: Luong et al. 2015, section 3.1.

    >>> score_dot(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[11.,  2.]])
    """
    xp, dtype, a = _checked("dot", q=q, k=k)
    with np.errstate(all="ignore"):
        return xp.astype(_scored("dot", a)[0], dtype, copy=False)


def score_dot_vjp(g: Array, q: Real, k: Real) -> tuple[Array, Array]:
    r"""Cotangents of q and k.

    .. math:: \bar q_i = \sum_j g_{ij} k_j, \qquad \bar k_j = \sum_i g_{ij} q_i
    """
    dq, dk = _scores_vjp("dot", g=g, q=q, k=k)
    return dq, dk


def score_general(q: Real, k: Real, weight: Real) -> Array:
    r"""Products of queries and keys through a matrix.

    .. math:: S_{ij} = q_i^T W k_j

    q (..., Q, D), k (..., K, E), weight (D, E); the result has shape (..., Q, K), float64 unless all are float32.
    Definition: Luong et al. 2015, section 3.1.

    >>> score_general(np.array([[1.0, 2.0]]), np.array([[3.0], [1.0]]), np.array([[1.0], [0.5]]))
    array([[6., 2.]])
    """
    xp, dtype, a = _checked("general", q=q, k=k, weight=weight)
    with np.errstate(all="ignore"):
        return xp.astype(_scored("general", a)[0], dtype, copy=False)


def score_general_vjp(g: Array, q: Real, k: Real, weight: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of q, k and weight.

    .. math:: \bar Q = g K W^T, \qquad \bar K = g^T Q W, \qquad \bar W = Q^T g K
    """
    dq, dk, dweight = _scores_vjp("general", g=g, q=q, k=k, weight=weight)
    return dq, dk, dweight


def score_concat(q: Real, k: Real, weight: Real, w_score: Real) -> Array:
    r"""A layer of tanh units on each pair of query and key.

    .. math:: S_{ij} = w \cdot \tanh(W [q_i; k_j])

    q (..., Q, D), k (..., K, E), weight (A, D + E), whose first columns are the query's, w_score (A,); the result has
    shape (..., Q, K), float64 unless all are float32. Definition: Luong et al. 2015, section 3.1.

    >>> score_concat(np.array([[1.0]]), np.array([[-1.0], [-1.0]]), np.ones((1, 2)), np.ones(1))  # tanh 0
    array([[0., 0.]])
    """
    xp, dtype, a = _checked("concat", q=q, k=k, weight=weight, w_score=w_score)
    with np.errstate(all="ignore"):
        return xp.astype(_scored("concat", a)[0], dtype, copy=False)


def score_concat_vjp(g: Array, q: Real, k: Real, weight: Real, w_score: Real) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of q, k, weight and w_score.

    With :math:`t_{ij} = \tanh(W [q_i; k_j])` and :math:`U_{ij} = g_{ij} \, w \odot (1 - t_{ij}^2)`

    .. math:: [\bar q_i; \cdot] = W^T \sum_j U_{ij}, \qquad [\cdot\,; \bar k_j] = W^T \sum_i U_{ij}, \qquad
        \bar W = \sum_{ij} U_{ij} [q_i; k_j]^T, \qquad \bar w = \sum_{ij} g_{ij} t_{ij}
    """
    dq, dk, dweight, dw = _scores_vjp("concat", g=g, q=q, k=k, weight=weight, w_score=w_score)
    return dq, dk, dweight, dw


def location_weights(q: Real, weight: Real, *, mask: Mask | None = None, empty_row: str = "zero") -> Array:
    r"""Weights of the positions from the query alone.

    .. math:: P_{ij} = \frac{e^{w_j \cdot q_i}}{\sum_l e^{w_l \cdot q_i}}

    q (..., Q, D), weight (K, D), one row a position; the result has shape (..., Q, K), float64 unless both are float32.
    For a sentence of fewer words the paper takes the top part of the weights: ``mask`` (True = attend), which
    broadcasts to the result, leaves the other positions out. Rows without any are 0, nan or 1 / K as ``empty_row`` says
    ("zero", "nan", "mean"), or a ValueError ("error"). Definition: Luong et al. 2015, section 3.1.

    >>> location_weights(np.array([[2.0]]), np.array([[0.5], [0.5], [9.0]]), mask=np.array([True, True, False]))
    array([[0.5, 0.5, 0. ]])
    """
    xp, dtype, a, mask = _checked_location(mask, q=q, weight=weight)
    with np.errstate(all="ignore"):
        return xp.astype(weigh(dot(a["q"], a["weight"])[0], mask, empty_row).p, dtype, copy=False)


def location_weights_vjp(
    g: Array, q: Real, weight: Real, *, mask: Mask | None = None, empty_row: str = "zero"
) -> tuple[Array, Array]:
    r"""Cotangents of q and weight.

    .. math:: \bar S_{ij} = P_{ij} \Big(g_{ij} - \sum_l P_{il} g_{il}\Big), \qquad
        \bar q_i = \sum_j \bar S_{ij} w_j, \qquad \bar w_j = \sum_i \bar S_{ij} q_i

    Under "nan" the query of an empty row has gradient nan.
    """
    xp, dtype, a, mask = _checked_location(mask, g=g, q=q, weight=weight)
    with np.errstate(all="ignore"):
        scores, pull = dot(a["q"], a["weight"])
        weights = weigh(scores, mask, empty_row)
        dq, dweight = pull(to_scores(weights, a["g"]), weights.rows.attended, top_of(weights.rows))
        if empty_row == "nan" and scores.shape[-1]:
            dq = xp.where(weights.rows.empty, xp.nan, dq)
        dq, dweight = rounded(xp, dtype, a, q=dq, weight=dweight)
        return dq, dweight


def attention(
    q: Real,
    k: Real,
    v: Real,
    weight: Real | None = None,
    w_score: Real | None = None,
    *,
    score: str = "dot",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> Array:
    r"""The context: values averaged with the softmax of a score as weights.

    .. math:: c_i = \sum_j \frac{e^{S_{ij}}}{\sum_l e^{S_{il}}} v_j

    q (..., Q, D), the target states; k (..., K, E), v (..., K, V), both the source states in the paper; ``score``
    "dot" (E = D), "general" with weight (D, E), or "concat" with weight (A, D + E) and w_score (A,). ``mask`` (True =
    attend) broadcasts to (..., Q, K); batch axes broadcast; the result has shape (..., Q, V), float64 unless every
    array is float32. Pairs that are masked are left out, and what only they contain may hold nan. A query that attends
    to no key gives 0, nan or the mean of all values as ``empty_row`` says ("zero", "nan", "mean"), or a ValueError
    ("error"). TensorFlow Addons' LuongAttention is "general", times an unpublished scalar where asked.
    Definition: Luong et al. 2015, section 3.1, eq. 7.

    >>> attention(np.zeros((1, 2)), np.eye(2), np.array([[1.0], [3.0]]))  # equal scores: the mean
    array([[2.]])
    """
    xp, dtype, a, mask = _checked_attention(mask, score, q=q, k=k, v=v, weight=weight, w_score=w_score)
    with np.errstate(all="ignore"):
        return xp.astype(attend(a, mask, empty_row, _scored(score, a))[0], dtype, copy=False)


def attention_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    weight: Real | None = None,
    w_score: Real | None = None,
    *,
    score: str = "dot",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, ...]:
    r"""Cotangents of q, k, v, and of weight and w_score where they are given.

    With the softmax weights P

    .. math:: \bar V = P^T G, \qquad \bar S_{ij} = P_{ij} \Big(G_i \cdot v_j - \sum_l P_{il} G_i \cdot v_l\Big)

    and from the scores on as in `score_dot_vjp`, `score_general_vjp` and `score_concat_vjp`. Under "nan" the query of
    an empty row has gradient nan, and nothing else has.
    """
    constants: dict[str, Any] = {"score": score, "mask": mask, "empty_row": empty_row}
    return attention_value_and_vjp(g, q, k, v, weight, w_score, **constants)[1]


def attention_value_and_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    weight: Real | None = None,
    w_score: Real | None = None,
    *,
    score: str = "dot",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, tuple[Array, ...]]:
    """`attention` and its cotangents from the same scores."""
    xp, dtype, a, mask = _checked_attention(mask, score, g=g, q=q, k=k, v=v, weight=weight, w_score=w_score)
    with np.errstate(all="ignore"):
        value, (dv, dq, dk, *others) = attend(a, mask, empty_row, _scored(score, a), a["g"])
        found = rounded(xp, dtype, a, q=dq, k=dk, v=dv, **_of_weights(xp, score, others))
        return xp.astype(value, dtype, copy=False), found


def _scored(score: str, a: dict[str, Any]) -> tuple[Any, Any]:
    """Scores, and the map of their cotangents back."""
    if score == "dot":
        return dot(a["q"], a["k"])
    if score == "general":
        return general(a["q"], a["k"], a["weight"])
    width = a["q"].shape[-1]
    return concat(a["q"], a["k"], a["weight"][:, :width], a["weight"][:, width:], a["w_score"])


def _of_weights(xp: Any, score: str, found: list[Any]) -> dict[str, Any]:
    """The cotangents of weight and w_score by name, from those that the score gives beside q and k."""
    if score == "concat":
        dw_query, dw_key, dw, _ = found
        parts = [xp.sum(xp.reshape(d, (-1, *d.shape[-2:])), axis=0) for d in (dw_query, dw_key)]
        return {"weight": xp.concat(parts, axis=-1), "w_score": dw}
    return dict(zip(("weight",), found, strict=False))


def _scores_vjp(score: str, **arguments: Any) -> tuple[Any, ...]:
    xp, dtype, a = _checked(score, **arguments)
    with np.errstate(all="ignore"):
        scores, pull = _scored(score, a)
        dq, dk, *others = pull(a["g"], xp.ones_like(scores, dtype=xp.bool))
        return rounded(xp, dtype, a, q=dq, k=dk, **_of_weights(xp, score, others))


def _checked(score: str, **arguments: Any) -> Any:
    """``xp, dtype, arrays`` of a score."""
    xp, dtype, a, _ = checked(None, (), **arguments)
    _check_weights(score, a)
    return xp, dtype, a


def _checked_attention(mask: Any, score: Any, **arguments: Any) -> Any:
    check_option("score", score, SCORES)
    needed = {"dot": (), "general": ("weight",), "concat": ("weight", "w_score")}[score]
    for name in ("weight", "w_score"):
        if name not in needed and arguments[name] is not None:
            raise ValueError(f"{name} must be None with score={score!r}, which has none")
    unused = tuple(name for name in ("weight", "w_score") if name not in needed)
    xp, dtype, a, mask = checked(mask, unused, **arguments)
    _check_weights(score, a)
    return xp, dtype, a, mask


def _check_weights(score: str, a: dict[str, Any]) -> None:
    d, e = a["q"].shape[-1], a["k"].shape[-1]
    if score == "dot":
        check_axis("k", a["k"], -1, d, "D", "q")
    elif score == "general":
        check_shape("weight", a["weight"], ("D", "E"), D=d, E=e)
    else:
        check_shape("weight", a["weight"], ("A", "D + E"), **{"D + E": d + e})
        check_shape("w_score", a["w_score"], ("A",), A=a["weight"].shape[0])


def _checked_location(mask: Any, **arguments: Any) -> Any:
    xp, dtype, a, _ = checked(None, (), **arguments)
    check_shape("weight", a["weight"], ("K", "D"), D=a["q"].shape[-1])
    shape = (*a["q"].shape[:-1], a["weight"].shape[0])
    if "g" in a:
        check_cotangent(a["g"], tuple(shape))
    return xp, dtype, a, check_mask(xp, mask, tuple(shape), "(..., Q, K)")
