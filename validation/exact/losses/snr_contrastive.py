"""The contrastive loss of signal-to-noise ratios as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import batch, hinge, whole, with_labels
from validation.exact.losses._positives import REDUCTIONS, edges
from validation.exact.losses._rows import norm, undefined
from validation.exact.number import Number, number, stated


def _flat(row: Any) -> bool:
    return all(v == row[0] for v in row[1:])


def _variance(row: Any) -> Any:
    mean = sum(row[1:], row[0]) / len(row)
    return sum((v - mean) * (v - mean) for v in row) / len(row)


def loss(
    x: Any,
    labels: Any,
    *,
    margin: Any,
    positive_margin: Any,
    squared: bool,
    normalize_x: bool,
    reduction: str,
    at_kink: float = 0.0,
) -> Any:
    """[var(x_i - x_j) / var(x_i) - m_p]_+ for positives, [m - var(x_i - x_j) / var(x_i)]_+ for negatives.

    Source: yuan-2019, section 3
    """
    n = len(x)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    bad = not whole(*x) or any(_flat(row) for row in x)
    rows = np.array([[v / norm(row) for v in row] for row in x], dtype=object) if normalize_x and not bad else x
    signal = [] if bad else [_variance(row) for row in rows]
    found = {}
    for i, j in pairs:
        if bad:
            found[i, j] = undefined(*x.ravel())
            continue
        alike = all(v == w for v, w in zip(x[i], x[j], strict=True)) if normalize_x else _flat(x[i] - x[j])
        d = Number(0) if alike else _variance(rows[i] - rows[j]) / signal[i]
        h = hinge(d - number(positive_margin) if labels[i] == labels[j] else margin - d, at_kink)
        found[i, j] = h * h if squared else h
    if reduction == "none":
        result = np.empty((n, n), dtype=object)
        for pair in np.ndindex(n, n):
            result[pair] = found.get(pair, Number(0))
        return result
    if bad and pairs:
        return undefined(*x.ravel())
    if reduction != "nonzero":
        total = sum(found.values(), Number(0))
        if reduction == "mean":
            return total / len(pairs) if pairs else stated(nan)
        return total
    total = Number(0)
    for same in (True, False):
        group = [v for (i, j), v in found.items() if (labels[i] == labels[j]) == same and v > 0]
        total = total + (sum(group) / len(group) if group else Number(0))
    return total


from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"margin": 1.0, "positive_margin": 0.0, "squared": False, "normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i in range(40):
        normalize = i // 2 % 2 > 0
        constants = {"margin": (1.0, 2.0, 4.0)[i % 3], "positive_margin": (0.0, 0.25)[i // 4 % 2]}
        keywords = {"alternatives": {"normalized": {"normalize_x": True}}} if i % 8 == 0 else {}
        arguments = batch(rng, int(rng.integers(2, 5)), int(rng.integers(3, 5)))
        yield draw(arguments, REDUCTIONS[i % 4], **constants, squared=i % 5 == 4, normalize_x=normalize, **keywords)
    for i, gap in enumerate((1e-2, 1e-5, 1e-9)):  # almost duplicates; a row almost without noise of its own
        for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
            x = rng.normal(size=(4, 3))
            x[1], x[3] = x[0] + gap * rng.normal(size=3), gap * rng.normal(size=3)
            yield draw(with_labels(x, labels), REDUCTIONS[i], flags=("CANCELLATION", "ZERO_DISTANCE"), difficulty=4)
    for i, mean in enumerate((1e2, 1e4, 1e7)):  # components far from 0
        x = rng.normal(size=(3, 4)) + mean
        yield draw(with_labels(x, [0, 0, 1]), REDUCTIONS[i], margin=3.0, flags=("CANCELLATION",), difficulty=4)
    for labels in ([0, 0, 1], [0, 1, 1]):  # duplicates, and the same but for a constant
        for normalize in (False, True):
            x = short(rng.normal(size=(3, 3)))
            x[1] = x[0]
            yield draw(with_labels(x, labels), "sum", normalize_x=normalize, flags=("ZERO_DISTANCE",))
        x = short(rng.normal(size=(3, 3)), 4)
        x[1] = x[0] + 0.5
        yield draw(with_labels(x, labels), "sum", flags=("ZERO_DISTANCE",), difficulty=2)
    x = [[2.0, -2.0], [1.0, -1.0], [4.0, 0.0]]  # ratios 1/4 and 1; exactly at the hinges
    kinks: dict[str, Any] = {"flags": ("KINK",), "result": "ambiguous"}
    kinks |= {"alternatives": {"from_the_right": from_the_right}, "difficulty": 3}
    for reduction in ("sum", "nonzero"):
        yield draw(with_labels(x, [0, 0, 1]), reduction, positive_margin=0.25, **kinks)
        yield draw(with_labels(x, [0, 1, 1]), reduction, margin=0.25, **kinks)
    for size in (1e-200, 1e200):
        x = size * rng.normal(size=(3, 3))
        yield draw(with_labels(x, [0, 0, 1]), margin=2.0, flags=("OVERFLOW_F32",), difficulty=3)
    yield draw(with_labels(short(rng.normal(size=(3, 3))), [5, 5, 5]), flags=("EMPTY_ROW",))
    yield draw(with_labels(short(rng.normal(size=(3, 3))), [2, 0, 1]), "nonzero", margin=3.0, flags=("EMPTY_ROW",))
    for arguments, _, keywords in edges(rng, True):
        for reduction in REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            extra = {"result": "ambiguous"} if len(arguments["labels"]) < 2 and reduction == "mean" else {}
            yield draw(arguments, reduction, **(keywords | extra))
    x = with_labels([[1.0, 2.0, 0.5], [0.75, 0.75, 0.75], [0.0, 1.0, 0.25]], [0, 0, 1])
    for reduction in ("mean", "none"):
        yield draw(x, reduction, flags=("ZERO_NORM",), result="undefined")
