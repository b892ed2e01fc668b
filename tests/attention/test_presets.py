"""Frameworks' attention under the presets that reproduce it: values and gradients.

PyTorch, JAX, Keras and the reference evaluator of ONNX are called where they are installed; FlashAttention and the
eager code of transformers are written out here. Where a framework is known to differ, the difference is asserted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from refengine.attention import dot_product, multi_head, presets
from tests.attention._rounding import assert_within, bounds

MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, True, True]])
EMPTY = MASK & np.array([[True], [False], [True]])
BIAS = np.random.default_rng(6).normal(size=(3, 4))
FLOAT32 = 2.0**-24  # the round-off of the softmax of jax, whatever the arrays are
COMPILES = pytest.mark.slow  # each for a second or more


def qkv(
    rng: np.random.Generator, heads: int = 2, queries: int = 3, keys: int = 4, key_heads: int | None = None
) -> list[np.ndarray]:
    """q, k and v in a batch of 2, three wide."""
    shapes = ((heads, queries), (key_heads or heads, keys), (key_heads or heads, keys))
    return [rng.normal(size=(2, *shape, 3)) for shape in shapes]


def agree(theirs: Any, arrays: list[np.ndarray], constants: dict[str, Any], u: float | None = None) -> None:
    """Value and gradients ``theirs`` are those of dot-product attention with the constants; g is made of ones.

    They are computed in float64, or with a round-off of u: then no further away than that takes them, and not nearer.
    """
    value = dot_product.attention(*arrays, **constants)
    g = np.ones_like(value)
    ours, theirs = (value, *dot_product.attention_vjp(g, *arrays, **constants)), (theirs[0], *theirs[1])
    if u is None:
        for mine, other in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(other, mine, rtol=1e-13, atol=1e-13)
        return
    given = dict(zip("gqkv", (g, *arrays), strict=True)) | {n: c for n, c in constants.items() if n == "bias"}
    bound = bounds(given, {name: c for name, c in constants.items() if name != "bias"}, u)
    for mine, other, apart in zip(ours, theirs, bound, strict=False):
        assert_within(other, mine, apart)
    assert np.nanmax(np.abs(theirs[0] - value)) > u / 64


def peer(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """What a framework's function returns, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **keywords)


def on_torch(function: Callable[..., Any], *arrays: np.ndarray) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = peer(function, *tensors)
    return value.detach().numpy(), [g.numpy() for g in peer(torch.autograd.grad, value.sum(), tensors)]


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({}, {}),
        ({"scale": 0.7}, {"key_heads": 1}),
        ({"is_causal": True}, {}),
        ({"is_causal": True}, {"queries": 5}),
        ({"attn_mask": MASK}, {}),
        ({"attn_mask": EMPTY}, {}),
        ({"attn_mask": BIAS}, {}),
        ({"attn_mask": np.where(EMPTY, BIAS, -np.inf)}, {}),
    ],
)
def test_torch_sdpa(rng: np.random.Generator, given: dict[str, Any], sizes: dict[str, Any]) -> None:
    torch, arrays = pytest.importorskip("torch"), qkv(rng, **sizes)
    own = {name: torch.tensor(a) if isinstance(a, np.ndarray) else a for name, a in given.items()}
    sdpa = torch.nn.functional.scaled_dot_product_attention
    agree(on_torch(lambda q, k, v: sdpa(q, k, v, enable_gqa=True, **own), *arrays), arrays, presets.torch_sdpa(**given))


def test_torch_sdpa_by_its_documentation_gives_nan_where_its_kernels_give_0(rng: np.random.Generator) -> None:
    torch, arrays = pytest.importorskip("torch"), qkv(rng)

    def documented(q: Any, k: Any, v: Any) -> Any:
        scores = q @ k.mT / 3**0.5 + torch.zeros(3, 4, dtype=q.dtype).masked_fill_(torch.tensor(~EMPTY), -np.inf)
        return torch.softmax(scores, dim=-1) @ v

    value = dot_product.attention(*arrays, **presets.torch_sdpa(attn_mask=EMPTY, documented=True))
    np.testing.assert_allclose(on_torch(documented, *arrays)[0], value, rtol=1e-13)
    assert np.isnan(value[:, :, 1]).all()
    with pytest.raises(ValueError, match="attn_mask must be None"):
        presets.torch_sdpa(attn_mask=EMPTY, is_causal=True)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("padding", [None, "boolean", "added"])
