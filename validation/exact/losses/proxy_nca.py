"""Proxy-NCA by squared distances of directions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses import _heads
from validation.exact.losses._pairs import squared_distance
from validation.exact.losses._rows import is_stated, reduce, undefined
from validation.exact.number import exp, log


def loss(
    x: Any, weight: Any, labels: Any, *, scale: Any, include_positive: bool, reduction: str, zero: str = "nan"
) -> Any:
    """-log(e^{-s d(x, w_y)} / sum_{j != y} e^{-s d(x, w_j)}), d the squared distance of directions.

    Source: movshovitz-attias-2017, eq. 8
    """
    losses = []
    for i, y in enumerate(labels):
        d = [squared_distance(x[i], w, True, zero) for w in weight]
        if any(is_stated(v, nan) for v in d):
            losses.append(undefined(*x[i], *weight.ravel()))
        else:
            powers = [exp(-scale * v) for v in d]
            losses.append(-log(powers[y] / sum(p for j, p in enumerate(powers) if include_positive or j != y)))
    return reduce(losses, reduction)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient, with 2 for its squared distances."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"scale": (1.0, 3.0, 8.0, 0.25)[i % 4], "include_positive": i % 3 == 2}

    def others(constants: dict[str, Any]) -> dict[str, Any]:
        name = "paper" if constants["include_positive"] else "pytorch_metric_learning"
        return {name: {"include_positive": not constants["include_positive"]}}

    for i, draw in enumerate(_heads.draw_loss(rng, options, zero=zero_direction, count=36)):
        constants, alternatives = draw.constants, dict(draw.alternatives)
        if len(draw.arguments["weight"]) < 2:  # nothing is left without the own proxy
            constants = constants | {"include_positive": True}
        elif i % 2:
            alternatives |= others(constants)
        yield Draw(draw.arguments, constants, draw.flags, draw.difficulty, draw.result, alternatives)
