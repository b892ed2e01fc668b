"""Partial FC on lists of classes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import floor
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads, combined_margin


def sample(labels: Any, uniforms: Any, *, rate: Any) -> Any:
    """The labels' classes, and of the others those with the largest uniforms, up to floor(r C) in all.

    Source: an-2022-partial-fc, section 3.2
    """
    present = {int(y) for y in labels}
    others = [j for j in range(len(uniforms)) if j not in present]
    wanted = floor(float(rate) * len(uniforms))  # of the rounded product
    while len(present) < wanted:
        best = others[0]
        for j in others[1:]:
            best = j if uniforms[j] > uniforms[best] else best
        others.remove(best)
        present.add(best)
    return np.array(sorted(present), dtype=np.int64)


def loss(x: Any, weight: Any, labels: Any, sampled: Any, *, every_class: bool = False, **constants: Any) -> Any:
    """-log softmax of s (cos(m1 theta_y + m2) - m3) beside s cos(theta_j), j over the sampled classes.

    Source: an-2022-partial-fc, section 3.2
    """
    kept = list(range(len(weight))) if every_class else [int(j) for j in sampled]
    return combined_margin.loss(x, weight[kept], [kept.index(y) for y in labels], **constants)


dense = partial(loss, every_class=True)
"""The sum over all classes."""


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(labels: Any, uniforms: Any, rate: float, *flags: str, difficulty: int = 1) -> Draw:
        given = {"labels": np.array(labels, dtype=np.int64), "uniforms": np.asarray(uniforms, dtype=float)}
        return Draw(given, {"rate": rate}, flags, difficulty)

    rates = (0.1, 0.3, 0.5, 0.75, 1.0)
    for i in range(30):
        n, c = rng.integers(1, 7), rng.integers(1, 12)
        yield draw(rng.integers(c, size=n), short(rng.uniform(size=c)), rates[i % 5])
    for i in range(20):
        c = int(rng.integers(4, 10))
        yield draw(rng.integers(c, size=2), rng.integers(0, 3, size=c) / 4, rates[i % 5], "TIE", difficulty=2)
    for c in (100, 50, 10, 7):  # a product that rounds up to a whole number, or stays below it
        for rate in (0.29, 0.58, 0.7, 0.1, 1 / 7):
            yield draw([0, c - 1], rng.uniform(size=c), rate, "WRONG_BRANCH", difficulty=3)
    for rate in rates:
        yield draw([], rng.uniform(size=6), rate, "EMPTY_ROW")
        yield draw([1, 1, 1], [0.0, 0.0, 1.0, 1.0, 0.0], rate, "TIE", difficulty=2)
    yield draw([0, 1, 2, 3], [0.5, 0.5, 0.25, 0.0, 1.0], 0.25)  # more labels than places
    yield draw([0], [1.0], 0.5)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        m1, m2, m3 = combined_margin.PUBLISHED[i % 5]
        constants = {"m1": m1, "m2": m2, "m3": m3, "gradient": "straight_through" if i % 4 == 3 else "exact"}
        return constants | {"scale": float(rng.choice([1.0, 8.0, 30.0, 64.0]))}

    for draw in _heads.draw_loss(rng, options, count=36):
        classes, labels = len(draw.arguments["weight"]), draw.arguments["labels"]
        if not any(draw.arguments["weight"][0]):
            labels = np.array([1, 1])  # the class without a direction is not sampled, and does no harm
        kept = np.flatnonzero(np.isin(np.arange(classes), labels) | (rng.uniform(size=classes) < 0.3))
        if "ZERO_NORM" in draw.flags and 1 in labels:
            kept = np.array([1])
            labels = np.array([1] * len(labels))
        elif not len(kept):
            kept = np.array([0])
        given = draw.arguments | {"labels": labels, "sampled": kept}
        result = "required" if not any(draw.arguments["weight"][0]) else draw.result
        yield Draw(given, draw.constants, draw.flags, draw.difficulty, result, {"dense": dense})
