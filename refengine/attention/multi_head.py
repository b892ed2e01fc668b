r"""Multi-head attention: several dot-product attentions of projections of the same rows, joined by a projection.

Weights are stored by head, the row of an output first: ``w_query`` (H, D, E), ``w_key`` (H_kv, D, F), ``w_value``
(H_kv, V, G), ``w_output`` (O, H, V). PyTorch's ``in_proj_weight`` is ``w_query``, ``w_key``, ``w_value`` reshaped to
(H D, E) and stacked, its ``out_proj.weight`` is ``w_output`` reshaped to (O, H V); Keras has (E, H, D) and (H, V, O).

Masks and constants are those of ``dot_product``, and so are the rules: ``key_mask`` (..., K) and ``query_mask`` (...,
Q) say which rows are no padding (True). The row of a padded query is exactly 0, the bias of the output too. Under
``empty_row="nan"`` a row of the result is nan if the query attends to no key in some head: an undefined function of
that query, whose gradient is nan; weights and other rows get 0 from it.
"""

from __future__ import annotations

from refengine.attention._arguments import Options
from refengine.attention._projected import attend
from refengine.domains import Array, Mask, Real

__all__ = ["attention", "attention_value_and_vjp", "attention_vjp"]


def attention(
    q: Real,
    k: Real,
    v: Real,
    w_query: Real,
    w_key: Real,
    w_value: Real,
    w_output: Real,
    b_query: Real | None = None,
    b_key: Real | None = None,
    b_value: Real | None = None,
    b_output: Real | None = None,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    key_mask: Mask | None = None,
    query_mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> Array:
    r"""The heads' attentions, each of its own projections, joined and projected.

    .. math:: y_i = \sum_h W^O_h \sum_j P^h_{ij} \frac{Z^h_{ij}}{\rho} (W^V_h v_j + b^V_h) + b^O, \qquad
        P^h_{i \cdot} = \operatorname{softmax}_j \Bigl(\operatorname{cap}\bigl(
        c \, (W^Q_h q_i + b^Q_h) \cdot (W^K_h k_j + b^K_h)\bigr) + B^h_{ij}\Bigr)

    q (..., Q, E), k (..., K, F), v (..., K, G); weights as in the module, biases b_query (H, D), b_key (H_kv, D),
    b_value (H_kv, V), b_output (O,), each optional; bias and masks broadcast to (..., H, Q, K). Batch axes broadcast;
    the result has shape (..., Q, O), float64 unless every array is float32. Head h reads key head h // (H / H_kv):
    H_kv = 1 is multi-query, 1 < H_kv < H grouped-query attention. ``scale=None`` means 1 / sqrt(D). Empty rows: the
    heads are 0 ("zero"), so that the row is b_output; the mean of all projected values ("mean", nan if K = 0); the row
    is nan ("nan"); ValueError ("error"). Definition: Vaswani et al. 2017, section 3.2.2; fewer key heads: Ainslie et
    al. 2023, section 2.2.

    >>> import numpy as np
    >>> one = np.ones((1, 1, 1))
    >>> attention([[0.0]], [[2.0], [5.0]], [[1.0], [3.0]], one, one, one, one, b_output=np.array([0.5]))
    array([[2.5]])
    """
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, keep_mask, keep_probability, query_mask
    )
    weights = w_query, w_key, w_value, w_output, b_query, b_key, b_value, b_output
    return attend(options, key_mask, q, k, v, *weights, bias)[0]


def attention_value_and_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    w_query: Real,
    w_key: Real,
    w_value: Real,
    w_output: Real,
    b_query: Real | None = None,
    b_key: Real | None = None,
    b_value: Real | None = None,
    b_output: Real | None = None,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    key_mask: Mask | None = None,
    query_mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> tuple[Array, tuple[Array, ...]]:
    """`attention` and its cotangents from the same weights; see `attention_vjp`."""
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, keep_mask, keep_probability, query_mask
    )
    weights = w_query, w_key, w_value, w_output, b_query, b_key, b_value, b_output
    return attend(options, key_mask, q, k, v, *weights, bias, g=g)


def attention_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    w_query: Real,
    w_key: Real,
    w_value: Real,
    w_output: Real,
    b_query: Real | None = None,
    b_key: Real | None = None,
    b_value: Real | None = None,
    b_output: Real | None = None,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    key_mask: Mask | None = None,
    query_mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> tuple[Array, ...]:
    r"""Cotangents of q, k, v, of the weights, and of the biases that are given.

    Let :math:`o^h_i` be the heads, :math:`q^h_i = W^Q_h q_i + b^Q_h` and so on the projections. From the joint down

    .. math:: \bar b^O = \sum_i G_i, \qquad \bar W^O_h = \sum_i G_i (o^h_i)^\top, \qquad
        \bar o^h_i = (W^O_h)^\top G_i,

    then ``dot_product.attention_vjp`` gives :math:`\bar q^h, \bar k^h, \bar v^h` (those of keys and values summed over
    the heads that read them) and :math:`\bar B`, and every projection

    .. math:: \bar W^Q_h = \sum_i \bar q^h_i q_i^\top, \qquad \bar b^Q_h = \sum_i \bar q^h_i, \qquad
        \bar q_i = \sum_h (W^Q_h)^\top \bar q^h_i.

    Without a cap :math:`\bar b^K = 0` exactly: the bias of the keys shifts all scores of a query alike.
    """
    return attention_value_and_vjp(
        g,
        q,
        k,
        v,
        w_query,
        w_key,
        w_value,
        w_output,
        b_query,
        b_key,
        b_value,
        b_output,
        bias,
        mask=mask,
        key_mask=key_mask,
        query_mask=query_mask,
        causal=causal,
        alignment=alignment,
        window=window,
        scale=scale,
        softcap=softcap,
        empty_row=empty_row,
        keep_mask=keep_mask,
        keep_probability=keep_probability,
    )[1]
