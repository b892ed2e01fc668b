r"""Scaled dot-product attention, :math:`\operatorname{softmax}(c Q K^\top + B) V`, with what frameworks add to it.

Every function takes the same constants. A query attends to the keys that *all* of these allow:

- ``mask`` (boolean, True = attend) and ``bias`` (-inf = do not attend), both broadcast to (..., H, Q, K);
- ``causal``: key j is not later than query i, j <= i. With Q unlike K, ``alignment`` says which query meets the last
  key: "top_left" counts both from the start, "bottom_right" places query i at i + K - Q;
- ``window=(left, right)``: at most so many keys before and after the query's place, ends included; None = no limit.

``scale=None`` means 1 / sqrt(D). ``softcap=c``, positive and finite, bounds scores to c tanh(s / c), before masks and
before the bias, or after the bias by ``softcap_order="after_bias"``; what is masked stays so in either order. Keys and
values may have fewer heads: head h of q reads head h // (H / H_kv). Whatever is not attended is left out, never
multiplied by 0: nan or inf there reaches neither result nor gradients, and its own gradient is exactly 0. Drop-out
leaves out values in the same way; a score that is nan makes its row nan even where all of the row is dropped.

A query that attends to no key (also: K = 0) is an empty row, for which ``empty_row`` states the rule. What
``query_mask`` (broadcast to (..., H, Q), True = a query) leaves out is padding: it attends to nothing, and its row is 0
(its log-sum-exp -inf) with zero gradients whatever the rule.
"""

from __future__ import annotations

import numpy as np

from refengine.attention._arguments import Checked, Options, check, check_cotangent
from refengine.attention._rows import (
    Rows,
    average,
    average_backward,
    log_sum_exp_of,
    of_shift,
    rows_of,
    scores_backward,
    softmax,
    softmax_backward,
)
from refengine.domains import Array, Mask, Real

__all__ = [
    "attention",
    "attention_value_and_vjp",
    "attention_vjp",
    "log_sum_exp",
    "log_sum_exp_vjp",
    "weights",
    "weights_vjp",
]


