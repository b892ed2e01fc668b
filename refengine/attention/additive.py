r"""Additive attention: a small network scores every pair of query and key."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape
from refengine.attention._alignment import attend, check_weights, checked, concat, rounded
from refengine.domains import Array, Mask, Real
from refengine.losses._rows import across, direction

__all__ = ["attention", "attention_value_and_vjp", "attention_vjp"]


def attention(
    q: Real,
    k: Real,
    v: Real,
    w_query: Real,
    w_key: Real,
    w_score: Real,
    bias: Real | None = None,
    gain: Real | None = None,
    *,
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> Array:
    r"""Values averaged with the softmax of additive scores as weights.

    .. math:: c_i = \sum_j \frac{e^{e_{ij}}}{\sum_l e^{e_{il}}} v_j, \qquad
        e_{ij} = w \cdot \tanh(W_q q_i + W_k k_j + b)

    q (..., Q, D), k (..., K, E), v (..., K, V), w_query (A, D), w_key (A, E), w_score (A,), bias (A,) or none, gain ()
    or none; ``mask`` (True = attend) broadcasts to (..., Q, K); batch axes broadcast. The result has shape
    (..., Q, V), float64 unless every array is float32. Bahdanau's keys are his values, the annotations, and he has no
    bias. With a ``gain`` the vector is normalised, :math:`w = \gamma \, w_{score} / \|w_{score}\|`; one of zeros then
    makes everything nan. Keras' AdditiveAttention has no matrices: its W are identities.

    Pairs that are masked are left out, and what only they contain may hold nan. A query that attends to no key gives
    0, nan or the mean of all values as ``empty_row`` says ("zero", "nan", "mean"), or a ValueError ("error").
    Definition: Bahdanau et al. 2015, eq. 5, eq. 6 and section A.1.2; the gain: Salimans and Kingma 2016, eq. 2.

    >>> one, keys = np.ones((1, 1)), np.array([[0.0], [0.0]])
    >>> attention(one, keys, np.array([[1.0], [3.0]]), one, one, np.ones(1))  # equal scores: the mean
    array([[2.]])
    """
    xp, dtype, a, mask = _checked(mask, (), q, k, v, w_query, w_key, w_score, bias, gain)
    with np.errstate(all="ignore"):
        return xp.astype(attend(a, mask, empty_row, _scored(xp, a))[0], dtype, copy=False)


def attention_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    w_query: Real,
    w_key: Real,
    w_score: Real,
    bias: Real | None = None,
    gain: Real | None = None,
    *,
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, ...]:
    r"""Cotangents of q, k, v, w_query, w_key, w_score, and of bias and gain where they are given.

    With the softmax weights P, :math:`\bar e_{ij} = P_{ij} (G_i \cdot v_j - \sum_l P_{il} G_i \cdot v_l)` and
    :math:`\bar V = P^T G`. With :math:`t_{ij}` the tanh, and :math:`U_{ij} = \bar e_{ij} \, w \odot (1 - t_{ij}^2)`,

    .. math:: \bar q_i = W_q^T \sum_j U_{ij}, \quad \bar k_j = W_k^T \sum_i U_{ij}, \quad
        \bar W_q = \sum_{ij} U_{ij} q_i^T, \quad \bar W_k = \sum_{ij} U_{ij} k_j^T, \quad
        \bar b = \sum_{ij} U_{ij}, \quad \bar w = \sum_{ij} \bar e_{ij} t_{ij}

    and with a gain :math:`\bar\gamma = \bar w \cdot \hat w`, :math:`\bar w_{score} = \gamma (I - \hat w \hat w^T)
    \bar w / \|w_{score}\|`. Under "nan" the query of an empty row has gradient nan, and nothing else has.
    """
    given: dict[str, Any] = {"bias": bias, "gain": gain, "mask": mask, "empty_row": empty_row}
    return attention_value_and_vjp(g, q, k, v, w_query, w_key, w_score, **given)[1]


def attention_value_and_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    w_query: Real,
    w_key: Real,
    w_score: Real,
    bias: Real | None = None,
    gain: Real | None = None,
    *,
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, tuple[Array, ...]]:
    """`attention` and its cotangents from the same scores."""
    xp, dtype, a, mask = _checked(mask, (g,), q, k, v, w_query, w_key, w_score, bias, gain)
    with np.errstate(all="ignore"):
        value, (dv, dq, dk, dw_query, dw_key, dw, dbias) = attend(a, mask, empty_row, _scored(xp, a), a["g"])
        names = {"q": dq, "k": dk, "v": dv, "w_query": dw_query, "w_key": dw_key}
        if gain is None:
            found = rounded(xp, dtype, a, **names, w_score=dw, bias=dbias)
        else:
            unit, largest, norm = direction(xp, a["w_score"][None, :])
            dw = xp.sum(xp.reshape(dw, (-1, dw.shape[-1])), axis=0)[None, :]
            along = a["gain"] * across(xp, dw, unit) / norm / largest
            found = rounded(xp, dtype, a, **names, w_score=along[0, :], bias=dbias, gain=xp.sum(dw * unit))
        return xp.astype(value, dtype, copy=False), found


def _scored(xp: Any, a: dict[str, Any]) -> tuple[Any, Any]:
    w = a["w_score"] if "gain" not in a else a["gain"] * direction(xp, a["w_score"][None, :])[0][0, :]
    return concat(a["q"], a["k"], a["w_query"], a["w_key"], w, a.get("bias", 0.0))


def _checked(mask: Any, g: tuple[Any, ...], *given: Any) -> Any:
    names = ("q", "k", "v", "w_query", "w_key", "w_score", "bias", "gain")
    xp, dtype, a, mask = checked(mask, ("bias", "gain"), **dict(zip((*names, "g"), (*given, *g), strict=False)))
    check_weights(a, a["q"].shape[-1], a["k"].shape[-1])
    if "gain" in a:
        check_shape("gain", a["gain"], ())
        check_shape("w_score", a["w_score"], ("A",), A=max(a["w_score"].shape[0], 1))
    return xp, dtype, a, mask
