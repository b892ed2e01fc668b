"""Self-attention as it is defined: every sequence by itself, without its padding."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention import multi_head
from validation.exact.attention._scores import RULES, booleans, normal, other_rules, seen
from validation.exact.attention.multi_head import BIASES, weights_of
from validation.exact.draws import Draw
from validation.exact.number import number


def attention(
    x: Any,
    w_query: Any,
    w_key: Any,
    w_value: Any,
    w_output: Any,
    b_query: Any = None,
    b_key: Any = None,
    b_value: Any = None,
    b_output: Any = None,
    bias: Any = None,
    lengths: Any = None,
    *,
    mask: Any = None,
    token_mask: Any = None,
    keep_mask: Any = None,
    causal: bool = False,
    window: Any = None,
    empty_row: str = "zero",
    **constants: Any,
) -> Any:
    """y_i = sum_h W_h^O sum_j P_ij^h Z_ij^h / rho (W_h^V x_j + b_h^V) + b^O over the tokens j of one sequence.

    Source: vaswani-2017, section 3.2.2
    """
    *batch, length, _ = x.shape
    pairs = (*batch, len(w_query), length, length)
    if lengths is not None:
        token_mask = np.arange(length) < np.asarray(lengths)[..., None]
    tokens = np.broadcast_to(True if token_mask is None else token_mask, (*batch, length))
    attend = np.broadcast_to(True if mask is None else mask, pairs) & seen(length, length, 0, causal, window)
    bias = np.broadcast_to(number(0) if bias is None else bias, pairs)
    kept = np.broadcast_to(True if keep_mask is None else keep_mask, pairs)
    result = np.full((*batch, length, len(w_output)), number(0), dtype=object)
    for b in np.ndindex(*batch):
        # the mean of an empty row is that of all rows, padding too
        real = np.arange(length) if empty_row == "mean" else np.nonzero(tokens[b])[0]
        own, inside = x[b][real], (slice(None), *np.ix_(real, real))
        result[b][real] = multi_head.attention(
            own,
            own,
            own,
            w_query,
            w_key,
            w_value,
            w_output,
            b_query,
            b_key,
            b_value,
            b_output,
            bias[b][inside],
            mask=attend[b][inside],
            keep_mask=kept[b][inside],
            key_mask=tokens[b][real],
            query_mask=tokens[b][real],
            empty_row=empty_row,
            **constants,
        )
    return result


def _given(
    rng: np.random.Generator,
    shape: tuple[int, ...] = (3, 2),
    heads: tuple[int, int] = (1, 1),
    inner: tuple[int, int, int] = (1, 1, 1),
    biases: tuple[str, ...] = BIASES,
    size: float = 1.0,
    exact: bool = True,
) -> dict[str, Any]:
    x = normal(rng, *shape, size=size, exact=exact)
    return {"x": x} | weights_of(rng, heads, (shape[-1],) * 3, inner, biases, exact=exact)


def draw_attention(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _ordinary(rng)
    yield from _padded(rng)
    yield from _empty(rng)
    yield from _with_constants(rng)


def _ordinary(rng: np.random.Generator) -> Iterator[Draw]:
    for shape, inner in (((1, 1), (1, 1, 1)), ((2, 2), (2, 1, 2)), ((3, 2), (1, 2, 1)), ((2, 3), (2, 1, 1))):
        for biases in ((), BIASES):
            yield Draw(_given(rng, shape, (2, 2) if shape[0] == 2 else (1, 1), inner, biases))
    for heads in ((1, 1), (2, 1), (4, 2), (3, 1)):
        flags = ("GROUPED_HEADS",) if heads[0] != heads[1] else ()
        yield Draw(_given(rng, (2, 2), heads, (1, 1, 1)), flags=flags, difficulty=2)
    for size in (0.01, 0.3, 1.0, 3.0):
        yield Draw(_given(rng, size=size, exact=False), difficulty=2)
    for size in (10.0, 30.0, 100.0):
        yield Draw(_given(rng, size=size), {}, ("LARGE_LOGITS", "SATURATION"), 4)
    for place in (0, 1, 2):  # two tokens are the same
        arrays = _given(rng)
        arrays["x"][place] = arrays["x"][place - 1]
        yield Draw(arrays, {}, ("TIE",), 2)


def _padded(rng: np.random.Generator) -> Iterator[Draw]:
    for lengths in ((3, 1), (2, 3), (1, 2), (0, 2), (3, 3)):
        arrays = _given(rng, (2, 3, 2)) | {"lengths": np.array(lengths)}
        yield Draw(arrays, flags=("EMPTY_ROW",) if 0 in lengths else (), difficulty=3)
    for poison in (nan, inf, -inf):
        arrays = _given(rng, (2, 3, 2), (2, 1)) | {"lengths": np.array([2, 3])}
        arrays["x"][0, 2] = poison
        yield Draw(arrays, {}, ("MASKED_NAN", "GROUPED_HEADS"), 4)
        arrays = _given(rng)
        arrays["x"][1] = poison
        yield Draw(arrays, {"token_mask": np.array([True, False, True])}, ("MASKED_NAN",), 4)
    for length in (1, 2):
        yield Draw(_given(rng) | {"lengths": np.array(length)}, {"causal": True}, difficulty=2)
    for _ in range(3):
        yield Draw(_given(rng, (2, 3, 2)), {"token_mask": booleans(rng, 2, 3)}, (), 2)
    yield Draw(_given(rng, (2, 2, 2)) | {"lengths": np.array([2])}, {}, ("BROADCAST",), 2)
    yield Draw(_given(rng, (2, 3, 2)), {"token_mask": booleans(rng, 3)}, ("BROADCAST",), 2)


def _empty(rng: np.random.Generator) -> Iterator[Draw]:
    """A token may attend to nothing; padding is 0 whatever the rule."""
    row = np.array([[True, False, True], [False, False, False], [True, True, True]])
    for rule in RULES:
        rest: dict[str, Any] = {"alternatives": other_rules(rule), "difficulty": 3}
        chosen, flags = {"empty_row": rule}, ("EMPTY_ROW", "FULLY_MASKED")
        yield Draw(_given(rng), chosen | {"mask": row}, flags, **rest)
        yield Draw(_given(rng, (2, 3, 2)), chosen | {"token_mask": np.array([[False] * 3, [True] * 3])}, flags, 3)
        yield Draw(_given(rng) | {"lengths": np.array(2)}, chosen | {"mask": row}, flags, **rest)
    for rule in ("zero", "nan"):
        arrays = _given(rng)
        arrays["x"][2] = nan
        yield Draw(arrays | {"lengths": np.array(2)}, {"empty_row": rule, "mask": row}, ("EMPTY_ROW", "MASKED_NAN"), 5)
    padded = {"token_mask": np.array([True, False, True]), "mask": row, "empty_row": "error"}
    yield Draw(_given(rng), padded, ("EMPTY_ROW",), 3)
    yield Draw(_given(rng, (0, 2)), {}, ("EMPTY_ROW",), 2)


def _with_constants(rng: np.random.Generator) -> Iterator[Draw]:
    for causal in (False, True):
        for window in ((1, 0), (1, 1), (None, 1)):
            yield Draw(_given(rng), {"causal": causal, "window": window}, (), 2)
    yield Draw(_given(rng), {"causal": True}, (), 2)
    for cap in (0.5, 3.0):
        yield Draw(_given(rng) | {"lengths": np.array(2)}, {"softcap": cap}, (), 2)
    for shape in ((2, 3, 3), (3, 3), (3,)):
        arrays = _given(rng, heads=(2, 1), biases=()) | {"bias": normal(rng, *shape), "lengths": np.array(2)}
        yield Draw(arrays, {"causal": True}, ("BROADCAST",) if len(shape) < 3 else (), 2)
    for scale in (1.0, -0.5):
        yield Draw(_given(rng), {"scale": scale})
    for probability in (0.5, 0.75):
        keep = {"keep_mask": rng.random((2, 3, 3)) < probability, "keep_probability": probability}
        yield Draw(_given(rng, heads=(2, 1), biases=BIASES[2:]), keep, (), 2)
        keep = {"keep_mask": rng.random((2, 1, 3, 3)) < probability, "keep_probability": probability}
        yield Draw(_given(rng, (2, 3, 2)) | {"lengths": np.array([2, 3])}, keep, (), 2)
    for shape in ((3, 3), (2, 1, 3), (2, 3, 3)):
        yield Draw(_given(rng, heads=(2, 2), biases=()), {"mask": booleans(rng, *shape)}, (), 2)
