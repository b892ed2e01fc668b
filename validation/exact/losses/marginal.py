"""The marginal loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import batch, hinge, reduce_pairs, scaled_rows, squared_distance, with_labels
from validation.exact.number import number

REDUCTIONS = ("mean", "sum", "none", "nonzero")


def loss(
    x: Any,
    labels: Any,
    *,
    threshold: float,
    margin: float,
    normalize_x: bool,
    reduction: str,
    at_kink: float = 0.0,
) -> Any:
    """[xi - y (theta - |x_i - x_j|^2)]_+ over all pairs of unit vectors, y = 1 or -1.

    Source: deng-2017-marginal, section 3
    """
    losses = np.empty((len(x), len(x)), dtype=object)
    for i, j in np.ndindex(losses.shape):
        if i != j:
            d = squared_distance(x[i], x[j], normalize_x)
            sign = 1 if labels[i] == labels[j] else -1
            losses[i, j] = d if d.stated else hinge(margin - sign * (number(threshold) - d), at_kink)
    return reduce_pairs(losses, x, labels, reduction)


from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"threshold": 1.2, "margin": 0.3, "normalize_x": True}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i in range(40):
        n, d = rng.integers(2, 6), rng.integers(2, 5)
        own = {"threshold": short(float(rng.uniform(0.5, 2))), "margin": short(float(rng.uniform(0.1, 1)))}
        yield draw(batch(rng, n, d), REDUCTIONS[i % 4], normalize_x=i // 2 % 3 > 0, **(own if i % 3 else {}))
    for i, gap in enumerate((1e-2, 1e-4, 1e-6, 1e-9, 1e-13)):  # almost duplicates, almost opposite
        for normalize in (False, True):
            x = rng.normal(size=(4, 3))
            x[1], x[3] = (2 if normalize else 1) * x[0] + gap * rng.normal(size=3), -x[2] + gap * rng.normal(size=3)
            flags = ("ACOS_AT_ONE", "CANCELLATION")
            for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
                yield draw(
                    with_labels(x, labels),
                    REDUCTIONS[i % 4],
                    normalize_x=normalize,
                    margin=2.0,
                    flags=flags,
                    difficulty=4,
                )
    for normalize, factor in ((False, 1.0), (True, 4.0), (True, -2.0)):  # duplicates, opposite rows
        x = short(rng.normal(size=(3, 3)))
        x[1] = factor * x[0]
        for labels in ([0, 0, 1], [0, 1, 1]):
            yield draw(with_labels(x, labels), "sum", normalize_x=normalize, margin=2.0, flags=("ZERO_DISTANCE",))
    kink: dict[str, Any] = {"result": "ambiguous", "alternatives": {"from_the_right": from_the_right}, "difficulty": 3}
    for labels, threshold in (([0, 1], 24.5), ([0, 0], 25.5)):  # exactly at the hinge
        x = [[0.0, 0.0], [3.0, 4.0]]
        for reduction in ("mean", "none"):
            yield draw(
                with_labels(x, labels),
                reduction,
                threshold=threshold,
                margin=0.5,
                normalize_x=False,
                flags=("KINK",),
                **kink,
            )
    for size in (1e-200, 1e200):
        yield draw(with_labels(size * rng.normal(size=(3, 2)), [0, 0, 1]), flags=("OVERFLOW_F32",), difficulty=3)
    yield draw(with_labels(scaled_rows(rng, 4, 3), [0, 0, 1, 1]), difficulty=2)
    yield draw(batch(rng, 4, 3, classes=1), flags=("EMPTY_ROW",))
    yield draw(with_labels(short(rng.normal(size=(3, 2))), [3, 1, 7]), flags=("EMPTY_ROW",), margin=1.5)
    for reduction in REDUCTIONS:
        for n in (0, 1):
            result = "ambiguous" if reduction == "mean" else "required"
            yield draw(with_labels(np.ones((n, 2)), [0] * n), reduction, flags=("EMPTY_ROW",), result=result)
    x = short(rng.normal(size=(3, 2)))
    x[1] = 0
    yield draw(with_labels(x, [0, 0, 1]), normalize_x=False, flags=("ZERO_NORM",))
    yield draw(with_labels(x, [0, 0, 1]), flags=("ZERO_NORM",), result="undefined")
    yield draw(with_labels(x, [0, 0, 1]), "none", flags=("ZERO_NORM",), result="undefined")
    for bad in (np.nan, np.inf):
        x = short(rng.normal(size=(3, 2)))
        x[0, 1] = bad
        yield draw(with_labels(x, [0, 0, 1]), "none", result="invalid")
