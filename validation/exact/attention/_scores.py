"""Weights of given scores as they are defined, and the cases that all mechanisms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import short
from validation.exact.number import Number, exp, number, stated

RULES: dict[str, dict[str, Any]] = {rule: {"empty_row": rule} for rule in ("zero", "nan", "mean")}


def other_rules(rule: str) -> dict[str, Any]:
    return {name: change for name, change in RULES.items() if name != rule}


def seen(queries: int, keys: int, place: int = 0, causal: bool = False, window: Any = None) -> np.ndarray:
    """(Q, K), True where causality and window allow it: query i stands at key i + place."""
    left, right = window or (None, None)

    def sees(at: int, j: int) -> bool:
        behind, ahead = left is None or j >= at - left, right is None or j <= at + right
        return behind and ahead and not (causal and j > at)

    found = [sees(i + place, j) for i in range(queries) for j in range(keys)]
    return np.array(found, dtype=bool).reshape(queries, keys)


def is_stated(z: Any, *values: float) -> bool:
    """Whether a number is one of these infinities or nan."""
    z = number(z)
    return z.stated and any(float(z) == v or (v != v and float(z) != float(z)) for v in values)


def undefined(*parents: Any) -> Number:
    """nan, with derivative nan to everything that it depends on."""
    return stated(nan, *((parent, nan) for parent in parents))


def weights_of_row(
    scores: dict[int, Any],
    keys: int,
    empty_row: str,
    weigh: Callable[[dict[int, Any]], dict[int, Any]],
    also: Any = (),
    query: Any = (),
) -> list[Number]:
    """The weights of all keys from the attended scores by key.

    A row that a score makes undefined is so in the scores and in ``also``, an empty row by its rule in ``query``.
    """
    attended = {j: s for j, s in scores.items() if not is_stated(s, -inf)}
    if not attended:
        return [{"zero": number(0), "nan": undefined(*query), "mean": number(1) / max(keys, 1)}[empty_row]] * keys
    if any(is_stated(s, inf, nan) for s in attended.values()):
        found: dict[int, Any] = dict.fromkeys(attended, undefined(*attended.values(), *also))
    else:
        found = weigh(attended)
    return [found.get(j, number(0)) for j in range(keys)]


def softmax_of(scores: dict[int, Any]) -> dict[int, Any]:
    e = {j: exp(s) for j, s in scores.items()}
    total = sum(e.values(), number(0))
    return {j: x / total for j, x in e.items()}


def over_rows(z: Any, mask: Any, empty_row: str, weigh: Callable[..., dict[int, Any]], *of_row: Any) -> Any:
    """Weights of scores (..., K); ``of_row`` are further arguments of ``weigh``, one for each row."""
    attend = np.broadcast_to(True if mask is None else mask, z.shape)
    of_row = tuple(np.broadcast_to(np.asarray(a, dtype=object), z.shape[:-1]) for a in of_row)
    result = np.empty(z.shape, dtype=object)
    for row in np.ndindex(z.shape[:-1]):
        scores = {j: z[row][j] for j in range(z.shape[-1]) if attend[row][j]}
        own = [a[row] for a in of_row]
        found = weights_of_row(scores, z.shape[-1], empty_row, lambda s, own=own: weigh(s, *own), own)
        for j, p in enumerate(found):
            result[(*row, j)] = p
    return result


def average_of_row(weights: list[Any], attended: dict[int, Any], v: Any, empty_row: str, query: Any = ()) -> list[Any]:
    """The values (K, V) averaged over what enters: attended keys, or all of them for the mean of an empty row."""
    entering = list(attended) or (list(range(len(weights))) if empty_row == "mean" else [])
    if not entering:
        nothing = {"zero": number(0), "nan": undefined(*query), "mean": stated(nan)}[empty_row]
        return [nothing] * v.shape[-1]
    if any(weights[j].stated for j in entering):
        return [undefined(*(p for j in entering for p in (weights[j], v[j, d]))) for d in range(v.shape[-1])]
    return [sum((weights[j] * v[j, d] for j in entering), number(0)) for d in range(v.shape[-1])]


def booleans(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random, with something True in every row."""
    drawn = rng.random(shape) < 0.6
    return drawn | (np.arange(shape[-1]) == rng.integers(shape[-1], size=(*shape[:-1], 1)))


def normal(rng: np.random.Generator, *shape: int, size: float = 1.0, exact: bool = True) -> np.ndarray:
    a = size * rng.normal(size=shape)
    return np.asarray(short(a, 6) if exact else a)


def row_draws(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, dict[str, Any], dict[str, Any]]]:
    """Scores, constants and keywords of cases that every function from scores to weights must meet."""
    for shape in ((3,), (2, 3), (2, 1, 4), (5,), (1,), (3, 2)):
        for size in (0.3, 1.0, 3.0):
            yield normal(rng, *shape, size=size), {}, {}
    for size in (1e-9, 1e-3, 0.1, 1.0, 10.0):
        yield normal(rng, 2, 4, size=size, exact=False), {}, {"difficulty": 2}
    for size in (30.0, 1e3, 1e5):
        yield normal(rng, 2, 3, size=size), {}, {"flags": ("LARGE_LOGITS",), "difficulty": 3}
        yield size + normal(rng, 2, 3), {}, {"flags": ("LARGE_LOGITS",), "difficulty": 3}
        yield -size + normal(rng, 2, 3, exact=False), {}, {"flags": ("LARGE_LOGITS",), "difficulty": 4}
    for level in (0.0, 0.5, -3.0, 64.0, 1e4):
        yield np.full(3, level), {}, {"flags": ("TIE",), "difficulty": 2}
        yield np.array([level, level - 0.25, level]), {}, {"flags": ("TIE",), "difficulty": 2}
    for gap in (0.9, 5.0, 20.0, 36.0, 40.0, 300.0, 800.0):
        yield np.array([gap, 0.0, -0.5]), {}, {"flags": ("SATURATION", "CANCELLATION"), "difficulty": 4}
    for shape in ((2, 3), (3,), (1, 3), (2, 1)):
        yield normal(rng, 2, 3), {"mask": booleans(rng, *shape)}, {"difficulty": 2}
    for poison in (nan, inf, -inf, 1e300):
        z, mask = normal(rng, 2, 3), np.array([[True, False, True], [False, True, True]])
        yield np.where(mask, z, poison), {"mask": mask}, {"flags": ("MASKED_NAN",), "difficulty": 4}
    z = normal(rng, 2, 3)
    z[0, 1] = z[1, 2] = z[1, 0] = -inf
    yield z, {}, {"flags": ("SUPPORT_EDGE",), "difficulty": 2}
    for rule in RULES:
        rest = {"flags": ("EMPTY_ROW", "FULLY_MASKED"), "difficulty": 3, "alternatives": other_rules(rule)}
        yield normal(rng, 2, 3), {"empty_row": rule, "mask": np.array([[True] * 3, [False] * 3])}, rest
        yield np.array([[0.5, 1.0], [-inf, -inf]]), {"empty_row": rule}, rest
        yield (
            np.array([[nan, 1.0], [0.5, nan]]),
            {"empty_row": rule, "mask": np.array([[False], [True]]) & [True, False]},
            rest,
        )
    yield np.zeros((2, 0)), {}, {"flags": ("EMPTY_ROW",)}
    yield normal(rng, 2, 3), {"empty_row": "error"}, {}
    for bad in (nan, inf):
        z = normal(rng, 2, 3)
        z[1, 1] = bad
        yield z, {}, {"result": "invalid"}
