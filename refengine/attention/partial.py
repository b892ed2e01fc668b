r"""Attention to a part of the keys, and the merge of such parts: how blocks of keys are worked off one after another.

A part is its average O and the log-sum-exp :math:`\ell` of its scores. Merged, they are attention to all keys, however
these were divided: what tiled, sequence-parallel and ring attention compute. A part without a key has O = 0 and
:math:`\ell = -\infty`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import promote
from refengine.attention._arguments import Options, check, check_cotangent
from refengine.attention._rows import average as averaged
from refengine.attention._rows import average_backward, log_of_sum, rows_of, softmax
from refengine.attention._scores import Weights, average, to_scores, weigh
from refengine.attention._scores import average_backward as weights_backward
from refengine.domains import Array, Mask, Real

__all__ = [
    "Part",
    "attention",
    "attention_value_and_vjp",
    "attention_vjp",
    "merge",
    "merge_vjp",
]


class Part(NamedTuple):
    """The average of the values, and the log-sum-exp of the scores."""

    output: Real
    log_sum_exp: Real


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
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
    query_mask: Mask | None = None,
) -> Part:
    r"""Dot-product attention together with the logarithm of the sum that its weights were divided by.

    .. math:: O_{id} = \sum_j P_{ij} \frac{Z_{ij}}{\rho} V_{jd}, \qquad P_{ij} = e^{S_{ij} - \ell_i}, \qquad
        \ell_i = \log \sum_j e^{S_{ij}}

    Arguments as in `dot_product.attention`; the results have shapes (..., H, Q, V) and (..., H, Q), float64 unless
    every array is float32. Drop-out does not enter :math:`\ell`. An empty row is 0 and -inf, with zero gradients.
    Definition: Dao 2023, section 3.1.1.

    >>> part = attention(np.zeros((1, 1, 1)), np.ones((1, 2, 1)), np.array([[[1.0], [3.0]]]))
    >>> part.output.tolist(), part.log_sum_exp.round(4).tolist()  # the mean and log 2
    ([[[2.0]]], [[0.6931]])
    """
    options = Options(mask, causal, alignment, window, scale, softcap, "zero", keep_mask, keep_probability, query_mask)
    c = check(options, q=q, k=k, v=v, bias=bias)
    with np.errstate(all="ignore"):
        rows = rows_of(c, options)
        found = (averaged(c, options, rows, softmax(c.xp, rows, "zero")), log_of_sum(c.xp, rows))
        return Part(*(c.xp.astype(a, c.dtype, copy=False) for a in found))


def attention_value_and_vjp(
    g: Part,
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
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
    query_mask: Mask | None = None,
) -> tuple[Part, tuple[Array, ...]]:
    """`attention` and its cotangents from the same weights; see `attention_vjp`."""
    options = Options(mask, causal, alignment, window, scale, softcap, "zero", keep_mask, keep_probability, query_mask)
    c = check(options, q=q, k=k, v=v, bias=bias, g=g[0], of_log=g[1])
    check_cotangent(c.arrays["g"], (*c.shape[:-1], c.arrays["v"].shape[-1]))
    check_cotangent(c.arrays["of_log"], c.shape[:-1])
    with np.errstate(all="ignore"):
        rows = rows_of(c, options)
        p = softmax(c.xp, rows, "zero")
        found = (averaged(c, options, rows, p), log_of_sum(c.xp, rows))
        value = Part(*(c.xp.astype(a, c.dtype, copy=False) for a in found))
        return value, average_backward(c, options, rows, p, c.arrays["of_log"][..., None])


def attention_vjp(
    g: Part,
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
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
    query_mask: Mask | None = None,
) -> tuple[Array, ...]:
    r"""Cotangents of q, k, v, and of bias where it is given, from those of both results.

    To the cotangents of the scores in `dot_product.attention_vjp` comes, as :math:`\partial \ell_i / \partial S_{ij} =
    P_{ij}`, what the logarithm sends back:

    .. math:: \bar S_{ij} = P_{ij} \Bigl(\sum_l P_{il} (\bar P_{ij} - \bar P_{il}) + \bar\ell_i\Bigr)

    and all others follow as there.
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
        keep_mask=keep_mask,
        keep_probability=keep_probability,
        query_mask=query_mask,
    )[1]


def merge(output: Real, log_sum_exp: Real) -> Part:
    r"""Attention to all keys from that to parts of them.

    .. math:: \ell = \log \sum_s e^{\ell_s}, \qquad O = \sum_s e^{\ell_s - \ell} O_s

    output (S, ..., V) and log_sum_exp (S, ...), one of S parts each; the results have shapes (..., V) and (...),
    float64 unless both are float32. A part with :math:`\ell_s = -\infty` is left out and may hold nan; without any
    other the result is 0 and -inf, with zero gradients. As a part it can be merged again, in any order.
    Definition: Liu et al. 2023, section 3; the merge as in Dao 2023, section 3.1.1.

    >>> part = merge(np.array([[1.0], [4.0]]), np.log([1.0, 2.0]))  # 1 key, 2 keys
    >>> part.output.round(12).tolist(), np.exp(part.log_sum_exp).round(12).tolist()
    ([3.0], 3.0)
    """
    xp, dtype, *_, found = _merged(output, log_sum_exp)
    return Part(*(xp.astype(a, dtype, copy=False) for a in found))


def merge_vjp(g: Part, output: Real, log_sum_exp: Real) -> tuple[Array, Array]:
    r"""Cotangents of both.

    With the weights :math:`w_s = e^{\ell_s - \ell}`, as those of a softmax

    .. math:: \bar O_s = w_s G, \qquad \bar\ell_s = w_s \Bigl(G \cdot O_s - \sum_t w_t G \cdot O_t + \bar\ell\Bigr)
    """
    xp, dtype, weights, v, found = _merged(output, log_sum_exp)
    _, _, g_output, g_log = promote(output=g[0], log_sum_exp=g[1])
    for cotangent, value in zip((g_output, g_log), found, strict=True):
        check_cotangent(cotangent, tuple(value.shape))
    with np.errstate(all="ignore"):
        dp, dv = weights_backward(weights, xp.astype(g_output, xp.float64, copy=False)[..., None, :], v)
        dl = (to_scores(weights, dp) + weights.p * g_log[..., None, None])[..., 0, :]
        return tuple(xp.astype(xp.moveaxis(a, source, 0), dtype, copy=False) for a, source in ((dv, -2), (dl, -1)))


def _merged(output: Array, log_sum_exp: Array) -> tuple[Any, Any, Weights, Any, Part]:
    """``xp, dtype``, the weights (..., 1, S) and values (..., S, V) of the parts, and the merge; in float64."""
    xp, dtype, *given = promote(output=output, log_sum_exp=log_sum_exp)
    output, log_sum_exp = (xp.astype(a, xp.float64, copy=False) for a in given)
    if log_sum_exp.ndim < 1 or tuple(output.shape[:-1]) != tuple(log_sum_exp.shape):
        shapes = f"{tuple(output.shape)} and {tuple(log_sum_exp.shape)}"
        raise ValueError(f"output and log_sum_exp must have shapes (S, ..., V) and (S, ...), got {shapes}")
    v, scores = xp.moveaxis(output, 0, -2), xp.moveaxis(log_sum_exp, 0, -1)[..., None, :]
    with np.errstate(all="ignore"):
        weights = weigh(scores, None, "zero")
        return xp, dtype, weights, v, Part(average(weights, v, "zero")[..., 0, :], log_of_sum(xp, weights.rows)[..., 0])
