"""ONNX's operators as its reference evaluator computes them in float64, without gradients."""

from __future__ import annotations

from functools import cache
from math import inf
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from refengine.attention import rotary
from validation.peers._table import NotOffered
from validation.peers.attention._heads import one_batch, pairs

FRAMEWORK = ""
OPSET = 28


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
    softcap: float | None = None,
    output: int = 0,
) -> Any:
    heads, queries, keys = q.shape[-3], q.shape[-2], k.shape[-2]
    batch, arrays = one_batch(np, q, k, v)
    both, mask = (pairs(np, a, batch, heads, queries, keys) for a in (bias, mask))
    if mask is not None:
        both = mask if both is None else np.where(mask, both, -inf)
    constants: dict[str, Any] = {"is_causal": int(causal)}
    if scale is not None:
        constants["scale"] = scale
    if softcap is not None:
        constants["softcap"] = softcap
    if window is not None:
        left, right = (-1 if n is None else n for n in window)
        constants |= {"left_window_size": left, "right_window_size": right}
    if output:
        constants["qk_matmul_output_mode"] = 3
    found = _run(
        "Attention", {"Q": arrays[0], "K": arrays[1], "V": arrays[2], "attn_mask": both}, 4, output, **constants
    )
    return found.reshape((*batch, *found.shape[1:]))


def weights(
    q: Any,
    k: Any,
    bias: Any = None,
    *,
    mask: Any = None,
    causal: bool = False,
    window: Any = None,
    scale: float | None = None,
    softcap: float | None = None,
) -> Any:
    constants: dict[str, Any] = {"mask": mask, "causal": causal, "window": window, "scale": scale, "softcap": softcap}
    return attention(q, k, k, bias, **constants, output=3)


def softmax(z: Any, *, mask: Any = None) -> Any:
    return _run("Softmax", {"input": z if mask is None else np.where(mask, z, -inf)}, axis=-1)


def rotate(x: Any, positions: Any, *, base: float = 10000.0, layout: str = "interleaved") -> Any:
    """The operator takes cosines and sines, here those of `refengine.attention.rotary`."""
    if x.ndim < 2 or not x.size:
        raise NotOffered("rows of at least one pair")
    positions = np.broadcast_to(positions, x.shape[:-1])
    turned = rotary.rotate(np.tile([1.0, 0.0], (*positions.shape, x.shape[-1] // 2)), positions, base=base)
    cos, sin = (a.reshape((-1, *a.shape[-2:])) for a in (turned[..., 0::2], turned[..., 1::2]))
    x4 = x.reshape((-1, 1, *x.shape[-2:]))
    inputs = {"X": x4, "cos_cache": cos, "sin_cache": sin}
    return _run("RotaryEmbedding", inputs, interleaved=int(layout == "interleaved")).reshape(x.shape)


def _run(operator: str, inputs: dict[str, Any], outputs: int = 1, output: int = 0, **constants: Any) -> Any:
    given = {name: a for name, a in inputs.items() if a is not None}
    types = tuple((name, helper.np_dtype_to_tensor_dtype(a.dtype), a.ndim) for name, a in given.items())
    names = tuple(name if a is not None else "" for name, a in inputs.items())
    model = _model(operator, names, types, outputs, tuple(sorted(constants.items())))
    return model.run([f"out{output}"], given)[0]


@cache
def _model(operator: str, names: Any, types: Any, outputs: int, constants: Any) -> ReferenceEvaluator:
    outs = [f"out{i}" for i in range(outputs)]
    node = helper.make_node(operator, names, outs, **dict(constants))
    takes = [helper.make_tensor_value_info(name, kind, [None] * rank) for name, kind, rank in types]
    gives = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in outs]
    opsets = [helper.make_opsetid("", OPSET)]
    return ReferenceEvaluator(
        helper.make_model(helper.make_graph([node], operator, takes, gives), opset_imports=opsets)
    )


ANSWERS = {
    "attention.dot_product.attention": {"Attention": attention},
    "attention.dot_product.weights": {"Attention": weights},
    "attention.softmax.softmax": {"Softmax": softmax},
    "attention.rotary.rotate": {"RotaryEmbedding": rotate},
}