@pytest.mark.parametrize("mask", [None, ~MASK, ~EMPTY, BIAS, np.stack([~MASK, ~EMPTY] * 2)], ids=repr)
def test_torch_multi_head_attention(
    rng: np.random.Generator, mask: Any, padding: str | None, need_weights: bool
) -> None:
    torch, rows = pytest.importorskip("torch"), [rng.normal(size=(2, n, 4)) for n in (3, 4, 4)]
    layer = torch.nn.MultiheadAttention(4, 2, batch_first=True, dtype=torch.float64)
    sizes = {"in_proj_weight": (12, 4), "in_proj_bias": (12,), "out_proj.weight": (4, 4), "out_proj.bias": (4,)}
    numbers = {name: rng.normal(size=size) for name, size in sizes.items()}
    layer.load_state_dict({name: torch.tensor(a) for name, a in numbers.items()})
    hidden = np.array([[False, True, False, False], [True, False, False, True]])
    given: dict[str, Any] = {"attn_mask": mask}
    if padding is not None:
        given["key_padding_mask"] = hidden if padding == "boolean" else np.where(hidden, -np.inf, BIAS[:2])
    own = {name: None if a is None else torch.tensor(a) for name, a in given.items()}
    theirs = on_torch(lambda q, k, v: layer(q, k, v, need_weights=need_weights, **own)[0], *rows)

    weight, shift, joint, last = numbers.values()
    inputs = [*rows, *weight.reshape(3, 2, 2, 4), joint.reshape(4, 2, 2), *shift.reshape(3, 2, 2), last]
    constants = presets.torch_mha(need_weights=need_weights, num_heads=2, **given)
    value, cotangents = multi_head.attention_value_and_vjp(np.ones((2, 3, 4)), *inputs, **constants)
    np.testing.assert_allclose(theirs[0], value, rtol=1e-13, atol=1e-13)
    undefined = bool(np.isnan(value).any())
    masked = np.zeros((3, 4), dtype=bool) if mask is None or mask.dtype != bool else mask
    masked = masked.reshape(-1, 1 if masked.size == MASK.size else 2, 3, 4)
    masked = masked if padding is None else masked | hidden[:, None, None]
    assert undefined == (need_weights and bool(masked.all(-1).any()))
    for ours, other in zip(cotangents, theirs[1], strict=False):
        if not undefined:  # where a row is nan, PyTorch makes all gradients of keys and values nan
            np.testing.assert_allclose(other, ours, rtol=1e-13, atol=1e-13)


def on_jax(function: Callable[..., Any], *arrays: np.ndarray) -> tuple[Any, Any]:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    given = [jax.numpy.asarray(a) for a in arrays]
    found = jax.value_and_grad(lambda *a: ((y := function(*a)).sum(), y), tuple(range(len(given))), has_aux=True)
    (_, value), gradients = peer(jax.jit(found), *given)
    return np.asarray(value), [np.asarray(g) for g in gradients]


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"local_window_size": (1, 0)}, {}),
        ({"query_seq_lengths": np.array([2, 1], np.int32), "mask": EMPTY}, {}),
        pytest.param({}, {"key_heads": 1}, marks=COMPILES),
        pytest.param({"scale": 0.7, "bias": BIAS}, {}, marks=COMPILES),
        pytest.param({"is_causal": True}, {}, marks=COMPILES),
        pytest.param({"is_causal": True}, {"queries": 5}, marks=COMPILES),
        pytest.param({"mask": EMPTY}, {}, marks=COMPILES),
        pytest.param({"bias": np.where(EMPTY, BIAS, -np.inf)}, {}, marks=COMPILES),
        pytest.param({"local_window_size": 1, "is_causal": True}, {"queries": 5}, marks=COMPILES),
        pytest.param({"query_seq_lengths": np.array([3, 1], np.int32)}, {}, marks=COMPILES),
        ({"key_value_seq_lengths": np.array([3, 0], np.int32), "is_causal": True}, {}),
    ],
)
def test_jax(rng: np.random.Generator, given: dict[str, Any], sizes: dict[str, Any]) -> None:
    jax, arrays = pytest.importorskip("jax"), qkv(rng, **sizes)
    own = {name: a[None, None] if name in ("mask", "bias") else a for name, a in given.items()}

    def function(*a: Any) -> Any:
        rows = (jax.numpy.swapaxes(x, 1, 2) for x in a)
        return jax.numpy.swapaxes(jax.nn.dot_product_attention(*rows, **own), 1, 2)

    theirs = on_jax(function, *arrays)
    constants = presets.jax(**given, queries=arrays[0].shape[2], keys=4)
    if constants["empty_row"] == "nan":  # its gradients are then nan wherever a nan row is summed
        theirs = theirs[0], []
    agree(theirs, arrays, constants, FLOAT32)


