"""Scores of pairs of queries and keys as the papers write them, and the cases that these mechanisms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import (
    RULES,
    average_of_row,
    booleans,
    is_stated,
    normal,
    other_rules,
    softmax_of,
    weights_of_row,
)
from validation.exact.number import Number, number, tanh


def dot(x: Any, y: Any) -> Any:
    return sum((a * b for a, b in zip(x, y, strict=True)), number(0))


def additive(q: Any, k: Any, w_query: Any, w_key: Any, w_score: Any, bias: Any = None) -> Number:
    """w . tanh(W_q q + W_k k + b) of one query and one key."""
    terms = []
    for i, w in enumerate(w_score):
        u = dot(w_query[i], q) + dot(w_key[i], k)
        terms.append(w * tanh(u if bias is None else u + bias[i]))
    return sum(terms, number(0))


def over_pairs(q: Any, k: Any, score: Callable[[Any, Any], Any]) -> Any:
    """The scores (..., Q, K)."""
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    q, k = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (q, k))
    result = np.empty((*batch, q.shape[-2], k.shape[-2]), dtype=object)
    for *b, i, j in np.ndindex(result.shape):
        result[(*b, i, j)] = score(q[(*b, i)], k[(*b, j)])
    return result


def attend(q: Any, k: Any, v: Any, score: Callable[[Any, Any], Any], mask: Any, empty_row: str) -> Any:
    """The softmax of the scores over the attended keys, times the values."""
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    q, k, v = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (q, k, v))
    rows, keys = (*batch, q.shape[-2]), k.shape[-2]
    mask = np.broadcast_to(True if mask is None else mask, (*rows, keys))
    result = np.empty((*rows, v.shape[-1]), dtype=object)
    for row in np.ndindex(rows):
        scores = {j: score(q[row], k[row[:-1]][j]) for j in range(keys) if mask[row][j]}
        scores = {j: s for j, s in scores.items() if not is_stated(s, -np.inf)}
        p = weights_of_row(scores, keys, empty_row, softmax_of, query=q[row])
        result[row] = average_of_row(p, scores, v[row[:-1]], empty_row, q[row])
    return result


def qkv_draws(rng: np.random.Generator, same_width: bool = False) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """q, k, v, constants and keywords of cases that every mechanism on queries, keys and values must meet."""

    def qkv(n: int = 2, m: int = 3, d: int = 2, e: int = 2, w: int = 2, size: float = 1.0, exact: bool = True) -> Any:
        e = d if same_width else e
        drawn = {"q": normal(rng, n, d, size=size, exact=exact), "k": normal(rng, m, e, size=size, exact=exact)}
        return drawn | {"v": normal(rng, m, w, exact=exact)}

    for n, m, d, e, w in (
        (1, 1, 1, 1, 1),
        (2, 3, 2, 3, 2),
        (3, 2, 3, 2, 1),
        (2, 4, 2, 2, 3),
        (3, 3, 1, 2, 2),
        (1, 3, 2, 1, 2),
    ):
        for _ in range(2):
            yield qkv(n, m, d, e, w), {}, {}
    for size in (0.01, 0.3, 1.0, 3.0, 10.0):
        yield qkv(size=size, exact=False), {}, {"difficulty": 2}
        yield qkv(size=size, exact=False), {}, {"difficulty": 2}
    for size in (30.0, 100.0, 1000.0):
        yield qkv(size=size), {}, {"flags": ("LARGE_LOGITS", "SATURATION"), "difficulty": 4}
    for level in (0.0, 1.0, 8.0):
        arrays = qkv()
        arrays["k"] = np.full_like(arrays["k"], level)
        yield arrays, {}, {"flags": ("TIE",), "difficulty": 3}
        arrays = qkv(2, 3)
        arrays["k"][1] = arrays["k"][2]
        yield arrays, {}, {"flags": ("TIE",), "difficulty": 2}
    for shape in ((2, 3), (1, 3), (3,), (2, 3)):
        yield qkv(), {"mask": booleans(rng, *shape)}, {"difficulty": 2}
    for i, poison in enumerate((np.nan, np.inf, -np.inf)):
        arrays = qkv()
        arrays["k"][1], arrays["v"][1] = poison, poison
        yield arrays, {"mask": np.array([True, False, True])}, {"flags": ("MASKED_NAN",), "difficulty": 4}
        arrays = qkv(2, 3)
        arrays["q"][1] = poison
        mask = np.array([[True, True, False], [False, False, False]])
        yield (
            arrays,
            {"mask": mask, "empty_row": ("zero", "mean")[i % 2]},
            {
                "flags": ("MASKED_NAN", "EMPTY_ROW"),
                "difficulty": 4,
            },
        )
    for rule in RULES:
        rest = {"flags": ("EMPTY_ROW", "FULLY_MASKED"), "difficulty": 3, "alternatives": other_rules(rule)}
        mask = np.array([[True, False, True], [False, False, False]])
        yield qkv(), {"empty_row": rule, "mask": mask}, rest
        yield qkv(), {"empty_row": rule, "mask": np.array([False])}, rest
        yield qkv(2, 0), {"empty_row": rule}, {"flags": ("EMPTY_ROW",), "difficulty": 3}
    yield qkv(), {"empty_row": "error"}, {}
    yield qkv(0, 2), {}, {"flags": ("EMPTY_ROW",)}
    for batches in (((2,), (2,), (2,)), ((2,), (1,), ()), ((), (), (2,)), ((2, 1), (2,), ())):
        arrays = {name: normal(rng, *batch, n, 2) for name, batch, n in zip("qkv", batches, (2, 2, 2), strict=True)}
        yield arrays, {}, {"flags": ("BROADCAST",), "difficulty": 2}
    arrays = {"q": normal(rng, 2, 2), "k": normal(rng, 2, 3, 2), "v": normal(rng, 3, 1)}
    yield arrays, {"mask": booleans(rng, 2, 1, 3)}, {"flags": ("BROADCAST",), "difficulty": 3}
