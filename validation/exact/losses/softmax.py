"""Softmax cross-entropy as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._rows import is_stated, minus_log_softmax, reduce, undefined
from validation.exact.number import Number, stated

REDUCTIONS = ("mean", "sum", "none")


def loss(logits: Any, labels: Any, *, reduction: str = "mean") -> Any:
    """-log(e^{z_y} / sum_j e^{z_j}), reduced over the rows.

    Source: goodfellow-2016, eq. 6.30
    """
    return reduce([minus_log_softmax(z, y) for z, y in zip(logits, labels, strict=True)], reduction)


def cross_entropy(logits: Any, target_probabilities: Any, *, reduction: str = "mean") -> Any:
    """-sum_j t_j log(e^{z_j} / sum_k e^{z_k}), reduced over the rows.

    Source: goodfellow-2016, eq. 3.51
    """
    return reduce([_row(z, t) for z, t in zip(logits, target_probabilities, strict=True)], reduction)


def _row(z: Any, t: Any) -> Any:
    if any(not v >= 0 for v in t):
        return undefined(*z, *t)
    minus_log = [minus_log_softmax(z, j) for j in range(len(z))]
    if any(is_stated(v, nan) for v in minus_log):
        return undefined(*z, *t)
    zero = [t[j] == 0 and is_stated(minus_log[j], inf) for j in range(len(z))]
    # 0 * inf: the limit is 0, with slope inf in t and 0 in z
    return sum((stated(0.0, (t[j], inf)) if zero[j] else t[j] * minus_log[j] for j in range(len(z))), Number(0))


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(z: Any, labels: Any = None, reduction: str = "mean", **keywords: Any) -> Draw:
        z = np.asarray(z, dtype=np.float64)
        labels = rng.integers(z.shape[1], size=z.shape[0]) if labels is None else np.array(labels, dtype=np.int64)
        return Draw({"logits": z, "labels": labels}, {"reduction": reduction}, **keywords)

    for i, (n, c) in enumerate(rng.integers(1, 6, size=(36, 2))):
        yield draw(short(rng.normal(size=(n, c)) * decades(rng, 0.1, 10)), reduction=REDUCTIONS[i % 3])
    for i in range(12):
        yield draw(rng.normal(size=(2, 4)) * decades(rng, 1e-8, 1e2), reduction=REDUCTIONS[i % 3], difficulty=2)
    for gap in (5.0, 20.0, 36.0, 37.0, 40.0, 100.0, 700.0):  # confident: 1 - p has no digits left
        z = np.array([[gap, 0.25, -0.5], [0.5, gap, 1.0]])
        yield draw(z, [0, 1], "none", flags=("SATURATION", "CANCELLATION", "OVERFLOW_F16"), difficulty=3)
    for gap in (20.0, 88.75, 710.0, 1000.0, 1e5, 1e300):  # confidently wrong
        flags = ("LARGE_LOGITS", "OVERFLOW_F16") + (("OVERFLOW_F32",) if gap > 88 else ())
        yield draw([[gap, 0.5, -gap], [0.0, gap, 2.0]], [1, 2], "sum" if gap < 1e6 else "none", flags=flags)
    for shift in (1e3, 1e6, -1e6, 1e15):
        z = shift + short(rng.normal(size=(2, 3)), 4)
        yield draw(z, flags=("LARGE_LOGITS",), difficulty=3)
    yield draw([[2.0, 2.0, 2.0], [0.0, 1.0, 1.0]], [1, 2], flags=("TIE",))
    yield draw([[3.5], [-2.0]], [0, 0], "none", flags=("SATURATION",))
    yield draw(np.zeros((0, 3)), [], "mean", flags=("EMPTY_ROW",), result="ambiguous")
    yield draw(np.zeros((0, 3)), [], "sum", flags=("EMPTY_ROW",))
    yield draw(np.zeros((0, 3)), [], "none", flags=("EMPTY_ROW",))
    yield draw([[0.5, -inf, 1.5]], [2], flags=("ZERO_LOG_ZERO",), difficulty=2)
    yield draw([[0.5, -inf, 1.5], [-inf, -inf, 4.0]], [0, 2], "none", flags=("ZERO_LOG_ZERO",), difficulty=2)
    yield draw([[0.5, -inf, 1.5]], [1], "none", flags=("ZERO_LOG_ZERO",), difficulty=3)
    yield draw([[-inf, -inf], [0.0, 1.0]], [0, 0], "none", flags=("FULLY_MASKED",), result="undefined")
    yield draw([[nan, 1.0], [0.0, 1.0]], [0, 0], "none", result="invalid")
    yield draw([[inf, 1.0], [0.0, 1.0]], [0, 0], "none", result="invalid")


def draw_cross_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(z: Any, t: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        arguments = {"logits": np.asarray(z, dtype=float), "target_probabilities": np.asarray(t, dtype=float)}
        return Draw(arguments, {"reduction": reduction}, **keywords)

    for i, (n, c) in enumerate(rng.integers(1, 6, size=(36, 2))):
        z = short(rng.normal(size=(n, c)) * decades(rng, 0.1, 10))
        yield draw(z, short(rng.dirichlet(np.ones(c), size=n)), REDUCTIONS[i % 3])
    for i in range(12):
        z = rng.normal(size=(2, 4)) * decades(rng, 1e-6, 1e2)
        yield draw(z, rng.dirichlet(np.full(4, 0.1), size=2), REDUCTIONS[i % 3], difficulty=2)
    for gap in (5.0, 36.0, 40.0, 100.0, 700.0):
        z = [[gap, 0.25, -0.5], [0.5, gap, 1.0]]
        yield draw(z, [[1.0, 0, 0], [0, 0.875, 0.125]], "none", flags=("SATURATION", "CANCELLATION"), difficulty=3)
        yield draw(z, [[0.0, 0.5, 0.5], [1.0, 0, 0]], "sum", flags=("LARGE_LOGITS",), difficulty=2)
    for shift in (1e3, -1e6, 1e15):
        z = shift + short(rng.normal(size=(2, 3)), 4)
        yield draw(z, short(rng.dirichlet(np.ones(3), size=2)), flags=("LARGE_LOGITS",), difficulty=3)
    yield draw([[1.0, 2.0]], [[0.0, 0.0]], flags=("ZERO_LOG_ZERO",))
    yield draw([[1.0, 2.0, 0.5]], [[0.25, 1.5, 2.0]], "none")
    yield draw([[3.5], [-2.0]], [[1.0], [0.5]], "none", flags=("SATURATION",))
    yield draw(np.zeros((0, 3)), np.zeros((0, 3)), "mean", flags=("EMPTY_ROW",), result="ambiguous")
    yield draw(np.zeros((0, 3)), np.zeros((0, 3)), "sum", flags=("EMPTY_ROW",))
    yield draw([[0.5, -inf, 1.5]], [[0.25, 0.0, 0.75]], "none", flags=("ZERO_LOG_ZERO",), difficulty=3)
    yield draw([[-inf, -inf]], [[0.5, 0.5]], "none", flags=("FULLY_MASKED",), result="undefined")
    yield draw([[0.5, 1.5]], [[-0.25, 1.25]], "none", result="invalid")
    yield draw([[nan, 1.5]], [[0.25, 0.75]], "none", result="invalid")