def test_jax_with_a_mask_and_a_bias_attends_to_what_the_mask_leaves_out() -> None:
    jax, one = pytest.importorskip("jax"), np.zeros((1, 1, 1, 1))
    v = np.array([1.0, 3.0]).reshape(1, 2, 1, 1)
    mask, bias = (np.array(a).reshape(1, 1, 1, 2) for a in ([False, True], [0.0, -np.inf]))
    value = peer(jax.nn.dot_product_attention, one, np.zeros_like(v), v, bias, mask)
    assert float(value.item()) == 1.0


def keras_on_jax() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "jax":
        pytest.skip("keras runs on another backend")
    import_module("jax").config.update("jax_enable_x64", True)
    return keras


@COMPILES
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_keras_attention(rng: np.random.Generator, causal: bool, scale: float) -> None:
    keras, arrays = keras_on_jax(), qkv(rng, 1)
    layer = keras.layers.Attention(dtype="float64", use_scale=True)
    peer(layer.build, [(2, 3, 3), (2, 4, 3), (2, 4, 3)])
    layer.scale.assign(scale)
    asks, real = np.array([[True, True, False], [True, False, True]]), MASK[:2].copy()
    real[1, 0] = True  # else the causal mask leaves a row empty

    def function(q: Any, k: Any, v: Any) -> Any:
        return layer([q[:, 0], v[:, 0], k[:, 0]], mask=[asks, real], use_causal_mask=causal)[:, None]

    constants = presets.keras(scale=scale, query_mask=asks, value_mask=real, use_causal_mask=causal)
    agree(on_jax(function, *arrays), arrays, constants)


@COMPILES
def test_an_empty_row_of_keras_attention_depends_on_the_precision(rng: np.random.Generator) -> None:
    keras, (q, k, v) = keras_on_jax(), [a.astype(np.float32).astype(np.float64) for a in qkv(rng, 1)]
    nothing, size = np.zeros((2, 4), dtype=bool), np.max(np.abs(v))
    rows: list[Any] = [q[:, 0], v[:, 0], k[:, 0]]
    layers = [keras.layers.Attention(dtype=dtype) for dtype in ("float32", "float64")]
    single = peer(layers[0], [r.astype(np.float32) for r in rows], mask=[None, nothing])
    double = peer(layers[1], rows, mask=[None, nothing])
    mean = dot_product.attention(q, k, v, **presets.keras(value_mask=nothing))
    np.testing.assert_allclose(np.asarray(single)[:, None], mean, rtol=0, atol=12 * 2.0**-24 * size)
    # next to 1e9 numbers of float64 are 2^-23 apart: scores are wrong by half of it, and weights by twice that
    attended = dot_product.attention(q, k, v, scale=1.0)
    np.testing.assert_allclose(np.asarray(double)[:, None], attended, rtol=0, atol=(2.0**-23 + 1e-14) * size)


@COMPILES
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"use_causal_mask": True},
        {"attention_mask": np.stack([MASK, EMPTY])},
        {"value_mask": MASK[:2], "key_mask": MASK[1:]},
        {"sliding_window": 2},
        {"sliding_window": 2, "use_causal_mask": True},
    ],
    ids=repr,
)
@pytest.mark.parametrize("scores", [False, True])
def test_keras_multi_head_attention(rng: np.random.Generator, given: dict[str, Any], scores: bool) -> None:
    keras, rows = keras_on_jax(), [rng.normal(size=(2, n, 3)) for n in (3, 4, 4)]
    window = given.get("sliding_window")
    layer = keras.layers.MultiHeadAttention(2, 2, dtype="float64", sliding_window=window, bias_initializer="uniform")
    peer(layer.build, *(r.shape for r in (rows[0], rows[2], rows[1])))
    own = {name: a for name, a in given.items() if name != "sliding_window"}

    def function(q: Any, k: Any, v: Any) -> Any:
        found = layer(q, v, k, return_attention_scores=scores, **own)
        return found[0] if scores else found

    w_query, b_query, w_key, b_key, w_value, b_value, w_output, b_output = map(np.asarray, peer(layer.get_weights))
    inputs = [*rows, *(np.moveaxis(w, 0, -1) for w in (w_query, w_key, w_value)), np.moveaxis(w_output, -1, 0)]
    constants = presets.keras_mha(return_attention_scores=scores, **given)
    inputs += [b_query, b_key, b_value, b_output]
    value, cotangents = multi_head.attention_value_and_vjp(np.ones((2, 3, 3)), *inputs, **constants)
    theirs = on_jax(function, *rows)
    bound = through_projections(inputs, constants, 1e-15 if scores else FLOAT32)
    for ours, other, apart in zip((value, *cotangents), (theirs[0], *theirs[1]), bound, strict=False):
        assert_within(other, ours, apart + 1e-13)


