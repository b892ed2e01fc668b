r"""Self-attention on sequences of different lengths: multi-head attention whose queries, keys and values are one x.

Batches are padded to one length L; ``lengths`` (...) or ``token_mask`` (..., L), True at a token, say what is real. To
padding nobody attends, its own rows of the result are exactly 0 with zero gradients, and it may hold nan: a padded
batch gives what its sequences give one by one, but for ``empty_row="mean"``, which averages all L rows. Weights, masks
and constants are those of ``multi_head``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import namespace, promote
from refengine.attention._arguments import Options, check_lengths, check_mask
from refengine.attention._projected import attend
from refengine.domains import Array, Count, Mask, Real

__all__ = ["attention", "attention_value_and_vjp", "attention_vjp"]


def attention(
    x: Real,
    w_query: Real,
    w_key: Real,
    w_value: Real,
    w_output: Real,
    b_query: Real | None = None,
    b_key: Real | None = None,
    b_value: Real | None = None,
    b_output: Real | None = None,
    bias: Real | None = None,
    lengths: Count | None = None,
    *,
    mask: Mask | None = None,
    token_mask: Mask | None = None,
    causal: bool = False,
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> Array:
    r"""Every token attends to the tokens of its own sequence.

    .. math:: y_i = \sum_h W^O_h \sum_j P^h_{ij} \frac{Z^h_{ij}}{\rho} (W^V_h x_j + b^V_h) + b^O, \qquad
        P^h_{i \cdot} = \operatorname{softmax}_{j < n} \Bigl(\operatorname{cap}\bigl(
        c \, (W^Q_h x_i + b^Q_h) \cdot (W^K_h x_j + b^K_h)\bigr) + B^h_{ij}\Bigr)

    x (..., L, E), lengths n (...) from 0 to L, weights and biases as in ``multi_head.attention`` with F = G = E; the
    result has shape (..., L, O), float64 unless every floating array is float32. Rows i >= n are 0. Either ``lengths``
    or ``token_mask`` or neither; padding may stand anywhere in a ``token_mask``. Other masks and empty rows as in
    ``multi_head.attention``. Definition: Vaswani et al. 2017, section 3.2.2 and 3.2.3.

    >>> one = np.ones((1, 1, 1))
    >>> attention(np.array([[1.0], [3.0], [np.nan]]), 0 * one, 0 * one, one, one, lengths=np.array(2))
    array([[2.],
           [2.],
           [0.]])
    """
    options = Options(mask, causal, "top_left", window, scale, softcap, empty_row, keep_mask, keep_probability)
    weights = w_query, w_key, w_value, w_output, b_query, b_key, b_value, b_output
    return _attend(options, lengths, token_mask, x, *weights, bias)[0]


def attention_value_and_vjp(
    g: Array,
    x: Real,
    w_query: Real,
    w_key: Real,
    w_value: Real,
    w_output: Real,
    b_query: Real | None = None,
    b_key: Real | None = None,
    b_value: Real | None = None,
    b_output: Real | None = None,
    bias: Real | None = None,
    lengths: Count | None = None,
    *,
    mask: Mask | None = None,
    token_mask: Mask | None = None,
    causal: bool = False,
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> tuple[Array, tuple[Array, ...]]:
    """`attention` and its cotangents from the same weights; see `attention_vjp`."""
    options = Options(mask, causal, "top_left", window, scale, softcap, empty_row, keep_mask, keep_probability)
    weights = w_query, w_key, w_value, w_output, b_query, b_key, b_value, b_output
    return _attend(options, lengths, token_mask, x, *weights, bias, g=g)


def attention_vjp(
    g: Array,
    x: Real,
    w_query: Real,
    w_key: Real,
    w_value: Real,
    w_output: Real,
    b_query: Real | None = None,
    b_key: Real | None = None,
    b_value: Real | None = None,
    b_output: Real | None = None,
    bias: Real | None = None,
    lengths: Count | None = None,
    *,
    mask: Mask | None = None,
    token_mask: Mask | None = None,
    causal: bool = False,
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> tuple[Array, ...]:
    r"""Cotangents of x, of the weights, and of the biases that are given.

    With the cotangents :math:`\bar q, \bar k, \bar v` of ``multi_head.attention_vjp`` at q = k = v = x

    .. math:: \bar x_i = \bar q_i + \bar k_i + \bar v_i,

    exactly 0 at padding; all others are the same.
    """
    return attention_value_and_vjp(
        g,
        x,
        w_query,
        w_key,
        w_value,
        w_output,
        b_query,
        b_key,
        b_value,
        b_output,
        bias,
        lengths,
        mask=mask,
        token_mask=token_mask,
        causal=causal,
        window=window,
        scale=scale,
        softcap=softcap,
        empty_row=empty_row,
        keep_mask=keep_mask,
        keep_probability=keep_probability,
    )[1]


def _attend(
    options: Options, lengths: Any, token_mask: Any, x: Array, *weights: Array | None, **cotangent: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Multi-head attention of x with itself. ValueError or TypeError where lengths or mask do not fit it."""
    promote(x=x)  # an error names x
    xp, shape = namespace(x, *weights), np.shape(x)
    if len(shape) < 2:
        raise ValueError(f"x must have shape (..., L, E), got {shape}")
    if lengths is not None and token_mask is not None:
        raise ValueError("token_mask must be None where lengths are given, which say the same")
    real = check_mask(xp, token_mask, shape[:-1], "(..., L)", "token_mask")
    if lengths is not None:
        real = xp.arange(shape[-2]) < check_lengths(xp, lengths, shape[:-2], shape[-2])[..., None]
    return attend(options._replace(query_mask=real), real, x, x, x, *weights, of_itself=True, **cotangent)
