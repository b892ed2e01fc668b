"""MV-softmax through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads
from validation.exact.number import Number, acos, cos


def logits(
    cosine: Any, labels: Any, *, scale: float, margin: float, t: float, base: str, hard_weight: str, boundary: str
) -> Any:
    """s f for the label's class, s cos theta_j + s (t - 1) (cos theta_j + 1) for those above f, s cos theta_j below.

    Source: wang-2020-mv-softmax, section 3
    """
    row = partial(_row, margin=margin, t=t, base=base, hard_weight=hard_weight, boundary=boundary)
    return _heads.logits_of_rows(cosine, labels, scale, row, whole=True)


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: float,
    margin: float,
    t: float,
    base: str,
    hard_weight: str,
    boundary: str,
    reduction: str,
    zero: str = "nan",
    at_tie: bool = False,
) -> Any:
    """-log(e^{s f} / (e^{s f} + sum_j h_j e^{s cos theta_j})), h = e^{s (t - 1) (cos theta_j + 1)} where above f.

    Source: wang-2020-mv-softmax, section 3
    """
    row = partial(_row, margin=margin, t=t, base=base, hard_weight=hard_weight, boundary=boundary, at_tie=at_tie)
    return _heads.loss_of_rows(x, weight, labels, scale, row, reduction, zero)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""

hard_at_tie = partial(loss, at_tie=True)
"""A class counts as hard where its cosine equals the label's logit."""


def _row(
    i: int, c: Any, y: int, margin: Any, t: Any, base: str, hard_weight: str, boundary: str, at_tie: bool = False
) -> list[Any]:
    own = c[y]
    f = own - margin if base == "am" else angular_margin(own, margin)
    holds = boundary == "none" or (own > margin if base == "am" else own > 0)
    found = []
    for j, v in enumerate(c):
        if j == y:
            found.append(f if holds else own)
        elif v > f or (at_tie and v == f):
            found.append(v + (t - 1) * (v + 1) if hard_weight == "adaptive" else v + (t - 1))
        else:
            found.append(v)
    return found


def angular_margin(c: Number, m: Any) -> Any:
    """cos(theta + m), with the one-sided slopes at the ends."""
    if m == 0:
        return c
    value = cos(acos(c) + m)
    return _heads.with_slope(value, c, inf if c == 1 else -inf) if abs(c) == 1 and c.tracked else value


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(rng.choice([1.0, 8.0, 32.0])),
        "margin": short(float(rng.uniform(0.05, 0.7))),
        "t": 1.0 if i % 9 == 4 else short(float(rng.uniform(1.0, 1.6))),
        "base": "arc" if i % 2 else "am",
        "hard_weight": "fixed" if i % 5 == 2 else "adaptive",
        "boundary": "easy" if i % 7 == 3 else "none",
    }


def _others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    boundary = "none" if constants["boundary"] == "easy" else "easy"
    other = "fixed" if constants["hard_weight"] == "adaptive" else "adaptive"
    return {boundary: {"boundary": boundary}, other: {"hard_weight": other}}


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.draw_logits(rng, _options, _others)
    for hard_weight in ("adaptive", "fixed"):  # equal to f, above and below; c equal to m
        constants = {"scale": 16.0, "margin": 0.25, "t": 1.25, "hard_weight": hard_weight}
        c = [[0.5, 0.25, 0.5], [0.5, 0.25 + 2.0**-53, 0.25 - 2.0**-54], [0.25, 0.0, 0.125]]
        for boundary in ("none", "easy"):
            yield Draw(
                {"cosine": np.array(c), "labels": np.zeros(3, dtype=np.int64)},
                constants | {"base": "am", "boundary": boundary},
                flags=("TIE", "WRONG_BRANCH"),
                difficulty=3,
            )
        switch = float(np.cos(np.arccos(0.5) + 0.25))
        c = [[0.5, switch + 1e-9, switch - 1e-9], [0.0, -0.25 + 1e-3, -0.5]]
        yield Draw(
            {"cosine": np.array(c), "labels": np.zeros(2, dtype=np.int64)},
            constants | {"base": "arc", "boundary": "easy"},
            flags=("KINK", "WRONG_BRANCH"),
            difficulty=3,
        )


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.draw_loss(rng, _options, _others, zero=zero_direction, count=34)
    for t in (1.0, 1.5):  # the cosine of the other class, 0, is exactly f
        yield Draw(
            {"x": np.array([[2.0, 0.0]]), "weight": np.array([[0.5, 0.0], [0.0, 3.0]]), "labels": np.array([0])},
            {
                "scale": 8.0,
                "margin": 1.0,
                "t": t,
                "base": "am",
                "hard_weight": "adaptive",
                "boundary": "none",
                "reduction": "mean",
            },
            flags=("TIE",),
            difficulty=3,
            alternatives={"hard_at_tie": hard_at_tie},
        )
