"""torch's attention, differentiated by autograd: the kernels of scaled dot-product attention, and softmaxes.

A mask and a bias come in one argument there, where a boolean mask is -inf in the bias.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right

from validation.peers._table import NotOffered
from validation.peers.attention._heads import one_batch, pairs

FRAMEWORK = "torch"


def attention(
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    *,
    mask: Any = None,
    causal: bool = False,
    alignment: str = "top_left",
    scale: float | None = None,
    call: Any,
) -> Any:
    heads, queries, keys = q.shape[-3], q.shape[-2], k.shape[-2]
    batch, (q, k, v) = one_batch(torch, q, k, v)
    both = pairs(torch, bias, batch, heads, queries, keys)
    mask = pairs(torch, mask, batch, heads, queries, keys)
    if mask is not None:
        both = mask if both is None else both.masked_fill(~mask, -math.inf)
    if causal and (both is not None or (alignment == "bottom_right" and call is documented)):
        raise NotOffered
    constants: dict[str, Any] = {"scale": scale, "enable_gqa": heads != k.shape[-3]}
    if causal and alignment == "bottom_right":
        both = causal_lower_right(queries, keys)
    found = call(q, k, v, attn_mask=both, is_causal=causal and alignment == "top_left", **constants)
    return found.reshape((*batch, *found.shape[-3:]))


def kernel(chosen: SDPBackend, *args: Any, **constants: Any) -> Any:
    with sdpa_kernel(chosen):
        try:
            return functional.scaled_dot_product_attention(*args, **constants)
        except RuntimeError as error:
            if "No available kernel" in str(error):
                raise NotOffered(str(error)) from None
            raise


def documented(query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, scale: Any, enable_gqa: bool) -> Any:
    """What the documentation calls equivalent, without drop-out; also for masks of more axes, which raise there."""
    L, S = query.size(-2), key.size(-2)
    scale_factor = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    attn_bias = torch.zeros(L, S, dtype=query.dtype, device=query.device)
    if is_causal:
        assert attn_mask is None
        temp_mask = torch.ones(L, S, dtype=torch.bool, device=query.device).tril(diagonal=0)
        attn_bias.masked_fill_(temp_mask.logical_not(), float("-inf"))
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            attn_bias = torch.zeros(attn_mask.shape, dtype=query.dtype).masked_fill_(
                attn_mask.logical_not(), float("-inf")
            )
        else:
            attn_bias = attn_mask + attn_bias
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    attn_weight = query @ key.transpose(-2, -1) * scale_factor
    attn_weight += attn_bias
    attn_weight = torch.softmax(attn_weight, dim=-1)
    return attn_weight @ value


def softmax(z: Any, *, mask: Any = None) -> Any:
    return torch.softmax(z if mask is None else z.masked_fill(~mask, -math.inf), -1)


def masked_softmax(z: Any, *, mask: Any = None) -> Any:
    return torch.masked.softmax(z, -1, mask=mask if mask is None else torch.broadcast_to(mask, z.shape))


def gumbel_softmax(logits: Any, u: Any, *, temperature: float, hard: bool = False) -> Any:
    """With exponential noise -log u in the place of what torch would draw."""
    if not ((u > 0) & (u < 1)).all():
        raise NotOffered("noise that is never drawn")
    logits, u = torch.broadcast_tensors(logits, u)
    with patch.object(torch.Tensor, "exponential_", lambda _: -u.log()):
        return functional.gumbel_softmax(logits, tau=temperature, hard=hard)


def multi_head(
    q: Any,
    k: Any,
    v: Any,
    w_query: Any,
    w_key: Any,
    w_value: Any,
    w_output: Any,
    b_query: Any = None,
    b_key: Any = None,
    b_value: Any = None,
    b_output: Any = None,
    bias: Any = None,
    *,
    mask: Any = None,
    key_mask: Any = None,
    causal: bool = False,
    need_weights: bool,
) -> Any:
    """nn.MultiheadAttention, whose boolean masks are True where they mask.

    Its heads share the width of the queries. All are padded with zeros to 4^n times their width, and 2^n makes up for
    the scale, without rounding.
    """
    if {len(w_key), len(w_value)} != {len(w_query)}:
        raise NotOffered("as many key heads as query heads")
    heads, inner, queries, keys = len(w_query), w_query.shape[1], q.shape[-2], k.shape[-2]
    least, factor = max(w_value.shape[1], q.shape[-1] / heads, len(w_output) / heads), 1
    while inner * factor**2 < least:
        factor *= 2
    inner *= factor**2
    width = heads * inner
    batch, rows = one_batch(torch, *(a[..., None, :, :] for a in (q, k, v)))
    both, mask = (pairs(torch, a, batch, heads, queries, keys) for a in (bias, mask))
    if mask is not None:
        both = ~mask if both is None else both.masked_fill(~mask, -math.inf)
    if causal and both is not None:
        raise NotOffered("a mask and is_causal")
    if causal:
        both = torch.ones(queries, keys, dtype=torch.bool).triu(1)
    elif both is not None:
        both = both.flatten(0, 1)
    padding = None if key_mask is None else ~torch.broadcast_to(key_mask, (*batch, keys)).reshape(-1, keys)
    biases = [b_query, b_key, b_value]
    with_bias = any(b is not None for b in (*biases, b_output))
    given = {
        "q_proj_weight": _padded(factor * w_query, heads, inner, width).flatten(0, 1),
        "k_proj_weight": _padded(w_key, heads, inner, k.shape[-1]).flatten(0, 1),
        "v_proj_weight": _padded(w_value, heads, inner, v.shape[-1]).flatten(0, 1),
        "out_proj.weight": _padded(w_output, width, heads, inner).flatten(1),
    }
    if k.shape[-1] == v.shape[-1] == width:  # then the module has one matrix
        given["in_proj_weight"] = torch.cat([given.pop(f"{name}_proj_weight") for name in "qkv"])
    if with_bias:
        scaled = zip((factor, 1, 1), biases, strict=True)
        wide = [q.new_zeros(heads, inner) if b is None else _padded(c * b, heads, inner) for c, b in scaled]
        given["in_proj_bias"] = torch.cat(wide).flatten()
        given["out_proj.bias"] = q.new_zeros(width) if b_output is None else _padded(b_output, width)
    made = nn.MultiheadAttention(
        width, heads, bias=with_bias, batch_first=True, kdim=k.shape[-1], vdim=v.shape[-1], dtype=torch.float64
    )
    query, key, value = (a[:, 0] for a in rows)
    query = _padded(query, *query.shape[:-1], width)
    options = {"attn_mask": both, "key_padding_mask": padding, "is_causal": causal, "need_weights": need_weights}
    found, _ = torch.func.functional_call(made, given, (query, key, value), options)
    return found[..., : len(w_output)].reshape((*batch, queries, len(w_output)))


def _padded(array: Any, *shape: int) -> Any:
    """Zeros after the array on every axis, up to a shape."""
    missing = [n - m for m, n in zip(array.shape, shape, strict=True)]
    return functional.pad(array, [pad for n in reversed(missing) for pad in (0, n)])


ANSWERS = {
    "attention.dot_product.attention": {
        "sdpa math": partial(attention, call=partial(kernel, SDPBackend.MATH)),
        "sdpa flash": partial(attention, call=partial(kernel, SDPBackend.FLASH_ATTENTION)),
        "sdpa documentation": partial(attention, call=documented),
    },
    "attention.multi_head.attention": {
        "MultiheadAttention": partial(multi_head, need_weights=False),
        "MultiheadAttention, weights": partial(multi_head, need_weights=True),
    },
    "attention.softmax.softmax": {"softmax": softmax, "masked.softmax": masked_softmax},
    "attention.gumbel_softmax.sample": {"gumbel_softmax": gumbel_softmax},
}
