"""The loss of merged sums."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.losses.sharded import Sums
from validation.exact.draws import Draw, decades, short
from validation.exact.losses._rows import is_stated, reduce, undefined
from validation.exact.number import Number, exp, log, stated


def loss(merged: Sums, *, reduction: str) -> Any:
    """log(1 + T e^{M - z}).

    Source: goodfellow-2016, eq. 6.30
    """
    return reduce([_one(*row) for row in zip(*merged, strict=True)], reduction)


def _one(maximum: Number, total: Number, target: Number) -> Any:
    if any(is_stated(v, nan) for v in (maximum, total, target)) or total < 0:
        return undefined(maximum, total, target)
    if is_stated(target, -inf):
        return stated(inf, (maximum, 1.0), (total, 1 / total), (target, -1.0))
    if is_stated(maximum, -inf):
        return Number(0)
    return log(1 + total * exp(maximum - target))


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(maximum: Any, total: Any, target: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        names = ("merged.maximum", "merged.total", "merged.target")
        values = (np.asarray(v, dtype=float) for v in (maximum, total, target))
        return Draw(dict(zip(names, values, strict=True)), {"reduction": reduction}, **keywords)

    reductions = ("mean", "sum", "none")
    for i in range(36):
        n = int(rng.integers(1, 5))
        yield draw(
            short(rng.normal(size=n) * 8),
            short(rng.uniform(1, 9, size=n)),
            short(rng.normal(size=n) * 8),
            reductions[i % 3],
        )
    for i in range(12):
        far = decades(rng, 20, 300)
        flags = ("SATURATION",) if i % 2 else ("LARGE_LOGITS", "OVERFLOW_F16")
        yield draw([-far if i % 2 else far, 0.0], [1.5, decades(rng, 1, 1e6)], [far / 2, 0.5], "none", flags=flags)
    for i in range(9):
        gap = (1e-3, 1e-9, 1e-14)[i % 3]
        yield draw([1.0 + gap, 64.0 - gap], [1.0, 1.0 + gap], [1.0, 64.0], reductions[i // 3], flags=("CANCELLATION",))
    for reduction in reductions:
        yield draw([-inf, 1.0], [0.0, 2.0], [3.0, 1.5], reduction, flags=("EMPTY_ROW",))
        yield draw([1.0, 1.0], [0.0, 2.0], [3.0, 1.5], reduction, flags=("SATURATION",))
        result = "ambiguous" if reduction == "mean" else "required"
        yield draw([], [], [], reduction, flags=("EMPTY_ROW",), result=result)
    yield draw([0.5, 1.0], [1.0, 2.0], [-inf, 1.5], "none", flags=("SATURATION",))
    yield draw([0.5, 1.0], [-1.0, 2.0], [1.0, 1.5], "none", result="invalid")
    yield draw([nan, 1.0], [1.0, 2.0], [1.0, 1.5], "none", result="invalid")
