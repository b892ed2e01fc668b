"""The contrastive loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import batch, distance, hinge, reduce_pairs, scaled_rows, with_labels
from validation.exact.number import number

REDUCTIONS = ("mean", "sum", "none", "nonzero")


def loss(
    x: Any,
    labels: Any,
    *,
    margin: float,
    positive_margin: float,
    squared: bool,
    half_factor: bool,
    normalize_x: bool,
    reduction: str,
    at_kink: float = 0.0,
) -> Any:
    """(1/2) [d - m_p]_+^2 for positive pairs, (1/2) [m - d]_+^2 for negative ones.

    Source: hadsell-2006, eq. 4
    """
    losses = np.empty((len(x), len(x)), dtype=object)
    for i, j in np.ndindex(losses.shape):
        if i == j:
            continue
        d = distance(x[i], x[j], normalize_x)
        if d.stated:
            losses[i, j] = d
            continue
        h = hinge(d - number(positive_margin) if labels[i] == labels[j] else margin - d, at_kink)
        losses[i, j] = (h * h if squared else h) / (2 if half_factor else 1)
    return reduce_pairs(losses, x, labels, reduction)


from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"margin": 1.0, "positive_margin": 0.0, "squared": True, "half_factor": True, "normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i in range(40):
        n, d = rng.integers(2, 6), rng.integers(2, 5)
        yield draw(
            batch(rng, n, d),
            REDUCTIONS[i % 4],
            margin=short(float(rng.uniform(0.5, 3))),
            positive_margin=(0.0, 0.25)[i // 16 % 2],
            squared=i % 3 > 0,
            half_factor=i % 5 > 0,
            normalize_x=i // 2 % 2 > 0,
        )
    for i in range(4):  # pytorch-metric-learning
        yield draw(batch(rng, 5, 3), "nonzero", squared=False, half_factor=False, normalize_x=True, margin=1 + i / 4)
    for i, gap in enumerate((1e-2, 1e-4, 1e-6, 1e-9, 1e-13)):  # almost duplicates, almost opposite
        for normalize in (False, True):
            x = rng.normal(size=(4, 3))
            x[1], x[3] = (2 if normalize else 1) * x[0] + gap * rng.normal(size=3), -x[2] + gap * rng.normal(size=3)
            flags = ("ZERO_DISTANCE", "CANCELLATION")
            yield draw(with_labels(x, [0, 0, 1, 1]), "sum", normalize_x=normalize, flags=flags, difficulty=4)
            yield draw(
                with_labels(x, [0, 1, 1, 0]),
                REDUCTIONS[i % 4],
                squared=bool(i % 2),
                normalize_x=normalize,
                margin=2.5,
                flags=flags,
                difficulty=4,
            )
    for squared in (True, False):  # duplicates
        for normalize, factor in ((False, 1.0), (True, 4.0), (True, -2.0)):
            x = short(rng.normal(size=(3, 3)))
            x[1] = factor * x[0]
            for labels in ([0, 0, 1], [0, 1, 1]):
                yield draw(
                    with_labels(x, labels), "sum", squared=squared, normalize_x=normalize, flags=("ZERO_DISTANCE",)
                )
    for p, labels in ((0.0, [0, 1]), (5.0, [0, 0])):  # exactly at the hinge
        for squared in (True, False):
            keywords: dict[str, Any] = {"flags": ("KINK",), "difficulty": 3}
            if not squared:
                keywords |= {"result": "ambiguous", "alternatives": {"from_the_right": from_the_right}}
            x = [[0.0, 0.0], [3.0, 4.0]]
            yield draw(with_labels(x, labels), "sum", margin=5.0, positive_margin=p, squared=squared, **keywords)
    for size in (1e-150, 1e150):
        yield draw(
            with_labels(size * rng.normal(size=(3, 2)), [0, 0, 1]), margin=size, flags=("OVERFLOW_F32",), difficulty=3
        )
    yield draw(with_labels(scaled_rows(rng, 4, 3), [0, 0, 1, 1]), normalize_x=True, difficulty=2)
    yield draw(batch(rng, 4, 3, classes=1), flags=("EMPTY_ROW",))
    yield draw(with_labels(short(rng.normal(size=(3, 2))), [3, 1, 7]), flags=("EMPTY_ROW",), margin=4.0)
    for reduction in REDUCTIONS:
        for n in (0, 1):
            result = "ambiguous" if reduction == "mean" else "required"
            yield draw(with_labels(np.ones((n, 2)), [0] * n), reduction, flags=("EMPTY_ROW",), result=result)
    x = short(rng.normal(size=(3, 2)))
    x[1] = 0
    yield draw(with_labels(x, [0, 0, 1]), flags=("ZERO_NORM",))
    yield draw(with_labels(x, [0, 0, 1]), normalize_x=True, flags=("ZERO_NORM",), result="undefined")
    for bad in (np.nan, np.inf):
        x = short(rng.normal(size=(3, 2)))
        x[0, 1] = bad
        yield draw(with_labels(x, [0, 0, 1]), "none", result="invalid")
