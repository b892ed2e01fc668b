"""Multi-head attention as it is defined: projections one row at a time, weights of each head, averages, joined."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention import dot_product
from validation.exact.attention._alignment import dot
from validation.exact.attention._scores import RULES, booleans, normal, other_rules, undefined
from validation.exact.draws import Draw
from validation.exact.number import number, stated


def attention(
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
    query_mask: Any = None,
    empty_row: str = "zero",
    keep_mask: Any = None,
    keep_probability: float = 1,
    **constants: Any,
) -> Any:
    """y_i = sum_h W_h^O sum_j P_ij^h Z_ij^h / rho (W_h^V v_j + b_h^V) + b^O.

    Source: vaswani-2017, section 3.2.2
    """
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    (queries, heads, keys), key_heads = (q.shape[-2], len(w_query), k.shape[-2]), len(w_key)
    shape = (*batch, heads, queries, keys)
    attend = np.broadcast_to(True if mask is None else mask, shape)
    if key_mask is not None:
        attend = attend & np.asarray(key_mask)[..., None, None, :]
    asks = np.broadcast_to(True if query_mask is None else query_mask, (*batch, queries))
    kept = np.broadcast_to(True if keep_mask is None else keep_mask, shape)
    values = np.broadcast_to(_project(v, w_value, b_value), (*batch, key_heads, keys, w_value.shape[1]))
    p = dot_product.weights(
        np.broadcast_to(_project(q, w_query, b_query), (*batch, heads, queries, w_query.shape[1])),
        _project(k, w_key, b_key),
        bias,
        mask=attend & asks[..., None, :, None],
        empty_row="mean" if empty_row == "mean" else "zero",
        **constants,
    )
    q = np.broadcast_to(q, (*batch, *q.shape[-2:]))
    result = np.empty((*batch, queries, len(w_output)), dtype=object)
    for *b, i in np.ndindex(*batch, queries):
        row, average = (*b, i), {}
        entering = {h: [j for j in range(keys) if p[(*b, h, i, j)] > 0] for h in range(heads)}
        empty = not all(entering.values())
        for h, found in entering.items():
            average[h] = [
                sum(
                    (
                        p[(*b, h, i, j)] * values[(*b, h // (heads // key_heads), j, d)] / number(keep_probability)
                        for j in found
                        if kept[(*b, h, i, j)]
                    ),
                    number(0),
                )
                for d in range(w_value.shape[1])
            ]
        for o, weight in enumerate(w_output):
            if not asks[row]:
                result[(*row, o)] = number(0)
            elif empty and empty_row == "nan":
                result[(*row, o)] = undefined(*q[row])
            elif empty and empty_row == "mean":
                result[(*row, o)] = stated(nan)
            else:
                joined = sum((dot(weight[h], average[h]) for h in range(heads)), number(0))
                result[(*row, o)] = joined if b_output is None else joined + b_output[o]
    return result


def _project(x: Any, weight: Any, shift: Any) -> Any:
    """W_h x_i + b_h for every head h and row i, (..., H, L, D)."""
    result = np.empty((*x.shape[:-2], len(weight), x.shape[-2], weight.shape[1]), dtype=object)
    for *b, h, i, d in np.ndindex(result.shape):
        found = dot(weight[h, d], x[(*b, i)])
        result[(*b, h, i, d)] = found if shift is None else found + shift[h, d]
    return result


BIASES = ("b_query", "b_key", "b_value", "b_output")


def weights_of(
    rng: np.random.Generator,
    heads: tuple[int, int] = (1, 1),
    widths: tuple[int, int, int] = (2, 2, 2),
    inner: tuple[int, int, int] = (2, 2, 2),
    biases: tuple[str, ...] = (),
    size: float = 1.0,
    exact: bool = True,
) -> dict[str, Any]:
    """Projections of H and H_kv heads, of rows E, F, G wide to D and V, and to O."""
    (h, h_kv), (e, f, g), (d, w, o) = heads, widths, inner
    shapes: dict[str, tuple[int, ...]] = {
        "w_query": (h, d, e),
        "w_key": (h_kv, d, f),
        "w_value": (h_kv, w, g),
        "w_output": (o, h, w),
    }
    shapes |= {"b_query": (h, d), "b_key": (h_kv, d), "b_value": (h_kv, w), "b_output": (o,)}
    sizes = {"w_query": size, "w_key": size}
    return {
        name: normal(rng, *shape, size=sizes.get(name, 1.0), exact=exact)
        for name, shape in shapes.items()
        if name.startswith("w") or name in biases
    }


def _rows(
    rng: np.random.Generator,
    lengths: tuple[int, int] = (2, 3),
    widths: tuple[int, int, int] = (2, 2, 2),
    size: float = 1.0,
    exact: bool = True,
) -> dict[str, Any]:
    (n, m), (e, f, g) = lengths, widths
    shapes = {"q": (n, e), "k": (m, f), "v": (m, g)}
    sizes = {"v": 1.0}
    return {name: normal(rng, *s, size=sizes.get(name, size), exact=exact) for name, s in shapes.items()}


def draw_attention(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _ordinary(rng)
    yield from _hard(rng)
    yield from _masked(rng)
    yield from _empty(rng)
    yield from _poisoned(rng)
    yield from _with_constants(rng)


def _ordinary(rng: np.random.Generator) -> Iterator[Draw]:
    for lengths, widths, inner in (
        ((1, 1), (1, 1, 1), (1, 1, 1)),
        ((2, 3), (2, 3, 1), (2, 1, 2)),
        ((3, 2), (2, 2, 2), (1, 2, 1)),
        ((2, 3), (1, 2, 2), (2, 2, 1)),
        ((1, 4), (2, 1, 2), (1, 1, 2)),
    ):
        for biases in ((), BIASES):
            arrays = _rows(rng, lengths, widths) | weights_of(rng, (2, 2), widths, inner, biases)
            yield Draw(arrays, difficulty=1 + (lengths[0] != lengths[1]))
    for heads in ((1, 1), (2, 1), (4, 2), (3, 1), (3, 3)):
        flags = ("GROUPED_HEADS",) if heads[0] != heads[1] else ()
        arrays = _rows(rng, (1, 2)) | weights_of(rng, heads, inner=(1, 1, 1), biases=BIASES)
        yield Draw(arrays, flags=flags, difficulty=2)
    for name in BIASES:
        yield Draw(_rows(rng) | weights_of(rng, biases=(name,), inner=(2, 1, 1)))
    for size in (0.01, 0.3, 1.0, 3.0):
        arrays = _rows(rng, exact=False) | weights_of(rng, biases=BIASES, inner=(2, 1, 1), size=size, exact=False)
        yield Draw(arrays, difficulty=2)


def _hard(rng: np.random.Generator) -> Iterator[Draw]:
    inner = (2, 1, 1)
    for size in (10.0, 30.0, 100.0):
        yield Draw(_rows(rng, size=size) | weights_of(rng, inner=inner, biases=BIASES), {}, ("LARGE_LOGITS",), 3)
    for level in (0.0, 1.0, 8.0):  # equal keys
        arrays = _rows(rng) | weights_of(rng, inner=inner)
        arrays["k"] = np.full_like(arrays["k"], level)
        yield Draw(arrays, {}, ("TIE",), 3)
    for gap in (5.0, 20.0, 40.0, 300.0):  # one weight near 1
        arrays = _rows(rng, (1, 3)) | weights_of(rng, (1, 1), inner=inner, biases=BIASES)
        arrays |= {"q": np.array([[gap, 0.5]]), "k": np.array([[1.0, 0.25], [0.0, 1.0], [-0.5, 0.75]])}
        arrays |= {name: np.array([[[1.0, 0.0], [0.0, 1.0]]]) for name in ("w_query", "w_key")}
        yield Draw(arrays, {"scale": 1.0}, ("SATURATION", "CANCELLATION"), 4)
    for level in (1e3, 1e6):  # biases of keys and values that all keys share
        arrays = _rows(rng) | weights_of(rng, (2, 1), inner=inner, biases=BIASES)
        arrays["b_key"], arrays["b_value"] = arrays["b_key"] * level, arrays["b_value"] * level
        yield Draw(arrays, {}, ("CANCELLATION", "GROUPED_HEADS"), 4)


def _masked(rng: np.random.Generator) -> Iterator[Draw]:
    inner = (1, 1, 2)
    for shape in ((2, 3), (1, 3), (2, 2, 3), (2, 1, 3)):
        yield Draw(_rows(rng) | weights_of(rng, (2, 2), inner=inner), {"mask": booleans(rng, *shape)}, (), 2)
    for _ in range(3):
        arrays = _rows(rng) | weights_of(rng, inner=inner, biases=BIASES)
        yield Draw(arrays, {"key_mask": booleans(rng, 3)}, (), 2)
        yield Draw(_rows(rng) | weights_of(rng, inner=inner), {"query_mask": booleans(rng, 2)}, (), 2)
    batched = {name: normal(rng, 2, n, 2) for name, n in zip("qkv", (2, 3, 3), strict=True)}
    constants = {"key_mask": booleans(rng, 2, 3), "query_mask": booleans(rng, 2, 2), "mask": booleans(rng, 2, 1, 2, 3)}
    yield Draw(batched | weights_of(rng, (2, 1), inner=inner, biases=BIASES), constants, ("GROUPED_HEADS",), 3)
    for shape in ((2, 2, 3), (2, 3), (2, 1, 3), (3,), (2, 1), ()):
        arrays = _rows(rng) | weights_of(rng, (2, 2), inner=inner) | {"bias": normal(rng, *shape)}
        yield Draw(arrays, flags=("BROADCAST",) if shape != (2, 2, 3) else (), difficulty=2)
    bias = np.where(booleans(rng, 2, 3), normal(rng, 2, 3), -inf)
    yield Draw(_rows(rng) | weights_of(rng, inner=inner) | {"bias": bias}, flags=("SUPPORT_EDGE",), difficulty=2)
    for batches in (((2,), (), ()), ((2, 1), (2,), (1, 2)), ((), (2,), (2,))):
        rows = {name: normal(rng, *b, n, 2) for name, b, n in zip("qkv", batches, (1, 2, 2), strict=True)}
        yield Draw(rows | weights_of(rng, inner=inner, biases=BIASES), flags=("BROADCAST",), difficulty=2)


def _empty(rng: np.random.Generator) -> Iterator[Draw]:
    flags, inner = ("EMPTY_ROW", "FULLY_MASKED"), (1, 1, 1)
    row = np.array([[True, False, True], [False, False, False]])
    one_head = np.array([[[True] * 3, [True] * 3], [[False] * 3, [True] * 3]])
    for rule in RULES:
        rest: dict[str, Any] = {"alternatives": other_rules(rule), "difficulty": 3}
        chosen = {"empty_row": rule}
        arrays = _rows(rng) | weights_of(rng, inner=inner, biases=BIASES)
        yield Draw(arrays, chosen | {"mask": row}, flags, **rest)
        yield Draw(_rows(rng) | weights_of(rng, (2, 2), inner=inner), chosen | {"mask": one_head}, flags, **rest)
        arrays = _rows(rng) | weights_of(rng, (2, 1), inner=inner, biases=BIASES)
        yield Draw(arrays, chosen | {"key_mask": np.zeros(3, dtype=bool)}, (*flags, "GROUPED_HEADS"), **rest)
        arrays = _rows(rng, (3, 2)) | weights_of(rng, inner=inner, biases=BIASES)
        late = {"causal": True, "alignment": "bottom_right"}
        yield Draw(arrays, chosen | late, (*flags, "ALIGNMENT"), **rest)
        yield Draw(_rows(rng, (2, 0)) | weights_of(rng, inner=inner, biases=BIASES), chosen, ("EMPTY_ROW",), **rest)
        arrays = _rows(rng) | weights_of(rng, inner=inner, biases=BIASES)
        padded = {"mask": row, "query_mask": np.array([True, False])}
        yield Draw(arrays, chosen | padded, ("EMPTY_ROW",), difficulty=3)
    arrays = _rows(rng) | weights_of(rng, inner=inner)
    yield Draw(arrays, {"empty_row": "error", "mask": row, "query_mask": np.array([True, False])}, ("EMPTY_ROW",), 3)
    yield Draw(_rows(rng, (0, 2)) | weights_of(rng, inner=inner, biases=BIASES), {}, ("EMPTY_ROW",), 2)


def _poisoned(rng: np.random.Generator) -> Iterator[Draw]:
    """Padding holds what must not leak into results or into the gradients of the weights."""
    for poison in (nan, inf, -inf):
        arrays = _rows(rng) | weights_of(rng, (2, 1), inner=(1, 1, 2), biases=BIASES)
        arrays["k"][1] = arrays["v"][1] = poison
        yield Draw(arrays, {"key_mask": np.array([True, False, True])}, ("MASKED_NAN", "GROUPED_HEADS"), 4)
        arrays = _rows(rng) | weights_of(rng, inner=(1, 1, 2), biases=BIASES)
        arrays["q"][1] = arrays["k"][2] = arrays["v"][2] = poison
        constants = {"query_mask": np.array([True, False]), "causal": True, "empty_row": "nan"}
        yield Draw(arrays, constants, ("MASKED_NAN",), 4)


def _with_constants(rng: np.random.Generator) -> Iterator[Draw]:
    inner = (1, 1, 1)
    for here, there in (("top_left", "bottom_right"), ("bottom_right", "top_left")):
        arrays = _rows(rng) | weights_of(rng, inner=inner, biases=BIASES)
        constants = {"causal": True, "alignment": here}
        yield Draw(arrays, constants, ("ALIGNMENT",), 2, alternatives={there: {"alignment": there}})
    for window in ((0, 0), (1, 0), (None, 1)):
        yield Draw(_rows(rng, (3, 3)) | weights_of(rng, inner=inner), {"window": window}, (), 2)
    for cap in (0.5, 2.0, 50.0):  # under a cap the bias of the keys counts
        arrays = _rows(rng) | weights_of(rng, inner=inner, biases=BIASES)
        yield Draw(arrays, {"softcap": cap}, (), 2)
    arrays = _rows(rng, size=6.0) | weights_of(rng, inner=inner, biases=BIASES)
    yield Draw(arrays, {"softcap": 1.0}, ("SATURATION", "CANCELLATION"), 4)
    for scale in (1.0, -0.5, 0.0):
        yield Draw(_rows(rng) | weights_of(rng, inner=inner, biases=BIASES), {"scale": scale})
    for probability in (0.5, 0.75):
        for biases in ((), BIASES):
            keep = {"keep_mask": rng.random((2, 2, 3)) < probability, "keep_probability": probability}
            yield Draw(_rows(rng) | weights_of(rng, (2, 2), inner=inner, biases=biases), keep, (), 2)
    keep = {"keep_mask": np.array([[False, False, False], [True, False, True]]), "keep_probability": 0.5}
    for rule in RULES:
        arrays = _rows(rng) | weights_of(rng, inner=inner, biases=BIASES)
        mask = np.array([[True, True, False], [False, False, False]])
        constants = keep | {"mask": mask, "empty_row": rule}
        yield Draw(arrays, constants, ("EMPTY_ROW",), 3, alternatives=other_rules(rule))
    yield Draw(_rows(rng) | weights_of(rng, inner=inner, biases=BIASES), {"keep_probability": 0.5}, (), 2)
