"""The combined margin through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads
from validation.exact.number import Number, acos, cos, number, sin

PUBLISHED = ((1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.0, 0.5, 0.0), (1.0, 0.0, 0.35), (1.35, 0.0, 0.0))


def logits(cosine: Any, labels: Any, *, scale: float, m1: float, m2: float, m3: float, gradient: str) -> Any:
    """s (cos(m1 theta_y + m2) - m3) for the label's class, s cos(theta_j) for the others.

    Source: deng-2019-arcface, eq. 4
    """
    target = partial(_target, m1=m1, m2=m2, m3=m3)
    return _heads.logits(cosine, labels, scale, _heads.straight_through(target, gradient))


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: float,
    m1: float,
    m2: float,
    m3: float,
    gradient: str,
    reduction: str,
    zero: str = "nan",
    clip: float = 0.0,
) -> Any:
    """-log softmax of s (cos(m1 theta_y + m2) - m3) beside s cos(theta_j).

    Source: deng-2019-arcface, eq. 4
    """
    target = partial(_target, m1=m1, m2=m2, m3=m3)
    return _heads.loss(
        x, weight, labels, scale, _heads.straight_through(target, gradient), reduction, zero=zero, clip=clip
    )


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""

clipped = partial(loss, clip=1e-7)
"""The cosine is clipped to 1e-7 within [-1, 1] before acos, and its gradient is 0 there."""


def _target(c: Number, m1: Any, m2: Any, m3: Any) -> Any:
    if m1 == 1 and m2 == 0:
        return c - m3
    if abs(c) != 1 or not c.tracked:
        return cos(number(m1) * acos(c) + m2) - m3
    value, top = cos(number(m1) * acos(c) + m2) - m3, c == 1
    whole = float(m1) == int(float(m1))
    if m2 == 0 and (top or whole):  # cos(m1 theta) is even around the end
        sign = 1 if top else -((-1) ** int(float(m1)))
        return _heads.with_slope(value, c, sign * m1 * m1)
    return _heads.with_slope(value, c, inf if sin(number(m1) * acos(c) + m2) > 0 else -inf)


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    m1, m2, m3 = PUBLISHED[i % 5]
    if i % 3 == 0:
        m1, m2, m3 = float(rng.choice([1.0, 2.0, 3.0, 4.0, 1.75])), float(rng.choice([0.0, 0.5, -0.25])), 0.125
    gradient = "straight_through" if i % 4 == 3 else "exact"
    return {"scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])), "m1": m1, "m2": m2, "m3": m3, "gradient": gradient}


def _others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The other gradient; and what insightface's code makes of three margins."""
    gradient = "exact" if constants["gradient"] == "straight_through" else "straight_through"
    found: dict[str, dict[str, Any]] = {gradient: {"gradient": gradient}}
    if constants["m3"] and (constants["m1"], constants["m2"]) != (1, 0):
        found["insightface"] = {"m1": 1.0, "m2": 0.0}
    return found


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.draw_logits(rng, _options, _others)
    for _ in range(10):  # the target vanishes, or its slope
        m1, m2 = short(float(rng.uniform(1.0, 2.5))), 0.25
        near = np.cos((np.pi / 2 - m2) / m1) + rng.normal() * 1e-9, np.cos((np.pi - m2) / m1) + rng.normal() * 1e-9
        yield Draw(
            {"cosine": np.array([[near[0], 0.1], [near[1], 0.1]]), "labels": np.array([0, 0])},
            {"scale": 64.0, "m1": m1, "m2": m2, "m3": 0.0, "gradient": "exact"},
            flags=("NEAR_ROOT",),
            difficulty=4,
        )


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.draw_loss(rng, _options, _others, clipped=clipped, zero=zero_direction, count=34)