def attention(
    q: Real,
    k: Real,
    v: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> Array:
    r"""Values averaged with the softmax of scaled query-key products as weights.

    .. math:: O_{id} = \sum_j P_{ij} \frac{Z_{ij}}{\rho} V_{jd}, \qquad
        P_{ij} = \frac{e^{S_{ij}}}{\sum_{l} e^{S_{il}}}, \qquad
        S_{ij} = \operatorname{cap}\bigl(c \, q_i \cdot k_j\bigr) + B_{ij}

    q (..., H, Q, D), k (..., H_kv, K, D), v (..., H_kv, K, V), bias and masks broadcast to (..., H, Q, K); the result
    has shape (..., H, Q, V), float64 unless every array is float32. Sums run over the attended keys only (see the
    module); :math:`Z` is ``keep_mask``, the drop-out's draw, and :math:`\rho` is ``keep_probability``.

    Empty rows: "zero" gives 0; "nan" gives nan; "mean" gives the mean of all K values (nan if K = 0); "error" raises
    ValueError that names the first one. Wrong shapes, dtypes, options: TypeError or ValueError that names the argument.
    Definition: Vaswani et al. 2017, eq. 1; masks as in section 3.2.3; the cap: Gemma Team 2024, section 2.

    >>> q, k = np.zeros((1, 1, 2)), np.ones((1, 2, 2))
    >>> attention(q, k, np.array([[[1.0], [3.0]]]))  # equal scores: the mean
    array([[[2.]]])
    >>> attention(q, k, np.array([[[1.0], [np.nan]]]), causal=True)  # the second key is later than the only query
    array([[[1.]]])
    """
    who = (mask, causal, alignment, window)
    options = Options(*who, scale, softcap, empty_row, keep_mask, keep_probability, query_mask, softcap_order)
    c = check(options, q=q, k=k, v=v, bias=bias)
    with np.errstate(all="ignore"):
        rows = rows_of(c, options)
        return c.xp.astype(average(c, options, rows, softmax(c.xp, rows, empty_row)), c.dtype, copy=False)


def attention_value_and_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> tuple[Array, tuple[Array, ...]]:
    """`attention` and the cotangents of q, k, v (and bias, where it is given) in one pass; see `attention_vjp`."""
    who = (mask, causal, alignment, window)
    options = Options(*who, scale, softcap, empty_row, keep_mask, keep_probability, query_mask, softcap_order)
    c = check(options, q=q, k=k, v=v, bias=bias, g=g)
    check_cotangent(c.arrays["g"], (*c.shape[:-1], c.arrays["v"].shape[-1]))
    with np.errstate(all="ignore"):
        rows = rows_of(c, options)
        p = softmax(c.xp, rows, empty_row)
        value = c.xp.astype(average(c, options, rows, p), c.dtype, copy=False)
        return value, _backward(c, options, rows, p)


def attention_vjp(
    g: Array,
    q: Real,
    k: Real,
    v: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> tuple[Array, ...]:
    r"""Cotangents of q, k, v, and of bias where it is given.

    With :math:`\tilde P = P Z / \rho` the result is :math:`O = \tilde P V`, so

    .. math:: \bar V = \tilde P^\top G, \qquad \bar P_{ij} = (G V^\top)_{ij} Z_{ij} / \rho.

    For the softmax :math:`\partial P_{ij} / \partial S_{il} = P_{ij} (\delta_{jl} - P_{il})`, hence

    .. math:: \bar S_{ij} = P_{ij} \sum_l P_{il} (\bar P_{ij} - \bar P_{il}), \qquad \bar B = \bar S
        \text{ summed over the axes that were broadcast.}

    With :math:`U = c Q K^\top` and :math:`S = \kappa \tanh(U / \kappa) + B` the cap has slope
    :math:`\operatorname{sech}^2(U / \kappa)` (without a cap: 1), and

    .. math:: \bar U = \bar S \operatorname{sech}^2(U / \kappa), \qquad \bar Q = c \, \bar U K, \qquad
        \bar K = c \, \bar U^\top Q,

    (capped after the bias, :math:`S = \kappa \tanh((U + B) / \kappa)` and :math:`\bar B` is :math:`\bar U` summed),
    where :math:`\bar K` and :math:`\bar V` are summed over the heads of q that read the same head of k and v.

    Empty rows: "zero" has zero cotangents; "mean" sends :math:`G / K` to every value and 0 to q and k;
    "nan" gives nan to the row's query, and exactly 0 to the keys, values and bias entries that it does not attend to.
    """
    return attention_value_and_vjp(
        g,
        q,
        k,
        v,
        bias,
        mask=mask,
        causal=causal,
        alignment=alignment,
        window=window,
        scale=scale,
        softcap=softcap,
        empty_row=empty_row,
        keep_mask=keep_mask,
        keep_probability=keep_probability,
        query_mask=query_mask,
        softcap_order=softcap_order,
    )[1]


def weights(
    q: Real,
    k: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> Array:
    r"""The weights that `attention` gives to the keys.

    .. math:: P_{ij} = \frac{e^{S_{ij}}}{\sum_{l} e^{S_{il}}}

    Arguments as in `attention`; the result has shape (..., H, Q, K). Exactly 0 where a query does not attend; empty
    rows hold 0, nan or 1 / K. Definition: Vaswani et al. 2017, eq. 1.

    >>> weights(np.zeros((1, 2, 1)), np.ones((1, 2, 1)), causal=True)
    array([[[1. , 0. ],
            [0.5, 0.5]]])
    """
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias)
    with np.errstate(all="ignore"):
        return c.xp.astype(softmax(c.xp, rows_of(c, options), empty_row), c.dtype, copy=False)


def weights_vjp(
    g: Array,
    q: Real,
    k: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    empty_row: str = "zero",
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> tuple[Array, ...]:
    r"""Cotangents of q and k, and of bias where it is given.

    .. math:: \bar S_{ij} = P_{ij} \sum_l P_{il} (g_{ij} - g_{il})

    and from there as in `attention_vjp`. Empty rows: zero, or nan for the query under "nan".
    """
    options = Options(
        mask, causal, alignment, window, scale, softcap, empty_row, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias, g=g)
    check_cotangent(c.arrays["g"], c.shape)
    with np.errstate(all="ignore"):
        rows = rows_of(c, options)
        p = softmax(c.xp, rows, empty_row)
        dq, dk, dbias = scores_backward(c, rows, softmax_backward(c.xp, rows, p, c.arrays["g"]), empty_row)
        return (dq, dk) if dbias is None else (dq, dk, of_shift(dbias, c, options))


def log_sum_exp(
    q: Real,
    k: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> Array:
    r"""The logarithm of the softmax's normaliser, by which partial attentions are merged.

    .. math:: \ell_i = \log \sum_j e^{S_{ij}}

    Arguments as in `attention`; the result has shape (..., H, Q). An empty row is -inf with zero gradient. Computed as
    the maximum plus log1p of the sum of the other terms. Definition: Dao 2023, section 3.1.1.

    >>> log_sum_exp(np.zeros((1, 1, 1)), np.ones((1, 2, 1))).round(4)  # log 2
    array([[0.6931]])
    """
    options = Options(
        mask, causal, alignment, window, scale, softcap, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias)
    with np.errstate(all="ignore"):
        return c.xp.astype(log_sum_exp_of(c.xp, rows_of(c, options)), c.dtype, copy=False)


def log_sum_exp_vjp(
    g: Array,
    q: Real,
    k: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    query_mask: Mask | None = None,
    softcap_order: str = "before_bias",
) -> tuple[Array, ...]:
    r"""Cotangents of q and k, and of bias where it is given.

    .. math:: \partial \ell_i / \partial S_{ij} = P_{ij}, \qquad \bar S_{ij} = g_i P_{ij}

    and from there as in `attention_vjp`. A weight below 2.2e-308, of a score more than 708 under the largest, is a
    subnormal number with few digits; where only such weights carry a gradient, it has no more.
    """
    options = Options(
        mask, causal, alignment, window, scale, softcap, query_mask=query_mask, softcap_order=softcap_order
    )
    c = check(options, q=q, k=k, bias=bias, g=g)
    check_cotangent(c.arrays["g"], c.shape[:-1])
    with np.errstate(all="ignore"):
        rows = rows_of(c, options)
        ds = c.xp.where(rows.attended, softmax(c.xp, rows, "zero") * c.arrays["g"][..., None], 0.0)
        dq, dk, dbias = scores_backward(c, rows, ds, "zero")
        return (dq, dk) if dbias is None else (dq, dk, dbias)


def _backward(c: Checked, options: Options, rows: Rows, p: Array) -> tuple[Array, ...]:
    ds, dv = average_backward(c, options, rows, p, c.arrays["g"])
    dq, dk, dbias = scores_backward(c, rows, ds, options.empty_row)
    return (dq, dk, dv) if dbias is None else (dq, dk, dv, of_shift(dbias, c, options))