def through_projections(inputs: list[Any], constants: dict[str, Any], u: float) -> list[np.ndarray]:
    """The bounds of value, q, k and v in multi-head attention, where the average alone is computed with round-off u."""
    q, k, v, w_query, w_key, w_value, w_output, b_query, b_key, b_value, _ = inputs
    projected = [(q, w_query, b_query), (k, w_key, b_key), (v, w_value, b_value)]
    given = {
        name: np.einsum("ble,hde->bhld", x, w) + b[:, None] for name, (x, w, b) in zip("qkv", projected, strict=True)
    }
    given["g"] = np.broadcast_to(w_output.sum(axis=0)[:, None], (*given["q"].shape[:-1], w_output.shape[-1]))
    value, *others, _ = bounds(given, constants, u)
    found = [np.einsum("bhqv,ohv->bqo", value, np.abs(w_output))]
    return found + [np.einsum("bhld,hde->ble", d, np.abs(w)) for d, (_, w, _) in zip(others, projected, strict=True)]


@COMPILES
def test_keras_multi_head_attention_ignores_its_query_mask(rng: np.random.Generator) -> None:
    keras, rows = keras_on_jax(), [rng.normal(size=(2, n, 3)) for n in (3, 4, 4)]
    layer = keras.layers.MultiHeadAttention(1, 2, dtype="float64")
    value = peer(layer, *rows, query_mask=np.zeros((2, 3), dtype=bool))
    np.testing.assert_array_equal(np.asarray(value), np.asarray(peer(layer, *rows)))


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"scale": 0.7}, {"key_heads": 1}),
        ({"is_causal": 1}, {}),
        ({"is_causal": 1, "attn_mask": EMPTY}, {}),
        ({"attn_mask": np.where(EMPTY, BIAS, -np.inf)}, {}),
        ({"attn_mask": BIAS, "softcap": 0.5}, {}),
        ({"left_window_size": 1, "right_window_size": 0}, {}),
        ({"left_window_size": 0, "is_causal": 1}, {"queries": 5}),
        ({"nonpad_kv_seqlen": np.array([4, 2])}, {}),
        ({"nonpad_kv_seqlen": np.array([4, 2]), "is_causal": 1}, {}),
        ({"nonpad_kv_seqlen": np.array([4, 3]), "left_window_size": 1, "attn_mask": MASK}, {}),
        ({"past_sequence_length": 1, "is_causal": 1}, {}),
        ({"past_sequence_length": 2, "is_causal": 1, "left_window_size": 1, "attn_mask": BIAS}, {}),
        ({"attn_mask": MASK[:, :3]}, {}),
        ({"attn_mask": BIAS[:, :2], "is_causal": 1}, {}),
        ({"attn_mask": BIAS[:, :1], "past_sequence_length": 1}, {}),
        ({"attn_mask": MASK[:, :3], "nonpad_kv_seqlen": np.array([3, 2])}, {}),
    ],
)
def test_onnx(rng: np.random.Generator, given: dict[str, Any], sizes: dict[str, Any]) -> None:
    onnx, arrays = pytest.importorskip("onnx"), qkv(rng, **sizes)
    evaluator = import_module("onnx.reference").ReferenceEvaluator
    past = given.get("past_sequence_length", 0)
    feed = dict(zip(("Q", "K", "V"), (arrays[0], arrays[1][:, :, past:], arrays[2][:, :, past:]), strict=True))
    feed |= {name: given[name] for name in ("attn_mask", "nonpad_kv_seqlen") if name in given}
    if past:
        feed |= {"past_key": arrays[1][:, :, :past], "past_value": arrays[2][:, :, :past]}
    names = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")
    attributes = {name: a for name, a in given.items() if name not in (*names, "past_sequence_length")}
    attributes |= {"softcap": float(given["softcap"])} if "softcap" in given else {}
    node = onnx.helper.make_node("Attention", [n if n in feed else "" for n in names], ["Y"], **attributes)
    double, whole, boolean = (getattr(onnx.TensorProto, name) for name in ("DOUBLE", "INT64", "BOOL"))
    kinds = {name: {"f": double, "i": whole, "b": boolean}[np.asarray(a).dtype.kind] for name, a in feed.items()}
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node], "one", [info(n, kinds[n], None) for n in feed], [info("Y", double, None)])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 25)])
    value = peer(evaluator(model).run, None, feed)[0]
    constants = presets.onnx(**given, queries=arrays[0].shape[2], keys=arrays[1].shape[2])
    if "scale" in given:  # an attribute is float32, and its root too
        constants["scale"] = float(np.sqrt(np.float32(given["scale"]))) ** 2
    agree((value, []), arrays, constants)


