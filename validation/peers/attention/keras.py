"""Keras' attention on its jax (or, by KERAS_BACKEND, torch) backend, in float64.

Its layers have no matrices: queries and keys are projected here, what follows is theirs. They take masks of keys, one
row (B, K).
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from keras import layers, ops

from validation.peers._table import NotOffered
from validation.peers.attention._heads import one_batch, pairs

logging.getLogger("absl").setLevel(logging.CRITICAL)  # it tells of each kernel that it tries and that raises
keras.config.set_floatx("float64")
FRAMEWORK = keras.backend.backend()


def dot_product(
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    *,
    mask: Any = None,
    causal: bool = False,
    scale: float | None = None,
) -> Any:
    heads, queries, keys = q.shape[-3], q.shape[-2], k.shape[-2]
    batch, arrays = one_batch(ops, q, k, v)
    found = ops.dot_product_attention(
        *(ops.swapaxes(a, 1, 2) for a in arrays),  # (B, L, H, D)
        bias=pairs(ops, bias, batch, heads, queries, keys),
        mask=pairs(ops, mask, batch, heads, queries, keys),
        is_causal=causal,
        scale=scale,
    )
    return ops.swapaxes(found, 1, 2).reshape((*batch, heads, queries, -1))


def luong(q: Any, k: Any, v: Any, weight: Any = None, w_score: Any = None, *, score: str, mask: Any = None) -> Any:
    if score == "general":
        q = q @ weight
    if score != "concat":
        return _layer(layers.Attention, q, k, v, mask)
    width = q.shape[-1]
    return additive(q, k, v, weight[:, :width], weight[:, width:], w_score, mask=mask)


def additive(
    q: Any, k: Any, v: Any, w_query: Any, w_key: Any, w_score: Any, bias: Any = None, *, mask: Any = None
) -> Any:
    q, k = q @ ops.transpose(w_query), k @ ops.transpose(w_key)
    return _layer(layers.AdditiveAttention, q if bias is None else q + bias, k, v, mask, w_score)


def _layer(layer: Any, q: Any, k: Any, v: Any, mask: Any, *weights: Any) -> Any:
    """A layer's answer for matrices, or one batch of them, and keys that are masked for all queries alike."""
    batch, (q, k, v) = one_batch(ops, *(a[..., None, :, :] for a in (q, k, v)))
    q, k, v = (a[:, 0] for a in (q, k, v))
    if mask is not None:
        rows = np.broadcast_to(mask, (*batch, q.shape[-2], k.shape[-2])).reshape((-1, q.shape[-2], k.shape[-2]))
        if (rows != rows[:, :1]).any() or not q.shape[-2]:
            raise NotOffered("a mask of its own for each query")
        mask = [None, ops.convert_to_tensor(rows[:, 0])]
    made = layer(dtype="float64", use_scale=bool(weights))
    made.build([q.shape, v.shape, k.shape])
    found, _ = made.stateless_call(list(weights), [], [q, v, k], mask=mask)
    return found.reshape((*batch, *found.shape[1:]))


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
    *,
    mask: Any = None,
    key_mask: Any = None,
    query_mask: Any = None,
    causal: bool = False,
) -> Any:
    heads, queries, keys = len(w_query), q.shape[-2], k.shape[-2]
    if {len(w_key), len(w_value)} != {heads}:
        raise NotOffered("fewer key heads are another layer")
    batch, rows = one_batch(ops, *(a[..., None, :, :] for a in (q, k, v)))
    masks: dict[str, Any] = {"use_causal_mask": causal}
    if mask is not None:
        every = np.broadcast_to(mask, (*batch, heads, queries, keys)).reshape((-1, heads, queries, keys))
        if (every != every[:, :1]).any():
            raise NotOffered("a mask of its own for each head")
        masks["attention_mask"] = ops.convert_to_tensor(every[:, 0])
    for name, given, length in (("query_mask", query_mask, queries), ("value_mask", key_mask, keys)):
        if given is not None:
            masks[name] = ops.broadcast_to(given, (*batch, length)).reshape((-1, length))
    biases = (b_query, b_key, b_value, b_output)
    with_bias = any(b is not None for b in biases)
    kernels = [*(ops.transpose(w, (2, 0, 1)) for w in (w_query, w_key, w_value)), ops.transpose(w_output, (1, 2, 0))]
    shapes = (*(w.shape[:2] for w in (w_query, w_key, w_value)), w_output.shape[:1])
    weights = []
    for kernel, b, shape in zip(kernels, biases, shapes, strict=True):
        weights += [kernel, ops.zeros(shape) if b is None else b] if with_bias else [kernel]
    made = layers.MultiHeadAttention(
        heads, w_query.shape[1], w_value.shape[1], use_bias=with_bias, output_shape=len(w_output), dtype="float64"
    )
    query, key, value = (a[:, 0] for a in rows)
    made.build(query.shape, value.shape, key.shape)
    found, _ = made.stateless_call(weights, [], query, value, key, **masks)
    return found.reshape((*batch, *found.shape[1:]))


def softmax(z: Any, *, mask: Any = None) -> Any:
    return layers.Softmax(dtype="float64")(z, mask=None if mask is None else ops.broadcast_to(mask, z.shape))


def minus_infinity(z: Any, *, mask: Any = None, call: Any) -> Any:
    return call(z if mask is None else ops.where(mask, z, -np.inf))


ANSWERS = {
    "attention.dot_product.attention": {"ops.dot_product_attention": dot_product},
    "attention.multi_head.attention": {"MultiHeadAttention": multi_head},
    "attention.luong.attention": {"Attention": luong},
    "attention.additive.attention": {"AdditiveAttention": additive},
    "attention.softmax.softmax": {"Softmax": softmax, "ops.softmax": partial(minus_infinity, call=ops.softmax)},
    "attention.sparsemax.sparsemax": {"ops.sparsemax": partial(minus_infinity, call=ops.sparsemax)},
}
