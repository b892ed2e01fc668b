"""Multi-head attention and self-attention against each other, and their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refengine.attention import dot_product, multi_head, self_attention

RNG = np.random.default_rng(2)
SHAPES = {"w_query": (4, 3, 5), "w_key": (2, 3, 5), "w_value": (2, 2, 5), "w_output": (6, 4, 2)}
SHAPES |= {"b_query": (4, 3), "b_key": (2, 3), "b_value": (2, 2), "b_output": (6,)}
WEIGHTS = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
LENGTHS = (4, 1, 6, 0)
X, G = RNG.normal(size=(4, 6, 5)), RNG.normal(size=(4, 6, 6))


@pytest.mark.parametrize("constants", [{}, {"causal": True, "softcap": 2.0}, {"window": (2, 1)}], ids=repr)
def test_a_padded_batch_gives_what_its_sequences_give_one_by_one(constants: dict[str, Any]) -> None:
    x = X.copy()
    for b, n in enumerate(LENGTHS):
        x[b, n:] = np.nan
    value, (dx, *found) = self_attention.attention_value_and_vjp(
        G, x, **WEIGHTS, lengths=np.array(LENGTHS), **constants
    )
    total = [np.zeros_like(a) for a in WEIGHTS.values()]
    for b, n in enumerate(LENGTHS):
        alone, (own, *rest) = self_attention.attention_value_and_vjp(G[b, :n], x[b, :n], **WEIGHTS, **constants)
        np.testing.assert_allclose(value[b, :n], alone, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(dx[b, :n], own, rtol=1e-12, atol=1e-12)
        assert not value[b, n:].any()
        assert not dx[b, n:].any()
        total = [a + c for a, c in zip(total, rest, strict=True)]
    for ours, other in zip(found, total, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-12, atol=1e-12)


def test_lengths_and_a_mask_of_tokens_say_the_same() -> None:
    mask = np.arange(6) < np.array(LENGTHS)[:, None]
    np.testing.assert_array_equal(
        self_attention.attention(X, **WEIGHTS, token_mask=mask),
        self_attention.attention(X, **WEIGHTS, lengths=np.array(LENGTHS)),
    )


def test_heads_are_dot_products_of_projections() -> None:
    q, k, v = (
        np.einsum("bld,hed->bhle", X, WEIGHTS[f"w_{name}"]) + WEIGHTS[f"b_{name}"][:, None]
        for name in ("query", "key", "value")
    )
    heads = dot_product.attention(q, k, v, causal=True)
    joined = np.einsum("bhlv,ohv->blo", heads, WEIGHTS["w_output"]) + WEIGHTS["b_output"]
    np.testing.assert_allclose(multi_head.attention(X, X, X, **WEIGHTS, causal=True), joined, rtol=1e-12)


def test_the_bias_of_the_keys_changes_nothing_without_a_cap() -> None:
    vjp = multi_head.attention_vjp
    assert not vjp(G, X, X, X, **WEIGHTS)[8].any()
    assert np.abs(vjp(G, X, X, X, **WEIGHTS, softcap=1.0)[8]).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"w_query": np.ones((4, 3, 4))}, ValueError, "w_query must have shape"),
        ({"w_key": np.ones((2, 2, 5))}, ValueError, "w_key must have shape"),
        ({"w_key": np.ones((3, 3, 5))}, ValueError, "w_key must have H_kv heads that divide"),
        ({"w_value": np.ones((1, 2, 5))}, ValueError, "w_value must have shape"),
        ({"w_output": np.ones((6, 2, 2))}, ValueError, "w_output must have shape"),
        ({"b_value": np.ones(2)}, ValueError, "b_value must have shape"),
        ({"lengths": np.array([1, 2, 3])}, ValueError, "lengths must broadcast"),
        ({"lengths": np.array([1, 2, 3, 7])}, ValueError, "lengths must lie in"),
        ({"lengths": np.ones(4)}, TypeError, "lengths must hold integers"),
        ({"lengths": np.array(3), "token_mask": np.ones(6, dtype=bool)}, ValueError, "token_mask must be None"),
        ({"token_mask": np.ones(6)}, TypeError, "token_mask must hold booleans"),
        ({"x": np.ones(5)}, ValueError, "x must have shape"),
        ({"mask": np.ones((3, 6), dtype=bool)}, ValueError, "mask must broadcast"),
        ({"empty_row": "skip"}, ValueError, "empty_row must be one of"),
    ],
)
def test_errors_name_the_argument(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        self_attention.attention(**({"x": X} | WEIGHTS | change))


def test_a_cotangent_that_is_none_is_named() -> None:
    for vjp, rows in ((multi_head.attention_vjp, (X, X, X)), (self_attention.attention_vjp, (X,))):
        with pytest.raises(TypeError, match=r"^g must"):
            vjp(None, *rows, **WEIGHTS)


def test_masks_of_queries_and_keys_are_named() -> None:
    for name in ("query_mask", "key_mask"):
        with pytest.raises(ValueError, match=f"{name} must broadcast"):
            multi_head.attention(X, X, X, **WEIGHTS, **{name: np.ones(5, dtype=bool)})
