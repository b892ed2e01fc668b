"""CosFace and its bounds as the paper writes them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from refengine.domains import Integers, Interval
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.losses import _heads
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, cos, exp, log, log1p, number, pi, pointwise, stated


def logits(cosine: Any, labels: Any, *, scale: float, margin: float) -> Any:
    """s (cos theta_y - m) for the label's class, s cos theta_j for the others.

    Source: wang-2018-cosface, eq. 4
    """
    return _heads.logits(cosine, labels, scale, lambda c: c - margin)


def loss(x: Any, weight: Any, labels: Any, *, scale: float, margin: float, reduction: str, zero: str = "nan") -> Any:
    """-log(e^{s (cos theta_y - m)} / (e^{s (cos theta_y - m)} + sum_{j != y} e^{s cos theta_j})).

    Source: wang-2018-cosface, eq. 4
    """
    return _heads.loss(x, weight, labels, scale, lambda c: c - margin, reduction, zero)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""


def margin_of_every_class(x: Any, weight: Any, labels: Any, *, scale: float, margin: float, reduction: str) -> Any:
    """The margin taken from every class, as some texts have it: it cancels."""
    return _heads.loss(x, weight, labels, scale, lambda c: c, reduction)


@pointwise
def scale_bound(classes: Number, probability: Number) -> Any:
    """(C - 1) / C log((C - 1) P / (1 - P)).

    Source: wang-2018-cosface, section 3
    """
    n, p = float(classes), probability
    if not (2 <= n < inf and n == int(n) and 0 <= p <= 1):
        return undefined(p)
    if p == 0 or p == 1:
        return stated(-inf if p == 0 else inf, (p, inf))
    return (number(n) - 1) / n * log((number(n) - 1) * p / (1 - p))


@pointwise
def lower_bound(classes: Number, scale: Number, margin: Number) -> Any:
    """log(1 + (C - 1) e^{-s (C / (C - 1) - m)}).

    Source: wang-2017-normface, section 3
    """
    n = float(classes)
    if not (2 <= n < inf and n == int(n) and 0 <= scale < inf and 0 <= margin <= 2):
        return undefined(scale, margin)
    return log1p((number(n) - 1) * exp(-scale * (number(n) / (number(n) - 1) - margin)))


@pointwise
def margin_bound(classes: Number, dimensions: Number) -> Any:
    """1 - cos(2 pi / C) on the circle, else C / (C - 1); two points on a line, and no more.

    Source: wang-2018-cosface, section 3
    """
    n, d = float(classes), float(dimensions)
    if not (2 <= n < inf and 1 <= d < inf and n == int(n) and d == int(d)):
        return stated(nan)
    if d == 2:
        return Number(2) if n == 2 else 1 - cos(2 * pi() / number(n))
    return Number(0) if d == 1 and n > 2 else number(n) / (number(n) - 1)


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    margin = 0.0 if i % 11 == 5 else short(float(rng.uniform(0.05, 1.0)))
    return {"scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])), "margin": margin}


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.draw_logits(rng, _options)
    for m in (0.25, 0.5):
        yield Draw(
            {"cosine": np.array([[m + 1e-9, 0.1], [m, 0.5]]), "labels": np.array([0, 0])},
            {"scale": 64.0, "margin": m},
            flags=("NEAR_ROOT",),
        )


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    alternatives = {"margin_of_every_class": margin_of_every_class}
    yield from _heads.draw_loss(rng, _options, lambda _: alternatives, zero=zero_direction)


def draw_lower_bound(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"classes": Integers(2), "scale": Interval(0, closed=True), "margin": Interval(0, 2, closed=True)}
    ranges = {"classes": (2.0, 1e15), "scale": (1e-300, 600.0)}
    yield from spread(rng, domains, None, ranges)
    for n in (2, 3, 10, 1000):  # next to the largest margin that the centres can keep
        for scale in (1.0, 64.0):
            for gap in (-1e-9, 0.0, 1e-9):
                given = {"classes": n, "scale": scale, "margin": min(n / (n - 1) + gap, 2.0)}
                yield Draw(given, flags=("CANCELLATION",), difficulty=3)


def draw_margin_bound(rng: np.random.Generator) -> Iterator[Draw]:
    for n in range(2, 60):
        yield Draw({"classes": n, "dimensions": 2})
        yield Draw({"classes": n, "dimensions": int(rng.integers(3, 100))})
    for i in range(80):
        n = 2 + int(decades(rng, 1, 1e15))
        yield Draw({"classes": n, "dimensions": 2 if i % 2 else 1 + int(decades(rng, 1, 1e6))}, flags=("CANCELLATION",))
    for n in (2, 3, 4, 1000):
        yield Draw({"classes": n, "dimensions": 1}, flags=("WRONG_BRANCH",))
    for n, d in ((1, 2), (0, 2), (-3, 2), (3, 0), (3, -1)):
        yield Draw({"classes": n, "dimensions": d}, result="invalid")
    for n, d in ((2.5, 2.0), (3.0, 2.5), (nan, 2.0), (3.0, nan), (inf, 2.0)):
        yield Draw({"classes": n, "dimensions": d}, result="invalid")
    yield Draw({"classes": np.array([[2], [5]]), "dimensions": np.array([1, 2, 3])}, flags=("BROADCAST",))
