"""Relative positions as the papers write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import normal
from validation.exact.draws import Draw
from validation.exact.number import number

ALIGNMENTS = ("top_left", "bottom_right")


def _away(i: int, j: int, queries: int, keys: int, alignment: str) -> int:
    return j - i - (keys - queries if alignment == "bottom_right" else 0)


def shaw_scores(q: Any, table: Any, *, keys: int, alignment: str = "top_left") -> Any:
    """q_i . a_clip(j - i).

    Source: shaw-2018, eq. 4 and eq. 5
    """
    result, k = np.empty((*q.shape[:-1], keys), dtype=object), len(table) // 2
    for *b, i, j in np.ndindex(result.shape):
        vector = table[k + max(-k, min(k, _away(i, j, q.shape[-2], keys, alignment)))]
        result[(*b, i, j)] = sum((x * a for x, a in zip(q[(*b, i)], vector, strict=True)), number(0))
    return result


def shaw_values(weights: Any, table: Any, *, alignment: str = "top_left") -> Any:
    """sum_j P_ij a_clip(j - i).

    Source: shaw-2018, eq. 3
    """
    result, k = np.empty((*weights.shape[:-1], table.shape[-1]), dtype=object), len(table) // 2
    queries, keys = weights.shape[-2:]
    for *b, i, d in np.ndindex(result.shape):
        places = [k + max(-k, min(k, _away(i, j, queries, keys, alignment))) for j in range(keys)]
        result[(*b, i, d)] = sum((weights[(*b, i, j)] * table[r, d] for j, r in enumerate(places)), number(0))
    return result


def t5_bias(
    table: Any,
    *,
    queries: int,
    keys: int,
    bidirectional: bool = True,
    max_distance: int = 128,
    alignment: str = "top_left",
) -> Any:
    """The row of the table for the bucket of j - i.

    Source: raffel-2020, section 2.1
    """
    result = np.empty((table.shape[1], queries, keys), dtype=object)
    for h, i, j in np.ndindex(result.shape):
        away = _away(i, j, queries, keys, alignment)
        result[h, i, j] = table[_bucket(away, len(table), bidirectional, max_distance), h] + number(0)
    return result


def _bucket(away: int, buckets: int, bidirectional: bool, max_distance: int) -> int:
    side = buckets // 2 if bidirectional else buckets
    first = side if bidirectional and away > 0 else 0
    n, exact = (abs(away) if bidirectional else max(-away, 0)), side // 2
    if n < exact:
        return first + n
    # floor(s log(n / e) / log(M / e)) is the largest k with (n / e)^s >= (M / e)^k
    s, k = side - exact, 0
    while k < s - 1 and n**s * exact ** (k + 1) >= max_distance ** (k + 1) * exact**s:
        k += 1
    return first + exact + k


def _shaw_draws(rng: np.random.Generator, shape_of: Any, name: str, constants_of: Any) -> Iterator[Draw]:
    """Lengths up to 5, tables that clip none, some or all distances."""
    shapes = ((1, 1), (2, 3), (3, 3), (2, 5), (4, 2), (5, 1), (1, 4), (3, 4))
    for i in range(48):
        (queries, keys), rows, width = shapes[i % 8], (1, 3, 5, 9)[i // 8 % 4], 1 + i % 3
        alignment = ALIGNMENTS[i // 2 % 2]
        arrays = {name: normal(rng, *shape_of(queries, keys, width), exact=i < 24)}
        arrays |= {"table": normal(rng, rows, width, exact=i < 24)}
        constants = constants_of(keys) | {"alignment": alignment}
        if queries != keys:
            other = ALIGNMENTS[(i // 2 + 1) % 2]
            change = {other: {"alignment": other}}
            yield Draw(arrays, constants, ("ALIGNMENT",), 2, alternatives=change)
        else:
            yield Draw(arrays, constants)
    for size in (1e-3, 30.0, 1e3, 1e150, 1e-150):
        arrays = {name: size * normal(rng, *shape_of(2, 3, 2)), "table": normal(rng, 3, 2)}
        yield Draw(arrays, constants_of(3), ("OVERFLOW_F32",) if size > 1e40 else (), 3)
    for gap in (1e-3, 1e-9, 1e-15, 0.0):
        table = np.array([[1.0, -1.0 + gap], [0.5, 0.5], [-1.0, 1.0 + gap]])
        yield Draw({name: np.full(shape_of(2, 3, 2), 1.5), "table": table}, constants_of(3), ("CANCELLATION",), 3)
    for batch in ((2,), (2, 1), (1, 2), (3,), (0,)):
        arrays = {name: normal(rng, *batch, *shape_of(2, 3, 2)), "table": normal(rng, 3, 2)}
        yield Draw(arrays, constants_of(3), ("BROADCAST",), 2)
    for queries, keys in ((0, 2), (2, 0)):
        arrays = {name: normal(rng, *shape_of(queries, keys, 2)), "table": normal(rng, 3, 2)}
        yield Draw(arrays, constants_of(keys), ("EMPTY_ROW",), 2)


def draw_shaw_scores(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _shaw_draws(rng, lambda n, m, d: (n, d), "q", lambda keys: {"keys": keys})


def draw_shaw_values(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _shaw_draws(rng, lambda n, m, d: (n, m), "weights", lambda keys: {})


def draw_t5_bias(rng: np.random.Generator) -> Iterator[Draw]:
    shapes = ((1, 1), (2, 3), (3, 3), (2, 5), (4, 2), (5, 1), (1, 6), (3, 4))
    for i in range(48):
        queries, keys = shapes[i % 8]
        bidirectional = i // 2 % 2 == 0
        constants: dict[str, Any] = {"queries": queries, "keys": keys, "bidirectional": bidirectional}
        constants |= {"max_distance": (5, 8, 128)[i % 3], "alignment": ALIGNMENTS[i // 4 % 2]}
        flags = ("ALIGNMENT",) if queries != keys else ()
        other = {} if queries == keys else {"other": {"alignment": ALIGNMENTS[(i // 4 + 1) % 2]}}
        table = normal(rng, (4, 8)[i // 3 % 2], 1 + i % 2, exact=i < 24)
        yield Draw({"table": table}, constants, flags, 1 + i // 16, alternatives=other)
    # the ranges by logarithm and their ends, 16, 32, 64, 128 for 32 buckets on both sides
    for queries, keys in ((1, 20), (20, 1), (1, 66), (66, 1), (1, 140), (140, 1)):
        for bidirectional in (False, True):
            constants = {"queries": queries, "keys": keys, "bidirectional": bidirectional}
            yield Draw({"table": normal(rng, 32, 1)}, constants, ("WRONG_BRANCH",), 4)
    for size in (1e-300, 1e300, 5e-324):
        flags = ("OVERFLOW_F32",) if size > 1 else ("SUBNORMAL",)
        yield Draw({"table": size * np.ones((4, 2))}, {"queries": 2, "keys": 2}, flags, 3)
    for queries, keys in ((0, 2), (2, 0)):
        yield Draw({"table": normal(rng, 4, 2)}, {"queries": queries, "keys": keys}, ("EMPTY_ROW",), 2)
