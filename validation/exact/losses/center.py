"""The center loss and its update as the paper writes them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._rows import reduce, undefined
from validation.exact.number import Number, number

REDUCTIONS = ("sum", "mean", "none")
RULES = ("paper", "autograd", "ema")


def loss(x: Any, centers: Any, labels: Any, *, half_factor: bool, reduction: str) -> Any:
    """(1/2) sum_i |x_i - c_{y_i}|^2.

    Source: wen-2016, eq. 2
    """
    losses = [
        ((x[i] - centers[y]) * (x[i] - centers[y])).sum() / (2 if half_factor else 1) for i, y in enumerate(labels)
    ]
    if any(v.stated for v in losses):
        if reduction != "none":
            return undefined(*(v for i, y in enumerate(labels) for row in (x[i], centers[y]) for v in row))
        losses = [undefined(*x[i], *centers[labels[i]]) if v.stated else v for i, v in enumerate(losses)]
    return reduce(losses, reduction)


def update(x: Any, centers: Any, labels: Any, *, alpha: float, rule: str, after_each: bool = False) -> Any:
    """c_j - alpha sum_i [y_i = j] (c_j - x_i) / (1 + sum_i [y_i = j]).

    Source: wen-2016, eq. 4
    """
    moved = np.empty(centers.shape, dtype=object)
    for j, k in np.ndindex(moved.shape):
        rows = [x[i, k] for i, y in enumerate(labels) if y == j]
        count = {"paper": 1 + len(rows), "autograd": 1, "ema": max(len(rows), 1)}[rule]
        step = sum((centers[j, k] - v for v in rows), Number(0)) / count
        if after_each:
            here = centers[j, k]
            for v in rows:
                here = here - number(alpha) * (here - v)
            moved[j, k] = here
        elif not step.stated:
            moved[j, k] = centers[j, k] - number(alpha) * step
        else:
            moved[j, k] = undefined(centers[j, k])
    return moved


one_by_one = partial(update, after_each=True)
"""The rows move their center one after another."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, centers: Any, labels: Any, reduction: str = "sum", half: bool = True, **keywords: Any) -> Draw:
        arguments = {"x": x, "centers": centers, "labels": np.array(labels, dtype=np.int64)}
        return Draw(arguments, {"half_factor": half, "reduction": reduction}, **keywords)

    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for i in range(36):
        n, c, d = rng.integers(1, 6, size=3)
        yield draw(vectors(n, d), vectors(c, d), rng.integers(c, size=n), REDUCTIONS[i % 3], i // 3 % 2 == 0)
    for i in range(12):
        x, c = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
        size = decades(rng, 1e-6, 1e6)
        yield draw(x * size, c, [0, 1, 1], REDUCTIONS[i % 3], i // 3 % 2 == 0, difficulty=2)
    for gap in (1e-3, 1e-8, 1e-13):  # almost at the center
        c = rng.normal(size=(2, 3))
        x = c[[0, 1, 1]] + gap * rng.normal(size=(3, 3))
        for half in (True, False):
            yield draw(x, c, [0, 1, 1], "sum", half, flags=("CANCELLATION",), difficulty=3)
    c = vectors(2, 3)
    for reduction in REDUCTIONS:
        yield draw(c[[1, 0, 1]], c, [1, 0, 1], reduction, flags=("ZERO_DISTANCE",))
        for half in (True, False):
            yield draw(vectors(2, 3), vectors(4, 3), [3, 3], reduction, half, flags=("EMPTY_ROW",))
    for size in (1e-150, 1e25, 1e150):
        x, c = size * rng.normal(size=(2, 2)), size * rng.normal(size=(2, 2))
        yield draw(x, c, [0, 1], flags=("OVERFLOW_F32",), difficulty=3)
    for reduction in REDUCTIONS:
        result = "ambiguous" if reduction == "mean" else "required"
        yield draw(np.zeros((0, 2)), vectors(2, 2), [], reduction, flags=("EMPTY_ROW",), result=result)
    x = vectors(3, 2)
    x[1, 0] = np.nan
    yield draw(x, vectors(2, 2), [0, 1, 0], "none", result="invalid")


def draw_update(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, centers: Any, labels: Any, rule: str = "paper", alpha: float = 0.5, **keywords: Any) -> Draw:
        arguments = {"x": x, "centers": centers, "labels": np.array(labels, dtype=np.int64)}
        return Draw(arguments, {"alpha": alpha, "rule": rule}, **keywords)

    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for i in range(42):
        n, c, d = rng.integers(1, 6), rng.integers(1, 4), rng.integers(1, 4)
        alpha = (0.5, 1.0, 0.05, short(float(rng.uniform())))[i % 4]
        yield draw(vectors(n, d), vectors(c, d), rng.integers(c, size=n), RULES[i % 3], alpha)
    for i in range(12):
        size = decades(rng, 1e-6, 1e6)
        yield draw(rng.normal(size=(3, 2)) * size, rng.normal(size=(2, 2)), [0, 1, 1], RULES[i % 3], difficulty=2)
    for rule in RULES:
        for alpha in (0.0, 0.25, 1.0):
            yield draw(vectors(3, 2), vectors(3, 2), [2, 2, 2], rule, alpha, flags=("EMPTY_ROW",))
        yield draw(np.zeros((0, 2)), vectors(2, 2), [], rule, flags=("EMPTY_ROW",))
        c = rng.normal(size=(2, 2))
        yield draw(c[[0, 0]] + 1e-12 * rng.normal(size=(2, 2)), c, [0, 0], rule, flags=("CANCELLATION",), difficulty=3)
        x = vectors(4, 2)
        order = {"one_by_one": one_by_one}
        yield draw(
            x,
            vectors(2, 2),
            [0, 0, 1, 0],
            rule,
            0.5,
            result="ambiguous",
            flags=("AMBIGUOUS_CONVENTION",),
            alternatives=order,
        )
