"""P2SGrad's primitive as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    class_reduction: str,
    half_factor: bool,
    reduction: str,
    zero: str = "nan",
) -> Any:
    """sum_j (cos theta_j - [j = y])^2, or its mean, or half of it.

    Source: zhang-2019-p2sgrad, eq. 11
    """
    losses = []
    for i, y in enumerate(labels):
        c = [cosine_of(x[i], w, zero) for w in weight]
        if any(is_stated(v, nan) for v in c):
            losses.append(undefined(*x[i], *weight.ravel()))
            continue
        total = sum(((v - 1 if j == y else v) ** 2 for j, v in enumerate(c)), Number(0))
        total = total / len(c) if class_reduction == "mean" else total
        losses.append(total / 2 if half_factor else total)
    return reduce(losses, reduction)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"class_reduction": "mean" if i % 3 == 1 else "sum", "half_factor": i % 4 == 2}

    def others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
        mean = {"class_reduction": "mean", "half_factor": False}
        paper = {"class_reduction": "sum", "half_factor": True}
        return {"pytorch_metric_learning": mean, "paper": paper}

    yield from _heads.draw_loss(rng, options, others, zero=zero_direction)
    for gap in (1e-3, 1e-6, 1e-9):  # the loss itself is next to 0: one class, or perpendicular others
        x = rng.normal(size=(1, 3))
        yield Draw(
            {"x": x, "weight": x * 2 + gap * rng.normal(size=(1, 3)), "labels": np.array([0])},
            {"class_reduction": "sum", "half_factor": False, "reduction": "mean"},
            flags=("CANCELLATION", "NEAR_ROOT"),
            difficulty=4,
        )
        x, w = np.array([[1.0, gap, 0.0]]), np.array([[2.0, 0.0, gap], [gap, -1.0, 0.0], [0.0, 0.0, 0.5]])
        yield Draw(
            {"x": x, "weight": w, "labels": np.array([0])},
            {"class_reduction": "mean", "half_factor": False, "reduction": "mean"},
            flags=("CANCELLATION", "NEAR_ROOT"),
            difficulty=4,
        )
