"""jax.nn's attention, its log-sum-exp and softmax, differentiated by jax, with float64 enabled."""

from __future__ import annotations

from typing import Any

import jax
from jax import numpy as jnp

from validation.peers._table import NotOffered
from validation.peers.attention._heads import one_batch, pairs

FRAMEWORK = "jax"


def attention(
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    *,
    mask: Any = None,
    causal: bool = False,
    window: Any = None,
    scale: float | None = None,
    return_residual: bool = False,
) -> Any:
    if v.shape[-1] != q.shape[-1]:
        raise NotOffered("values as wide as keys only")
    heads, queries, keys = q.shape[-3], q.shape[-2], k.shape[-2]
    batch, arrays = one_batch(jnp, q, k, v)
    found = jax.nn.dot_product_attention(
        *(a.swapaxes(1, 2) for a in arrays),  # (B, L, H, D)
        bias=pairs(jnp, bias, batch, heads, queries, keys),
        mask=pairs(jnp, mask, batch, heads, queries, keys),
        is_causal=causal,
        scale=scale,
        local_window_size=window and tuple(max(queries, keys) if n is None else n for n in window),
        return_residual=return_residual,
    )
    if return_residual:
        return found[1].swapaxes(1, 2).reshape((*batch, heads, queries))
    return found.swapaxes(1, 2).reshape((*batch, heads, queries, -1))


def log_sum_exp(
    q: Any, k: Any, bias: Any = None, *, mask: Any = None, causal: bool = False, window: Any = None, scale: Any = None
) -> Any:
    constants: dict[str, Any] = {"mask": mask, "causal": causal, "window": window, "scale": scale}
    return attention(q, k, k, bias, **constants, return_residual=True)


def softmax(z: Any, *, mask: Any = None) -> Any:
    return jax.nn.softmax(z, where=mask)


ANSWERS = {
    "attention.dot_product.attention": {"dot_product_attention": attention},
    "attention.dot_product.log_sum_exp": {"dot_product_attention": log_sum_exp},
    "attention.softmax.softmax": {"softmax": softmax},
}
