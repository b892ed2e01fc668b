r"""Attention over blocks of keys, on several machines or one after the other, and the merge of such partial results.

Ring attention (Liu et al. 2023) sends the blocks around, flash attention (Dao 2023) streams them through one device:
each block gives its own average and the logarithm of its softmax's normaliser, which is all that the others need::

    parts = [part(q, k[..., a:b, :], v[..., a:b, :], causal=True, place=-a) for a, b in blocks]
    merged = merge(*(np.stack(field) for field in zip(*parts)))     # in any order and any grouping

The options of `part` are those of `refengine.attention.dot_product`, but for these: ``place`` says where the block
lies, as an alignment cannot; an empty row, padding too, is 0 with log-sum-exp -inf, which weighs nothing in a merge;
and a cap comes before the bias.
"""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import promote
from refengine.attention._arguments import Checked, Options, check
from refengine.attention._rows import (
    Rows,
    average,
    average_backward,
    log_sum_exp_of,
    rows_of,
    scores_backward,
    selected_sum,
    softmax,
    softmax_backward,
)
from refengine.attention._scores import rows_of_scores
from refengine.domains import Array, Mask, Real

__all__ = ["Partial", "merge", "merge_value_and_vjp", "merge_vjp", "part", "part_value_and_vjp", "part_vjp"]


class Partial(NamedTuple):
    """The average over some keys, (..., V), and the logarithm of the sum of their exponentials, (...)."""

    output: Real
    log_sum_exp: Real


