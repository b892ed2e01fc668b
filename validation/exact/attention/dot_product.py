"""Attention as it is defined: for every query a loop over the keys that it attends to, and plain exponentials."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention._scores import RULES, normal, other_rules, seen
from validation.exact.draws import Draw
from validation.exact.number import Number, exp, log, number, sqrt, stated, tanh

Row = tuple[int, ...]


def attention(
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    *,
    empty_row: str = "zero",
    keep_mask: Any = None,
    keep_probability: float = 1,
    **constants: Any,
) -> Any:
    """O_i = sum_j softmax_j(cap(c q_i . k_j) + B_ij) Z_ij v_j / rho, over the attended keys j.

    Source: vaswani-2017, eq. 1
    """
    shape = _scores_shape(q, k, v)
    kept = np.broadcast_to(True if keep_mask is None else keep_mask, shape)
    values = _for_heads(v, shape)
    result = np.empty((*shape[:-1], v.shape[-1]), dtype=object)
    for row, query, scores in _rows(shape, q, k, bias, **constants):
        p, rule = _softmax(scores, empty_row, shape[-1])
        for d in range(v.shape[-1]):
            terms = [p[j] * values[row[:-1]][j, d] / number(keep_probability) for j in p if kept[row][j]]
            result[(*row, d)] = sum(terms, number(0)) if p else _nothing(query, rule)
    return result


def weights(q: Any, k: Any, bias: Any = None, *, empty_row: str = "zero", **constants: Any) -> Any:
    """P_ij = exp(S_ij) / sum_l exp(S_il), over the attended keys l.

    Source: vaswani-2017, eq. 1
    """
    shape = _scores_shape(q, k)
    result = np.empty(shape, dtype=object)
    for row, query, scores in _rows(shape, q, k, bias, **constants):
        p, rule = _softmax(scores, empty_row, shape[-1])
        for j in range(shape[-1]):
            result[(*row, j)] = p.get(j, number(0)) if p else _nothing(query, rule)
    return result


def log_sum_exp(q: Any, k: Any, bias: Any = None, **constants: Any) -> Any:
    """l_i = log sum_j exp(S_ij), over the attended keys j.

    Source: dao-2023, section 3.1.1
    """
    shape = _scores_shape(q, k)
    result = np.empty(shape[:-1], dtype=object)
    for row, _, scores in _rows(shape, q, k, bias, **constants):
        result[row] = log(sum((exp(s) for s in scores.values()), number(0))) if scores else stated(-inf)
    return result


def _scores_shape(q: Any, k: Any, *v: Any) -> tuple[int, ...]:
    batch = np.broadcast_shapes(*(a.shape[:-3] for a in (q, k, *v)))
    return (*batch, *q.shape[-3:-1], k.shape[-2])


def _for_heads(keys: Any, shape: tuple[int, ...]) -> Any:
    """Query head h reads key head h // (H / H_kv)."""
    group = shape[-3] // keys.shape[-3]
    heads = np.stack([keys[..., h // group, :, :] for h in range(shape[-3])], axis=-3)
    return np.broadcast_to(heads, (*shape[:-2], *keys.shape[-2:]))


def _rows(
    shape: tuple[int, ...],
    q: Any,
    k: Any,
    bias: Any,
    *,
    mask: Any = None,
    causal: bool = False,
    alignment: str = "top_left",
    window: Any = None,
    scale: float | None = None,
    softcap: float | None = None,
    query_mask: Any = None,
    softcap_order: str = "before_bias",
) -> Iterator[tuple[Row, Any, dict[int, Number] | None]]:
    """For every query its index, itself, and its scores by key, of the keys that it attends to; None for padding."""
    *_, queries, keys = shape
    q, k = np.broadcast_to(q, (*shape[:-1], q.shape[-1])), _for_heads(k, shape)
    mask = np.broadcast_to(True if mask is None else mask, shape)
    bias = np.broadcast_to(0.0 if bias is None else bias, shape)
    asks = np.broadcast_to(True if query_mask is None else query_mask, shape[:-1])
    near = seen(queries, keys, keys - queries if alignment == "bottom_right" else 0, causal, window)
    factor = 1 / sqrt(number(q.shape[-1])) if scale is None else number(scale)
    for row in np.ndindex(shape[:-1]):
        scores: dict[int, Number] = {}
        for j in range(keys):
            if mask[row][j] and near[row[-1], j] and float(bias[row][j]) != -inf:
                score = factor * sum((a * b for a, b in zip(q[row], k[row[:-1]][j], strict=True)), number(0))
                score = score + bias[row][j] if softcap_order == "after_bias" else score
                score = score if softcap is None else number(softcap) * tanh(score / number(softcap))
                scores[j] = score if softcap_order == "after_bias" else score + bias[row][j]
        yield row, q[row], scores if asks[row] else None


def _softmax(scores: dict[int, Number] | None, empty_row: str, keys: int) -> tuple[dict[int, Number], str]:
    """The weights, and the rule where there are none; padding is 0 under every rule."""
    if scores is None:
        return {}, "zero"
    if not scores and empty_row == "mean":
        return {j: number(1) / number(keys) for j in range(keys)}, empty_row
    e = {j: exp(s) for j, s in scores.items()}
    total = sum(e.values(), number(0))
    return {j: x / total for j, x in e.items()}, empty_row


def _nothing(query: Any, empty_row: str) -> Number:
    """What an empty row holds: 0, or an undefined function of its query; the mean of no values is a nan."""
    if empty_row == "nan":
        return stated(nan, *((x, nan) for x in query))
    return number(0) if empty_row == "zero" else stated(nan)


def _qkv(
    rng: np.random.Generator,
    heads: tuple[int, int] = (1, 1),
    lengths: tuple[int, int] = (2, 3),
    widths: tuple[int, int] = (2, 2),
    size: float = 1.0,
    exact: bool = True,
) -> dict[str, Any]:
    (h, h_kv), (n, m), (d, w) = heads, lengths, widths
    return {
        "q": normal(rng, h, n, d, size=size, exact=exact),
        "k": normal(rng, h_kv, m, d, size=size, exact=exact),
        "v": normal(rng, h_kv, m, w, exact=exact),
    }


def _booleans(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random, with something True in every row."""
    drawn = rng.random(shape) < 0.5
    return drawn | (np.arange(shape[-1]) == rng.integers(shape[-1], size=(*shape[:-1], 1)))


def draw_attention(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _ordinary(rng)
    yield from _hard(rng)
    yield from _masked(rng)
    yield from _aligned(rng)
    yield from _empty(rng)
    yield from _poisoned(rng)
    yield from _shaped(rng)
    yield from _options(rng)
    yield from _dropped(rng)
    yield from _padded(rng)
    yield from _long(rng)


def draw_weights(rng: np.random.Generator) -> Iterator[Draw]:
    yield from (_without_v(draw) for part in (_ordinary, _hard, _masked, _aligned) for draw in part(rng))
    yield from (
        _without_v(draw) for part in (_empty, _poisoned, _shaped, _options, _padded, _long) for draw in part(rng)
    )


def draw_log_sum_exp(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in draw_weights(rng):
        if "empty_row" not in draw.constants:
            yield Draw(draw.arguments, draw.constants, draw.flags, draw.difficulty)
    for offset in (0.0, 1e-3, 1e-9):  # log(1/2 + 1/2) and its neighbourhood
        q, k = np.array([[[1.0]]]), np.array([[[-np.log(2)], [-np.log(2) + offset]]])
        yield Draw({"q": q, "k": k}, {"scale": 1.0}, flags=("NEAR_ROOT",), difficulty=3)
    for gap in (20.0, 40.0, 300.0, 700.0):  # log(1 + e^-gap)
        yield Draw(
            {"q": np.ones((1, 1, 1)), "k": np.array([[[0.0], [-gap]]])},
            {"scale": 1.0},
            flags=("CANCELLATION",),
            difficulty=3,
        )


def _without_v(draw: Draw) -> Draw:
    arguments = {name: a for name, a in draw.arguments.items() if name != "v"}
    alternatives = {n: c for n, c in draw.alternatives.items() if not draw.arguments["k"].shape[-2] == 0}
    result = draw.result if alternatives else "required"
    return Draw(arguments, draw.constants, draw.flags, draw.difficulty, result, alternatives)


def _ordinary(rng: np.random.Generator) -> Iterator[Draw]:
    for lengths, widths in (((1, 1), (1, 1)), ((2, 3), (2, 3)), ((3, 2), (3, 1)), ((2, 4), (2, 2)), ((3, 3), (2, 2))):
        yield Draw(_qkv(rng, lengths=lengths, widths=widths))
    for size in (0.01, 0.3, 1.0, 3.0, 10.0):
        yield Draw(_qkv(rng, size=size, exact=False), difficulty=2)
    for scale in (1.0, 0.25, -1.0, 0.0, 30.0):
        yield Draw(_qkv(rng), {"scale": scale})


def _hard(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (30.0, 100.0, 100.0):
        yield Draw(_qkv(rng, size=size), flags=("LARGE_LOGITS",), difficulty=3)
    for top in (1e3, 1e4, -1e4):  # scores in a narrow band far from 0, where exp overflows or all of it vanishes
        arrays = _qkv(rng, widths=(1, 2))
        arrays |= {"q": np.ones((1, 2, 1)), "k": top + normal(rng, 1, 3, 1)}
        yield Draw(arrays, {"scale": 1.0}, flags=("LARGE_LOGITS",), difficulty=4)
    for top in (0.0, 64.0, 1e4):
        arrays = _qkv(rng) | {"k": np.full((1, 3, 2), np.sqrt(top)), "q": np.full((1, 2, 2), np.sqrt(top))}
        yield Draw(arrays, flags=("TIE", "LARGE_LOGITS") if top else ("TIE",), difficulty=2)
    for gap in (5.0, 20.0, 36.0, 40.0, 100.0, 300.0):  # one weight near 1: dP - sum P dP cancels
        arrays = _qkv(rng, lengths=(1, 3)) | {"q": np.array([[[gap, 0.5]]])}
        arrays["k"] = np.array([[[1.0, 0.25], [0.0, 1.0], [-0.5, 0.75]]])
        yield Draw(arrays, {"scale": 1.0}, flags=("SATURATION", "CANCELLATION"), difficulty=4)


def _masked(rng: np.random.Generator) -> Iterator[Draw]:
    for shape in ((2, 3), (1, 3), (2, 2, 3), (2, 1, 3), (3,)):
        yield Draw(_qkv(rng, heads=(2, 2)), {"mask": _booleans(rng, *shape)}, difficulty=2)
    for shape in ((2, 2, 3), (2, 3), (2, 1, 3), (1, 3), (2, 1), (1,), ()):
        arrays = _qkv(rng, heads=(2, 2)) | {"bias": normal(rng, *shape)}
        yield Draw(arrays, flags=("BROADCAST",) if shape != (2, 2, 3) else (), difficulty=2)
    for shape in ((2, 3), (1, 3)):
        bias = np.where(_booleans(rng, *shape), normal(rng, *shape), -inf)
        yield Draw(_qkv(rng) | {"bias": bias}, flags=("SUPPORT_EDGE",), difficulty=2)
    yield Draw(_qkv(rng) | {"bias": np.array([[-1e4, 2.0, -1e4], [-1e4, -1e4, -1e4]])}, flags=("LARGE_LOGITS",))
    arrays = _qkv(rng) | {"bias": normal(rng, 2, 3)}
    yield Draw(arrays, {"mask": _booleans(rng, 2, 3), "causal": False, "scale": 0.5}, difficulty=2)


def _aligned(rng: np.random.Generator) -> Iterator[Draw]:
    for n in (2, 3):
        yield Draw(_qkv(rng, lengths=(n, n)), {"causal": True})
    for lengths in ((2, 4), (1, 3), (2, 3)):
        for here, there in (("top_left", "bottom_right"), ("bottom_right", "top_left")):
            yield Draw(
                _qkv(rng, lengths=lengths),
                {"causal": True, "alignment": here},
                flags=("ALIGNMENT",),
                difficulty=2,
                alternatives={there: {"alignment": there}},
            )
    yield Draw(_qkv(rng, lengths=(4, 2)), {"causal": True}, flags=("ALIGNMENT",), difficulty=2)
    mask = np.array([[True, True, False], [True, False, True], [False, True, True]])
    yield Draw(_qkv(rng, lengths=(3, 3)), {"causal": True, "mask": mask, "empty_row": "zero"}, flags=("EMPTY_ROW",))
    mask = np.array([[True, False, True], [False, True, True], [True, True, False]])
    yield Draw(_qkv(rng, lengths=(3, 3)), {"causal": True, "mask": mask}, difficulty=2)


def _empty(rng: np.random.Generator) -> Iterator[Draw]:
    one_row = {"mask": np.array([[True, False, True], [False, False, False]])}
    for rule in RULES:
        rest: dict[str, Any] = {"alternatives": other_rules(rule), "difficulty": 3}
        flags = ("EMPTY_ROW", "FULLY_MASKED")
        chosen = {"empty_row": rule}
        yield Draw(_qkv(rng), chosen | one_row, flags, **rest)
        yield Draw(_qkv(rng, heads=(2, 1)), chosen | {"mask": np.zeros((2, 1, 1), dtype=bool)}, flags, **rest)
        bias = np.array([[-inf, -inf, -inf], [0.5, -inf, 0.25]])
        yield Draw(_qkv(rng) | {"bias": bias}, chosen, flags, **rest)
        late = {"causal": True, "alignment": "bottom_right"}
        yield Draw(_qkv(rng, lengths=(3, 2)), chosen | late, (*flags, "ALIGNMENT"), **rest)
        yield Draw(_qkv(rng, lengths=(2, 0)), chosen, ("EMPTY_ROW",), **rest)
    yield Draw(_qkv(rng), {"empty_row": "error", "mask": _booleans(rng, 2, 3)})
    yield Draw(_qkv(rng, lengths=(0, 3)), {"empty_row": "error"}, difficulty=2)


def _poisoned(rng: np.random.Generator) -> Iterator[Draw]:
    """Keys and values that no query attends to hold what must not leak."""
    for poison in (nan, inf, -inf):
        for constants, bias in (
            ({"mask": np.array([[True, False, True]])}, None),
            ({}, np.array([0.5, -inf, 0.25])),
            ({"causal": True}, None),
        ):
            j = 2 if "causal" in constants else 1
            arrays = _qkv(rng) | ({} if bias is None else {"bias": bias})
            for name in "kv":
                arrays[name][:, j] = poison
            yield Draw(arrays, constants, flags=("MASKED_NAN",), difficulty=4)
    arrays = _qkv(rng, heads=(2, 1))
    arrays["v"][:, 0] = nan
    arrays["k"][:, 0, 1] = inf
    mask = np.array([False, True, True])
    yield Draw(arrays, {"mask": mask, "softcap": 2.0}, flags=("GROUPED_HEADS", "MASKED_NAN"), difficulty=4)
    arrays = _qkv(rng) | {"bias": np.array([[nan, 0.5, 0.0]])}
    yield Draw(arrays, {"mask": mask}, flags=("MASKED_NAN",), difficulty=4)
    arrays = _qkv(rng)
    arrays["k"][:], arrays["v"][:] = nan, nan
    arrays["k"][:, 0], arrays["v"][:, 0] = 0.5, 1.5
    yield Draw(
        arrays,
        {"mask": np.array([[True, False, False], [False, False, False]]), "empty_row": "zero"},
        ("EMPTY_ROW", "MASKED_NAN"),
        difficulty=5,
    )


def _shaped(rng: np.random.Generator) -> Iterator[Draw]:
    for heads in ((2, 1), (4, 1), (4, 2), (2, 2)):
        flags = ("GROUPED_HEADS",) if heads[0] != heads[1] else ()
        yield Draw(_qkv(rng, heads, (2, 2)), flags=flags, difficulty=2)
    yield Draw(
        _qkv(rng, (4, 2), (1, 2)) | {"bias": normal(rng, 4, 1, 2)}, {"causal": False}, ("GROUPED_HEADS",), difficulty=3
    )
    for batches in (((2,), (2,), (2,)), ((2,), (1,), ()), ((2, 1), (2,), (1, 2))):
        arrays = {name: normal(rng, *batch, 1, n, 2) for name, batch, n in zip("qkv", batches, (2, 3, 3), strict=True)}
        yield Draw(arrays, flags=("BROADCAST",) if len(set(batches)) > 1 else (), difficulty=2)
    arrays = {name: normal(rng, 2, heads, n, 2) for name, heads, n in zip("qkv", (2, 1, 1), (2, 2, 2), strict=True)}
    mask = _booleans(rng, 2, 1, 1, 2)
    yield Draw(arrays | {"bias": normal(rng, 2, 2, 2)}, {"mask": mask}, ("BROADCAST", "GROUPED_HEADS"), difficulty=3)


def _long(rng: np.random.Generator) -> Iterator[Draw]:
    """More keys than a tile holds; the scores rise, fall, or neither, as what is summed by then is scaled anew."""
    for keys in (65, 130):
        for by in (lambda k: np.argsort(k), lambda k: np.argsort(-k), lambda k: np.arange(k.size)):
            given = _qkv(rng, lengths=(2, keys))
            given["k"] = given["k"][:, by(given["k"][0, :, 0])]
            yield Draw(given | {"q": np.abs(given["q"]) * [6.0, 0.25]}, difficulty=2)


def _options(rng: np.random.Generator) -> Iterator[Draw]:
    for window in ((0, 0), (1, 0), (1, 1), (None, 1), (1, None), (0, 2)):
        yield Draw(_qkv(rng, lengths=(3, 3)), {"window": window}, difficulty=2)
    for causal in (False, True):
        constants = {"window": (1, 1), "causal": causal}
        yield Draw(_qkv(rng, lengths=(2, 4)), constants | {"alignment": "bottom_right"}, ("ALIGNMENT",), difficulty=3)
    for cap in (0.5, 2.0, 50.0):
        yield Draw(_qkv(rng, size=2.0), {"softcap": cap}, difficulty=2)
    for cap in (1.0, 30.0):  # tanh near its bounds, where 1 - tanh^2 cancels
        yield Draw(_qkv(rng, size=12.0), {"softcap": cap}, ("SATURATION", "CANCELLATION"), difficulty=4)
    bias = np.array([[0.5, -inf, 8.0], [-4.0, 0.25, -inf]])  # the cap comes before bias and masks
    yield Draw(_qkv(rng, size=3.0) | {"bias": bias}, {"softcap": 1.5}, ("SUPPORT_EDGE",), difficulty=3)
    yield Draw(_qkv(rng, size=3.0), {"softcap": 1.5, "causal": True}, difficulty=2)
    orders = {order: {"softcap_order": order} for order in ("before_bias", "after_bias")}
    for shape in ((2, 3), (3,), (2, 1), (2, 2, 3)):
        arrays = _qkv(rng, heads=(2, 2), size=2.0) | {"bias": normal(rng, *shape)}
        yield Draw(
            arrays, {"softcap": 1.5} | orders["after_bias"], (), 3, alternatives={"before_bias": orders["before_bias"]}
        )
    arrays, masked = _qkv(rng, size=3.0) | {"bias": bias}, {"mask": np.array([[True, True, False], [True, True, True]])}
    for order, other in (("before_bias", "after_bias"), ("after_bias", "before_bias")):
        constants = {"softcap": 1.5} | masked | orders[order]
        yield Draw(arrays, constants, ("SUPPORT_EDGE",), 4, alternatives={other: orders[other]})
    yield Draw(_qkv(rng) | {"bias": normal(rng, 2, 3)}, orders["after_bias"], (), 2)


def _padded(rng: np.random.Generator) -> Iterator[Draw]:
    """Queries that are padding: no rule for empty rows holds for them, and they may hold nan."""
    for shape in ((2,), (2, 2), (2, 1)):
        yield Draw(_qkv(rng, heads=(2, 2)), {"query_mask": _booleans(rng, *shape)}, difficulty=2)
    for rule in RULES:
        arrays = _qkv(rng, lengths=(3, 3))
        arrays["q"][:, 2] = nan
        mask = np.array([[True, True, False], [False, False, False], [True, False, True]])
        constants = {"mask": mask, "query_mask": np.array([True, True, False]), "empty_row": rule}
        flags = ("EMPTY_ROW", "MASKED_NAN")
        yield Draw(arrays, constants, flags, 4, alternatives=other_rules(rule))
    constants = {"mask": np.array([[True, False], [False, False]]), "query_mask": np.array([True, False])}
    yield Draw(_qkv(rng, lengths=(2, 2)), constants | {"empty_row": "error"}, ("EMPTY_ROW",), 3)


def _dropped(rng: np.random.Generator) -> Iterator[Draw]:
    for probability in (0.5, 0.75, 0.9):
        constants: dict[str, Any] = {"keep_mask": rng.random((2, 3)) < probability, "keep_probability": probability}
        yield Draw(_qkv(rng), constants, difficulty=2)
    constants = {"keep_mask": np.array([[False, False, False], [True, True, False]]), "keep_probability": 0.5}
    yield Draw(_qkv(rng), constants, difficulty=3)
    yield Draw(_qkv(rng, heads=(2, 1)), constants | {"causal": True}, ("GROUPED_HEADS",), difficulty=3)
    gap = _qkv(rng, lengths=(1, 3)) | {"q": np.array([[[30.0, 0.5]]]), "k": np.array([[[1.0, 0], [0, 1], [0.5, 1]]])}
    for dropped in (0, 1):
        keep = np.arange(3) != dropped
        yield Draw(gap, {"keep_mask": keep, "keep_probability": 0.75, "scale": 1.0}, ("CANCELLATION",), difficulty=4)
    for rule in RULES:
        constants = {"keep_mask": np.array([True, False, True]), "keep_probability": 0.5, "empty_row": rule}
        mask = np.array([[True, True, False], [False, False, False]])
        yield Draw(_qkv(rng), constants | {"mask": mask}, ("EMPTY_ROW",), 3, alternatives=other_rules(rule))
