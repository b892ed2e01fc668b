"""CurricularFace through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import reduce, undefined
from validation.exact.losses.mv_softmax import angular_margin
from validation.exact.number import Number, cos, number, pi, sin

BOUNDARIES = ("none", "monotonic", "easy", "clip", "identity")


def logits(cosine: Any, labels: Any, t: Any, *, scale: float, margin: float, boundary: str) -> Any:
    """s T(cos theta_y) for the label's class, s cos theta_j (t + cos theta_j) for those above it, s cos theta_j below.

    Source: huang-2020-curricularface, section 3
    """
    if not -inf < t < inf:
        z = np.empty(cosine.shape, dtype=object)
        z.reshape(-1)[:] = [undefined(*cosine.ravel(), t) for _ in z.ravel()]
        return z
    row = partial(_row, t=t, margin=margin, boundary=boundary)
    return _heads.logits_of_rows(cosine, labels, scale, row, lambda i: (t,), whole=True)


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    t: Any,
    *,
    scale: float,
    margin: float,
    boundary: str,
    reduction: str,
    zero: str = "nan",
) -> Any:
    """-log(e^{s T(cos theta_y)} / (e^{s T(cos theta_y)} + sum_{j != y} e^{s N(t, cos theta_j)})).

    Source: huang-2020-curricularface, section 3
    """
    if not -inf < t < inf:
        return reduce([undefined(*x.ravel(), *weight.ravel(), t) for _ in x], reduction)
    row = partial(_row, t=t, margin=margin, boundary=boundary)
    return _heads.loss_of_rows(x, weight, labels, scale, row, reduction, zero, lambda i: (t,))


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""


def update(cosine: Any, labels: Any, t: Any, *, momentum: Any, weighs: str) -> Any:
    """alpha t + (1 - alpha) r with the mean r of the labels' cosines, or the weights exchanged.

    Source: huang-2020-curricularface, section 3
    """
    own = [cosine[i, y] for i, y in enumerate(labels)]
    if not own or not all(-1 <= c <= 1 for c in own) or not -inf < t < inf:
        return undefined(*own, t)
    r, alpha = sum(own) / len(own), number(momentum)
    return alpha * t + (1 - alpha) * r if weighs == "old" else alpha * r + (1 - alpha) * t


def _row(i: int, c: Any, y: int, t: Any, margin: Any, boundary: str) -> list[Any]:
    own = c[y]
    limit = angular_margin(own, margin)
    holds = boundary == "none" or margin == 0 or (own > 0 if boundary == "easy" else own > cos(pi() - margin))
    below: dict[str, Any] = {"clip": Number(-1), "monotonic": own - margin * sin(number(margin))}
    at_label = limit if holds else below.get(boundary, own)
    return [at_label if j == y else v * (t + v) if v > limit else v for j, v in enumerate(c)]


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])),
        "margin": short(float(rng.uniform(0.05, 1.0))),
        "boundary": ("none", "monotonic", "none", "easy", "clip", "identity", "monotonic")[i % 7],
    }


def _others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    boundary = "none" if constants["boundary"] == "monotonic" else "monotonic"
    return {boundary: {"boundary": boundary}}


def _with_t(draw: Draw, rng: np.random.Generator) -> Draw:
    t = float(rng.choice([0.0, 0.25, 0.5, -0.125, short(float(rng.uniform(0, 1)))]))
    return replace(draw, arguments=draw.arguments | {"t": t})


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_logits(rng, _options, _others):
        yield _with_t(draw, rng)
    limit = float(np.cos(np.arccos(0.5) + 0.25))
    for boundary in BOUNDARIES:  # next to the limit, and exactly at it without a margin
        constants = {"scale": 16.0, "margin": 0.25, "boundary": boundary}
        c = np.array([[0.5, limit + 1e-9, limit - 1e-9], [-0.98, -0.97, -0.99]])
        given = {"cosine": c, "labels": np.zeros(2, dtype=np.int64), "t": 0.375}
        yield Draw(given, constants, flags=("WRONG_BRANCH", "BEYOND_PI_MINUS_M"), difficulty=3)
        given = {"cosine": np.array([[0.5, 0.5, 0.25]]), "labels": np.array([0]), "t": 0.375}
        yield Draw(given, constants | {"margin": 0.0}, flags=("TIE",), difficulty=3)
    for wrong in (nan, inf):
        given = {"cosine": np.array([[0.5, 0.25]]), "labels": np.array([0]), "t": wrong}
        yield Draw(given, {"scale": 64.0, "margin": 0.5, "boundary": "none"}, result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_loss(rng, _options, _others, zero=zero_direction, count=34):
        yield _with_t(draw, rng)
    for wrong in (nan, -inf):
        given = {"x": np.ones((2, 2)), "weight": np.eye(2), "labels": np.array([0, 1]), "t": wrong}
        constants = {"scale": 64.0, "margin": 0.5, "boundary": "none", "reduction": "none"}
        yield Draw(given, constants, result="invalid")


def draw_update(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(56):
        n, c = rng.integers(1, 6), rng.integers(1, 4)
        weighs = "new" if i % 2 else "old"
        momentum = (0.99, 0.01, 0.5, 0.875)[i % 4]
        yield Draw(
            {
                "cosine": short(rng.uniform(-1, 1, size=(n, c))),
                "labels": rng.integers(c, size=n),
                "t": short(float(rng.uniform(-0.5, 1))),
            },
            {"momentum": momentum, "weighs": weighs},
            alternatives={"other": {"weighs": "old" if weighs == "new" else "new"}},
        )
    for weighs in ("old", "new"):
        for momentum in (0.0, 1.0, 1e-9):
            given = {"cosine": np.array([[1.0, 0.5], [-1.0, 0.25]]), "labels": np.array([0, 0]), "t": 0.5}
            yield Draw(given, {"momentum": momentum, "weighs": weighs}, flags=("ACOS_AT_ONE", "CANCELLATION"))
        given = {"cosine": np.zeros((0, 2)), "labels": np.zeros(0, dtype=np.int64), "t": 0.5}
        yield Draw(given, {"momentum": 0.99, "weighs": weighs}, flags=("EMPTY_ROW",), result="undefined")
        for c, t in (([[1.5, 0.5]], 0.5), ([[0.5, nan]], 0.5), ([[nan, 0.5]], 0.5), ([[0.5, 0.5]], inf)):
            given = {"cosine": np.array(c), "labels": np.array([0]), "t": t}
            yield Draw(given, {"momentum": 0.99, "weighs": weighs}, result="invalid")