def part(
    q: Real,
    k: Real,
    v: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    window: tuple[int | None, int | None] | None = None,
    place: int = 0,
    scale: float | None = None,
    softcap: float | None = None,
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> Partial:
    r"""Attention over a block of keys, and the logarithm of its normaliser.

    .. math:: O_{id} = \sum_j \frac{e^{S_{ij}}}{\sum_l e^{S_{il}}} \frac{Z_{ij}}{\rho} V_{jd}, \qquad
        \ell_i = \log \sum_j e^{S_{ij}}

    q (..., H, Q, D), k (..., H_kv, K, D), v (..., H_kv, K, V), bias and masks broadcast to (..., H, Q, K); the results
    have shapes (..., H, Q, V) and (..., H, Q), float64 unless every array is float32. Scores S, masks, drop-out and
    what is left out: as in `refengine.attention.dot_product.attention`. ``causal`` and ``window`` count from
    ``place``: query i stands at key i + place of the block, so that a block whose first key is key a of the sentence
    has place -a. A query that attends to no key has output 0 and log-sum-exp -inf. Source: Dao 2023, section 3.1.1.

    >>> k, v = np.ones((1, 2, 1)), np.array([[[1.0], [3.0]]])
    >>> output, log_sum_exp = part(np.zeros((1, 1, 1)), k, v)
    >>> output.item(), round(log_sum_exp.item(), 4)  # the mean, and log 2
    (2.0, 0.6931)
    """
    options = Options(mask, causal, "top_left", window, scale, softcap, "zero", keep_mask, keep_probability)
    c = check_part(options, place, q=q, k=k, v=v, bias=bias)
    with np.errstate(all="ignore"):
        return _part(c, options, place)[0]


def part_vjp(
    g: Partial,
    q: Real,
    k: Real,
    v: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    window: tuple[int | None, int | None] | None = None,
    place: int = 0,
    scale: float | None = None,
    softcap: float | None = None,
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> tuple[Array, ...]:
    r"""Cotangents of q, k, v, and of bias where it is given.

    With the cotangents :math:`G` of the output and :math:`\gamma` of the log-sum-exp, and
    :math:`\partial \ell_i / \partial S_{ij} = P_{ij}`,

    .. math:: \bar S_{ij} = P_{ij} \sum_l P_{il} (\bar P_{ij} - \bar P_{il}) + \gamma_i P_{ij}, \qquad
        \bar P_{ij} = (G V^\top)_{ij} Z_{ij} / \rho

    and from there as in `refengine.attention.dot_product.attention_vjp`. Of a bias that is one number for all keys only
    the second term remains. Empty rows have cotangents of exactly 0.
    """
    return part_value_and_vjp(
        g,
        q,
        k,
        v,
        bias,
        mask=mask,
        causal=causal,
        window=window,
        place=place,
        scale=scale,
        softcap=softcap,
        keep_mask=keep_mask,
        keep_probability=keep_probability,
    )[1]


def part_value_and_vjp(
    g: Partial,
    q: Real,
    k: Real,
    v: Real,
    bias: Real | None = None,
    *,
    mask: Mask | None = None,
    causal: bool = False,
    window: tuple[int | None, int | None] | None = None,
    place: int = 0,
    scale: float | None = None,
    softcap: float | None = None,
    keep_mask: Mask | None = None,
    keep_probability: float = 1,
) -> tuple[Partial, tuple[Array, ...]]:
    """`part` and the cotangents of q, k, v (and bias, where it is given) in one pass; see `part_vjp`."""
    options = Options(mask, causal, "top_left", window, scale, softcap, "zero", keep_mask, keep_probability)
    c = check_part(options, place, q=q, k=k, v=v, bias=bias, g=g)
    xp = c.xp
    with np.errstate(all="ignore"):
        value, rows, p = _part(c, options, place)
        of_average, dv = average_backward(c, options, rows, p, c.arrays["g"])
        of_sum = xp.where(rows.attended, p * c.arrays["g_log_sum_exp"][..., None], 0.0)
        dq, dk, dbias = scores_backward(c, rows, of_average + of_sum, "zero")
        if dbias is not None and (not dbias.ndim or dbias.shape[-1] != c.shape[-1]):
            dbias = 0 * dbias + scores_backward(c, rows, of_sum, "zero")[2]  # nan stays nan
        return value, ((dq, dk, dv) if dbias is None else (dq, dk, dv, dbias))


def merge(output: Real, log_sum_exp: Real) -> Partial:
    r"""The attention over all keys from that over disjoint blocks of them.

    .. math:: O_{id} = \sum_p w_{pi} O_{pid}, \qquad w_{pi} = \frac{e^{\ell_{pi}}}{\sum_s e^{\ell_{si}}}, \qquad
        \ell_i = \log \sum_p e^{\ell_{pi}}

    output (P, ..., V) and log_sum_exp (P, ...), the P parts along the first axis; the results have shapes (..., V) and
    (...), float64 unless both are float32. A part of log-sum-exp -inf has seen no key: it is left out, and its output
    may hold nan. Where all are so, and for P = 0, the output is 0 and the log-sum-exp -inf. nan or +inf elsewhere:
    nan. Source: Dao 2023, section 3.1.1, whose rescaling of two blocks this is for any number of them.

    >>> merged = merge(np.array([[[1.0]], [[5.0]]]), np.log([[3.0], [1.0]]))  # three keys, and one
    >>> merged.output.round(12).item(), round(np.exp(merged.log_sum_exp).item(), 12)
    (2.0, 4.0)
    """
    xp, dtype, output, scores = checked(output, log_sum_exp)
    with np.errstate(all="ignore"):
        return _merged(xp, dtype, output, scores)[0]


def merge_vjp(g: Partial, output: Real, log_sum_exp: Real) -> tuple[Array, Array]:
    r"""Cotangents of the parts' outputs and of their log-sum-exps.

    With the cotangents :math:`G` of the output and :math:`\gamma` of the log-sum-exp, of weights that are a softmax:

    .. math:: \bar O_{pid} = w_{pi} G_{id}, \qquad
        \bar \ell_{pi} = w_{pi} \sum_s w_{si} \sum_d G_{id} (O_{pid} - O_{sid}) + \gamma_i w_{pi}

    Exactly 0 for a part of log-sum-exp -inf.
    """
    return merge_value_and_vjp(g, output, log_sum_exp)[1]


def merge_value_and_vjp(g: Partial, output: Real, log_sum_exp: Real) -> tuple[Partial, tuple[Array, Array]]:
    """`merge` and the cotangents of its arguments in one pass; see `merge_vjp`."""
    xp, dtype, output, scores, of_output, of_sum = checked(output, log_sum_exp, g)
    with np.errstate(all="ignore"):
        value, rows, w = _merged(xp, dtype, output, scores)
        doutput = xp.where(rows.attended[..., None], w[..., None] * of_output[..., None, :], 0.0)
        dw = xp.sum(xp.where(rows.attended[..., None], output * of_output[..., None, :], 0.0), axis=-1)
        dscores = softmax_backward(xp, rows, w, dw) + xp.where(rows.attended, w * of_sum[..., None], 0.0)
        doutput, dscores = xp.moveaxis(doutput, -2, 0), xp.moveaxis(dscores, -1, 0)
        return value, (xp.astype(doutput, dtype, copy=False), xp.astype(dscores, dtype, copy=False))


def _part(c: Checked, options: Options, place: int) -> tuple[Partial, Rows, Any]:
    """The result of a part, its rows, and its weights."""
    rows = rows_of(c, options, place)
    p = softmax(c.xp, rows, "zero")
    return _partial(c.xp, c.dtype, average(c, options, rows, p), rows), rows, p


def _merged(xp: Any, dtype: Any, output: Any, scores: Any) -> tuple[Partial, Rows, Any]:
    """The result of a merge, its rows, of which each has the parts as keys, and their weights."""
    rows = rows_of_scores(scores, None, "zero")
    w = softmax(xp, rows, "zero")
    merged = selected_sum(xp, rows.attended[..., None, :], w[..., None, :], output)[..., 0, :]
    return _partial(xp, dtype, merged, rows), rows, w


def _partial(xp: Any, dtype: Any, output: Any, rows: Rows) -> Partial:
    return Partial(*(xp.astype(a, dtype, copy=False) for a in (output, log_sum_exp_of(xp, rows))))


def check_part(options: Options, place: int, g: Partial | None = None, **arguments: Array | None) -> Checked:
    """Checked arguments of a part; those of a cotangent under the names g and g_log_sum_exp."""
    if isinstance(place, bool) or not hasattr(place, "__index__"):
        raise TypeError(f"place must be an integer, got {place!r}")
    index(place)
    cotangents = {} if g is None else {"g": g[0], "g_log_sum_exp": g[1]}
    c = check(options, **arguments, **cotangents)
    check_cotangents(c.arrays, (*c.shape[:-1], c.arrays["v"].shape[-1]))
    return c


def checked(output: Array, log_sum_exp: Array, g: Partial | None = None) -> Any:
    """``xp, dtype, output (..., P, V), scores (..., P)``, and both cotangents where they are given; float64."""
    cotangents = {} if g is None else {"g": g[0], "g_log_sum_exp": g[1]}
    names = ("output", "log_sum_exp", *cotangents)
    xp, dtype, *given = promote(output=output, log_sum_exp=log_sum_exp, **cotangents)
    arrays = dict(zip(names, (xp.astype(a, xp.float64, copy=False) for a in given), strict=True))
    output, scores = arrays["output"], arrays["log_sum_exp"]
    if output.ndim < 2:
        raise ValueError(f"output must have shape (P, ..., V), got {tuple(output.shape)}")
    if scores.shape != output.shape[:-1]:
        expected = tuple(output.shape[:-1])
        raise ValueError(f"log_sum_exp must have the shape {expected} of output without V, got {tuple(scores.shape)}")
    check_cotangents(arrays, tuple(output.shape[1:]))
    return (
        xp,
        dtype,
        xp.moveaxis(output, 0, -2),
        xp.moveaxis(scores, 0, -1),
        *(arrays[name] for name in cotangents),
    )


def check_cotangents(arrays: dict[str, Any], expected: tuple[int, ...]) -> None:
    """ValueError unless the two cotangents, where they are given, have the shapes of the results."""
    for name, said, shape in (("g", "output", expected), ("g_log_sum_exp", "log_sum_exp", expected[:-1])):
        if name in arrays and tuple(arrays[name].shape) != shape:
            raise ValueError(f"g.{said} must have the shape of the result {shape}, got {tuple(arrays[name].shape)}")
