"""MagFace through the angle itself and the length of the row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, minus_log_softmax, norm, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, acos, cos, detached, number, pi, pointwise, sin

RANGES = {
    "lower_norm": (1e-3, 1e3),
    "upper_norm": (1e-3, 1e3),
    "lower_margin": (1e-6, 3.0),
    "upper_margin": (1e-6, 3.0),
    "scale": (1e-3, 1e3),
}
BOUNDARIES = ("none", "monotonic", "easy", "clip", "identity")


def _length(a: Any, low: Any, high: Any, at_end: float) -> Any:
    """clip(a, low, high), with the slope that is given at the ends."""
    if a == low or a == high:
        return Number(a.ball, [(a, lambda g: g * at_end)])
    return low if a < low else high if a > high else a


def _margin(held: Any, low: Any, high: Any, below: Any, above: Any) -> Any:
    return below + (above - below) / (high - low) * (held - low)


def _target(c: Number, m: Any, boundary: str) -> Any:
    """cos(theta + m), or what the boundary rule has in its place."""
    m = number(m)
    if is_stated(m, nan):
        return undefined(c, m)
    if m == 0 and not m.tracked:
        return c
    holds = c > 0 if boundary == "easy" else boundary == "none" or m == 0 or c > cos(pi() - m)
    if not holds:
        return {"monotonic": c - m * sin(m), "easy": c, "identity": c, "clip": Number(-1)}[boundary]
    if abs(c) == 1 and c.tracked:  # the one-sided derivatives sin(theta + m) / sin(theta)
        slope: Any = 1.0 if m == 0 else inf if c == 1 else -inf
        parents = [(c, lambda g: g * slope), (m, lambda g: -(g * c * sin(m)))]
        return Number((c * cos(m)).ball, parents)
    return cos(acos(c) + m)


def logits(
    cosine: Any,
    labels: Any,
    norms: Any,
    *,
    scale: Any,
    lower_norm: Any,
    upper_norm: Any,
    lower_margin: Any,
    upper_margin: Any,
    boundary: str,
    at_end: float = 1.0,
) -> Any:
    """s cos(theta_y + m(a)) for the label's class, s cos(theta_j) for the others.

    Source: meng-2021, section 3
    """
    z = np.empty(cosine.shape, dtype=object)
    for i, j in np.ndindex(z.shape):
        c, a = cosine[i, j], norms[i]
        if not -1 <= c <= 1 or (j == labels[i] and not a >= 0):
            z[i, j] = undefined(c, a) if j == labels[i] else undefined(c)
            continue
        held = _length(a, lower_norm, upper_norm, at_end)
        m = _margin(held, number(lower_norm), upper_norm, lower_margin, upper_margin)
        z[i, j] = scale * (_target(c, m, boundary) if j == labels[i] else c)
    return z


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: Any,
    lower_norm: Any,
    upper_norm: Any,
    lower_margin: Any,
    upper_margin: Any,
    regularizer: Any,
    boundary: str,
    reduction: str,
    at_end: float = 1.0,
    still: bool = False,
) -> Any:
    """-log(e^{s cos(theta_y + m(a))} / (e^{s cos(theta_y + m(a))} + sum_{j != y} e^{s cos theta_j})) + lambda g(a).

    Source: meng-2021, section 3
    """
    losses = []
    for i, y in enumerate(labels):
        c = [cosine_of(x[i], w) for w in weight]
        if any(is_stated(v, nan) for v in c):
            losses.append(undefined(*x[i], *weight.ravel()))
            continue
        held = _length(norm(x[i]), number(lower_norm), number(upper_norm), at_end)
        m = _margin(detached(held) if still else held, number(lower_norm), upper_norm, lower_margin, upper_margin)
        z = np.empty(len(c), dtype=object)
        for j, v in enumerate(c):
            z[j] = scale * (_target(_heads.at_end(v), m, boundary) if j == y else v)
        losses.append(minus_log_softmax(z, y) + regularizer * (1 / held + held / (number(upper_norm) * upper_norm)))
    return reduce(losses, reduction)


dead_ends = partial(loss, at_end=0.0)
"""The clip's gradient at its ends is 0, as in later versions of PyTorch."""

constant_margin = partial(loss, still=True)
"""The margin counts as a constant: no gradient goes through the length into it."""

dead_ends_of_logits = partial(logits, at_end=0.0)
"""The same for the logits."""


@pointwise
def lambda_bound(
    lower_norm: Number, upper_norm: Number, lower_margin: Number, upper_margin: Number, scale: Number
) -> Any:
    """s m' u_a^2 l_a^2 / (u_a^2 - l_a^2), m' = (u_m - l_m) / (u_a - l_a).

    Source: meng-2021, section 3
    """
    low, high, below, above = lower_norm, upper_norm, lower_margin, upper_margin
    if not (0 < low < high < inf and 0 <= below <= above < inf and 0 < scale < inf):
        return undefined(low, high, below, above, scale)
    slope = (above - below) / (high - low)
    return scale * slope * high * high * low * low / (high * high - low * low)


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    """Intervals in which ordinary rows lie, below and above them."""
    low = (0.5, 1.0, 1.5, 10.0)[i % 4]
    return {
        "scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])),
        "lower_norm": low,
        "upper_norm": low * float(rng.choice([2.0, 4.0, 11.0])),
        "lower_margin": (0.0, 0.25, 0.45)[i % 3],
        "upper_margin": (0.5, 0.8, 1.0)[i % 3],
        "boundary": BOUNDARIES[i % 5],
    }


