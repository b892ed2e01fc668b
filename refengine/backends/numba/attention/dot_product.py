"""Streaming attention on the CPU: the loops are in `_forward` and `_backward`, their arguments in `_sweeps`."""

from __future__ import annotations

import numpy as np

from refengine.attention import dot_product as reference
from refengine.attention._arguments import Options, check, check_cotangent
from refengine.attention.dot_product import *
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.attention._backward import ATTENTION, LOG_SUM_EXP, WEIGHTS
from refengine.backends.numba.attention._sweeps import log_sum_exp_of, shaped, swept, swept_both_ways
from refengine.backends.numba.attention._tiles import blocks
from refengine.backends.numba.attention._weights import fill_weights


@kernel_of(reference.attention)
def attention(
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    keep_mask=None,
    keep_probability=1,
    query_mask=None,
    softcap_order="before_bias",
):
    who = (mask, causal, alignment, window)
    options = Options(*who, scale, softcap, empty_row, keep_mask, keep_probability, query_mask, softcap_order)
    c = check(options, q=q, k=k, v=v, bias=bias)
    *_, out = swept(c, options)
    return shaped(out, c)


@kernel_of(reference.attention_value_and_vjp)
def attention_value_and_vjp(
    g,
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    keep_mask=None,
    keep_probability=1,
    query_mask=None,
    softcap_order="before_bias",
):
    who = (mask, causal, alignment, window)
    options = Options(*who, scale, softcap, empty_row, keep_mask, keep_probability, query_mask, softcap_order)
    c = check(options, q=q, k=k, v=v, bias=bias, g=g)
    check_cotangent(c.arrays["g"], (*c.shape[:-1], c.arrays["v"].shape[-1]))
    _, out, (dq, dk, dv, dbias) = swept_both_ways(c, options, ATTENTION)
    return shaped(out, c), ((dq, dk, dv) if bias is None else (dq, dk, dv, dbias))


@kernel_of(reference.attention_vjp)
def attention_vjp(
    g,
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    keep_mask=None,
    keep_probability=1,
    query_mask=None,
    softcap_order="before_bias",
):
    who = (mask, causal, alignment, window)
    options = Options(*who, scale, softcap, empty_row, keep_mask, keep_probability, query_mask, softcap_order)
    return attention_value_and_vjp(g, q, k, v, bias, **options._asdict())[1]


@kernel_of(reference.weights)
def weights(
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    query_mask=None,
    softcap_order="before_bias",
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias)
    t, x, z, _ = swept(c, options)
    out = np.empty((*t.q.shape[:-1], c.shape[-1]))
    fill_weights(blocks(t), t, x, z, out)
    return shaped(out, c)


@kernel_of(reference.weights_vjp)
def weights_vjp(
    g,
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    empty_row="zero",
    query_mask=None,
    softcap_order="before_bias",
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias, g=g)
    check_cotangent(c.arrays["g"], c.shape)
    dq, dk, _, dbias = swept_both_ways(c, options, WEIGHTS)[2]
    return (dq, dk) if bias is None else (dq, dk, dbias)


@kernel_of(reference.log_sum_exp)
def log_sum_exp(
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    query_mask=None,
    softcap_order="before_bias",
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias)
    _, _, z, _ = swept(c, options)
    return log_sum_exp_of(z, c)


@kernel_of(reference.log_sum_exp_vjp)
def log_sum_exp_vjp(
    g,
    q,
    k,
    bias=None,
    *,
    mask=None,
    causal=False,
    alignment="top_left",
    window=None,
    scale=None,
    softcap=None,
    query_mask=None,
    softcap_order="before_bias",
):
    options = Options(
        mask, causal, alignment, window, scale, softcap, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias, g=g)
    check_cotangent(c.arrays["g"], c.shape[:-1])
    dq, dk, _, dbias = swept_both_ways(c, options, LOG_SUM_EXP)[2]
    return (dq, dk) if bias is None else (dq, dk, dbias)
