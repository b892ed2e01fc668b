"""ArcFace through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._rows import is_stated, minus_log_softmax, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, acos, cos, detached, number, pi, sin, stated

BOUNDARIES = ("none", "monotonic", "easy", "clip", "identity")
REDUCTIONS = ("mean", "sum", "none")


def logits(cosine: Any, labels: Any, *, scale: float, margin: float, boundary: str, gradient: str) -> Any:
    """s cos(theta_y + m) for the label's class, s cos(theta_j) for the others.

    Source: deng-2019-arcface, eq. 3
    """
    z = np.empty(cosine.shape, dtype=object)
    for i, j in np.ndindex(z.shape):
        c = cosine[i, j]
        if not -1 <= c <= 1:
            z[i, j] = undefined(c)
        elif j != labels[i]:
            z[i, j] = scale * c
        elif gradient == "straight_through":
            z[i, j] = scale * c + detached(scale * _target(c, margin, boundary) - scale * c)
        else:
            z[i, j] = scale * _target(c, margin, boundary)
    return z


def _target(c: Number, margin: float, boundary: str) -> Any:
    """cos(theta + m), or what the boundary rule has in its place."""
    m = number(margin)
    if margin == 0:
        return c
    if boundary == "easy":
        holds = c > 0
    else:
        holds = boundary == "none" or c > cos(pi() - m)
    if not holds:
        return {"monotonic": c - m * sin(m), "easy": c, "identity": c, "clip": Number(-1)}[boundary]
    if c == 1 or c == -1:  # the one-sided derivatives sin(theta + m) / sin(theta)
        return _with_slope(c * cos(m), c, inf if c == 1 else -inf)
    return cos(acos(c) + m)


def _with_slope(value: Number, c: Number, slope: float) -> Number:
    return Number(value.ball, [(c, lambda g: g * stated(slope))])


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: float,
    margin: float,
    boundary: str,
    gradient: str,
    reduction: str,
    zero: str = "nan",
    clip: float = 0.0,
) -> Any:
    """-log(e^{s cos(theta_y + m)} / (e^{s cos(theta_y + m)} + sum_{j != y} e^{s cos theta_j})).

    Source: deng-2019-arcface, eq. 3
    """
    losses = []
    for i, y in enumerate(labels):
        z = np.empty(len(weight), dtype=object)
        for j in range(len(weight)):
            c = cosine_of(x[i], weight[j], zero)
            if j != y or is_stated(c, nan):
                z[j] = c if is_stated(c, nan) else scale * c
                continue
            low = number(1.0) - clip
            inner = detached(-low if c < 0 else low) if abs(c) > low else c
            at_end = abs(inner) == 1  # no direction in which the angle grows: the derivative is 0
            true = scale * _target(detached(inner) if at_end else inner, margin, boundary)
            z[j] = scale * c + detached(true - scale * c) if gradient == "straight_through" else true
        any_nan = any(is_stated(v, nan) for v in z)
        losses.append(undefined(*x[i], *weight.ravel()) if any_nan else minus_log_softmax(z, y))
    return reduce(losses, reduction)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""

clipped = partial(loss, clip=1e-7)
"""The cosine is clipped to 1e-7 within [-1, 1] before acos, and its gradient is 0 there."""


def _others(constants: dict[str, Any], flags: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The other gradient by name, and where the angle is beyond pi - m the other rules."""
    gradient = "exact" if constants["gradient"] == "straight_through" else "straight_through"
    beyond = [rule for rule in BOUNDARIES if rule != constants["boundary"] and "BEYOND_PI_MINUS_M" in flags]
    return {gradient: {"gradient": gradient}} | {rule: {"boundary": rule} for rule in beyond}


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(c: Any, labels: Any, boundary: str = "none", gradient: str = "exact", **keywords: Any) -> Draw:
        scale, margin = keywords.pop("scale", 64.0), keywords.pop("margin", 0.5)
        constants = {"scale": scale, "margin": margin, "boundary": boundary, "gradient": gradient}
        alternatives = {} if keywords.get("result") == "invalid" else _others(constants, keywords.get("flags", ()))
        labels = np.array(labels, dtype=np.int64)
        return Draw(
            {"cosine": np.asarray(c, float), "labels": labels}, constants, alternatives=alternatives, **keywords
        )

    for i in range(60):
        n, c = rng.integers(1, 5, size=2)
        cosine = short(rng.uniform(-0.85, 0.99, size=(n, c)))
        margin, scale = short(float(rng.uniform(0.05, 1.5))), float(rng.choice([1.0, 16.0, 30.0, 64.0]))
        gradient = "straight_through" if i % 4 == 3 else "exact"
        labels = rng.integers(c, size=n)
        yield draw(cosine, labels, BOUNDARIES[i % 5], gradient, margin=margin, scale=scale)
    for boundary in BOUNDARIES:
        for gradient in ("exact", "straight_through"):
            c = [[-0.99, 0.5], [0.25, -0.9375], [-0.87, 0.0]]
            yield draw(c, [0, 1, 0], boundary, gradient, flags=("BEYOND_PI_MINUS_M",), difficulty=2)
        switch = 0.0 if boundary == "easy" else float(np.cos(np.pi - 0.5))
        for step in (1e-3, 1e-9, 1e-14):  # both sides of the jump
            c = [[switch - step, 0.5], [switch + step, 0.5]]
            yield draw(c, [0, 0], boundary, flags=("WRONG_BRANCH", "BEYOND_PI_MINUS_M"), difficulty=4)
        ends = [[1.0, -1.0], [0.5, -1.0], [-0.5, 1.0]]
        yield draw(ends, [0, 1, 1], boundary, flags=("ACOS_AT_ONE", "BEYOND_PI_MINUS_M"), difficulty=4)
        yield draw(ends, [0, 1, 1], boundary, "straight_through", flags=("ACOS_AT_ONE",), difficulty=3)
        yield draw([[0.3, 1.0], [-1.0, 1.0]], [1, 0], boundary, margin=0.0, flags=("ACOS_AT_ONE",), difficulty=3)
    yield draw([[0.0, 0.5]], [0], "easy", flags=("KINK",), difficulty=3)
    for gap in (1e-3, 1e-6, 1e-10, 2.0**-53):
        yield draw([[1 - gap, 0.5], [-1 + gap, 0.5]], [0, 0], flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
        yield draw([[1 - gap, 0.5]], [0], margin=1e-8, flags=("ACOS_AT_ONE",), difficulty=4)
    for _ in range(10):  # the target's cosine vanishes, or its slope
        near = np.cos(np.pi / 2 - 0.5) + rng.normal() * 1e-9, np.cos(np.pi - 0.5) + abs(rng.normal()) * 1e-9
        yield draw([[near[0], 0.1], [near[1], 0.1]], [0, 0], flags=("NEAR_ROOT",), difficulty=4)
    yield draw([[1e-300, 0.5], [-1e-300, 5e-324]], [0, 1], flags=("SUBNORMAL",), difficulty=3)
    yield draw([[0.25]], [0], "monotonic")
    yield draw(np.zeros((0, 3)), [], flags=("EMPTY_ROW",))
    yield draw([[1.0000000000000002, 0.5]], [0], flags=("ACOS_AT_ONE",), result="invalid", difficulty=3)
    yield draw([[0.5, nan]], [0], result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, w: Any, labels: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {
            "scale": keywords.pop("scale", 64.0),
            "margin": keywords.pop("margin", 0.5),
            "boundary": keywords.pop("boundary", "none"),
            "gradient": keywords.pop("gradient", "exact"),
            "reduction": reduction,
        }
        alternatives = _others(constants, keywords.get("flags", ())) | keywords.pop("alternatives", {})
        arguments = {"x": x, "weight": w, "labels": np.array(labels, dtype=np.int64)}
        return Draw(arguments, constants, alternatives=alternatives, **keywords)

    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for i in range(40):
        n, c, d = rng.integers(1, 5), rng.integers(1, 5), rng.integers(2, 6)
        yield draw(
            vectors(n, d),
            vectors(c, d),
            rng.integers(c, size=n),
            REDUCTIONS[i % 3],
            boundary=BOUNDARIES[i % 5],
            gradient="straight_through" if i % 4 == 3 else "exact",
            scale=float(rng.choice([1.0, 8.0, 30.0, 64.0])),
            margin=short(float(rng.uniform(0.05, 1.2))),
            flags=("OVERFLOW_F16",) if i % 2 else (),
        )
    for boundary in BOUNDARIES:  # the second row lies beyond pi - m, or behind the switch at 90 degrees
        for gradient in ("exact", "straight_through"):
            x, w = vectors(3, 3), vectors(3, 3)
            w[1] = -x[1] + short(0.125 * rng.normal(size=3))
            yield draw(
                x, w, [0, 1, 2], "sum", boundary=boundary, gradient=gradient, flags=("BEYOND_PI_MINUS_M",), difficulty=2
            )
        x, w = vectors(2, 4), vectors(3, 4)
        w[0] = 4 * x[0] + short(0.03125 * rng.normal(size=4))
        yield draw(x, w, [0, 0], "none", boundary=boundary, flags=("SATURATION",), difficulty=2)
    for gap in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-13):  # almost a duplicate, almost opposite
        for gradient in ("exact", "straight_through"):
            x, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
            w[0], w[1] = 2 * x[0] + gap * rng.normal(size=3), -x[1] + gap * rng.normal(size=3)
            yield draw(x, w, [0, 1], "none", gradient=gradient, flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for tilt in (1e-2, 1e-5, 1e-9):  # almost along an axis
        x, w = np.array([[1.0, tilt, -2 * tilt]]), np.array([[1.0, 3 * tilt, tilt], [0.25, 1.0, 0.5]])
        yield draw(x, w, [0], flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=5)
        w = np.array([w[0], [tilt, 1.0, -tilt]])
        for scale in (4.0, 64.0):
            yield draw(x, w, [0], scale=scale, flags=("ACOS_AT_ONE", "SATURATION"), difficulty=5)
        yield draw(x, w, [1], flags=("CANCELLATION",), difficulty=5)
    for i, factor in enumerate((1.0, 3.0, -2.0, -0.1875, 1.0, -5.0)):  # exactly parallel to the own class
        x, w = vectors(2, 3), vectors(3, 3)
        w[0] = factor * x[0]
        yield draw(
            x,
            w,
            [0, 1],
            "none" if i % 2 else "mean",
            boundary=("none", "monotonic", "clip")[i // 2],
            flags=("ACOS_AT_ONE",) + (("BEYOND_PI_MINUS_M",) if factor < 0 else ()),
            difficulty=4,
            result="ambiguous",
            alternatives={"clipped": clipped},
        )
    x, w = vectors(2, 3), vectors(3, 3)
    w[2] = 3 * x[0]  # parallel to another class: nothing is ambiguous
    yield draw(x, w, [0, 1], flags=("ACOS_AT_ONE",), difficulty=3)
    w = vectors(2, 4)
    yield draw(np.repeat(vectors(1, 4), 3, axis=0), w, [0, 0, 1], "sum", flags=("ZERO_DISTANCE",))
    yield draw(vectors(2, 4), np.repeat(w[:1], 3, axis=0), [0, 2], "sum", flags=("TIE",), difficulty=2)
    for size_x, size_w in ((1e300, 1e-300), (1e-200, 1e200), (1e30, 1e30)):
        x, w = rng.normal(size=(2, 3)) * size_x, rng.normal(size=(3, 3)) * size_w
        yield draw(x, w, [0, 2], flags=("OVERFLOW_F32",), difficulty=4)
    for margin, scale in ((0.0, 64.0), (1e-8, 64.0), (3.0, 8.0), (0.5, 1e-3), (0.5, 1000.0)):
        yield draw(vectors(2, 3), vectors(3, 3), [2, 0], margin=margin, scale=scale, difficulty=2)
    for boundary in BOUNDARIES:
        yield draw(vectors(2, 3), vectors(1, 3), [0, 0], "none", boundary=boundary, flags=("SATURATION",))
    yield draw(
        np.array([[2.0], [-1.0]]),
        np.array([[3.0], [-0.5]]),
        [0, 0],
        flags=("ACOS_AT_ONE",),
        difficulty=3,
        scale=2.0,
        result="ambiguous",
        alternatives={"clipped": clipped},
    )
    for reduction in REDUCTIONS:
        result = "ambiguous" if reduction == "mean" else "required"
        yield draw(np.zeros((0, 3)), vectors(2, 3), [], reduction, flags=("EMPTY_ROW",), result=result)
    zero = np.zeros((1, 3))
    for x, w in (
        (np.concatenate([vectors(1, 3), zero]), vectors(2, 3)),
        (vectors(2, 3), np.concatenate([zero, vectors(1, 3)])),
    ):
        yield draw(
            x,
            w,
            [1, 0],
            "none",
            flags=("ZERO_NORM",),
            difficulty=3,
            result="ambiguous",
            alternatives={"zero": zero_direction},
        )
