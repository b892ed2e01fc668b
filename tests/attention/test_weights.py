"""Facts of weights and biases that the golden cases are too small to hold, and the errors that name an argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refengine.attention import (
    additive,
    alibi,
    entmax,
    local,
    luong,
    relative_position,
    rotary,
    soft,
    softmax,
    sparsemax,
)
from tests.differences import slope

Z = np.random.default_rng(0).normal(size=(3, 500))


@pytest.mark.parametrize("alpha", [1.0, 1.0 + 1e-9, 1.25, 1.5, 1.999, 2.0])
def test_entmax_of_a_long_row_sums_to_1(alpha: float) -> None:
    p = entmax.entmax(Z, alpha)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-14)
    assert (p >= 0).all()
    assert (p == 0).any() == (alpha > 1.1)


def test_the_ends_of_entmax_are_softmax_and_sparsemax() -> None:
    np.testing.assert_allclose(entmax.entmax(Z, 1.0), softmax.softmax(Z), rtol=1e-13)
    np.testing.assert_allclose(entmax.entmax(Z, 2.0), sparsemax.sparsemax(Z), rtol=1e-13, atol=1e-16)


def test_an_order_for_each_head() -> None:
    alpha = np.array([1.0, 1.5, 2.0])
    rows = [entmax.entmax(z, a) for z, a in zip(Z, alpha, strict=True)]
    np.testing.assert_array_equal(entmax.entmax(Z, alpha), np.stack(rows))


def test_the_derivative_to_alpha_is_a_difference_quotient() -> None:
    g = np.random.default_rng(1).normal(size=Z.shape)
    for alpha in (1.1, 1.5, 1.8):
        found = slope(lambda t, a=alpha: np.sum(g * entmax.entmax(Z, a + t)), 1e-4)
        np.testing.assert_allclose(entmax.entmax_vjp(g, Z, alpha)[1], found, rtol=1e-10)


def test_scores_turned_by_positions_depend_on_their_difference() -> None:
    q, k = np.random.default_rng(2).normal(size=(2, 1, 64))
    scores = [
        (rotary.rotate(q, np.array([m + 3.0]), layout=layout) @ rotary.rotate(k, np.array([m]), layout=layout).T).item()
        for m in (0.0, 5.0, 1e6, 2.0**40)
        for layout in ("half",)
    ]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-13)


def test_slopes_of_heads_that_are_no_power_of_2() -> None:
    np.testing.assert_allclose(alibi.slopes(6), [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3])


def test_buckets_begin_at_whole_powers() -> None:
    found = relative_position.t5_buckets(queries=200, keys=1)[:, 0]  # keys before the query
    starts = [int(np.argmax(found == b)) for b in range(16)]
    assert starts == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]
    assert found[-1] == 15


def test_local_attention_with_a_wide_window_is_global() -> None:
    rng = np.random.default_rng(3)
    q, k, v = rng.normal(size=(3, 4, 2))
    scores = luong.score_dot(q, k)
    np.testing.assert_allclose(local.monotonic(scores, v), luong.attention(q, k, v), rtol=1e-14)
    given = scores, v, q, rng.normal(size=(2, 2)), rng.normal(size=2)
    wide = local.predictive(*given, sigma=1e9, half_width=1e9)
    np.testing.assert_allclose(wide, luong.attention(q, k, v), rtol=1e-14)


Q, K, V, W = np.ones((2, 3)), np.ones((4, 3)), np.ones((4, 2)), np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: softmax.softmax(1.0), ValueError, "z must have shape"),
        (lambda: softmax.softmax(Q, mask=np.ones(3)), TypeError, "mask must hold booleans"),
        (lambda: softmax.softmax(Q, mask=np.ones(2, bool)), ValueError, "mask must broadcast"),
        (lambda: softmax.softmax(Q, mask=np.zeros(3, bool), empty_row="error"), ValueError, r"every row .*\(0,\)"),
        (lambda: softmax.softmax_vjp(None, Q), TypeError, "g must hold"),
        (lambda: sparsemax.sparsemax_vjp(V, Q), ValueError, "g must have the shape"),
        (lambda: entmax.entmax(Q, np.ones(3)), ValueError, "alpha must broadcast"),
        (lambda: soft.context(Q, V), ValueError, "v must have K = 3"),
        (lambda: soft.context(Q, K[:3], np.ones(5)), ValueError, "gate must broadcast"),
        (lambda: soft.doubly_stochastic_penalty(Q, strength="1"), TypeError, "strength must hold"),
        (lambda: additive.attention(Q, K, V, W, W[:1], np.ones(2)), ValueError, "w_key must have shape"),
        (lambda: additive.attention(Q, K, V[:3], W, W, np.ones(2)), ValueError, "v must have K = 4"),
        (lambda: additive.attention_vjp(None, Q, K, V, W, W, np.ones(2)), TypeError, "g must hold"),
        (lambda: luong.score_dot(Q, V), ValueError, "k must have D = 3"),
        (lambda: luong.attention(Q, K, V, W), ValueError, "weight must be None"),
        (lambda: luong.attention(Q, K, V, score="general"), TypeError, "weight must hold"),
        (lambda: luong.score_concat(Q, K, W, np.ones(2)), ValueError, "weight must have shape"),
        (lambda: local.monotonic(np.ones((2, 4)), V, half_width=-1), ValueError, "half_width must be at least 0"),
        (lambda: local.predictive(np.ones((2, 4)), V, Q, W, np.ones(2), 9), ValueError, "lengths must lie"),
        (lambda: local.predictive(np.ones((2, 4)), V, Q, W, np.ones(2), first=2), ValueError, "first must be 0 or 1"),
        (lambda: rotary.rotate(Q, 0), ValueError, "x must have shape"),
        (lambda: rotary.rotate(W[:, :2], np.ones(3)), ValueError, "positions must broadcast"),
        (lambda: rotary.rotate(W[:, :2], 0, base=0), ValueError, "base must be positive"),
        (lambda: alibi.bias(0.5, queries=1, keys=1), ValueError, "slopes must have shape"),
        (lambda: alibi.bias(np.ones(1), queries=1.5, keys=1), TypeError, "queries must be a whole number"),
        (lambda: relative_position.shaw_scores(Q, np.ones((2, 3)), keys=2), ValueError, "table must have an odd"),
        (lambda: relative_position.t5_bias(np.ones((3, 1)), queries=1, keys=1), ValueError, "table must have at least"),
    ],
)
def test_errors_name_the_argument(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
