"""Parts by the streaming kernels of dot-product attention, and their merge, one loop over the rows."""

from __future__ import annotations

from math import exp, inf, log1p, nan
from typing import Any

import numba
import numpy as np

from refengine.attention import ring as reference
from refengine.attention._arguments import Options
from refengine.attention.ring import *
from refengine.attention.ring import check_part, checked
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel, sealed
from refengine.backends.numba.attention._backward import ATTENTION
from refengine.backends.numba.attention._sweeps import log_sum_exp_of, shaped, swept, swept_both_ways
from refengine.backends.numba.attention._tiles import inner


@kernel_of(reference.part)
def part(
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    window=None,
    place=0,
    scale=None,
    softcap=None,
    keep_mask=None,
    keep_probability=1,
):
    options = Options(mask, causal, "top_left", window, scale, softcap, "zero", keep_mask, keep_probability)
    c = check_part(options, place, q=q, k=k, v=v, bias=bias)
    _, _, z, out = swept(c, options, place)
    return Partial(shaped(out, c), log_sum_exp_of(z, c))


@kernel_of(reference.part_value_and_vjp)
def part_value_and_vjp(
    g,
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    window=None,
    place=0,
    scale=None,
    softcap=None,
    keep_mask=None,
    keep_probability=1,
):
    options = Options(mask, causal, "top_left", window, scale, softcap, "zero", keep_mask, keep_probability)
    c = check_part(options, place, q=q, k=k, v=v, bias=bias, g=g)
    z, out, (*found, dbias) = swept_both_ways(c, options, ATTENTION, place, c.arrays["g_log_sum_exp"])
    if dbias is not None:
        found.append(dbias)
    return Partial(shaped(out, c), log_sum_exp_of(z, c)), tuple(found)


@kernel_of(reference.part_vjp)
def part_vjp(
    g,
    q,
    k,
    v,
    bias=None,
    *,
    mask=None,
    causal=False,
    window=None,
    place=0,
    scale=None,
    softcap=None,
    keep_mask=None,
    keep_probability=1,
):
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


@kernel_of(reference.merge)
def merge(output, log_sum_exp):
    return _merged(None, output, log_sum_exp)[0]


@kernel_of(reference.merge_vjp)
def merge_vjp(g, output, log_sum_exp):
    return _merged(g, output, log_sum_exp)[1]


@kernel_of(reference.merge_value_and_vjp)
def merge_value_and_vjp(g, output, log_sum_exp):
    return _merged(g, output, log_sum_exp)


def _merged(g, output, log_sum_exp):
    _, dtype, outputs, sums, *cotangents = checked(output, log_sum_exp, g)
    shape, (parts, width) = outputs.shape[:-2], outputs.shape[-2:]
    rows = sums.size // parts if parts else int(np.prod(shape))
    outputs, sums = sealed(outputs).reshape(rows, parts, width), sealed(sums).reshape(rows, parts)
    of_output, of_sum = cotangents or (np.zeros((rows, width)), np.zeros(rows))
    value, total = np.zeros((rows, width)), np.full(rows, -inf)
    doutputs, dsums = np.zeros((parts, rows, width)), np.zeros((parts, rows))
    of_output, of_sum = sealed(of_output).reshape(rows, width), sealed(of_sum).reshape(rows)
    _merge(outputs, sums, of_output, of_sum, value, total, doutputs, dsums)
    with np.errstate(all="ignore"):
        merged = Partial(value.reshape(*shape, width).astype(dtype), total.reshape(shape).astype(dtype))
        found = doutputs.reshape(parts, *shape, width).astype(dtype), dsums.reshape(parts, *shape).astype(dtype)
    return merged, found


@parallel
def _merge(
    outputs: Any, sums: Any, of_output: Any, of_sum: Any, value: Any, total: Any, doutputs: Any, dsums: Any
) -> None:
    for row in numba.prange(sums.shape[0]):
        back = doutputs[:, row], dsums[:, row]
        _merge_row(outputs[row], sums[row], of_output[row], of_sum[row], value[row], total, *back, row)


@numba.njit(cache=True, error_model="numpy")
def _merge_row(
    outputs: Any, sums: Any, g: Any, of_sum: Any, value: Any, total: Any, doutputs: Any, dsums: Any, row: int
) -> None:
    """Of the best part the weight is what the others leave, and its slope what they take: nothing cancels there."""
    best = -1
    for p in range(sums.size):
        if sums[p] != -inf and (best < 0 or not sums[p] <= sums[best]):
            best = p
    if best < 0:
        return
    rest = sums[best] - sums[best]  # nan where the best is infinite
    for p in range(sums.size):
        if p != best and sums[p] != -inf:
            rest += exp(sums[p] - sums[best])
    total[row] = sums[best] + log1p(rest) if rest == rest else nan
    of_best = inner(g, outputs[best])
    mean = 0.0
    for p in range(sums.size):
        if sums[p] != -inf:
            w = (1.0 if p == best else exp(sums[p] - sums[best])) / (1 + rest)
            for d in range(g.size):
                value[d] += w * outputs[p, d]
                doutputs[p, d] = w * g[d]
            dsums[p] = inner(g, outputs[p]) - of_best  # of the best exactly 0, or nan
            mean += w * dsums[p]
    for p in range(sums.size):
        if sums[p] != -inf:
            w = (1.0 if p == best else exp(sums[p] - sums[best])) / (1 + rest)
            dsums[p] = w * (dsums[p] - mean) + w * of_sum