def test_onnx_has_one_cache_and_a_length_for_a_mask_that_it_repeats_nowhere() -> None:
    with pytest.raises(ValueError, match="nonpad_kv_seqlen must be None with past_sequence_length"):
        presets.onnx(nonpad_kv_seqlen=np.array([2]), past_sequence_length=1, queries=1, keys=2)
    with pytest.raises(ValueError, match="keys must say"):
        presets.onnx(attn_mask=MASK[:, :1])


@pytest.mark.parametrize("window", [(-1, -1), (1, 0), (0, 1), (1, -1)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("queries", [3, 5])
def test_flash(rng: np.random.Generator, causal: bool, window: tuple[int, int], queries: int) -> None:
    """As attention_ref of its tests has it."""
    torch, arrays = pytest.importorskip("torch"), qkv(rng, queries=queries)

    def function(q: Any, k: Any, v: Any) -> Any:
        left, right = window[0], 0 if causal else window[1]
        scores = torch.tanh(q @ k.mT / 3**0.5 / 2.0) * 2.0
        row, column = torch.arange(queries)[:, None], torch.arange(4)
        hidden = torch.zeros(queries, 4, dtype=torch.bool)
        if right >= 0:
            hidden |= column > row + 4 - queries + right
        if left >= 0:
            hidden |= column < row + 4 - queries - left
        weights = torch.softmax(scores.masked_fill(hidden, -np.inf), dim=-1)
        return weights.masked_fill(hidden.all(-1, keepdim=True), 0.0) @ v

    value, gradients = on_torch(function, *arrays)
    empty = np.isnan(gradients[0]).any()  # of the reference code, not of the kernels
    constants = presets.flash(causal=causal, window_size=window, softcap=2.0)
    agree((value, [] if empty else gradients), arrays, constants)


@pytest.mark.parametrize("sliding_window", [None, 2])
@pytest.mark.parametrize("padding", [None, np.array([[1, 1, 1, 1], [0, 0, 1, 1]])], ids=["full", "padded left"])
def test_hugging_face_eager(rng: np.random.Generator, padding: Any, sliding_window: int | None) -> None:
    """As eager_attention_forward and the masks of masking_utils have it."""
    torch, arrays = pytest.importorskip("torch"), qkv(rng)

    def function(q: Any, k: Any, v: Any) -> Any:
        place, column = torch.arange(3)[:, None] + 1, torch.arange(4)
        seen = (column <= place)[None, None]
        if sliding_window is not None:
            seen = seen & (column > place - sliding_window)
        if padding is not None:
            seen = seen & torch.tensor(padding != 0)[:, None, None, :]
        mask = torch.where(seen, torch.tensor(0.0, dtype=q.dtype), torch.finfo(q.dtype).min)
        return torch.softmax(q @ k.mT * 3**-0.5 + mask, dim=-1) @ v

    constants = presets.hf_eager(attention_mask=padding, sliding_window=sliding_window)
    value, gradients = on_torch(function, *arrays)
    if padding is None:
        agree((value, gradients), arrays, constants)
    else:  # adding the smallest number leaves scores a gradient where rounding leaves them no value
        agree((value, []), arrays, constants)
        dv = dot_product.attention_vjp(np.ones_like(value), *arrays, **constants)[2]
        np.testing.assert_allclose(gradients[2], dv, rtol=1e-13)
        assert np.abs(gradients[0][1, :, 0]).max() > 1e-3
