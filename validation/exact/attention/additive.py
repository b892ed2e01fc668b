"""Additive attention as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._alignment import additive, attend, qkv_draws
from validation.exact.attention._scores import normal, undefined
from validation.exact.draws import Draw
from validation.exact.number import sqrt


def attention(
    q: Any,
    k: Any,
    v: Any,
    w_query: Any,
    w_key: Any,
    w_score: Any,
    bias: Any = None,
    gain: Any = None,
    *,
    mask: Any = None,
    empty_row: str = "zero",
) -> Any:
    """sum_j softmax_j(w . tanh(W_q q_i + W_k k_j + b)) v_j; with a gain w = gain w_score / |w_score|.

    Source: bahdanau-2015, eq. 5, eq. 6 and section A.1.2
    """
    if gain is not None:
        if all(w == 0 for w in w_score):
            given = [x for a in (q, k, v, w_query, w_key, w_score, bias, gain) if a is not None for x in np.ravel(a)]
            return np.full((*q.shape[:-1], v.shape[-1]), undefined(*given), dtype=object)
        length = sqrt((w_score * w_score).sum())
        w_score = [gain * w / length for w in w_score]
    return attend(q, k, v, lambda x, y: additive(x, y, w_query, w_key, w_score, bias), mask, empty_row)


def draw_attention(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arrays, constants, keywords) in enumerate(qkv_draws(rng)):
        yield Draw(arrays | _weights(rng, arrays, i), constants, **keywords)
    for size in (1e-3, 1e-150, 1e3, 1e150):  # the length of the vector is divided out
        yield _normalised(rng, size * normal(rng, 2), ("OVERFLOW_F32",) if abs(np.log(size)) > 300 else ())
    yield _normalised(rng, np.array([4.0, 0.0]), ("SATURATION",))
    yield _normalised(rng, np.array([0.0, 0.0]), ("ZERO_NORM",), "undefined")
    for shift in (20.0, 40.0, 400.0):  # tanh rounds to 1, and its slope does not vanish
        drawn = _normalised(rng, normal(rng, 2), ("SATURATION", "CANCELLATION"))
        yield Draw(drawn.arguments | {"bias": np.array([shift, -shift])}, {}, drawn.flags, 4)


def _weights(rng: np.random.Generator, arrays: dict[str, Any], i: int) -> dict[str, Any]:
    size = 1 + i % 3
    found = {"w_query": normal(rng, size, arrays["q"].shape[-1]), "w_key": normal(rng, size, arrays["k"].shape[-1])}
    found["w_score"] = normal(rng, size)
    if i % 2:
        found["bias"] = normal(rng, size)
    if i % 4 > 1:
        found["gain"] = normal(rng, 1)[0]
    return found


def _normalised(rng: np.random.Generator, w: np.ndarray, flags: tuple[str, ...], result: str = "required") -> Draw:
    arrays = {"q": normal(rng, 2, 2), "k": normal(rng, 3, 2), "v": normal(rng, 3, 2), "w_query": normal(rng, 2, 2)}
    arrays |= {"w_key": normal(rng, 2, 2), "w_score": w, "bias": normal(rng, 2), "gain": np.array(1.5)}
    return Draw(arrays, {}, flags, 3, result)
