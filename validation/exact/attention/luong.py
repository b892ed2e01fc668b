"""Luong's scores, location weights and context as the paper writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._alignment import additive, attend, dot, over_pairs, qkv_draws
from validation.exact.attention._scores import RULES, booleans, normal, other_rules, softmax_of, weights_of_row
from validation.exact.draws import Draw


def score_dot(q: Any, k: Any) -> Any:
    """q_i . k_j.

    Source: luong-2015, section 3.1
    """
    return over_pairs(q, k, dot)


def score_general(q: Any, k: Any, weight: Any) -> Any:
    """q_i . (W k_j).

    Source: luong-2015, section 3.1
    """
    return over_pairs(q, k, lambda x, y: _general(x, y, weight))


def score_concat(q: Any, k: Any, weight: Any, w_score: Any) -> Any:
    """w . tanh(W [q_i; k_j]).

    Source: luong-2015, section 3.1
    """
    return over_pairs(q, k, lambda x, y: _concat(x, y, weight, w_score))


def location_weights(q: Any, weight: Any, *, mask: Any = None, empty_row: str = "zero") -> Any:
    """softmax_j(w_j . q_i) over the attended positions j.

    Source: luong-2015, section 3.1
    """
    shape = (*q.shape[:-1], len(weight))
    mask = np.broadcast_to(True if mask is None else mask, shape)
    result = np.empty(shape, dtype=object)
    for row in np.ndindex(shape[:-1]):
        scores = {j: dot(weight[j], q[row]) for j in range(len(weight)) if mask[row][j]}
        result[row] = weights_of_row(scores, len(weight), empty_row, softmax_of, query=q[row])
    return result


def attention(
    q: Any,
    k: Any,
    v: Any,
    weight: Any = None,
    w_score: Any = None,
    *,
    score: str = "dot",
    mask: Any = None,
    empty_row: str = "zero",
) -> Any:
    """sum_j softmax_j(S_ij) v_j.

    Source: luong-2015, section 3.1, eq. 7
    """
    scores = {
        "dot": dot,
        "general": lambda x, y: _general(x, y, weight),
        "concat": lambda x, y: _concat(x, y, weight, w_score),
    }
    return attend(q, k, v, scores[score], mask, empty_row)


def _general(x: Any, y: Any, weight: Any) -> Any:
    return dot(x, [dot(row, y) for row in weight])


def _concat(x: Any, y: Any, weight: Any, w_score: Any) -> Any:
    return additive(x, y, weight[:, : len(x)], weight[:, len(x) :], w_score)


def _weights(rng: np.random.Generator, score: str, d: int, e: int, size: int = 2) -> dict[str, Any]:
    if score == "general":
        return {"weight": normal(rng, d, e)}
    return {"weight": normal(rng, size, d + e), "w_score": normal(rng, size)} if score == "concat" else {}


def _score_draws(rng: np.random.Generator, score: str) -> Iterator[Draw]:
    for i, shape in enumerate(((1, 1, 1, 1), (2, 3, 2, 3), (3, 2, 3, 2), (2, 4, 2, 2), (1, 3, 1, 2)) * 6):
        n, m, d, e = shape
        e = d if score == "dot" else e
        q, k = normal(rng, n, d, exact=i < 15), normal(rng, m, e, exact=i < 15)
        yield Draw({"q": q, "k": k} | _weights(rng, score, d, e, 1 + i % 3), difficulty=1 + (i > 14))
    for size in (1e-3, 0.1, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4):
        for flags in (("LARGE_LOGITS", "OVERFLOW_F16") if size > 200 else (), ("SATURATION",)):
            q, k = normal(rng, 2, 2, size=size), normal(rng, 3, 2, size=1.0 if flags == ("SATURATION",) else size)
            yield Draw({"q": q, "k": k} | _weights(rng, score, 2, 2), flags=flags, difficulty=3)
    for i, gap in enumerate((1e-3, 1e-8, 1e-14, 0.0) * 2):  # products that cancel
        q, k = np.array([[1.5, 1.5 + gap * (i // 4)]]), np.array([[1.25, -1.25 + gap], [0.5, -0.5 - gap]])
        yield Draw({"q": q, "k": k} | _weights(rng, score, 2, 2), flags=("CANCELLATION",), difficulty=3)
    for batches in (((2,), (2,)), ((2,), ()), ((), (2,)), ((2, 1), (3,)), ((1,), (2,)), ((1, 2), (2, 1))):
        q, k = (normal(rng, *batch, 2, 2) for batch in batches)
        yield Draw({"q": q, "k": k} | _weights(rng, score, 2, 2), flags=("BROADCAST",), difficulty=2)
    for n, m in ((0, 2), (2, 0), (0, 0)):
        yield Draw({"q": np.zeros((n, 2)), "k": np.zeros((m, 2))} | _weights(rng, score, 2, 2), flags=("EMPTY_ROW",))
    for axis in (0, 1):
        q, k = normal(rng, 2, 2), normal(rng, 3, 2)
        (q, k)[axis][0] = 0
        yield Draw({"q": q, "k": k} | _weights(rng, score, 2, 2), flags=("TIE",))


def draw_score_dot(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _score_draws(rng, "dot")


def draw_score_general(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _score_draws(rng, "general")


def draw_score_concat(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _score_draws(rng, "concat")


def draw_location_weights(rng: np.random.Generator) -> Iterator[Draw]:
    for n, m, d in ((1, 1, 1), (2, 3, 2), (3, 2, 3), (2, 4, 2)) * 5:
        yield Draw({"q": normal(rng, n, d), "weight": normal(rng, m, d)})
    for size in (0.01, 0.3, 1.0, 3.0, 10.0):
        for _ in range(3):
            arrays = {"q": normal(rng, 2, 2, size=size, exact=False), "weight": normal(rng, 3, 2, size=size)}
            yield Draw(arrays, difficulty=2)
    for size in (30.0, 100.0, 1e3):
        arrays = {"q": normal(rng, 2, 2, size=size), "weight": normal(rng, 3, 2, size=size)}
        yield Draw(arrays, flags=("LARGE_LOGITS",), difficulty=3)
    for row in (0, 1, 2):
        arrays = {"q": normal(rng, 2, 2), "weight": normal(rng, 3, 2)}
        arrays["weight"][:] = arrays["weight"][row]
        yield Draw(arrays, flags=("TIE",), difficulty=3)
    for gap in (5.0, 20.0, 40.0, 300.0):
        arrays = {"q": np.array([[gap, 0.5]]), "weight": np.array([[1.0, 0.25], [0.0, 1.0], [-0.5, 0.75]])}
        yield Draw(arrays, flags=("SATURATION", "CANCELLATION"), difficulty=4)
    for shape in ((2, 3), (3,), (1, 3)) * 2:  # sentences shorter than the table
        yield Draw({"q": normal(rng, 2, 2), "weight": normal(rng, 3, 2)}, {"mask": booleans(rng, *shape)}, difficulty=2)
    for poison in (np.nan, np.inf, -np.inf):
        arrays = {"q": normal(rng, 2, 2), "weight": normal(rng, 3, 2)}
        arrays["weight"][1] = poison
        yield Draw(arrays, {"mask": np.array([True, False, True])}, ("MASKED_NAN",), 4)
    for rule in RULES:
        mask = np.array([[True, False, True], [False, False, False]])
        arrays = {"q": normal(rng, 2, 2), "weight": normal(rng, 3, 2)}
        flags = ("EMPTY_ROW", "FULLY_MASKED")
        yield Draw(arrays, {"mask": mask, "empty_row": rule}, flags, 3, alternatives=other_rules(rule))
    for shape in ((2, 2, 2), (2, 1, 2), (0, 2), (3, 1, 1, 2)):
        yield Draw({"q": normal(rng, *shape), "weight": normal(rng, 3, 2)}, flags=("BROADCAST",))
    yield Draw({"q": normal(rng, 2, 2), "weight": normal(rng, 3, 2)}, {"empty_row": "error"})


def draw_attention(rng: np.random.Generator) -> Iterator[Draw]:
    for same in (True, False):
        for i, (arrays, constants, keywords) in enumerate(qkv_draws(rng, same)):
            if same and i % 2:
                continue
            score = "dot" if same else ("general", "concat")[i % 2]
            own = _weights(rng, score, arrays["q"].shape[-1], arrays["k"].shape[-1], 1 + i % 3)
            yield Draw(arrays | own, constants | {"score": score}, **keywords)