def _others(constants: dict[str, Any]) -> dict[str, Any]:
    """The rule of the authors' code."""
    return {} if constants["boundary"] == "easy" else {"official": {"boundary": "easy"}}


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_logits(rng, _options, _others):
        norms = short(rng.uniform(0.25, 12.0, size=len(draw.arguments["cosine"])))
        yield Draw(
            draw.arguments | {"norms": norms},
            draw.constants,
            draw.flags,
            draw.difficulty,
            draw.result,
            draw.alternatives,
        )
    cosine, labels = np.array([[0.5, 0.25], [-0.25, 0.5], [0.75, 0.5]]), np.array([0, 1, 0])
    for i in (0, 1, 2, 3):
        constants = _options(i, rng)
        low, high = constants["lower_norm"], constants["upper_norm"]
        yield Draw(
            {"cosine": cosine, "labels": labels, "norms": np.array([low, high, 0.0])},
            constants,
            flags=("KINK",),
            result="ambiguous",
            difficulty=3,
            alternatives={"dead_ends": dead_ends_of_logits},
        )
        norms = np.array([np.nextafter(low, 0), np.nextafter(high, inf), 1e30])
        yield Draw({"cosine": cosine, "labels": labels, "norms": norms}, constants, ("WRONG_BRANCH",), difficulty=4)
    for a in (-1.0, nan):
        norms = np.array([1.0, a, 2.0])
        yield Draw({"cosine": cosine, "labels": labels, "norms": norms}, _options(0, rng), result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return _options(i, rng) | {"regularizer": (0.0, 1.0, 20.0, 35.0)[i % 4]}

    def others(constants: dict[str, Any]) -> dict[str, Any]:
        return _others(constants) | {"constant_margin": constant_margin}

    yield from _heads.draw_loss(rng, options, others, count=36)
    w, labels = short(rng.normal(size=(3, 2))), np.array([0, 2])
    for i, boundary in enumerate(BOUNDARIES):  # lengths exactly at the ends; next to them; the published setting
        constants = options(2 * i, rng) | {"lower_norm": 5.0, "upper_norm": 10.0, "boundary": boundary}
        x = np.array([[3.0, 4.0], [-8.0, 6.0]])
        yield Draw(
            {"x": x, "weight": w, "labels": labels},
            constants | {"reduction": "sum"},
            flags=("KINK",),
            result="ambiguous",
            difficulty=3,
            alternatives={"dead_ends": dead_ends},
        )
        x = np.array([[3.0, np.nextafter(4.0, 3.0)], [-8.0, np.nextafter(6.0, 7.0)]]) * np.array(
            [[1 - 1e-9], [1 + 1e-9]]
        )
        yield Draw(
            {"x": x, "weight": w, "labels": labels},
            constants | {"reduction": "none"},
            flags=("WRONG_BRANCH",),
            difficulty=4,
        )
        published = {"scale": 64.0, "lower_norm": 10.0, "upper_norm": 110.0, "lower_margin": 0.45, "upper_margin": 0.8}
        x = short(rng.normal(size=(2, 2)) * np.array([[20.0], [60.0]]))
        yield Draw(
            {"x": x, "weight": w, "labels": labels},
            published | {"regularizer": 35.0, "boundary": boundary, "reduction": "mean"},
        )


def draw_lambda_bound(rng: np.random.Generator) -> Iterator[Draw]:
    names = tuple(RANGES)

    def draw(*values: float, **keywords: Any) -> Draw:
        return Draw(dict(zip(names, values, strict=True)), **keywords)

    for i in range(200):
        low, below = decades(rng, 1e-2, 1e2), decades(rng, 1e-3, 1.0)
        near = i % 4 == 3
        high = low * (1 + decades(rng, 1e-9, 1e-3)) if near else low + decades(rng, 1e-1, 1e3)
        above = below * (1 + decades(rng, 1e-9, 1e-3)) if i % 8 > 5 else below + decades(rng, 1e-3, 1.0)
        values = low, high, below, above, decades(rng, 1, 200)
        flags = ("CANCELLATION",) if near or i % 8 > 5 else ()
        yield draw(*(map(short, values) if not flags and i % 2 else values), flags=flags, difficulty=4 if flags else 1)
    yield draw(10.0, 110.0, 0.45, 0.8, 64.0)
    for margin in (0.0, 0.5):
        yield draw(10.0, 110.0, margin, margin, 64.0, flags=("NEAR_ROOT",))
    for i, value in (
        (0, 0.0),
        (0, 110.0),
        (0, -1.0),
        (1, 10.0),
        (1, inf),
        (2, -0.5),
        (2, 0.9),
        (3, 0.25),
        (4, 0.0),
        (4, inf),
    ):
        values = [10.0, 110.0, 0.45, 0.8, 64.0]
        values[i] = value
        yield draw(*values, result="invalid")
    for i in range(5):
        values = [10.0, 110.0, 0.45, 0.8, 64.0]
        values[i] = nan
        yield draw(*values, result="invalid")
    arrays = np.array([[10.0], [20.0]]), np.array([100.0, 110.0]), np.array([0.25, 0.5]), np.array([0.75, 0.875]), 32.0
    yield Draw(dict(zip(names, arrays, strict=True)), flags=("BROADCAST",))
