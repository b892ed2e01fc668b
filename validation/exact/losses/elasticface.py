"""ElasticFace through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, acos, cos, detached, sin, stated


def logits(cosine: Any, labels: Any, margins: Any, *, scale: float, base: str) -> Any:
    """s cos(theta_y + m_i) or s (cos theta_y - m_i) for the label's class, s cos(theta_j) for the others.

    Source: boutros-2022-elasticface, section 3
    """
    row = partial(_row, margins=margins, base=base)
    return _heads.logits_of_rows(cosine, labels, scale, row, lambda i: (margins[i],))


def loss(
    x: Any, weight: Any, labels: Any, margins: Any, *, scale: float, base: str, reduction: str, zero: str = "nan"
) -> Any:
    """-log softmax of s cos(theta_y + m_i) or s (cos theta_y - m_i) beside s cos(theta_j).

    Source: boutros-2022-elasticface, section 3
    """
    row = partial(_row, margins=margins, base=base)
    return _heads.loss_of_rows(x, weight, labels, scale, row, reduction, zero, lambda i: (margins[i],))


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""


def _row(i: int, c: Any, y: int, margins: Any, base: str) -> list[Any]:
    return [_target(v, margins[i], base) if j == y else v for j, v in enumerate(c)]


def _target(c: Number, m: Number, base: str) -> Any:
    if not -inf < m < inf:
        return undefined(c, m)
    if base == "cos":
        return c - m
    if abs(c) != 1 or not c.tracked:
        return cos(acos(c) + m)
    value = cos(acos(detached(c)) + m)
    up = sin(m) * c
    slope: Any = 1 if m == 0 else stated(inf if up > 0 else -inf)
    return Number(value.ball, [(value, lambda g: g), (c, lambda g: g * slope)])


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {"scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])), "base": "cos" if i % 3 == 1 else "arc"}


def _with_margins(draw: Draw, rng: np.random.Generator) -> Draw:
    m = rng.normal(0.5 if draw.constants["base"] == "arc" else 0.35, 0.05, size=len(draw.arguments["labels"]))
    return replace(draw, arguments=draw.arguments | {"margins": short(m)})


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_logits(rng, _options):
        yield _with_margins(draw, rng)
    c, labels = np.array([[0.25, 0.5], [1.0, 0.5], [-1.0, 0.125]]), np.array([0, 0, 0])
    for base in ("arc", "cos"):
        for margins in ([0.0, 0.0, 0.0], [-0.5, -0.25, -0.125], [3.5, 4.0, 5.0], [1e-12, -1e-12, 1e-300]):
            given = {"cosine": c, "labels": labels, "margins": np.array(margins)}
            yield Draw(given, {"scale": 64.0, "base": base}, flags=("ACOS_AT_ONE",), difficulty=4)
        given = {"cosine": np.array([[0.5, 1.5], [-1.5, 0.5]]), "labels": labels[:2], "margins": np.array([0.5, 0.25])}
        yield Draw(given, {"scale": 64.0, "base": base}, result="invalid")
        for wrong in (nan, inf):
            given = {"cosine": c[:2], "labels": labels[:2], "margins": np.array([0.5, wrong])}
            yield Draw(given, {"scale": 64.0, "base": base}, result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_loss(rng, _options, zero=zero_direction, count=34):
        yield _with_margins(draw, rng)
    x, w = short(rng.normal(size=(3, 3))), short(rng.normal(size=(3, 3)))
    for base in ("arc", "cos"):
        constants = {"scale": 16.0, "base": base, "reduction": "none"}
        for margins in ([0.0, -0.5, 3.5], [1e-12, 1.0, 6.5]):
            given = {"x": x, "weight": w, "labels": np.array([0, 1, 1]), "margins": np.array(margins)}
            yield Draw(given, constants, flags=("BEYOND_PI_MINUS_M",), difficulty=2)
        given = {"x": x, "weight": w, "labels": np.array([0, 1, 1]), "margins": np.array([0.5, nan, 0.25])}
        yield Draw(given, constants, result="invalid")
