"""NormFace: scaled cosines, losses with agents, and the bound."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, exp, log1p, number, pointwise

RANGES = {"scale": (1e-300, 600.0), "classes": (2.0, 1e15)}


def logits(cosine: Any, labels: Any, scale: Any) -> Any:
    """s cos theta_j.

    Source: wang-2017-normface, section 3
    """
    if not 0 < scale < inf:
        z = np.empty(cosine.shape, dtype=object)
        z.reshape(-1)[:] = [undefined(*cosine.ravel(), scale) for _ in z.ravel()]
        return z
    return _heads.logits(cosine, labels, scale, lambda c: c)


def loss(x: Any, weight: Any, labels: Any, scale: Any, *, reduction: str, zero: str = "nan") -> Any:
    """-log(e^{s cos theta_y} / sum_j e^{s cos theta_j}).

    Source: wang-2017-normface, section 3
    """
    if not 0 < scale < inf:
        return reduce([undefined(*x.ravel(), *weight.ravel(), scale) for _ in x], reduction)
    return _heads.loss(x, weight, labels, scale, lambda c: c, reduction, zero)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""


def agent_contrastive(x: Any, weight: Any, labels: Any, *, margin: float, reduction: str, at_kink: float = 0.0) -> Any:
    """|x - w_y|^2 + sum_{j != y} max(0, m - |x - w_j|^2) on directions.

    Source: wang-2017-normface, section 3
    """

    def one(c: list[Number], y: int) -> Any:
        return 2 - 2 * c[y] + sum(_hinge(margin - (2 - 2 * v), at_kink) for j, v in enumerate(c) if j != y)

    return _over_rows(one, x, weight, labels, reduction)


def agent_triplet(x: Any, weight: Any, labels: Any, *, margin: float, reduction: str, at_kink: float = 0.0) -> Any:
    """sum_{j != y} max(0, m + |x - w_y|^2 - |x - w_j|^2) on directions.

    Source: wang-2017-normface, section 3
    """

    def one(c: list[Number], y: int) -> Any:
        hinges = (_hinge(margin + (2 - 2 * c[y]) - (2 - 2 * v), at_kink) for j, v in enumerate(c) if j != y)
        return sum(hinges, Number(0))

    return _over_rows(one, x, weight, labels, reduction)


contrastive_from_the_right = partial(agent_contrastive, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""
triplet_from_the_right = partial(agent_triplet, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""


def _hinge(h: Any, at_kink: float) -> Any:
    if h == 0:
        return Number(0, [(h, lambda g: g * at_kink)])
    return h if h > 0 else Number(0)


def _over_rows(one: Any, x: Any, weight: Any, labels: Any, reduction: str) -> Any:
    losses = []
    for i, y in enumerate(labels):
        c = [cosine_of(x[i], w) for w in weight]
        any_nan = any(is_stated(v, nan) for v in c)
        losses.append(undefined(*x[i], *weight.ravel()) if any_nan else one(c, y))
    return reduce(losses, reduction)


@pointwise
def lower_bound(classes: Number, scale: Number) -> Any:
    """log(1 + (C - 1) e^{-s C / (C - 1)}).

    Source: wang-2017-normface, section 3
    """
    n = float(classes)
    if not (2 <= n < inf and n == int(n) and 0 <= scale < inf):
        return undefined(scale)
    return log1p((number(n) - 1) * exp(-scale * number(n) / (number(n) - 1)))


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_logits(rng, lambda i, rng: {}):
        scale = short(decades(rng, 0.1, 100))
        yield Draw(draw.arguments | {"scale": scale}, {}, draw.flags, draw.difficulty, draw.result)
    for scale in (0.0, -1.0, nan, inf):
        yield Draw({"cosine": np.array([[0.5, 0.25]]), "labels": np.array([0]), "scale": scale}, result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def scale(rng: np.random.Generator) -> dict[str, Any]:
        return {"scale": float(rng.choice([1.0, 4.0, 16.0, 30.0, 64.0]))}

    yield from _heads.draw_loss(rng, lambda i, rng: {}, zero=zero_direction, arguments=scale)
    for value in (0.0, -1.0, nan):
        yield Draw(
            {"x": np.ones((2, 2)), "weight": np.eye(2), "labels": np.array([0, 1]), "scale": value},
            {"reduction": "none"},
            result="invalid",
        )


def _agents(rng: np.random.Generator, margins: tuple[float, ...], kink: Any) -> Iterator[Draw]:
    yield from _heads.draw_loss(rng, lambda i, rng: {"margin": margins[i % len(margins)]})
    yield Draw(  # the hinges of both losses are exactly 0
        {"x": np.array([[2.0, 0.0]]), "weight": np.array([[4.0, 0.0], [0.0, 1.0]]), "labels": np.array([0])},
        {"margin": 2.0, "reduction": "mean"},
        flags=("KINK",),
        result="ambiguous",
        alternatives={"from_the_right": kink},
        difficulty=3,
    )


def draw_agent_contrastive(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _agents(rng, (1.0, 0.5, 2.0, 3.5, 0.0), contrastive_from_the_right)


def draw_agent_triplet(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _agents(rng, (0.8, 0.5, 2.0, 3.5, 0.0), triplet_from_the_right)
