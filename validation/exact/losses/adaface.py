"""AdaFace through the angle itself and the lengths of all rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from refengine.losses.adaface import Statistics
from validation.exact.draws import Draw, decades, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, minus_log_softmax, norm, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, acos, cos, detached, number, pi, pointwise, sin, sqrt, stated

ANGLES = ("none", "clip")


@pointwise
def _quality(a: Number, mean: Number, deviation: Number, h: Number, eps: Number, at_end: Number) -> Any:
    if not (0 <= a < inf and 0 <= mean < inf and 0 <= deviation < inf):
        return undefined(a, mean, deviation)
    if deviation + eps == 0:
        if h == 0 or a == mean:
            return undefined(a, mean, deviation)
        return Number(1) if a > mean else Number(-1)
    z = h * (a - mean) / (deviation + eps)
    if abs(z) == 1:
        return Number(z.ball, [(z, lambda g: g * at_end)])
    return z if abs(z) < 1 else Number(1 if z > 0 else -1)


def quality(norms: Any, mean: Any, deviation: Any, *, h: Any, eps: Any, at_end: float = 1.0) -> Any:
    """clip(h (|x| - mu) / (sigma + eps), -1, 1).

    Source: kim-2022-adaface, section 3.3
    """
    return _quality(norms, mean, deviation, number(h), number(eps), number(at_end))


dead_ends = partial(quality, at_end=0.0)
"""The clip's gradient at its ends is 0, as in later versions of PyTorch."""


def _statistics(norms: Any, ddof: int, equal: bool | None = None) -> tuple[Any, Any]:
    """Mean and standard deviation; at equal lengths the latter's derivatives have mean 0."""
    norms, n = list(norms), len(norms)
    if n == 0 or not all(0 <= a < inf for a in norms):
        nothing = undefined(*norms)
        return nothing, nothing
    mean = sum(norms, Number(0)) / n
    if n <= ddof:
        return mean, undefined(*norms)
    if equal or (equal is None and all(a == norms[0] for a in norms[1:])):
        return mean, Number(0)
    return mean, sqrt(sum((a - mean) * (a - mean) for a in norms) / (n - int(ddof)))


def update(norms: Any, mean: Any, deviation: Any, *, ema_weight_on_new: Any, ddof: int) -> Statistics:
    """alpha times the batch's mean and standard deviation, plus 1 - alpha times the old ones.

    Source: kim-2022-adaface, section 3.3
    """
    alpha = number(ema_weight_on_new)
    new_mean, new_deviation = _statistics(norms, ddof)
    if is_stated(new_mean, nan):
        return Statistics(undefined(mean, *norms), undefined(deviation, *norms))
    if is_stated(new_deviation, nan):
        new_deviation = undefined(deviation, *norms)
        return Statistics(alpha * new_mean + (1 - alpha) * mean, new_deviation)
    return Statistics(alpha * new_mean + (1 - alpha) * mean, alpha * new_deviation + (1 - alpha) * deviation)


def _clip(v: Any, low: Any, high: Any) -> Any:
    return detached(low) if v < low else detached(high) if v > high else v


def _target(c: Number, q: Number, m: Any, boundary: str, edge: Any) -> Any:
    """cos(theta - m q) - m - m q, with or without its clips."""
    if edge > 0:
        c = _clip(c, edge - 1, 1 - edge)
    shift = -m * q
    if boundary == "clip" and abs(c) == 1:
        if shift < 0 if c == 1 else shift > 0:
            return detached(c) - m + shift
    elif boundary == "clip":
        angle = acos(c) + shift
        if angle < edge or angle > pi() - edge:
            return cos(edge if angle < edge else pi() - edge) - m + shift
    return _plain(c, shift) - m + shift


def _plain(c: Number, shift: Any) -> Any:
    """cos(theta + shift)."""
    if shift == 0 and not shift.tracked:
        return c
    if abs(c) == 1 and c.tracked:  # the one-sided derivatives sin(theta + shift) / sin(theta)
        slope: Any = 1.0 if shift == 0 else inf if c * shift > 0 else -inf
        return Number(
            (c * cos(shift)).ball, [(c, lambda g: g * stated(slope)), (shift, lambda g: -(g * c * sin(shift)))]
        )
    return cos(acos(c) + shift)


def logits(cosine: Any, labels: Any, quality: Any, *, scale: Any, margin: Any, boundary: str, clip_cos: Any) -> Any:
    """s (cos(theta_y - m q) - m - m q) for the label's class, s cos(theta_j) for the others.

    Source: kim-2022-adaface, section 3.3
    """
    z = np.empty(cosine.shape, dtype=object)
    m, edge = number(margin), number(clip_cos)
    for i, j in np.ndindex(z.shape):
        c, q = cosine[i, j], quality[i]
        own = j == labels[i]
        if not -1 <= c <= 1 or (own and not -1 <= q <= 1):
            z[i, j] = undefined(c, q) if own else undefined(c)
        elif own:
            z[i, j] = scale * _target(c, q, m, boundary, edge)
        else:
            z[i, j] = scale * (_clip(c, edge - 1, 1 - edge) if edge > 0 else c)
    return z


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: Any,
    margin: Any,
    h: Any,
    eps: Any,
    mean: Any,
    deviation: Any,
    ddof: int,
    boundary: str,
    clip_cos: Any,
    reduction: str,
) -> Any:
    """-log(e^{z_y} / (e^{z_y} + sum_{j != y} e^{s cos theta_j})), z_y = s (cos(theta_y - m q) - m - m q), q held.

    Source: kim-2022-adaface, section 3.3
    """
    norms = [detached(norm(row)) for row in x]
    squares = [detached((row * row).sum()) for row in x]
    equal = len(x) > 0 and all(v == squares[0] for v in squares)
    of_batch, spread_of_batch = _statistics(norms, ddof, equal)
    at_mean = equal and mean is None and (ddof == 0 or len(x) > 1 or deviation is not None)
    mean = of_batch if mean is None else mean
    deviation = spread_of_batch if deviation is None else deviation
    m, edge = number(margin), number(clip_cos)
    losses = []
    for i, y in enumerate(labels):
        given = (number(v) for v in (mean, deviation, h, eps, 1.0))
        q = Number(0) if at_mean else _quality(norms[i], *given)
        z = np.empty(len(weight), dtype=object)
        for j, w in enumerate(weight):
            c = cosine_of(x[i], w)
            if is_stated(c, nan) or is_stated(q, nan):
                z[j] = stated(nan)
            elif j == y:
                z[j] = scale * _target(_heads.at_end(c), detached(q), m, boundary, edge)
            else:
                z[j] = scale * (_clip(c, edge - 1, 1 - edge) if edge > 0 else c)
        any_nan = any(is_stated(v, nan) for v in z)
        losses.append(undefined(*x[i], *weight.ravel()) if any_nan else minus_log_softmax(z, y))
    return reduce(losses, reduction)


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])),
        "margin": (0.4, 0.25, 0.5, 0.0)[i % 4] if i % 7 else 0.75,
        "boundary": ANGLES[i % 2],
        "clip_cos": (0.0, 0.0, 1e-3, 0.0625)[i // 2 % 4],
    }


def _others(constants: dict[str, Any]) -> dict[str, Any]:
    """The clips of the authors' code."""
    official = {"boundary": "clip", "clip_cos": 1e-3}
    return {} if constants.items() >= official.items() else {"official": official}


def draw_quality(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(a: Any, mean: Any, deviation: Any, h: float = 0.333, eps: float = 1e-3, **keywords: Any) -> Draw:
        constants = {} if (h, eps) == (0.333, 1e-3) else {"h": h, "eps": eps}
        return Draw({"norms": a, "mean": mean, "deviation": deviation}, constants, **keywords)

    for i in range(120):
        mean, deviation = decades(rng, 0.5, 50), decades(rng, 0.05, 20)
        a = abs(mean + deviation * float(rng.normal() * 2))
        values = (a, mean, deviation) if i % 2 else tuple(map(short, (a, mean, deviation)))
        yield draw(*values, h=(0.333, 0.0, 1.0, 0.5)[i % 4], eps=(1e-3, 0.0)[i // 4 % 2], difficulty=1 + i % 2)
    for i in range(60):  # close to the mean
        mean, deviation = decades(rng, 1, 100), decades(rng, 1e-6, 1)
        a = mean * (1 + 1e-6 * float(rng.normal()))
        yield draw(a, mean, deviation, eps=(1e-3, 0.0)[i % 2], flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for size in (1e-200, 1e-30, 1e30, 1e200):
        for a in (1.0, 2.5, 3.25):
            yield draw(a * size, 2.0 * size, 1.5 * size, flags=("OVERFLOW_F32",), difficulty=3)
    for a, mean, deviation in ((5.0, 3.0, 1.0), (1.0, 3.0, 1.0), (8.0, 4.0, 2.0)):
        keywords: dict[str, Any] = {"flags": ("KINK",), "result": "ambiguous", "alternatives": {"dead_ends": dead_ends}}
        yield draw(a, mean, deviation, h=0.5, eps=0.0, **keywords)
        yield draw(np.nextafter(a, inf), mean, deviation, h=0.5, eps=0.0, flags=("WRONG_BRANCH",), difficulty=3)
    yield draw(2.0, 1.0, 0.0, eps=0.0, flags=("SATURATION",))
    yield draw(1.0, 2.0, 0.0, eps=0.0, flags=("SATURATION",))
    yield draw(2.0, 2.0, 0.0, eps=0.0, result="undefined")
    yield draw(2.0, 2.0, 0.0)
    yield draw(0.0, 0.0, 0.0)
    for i in range(3):
        for value in (-1.0, nan, inf):
            values = [2.0, 3.0, 1.0]
            values[i] = value
            yield draw(*values, result="invalid")
    for h in (0.333, 1.0):
        yield draw(np.array([[1.0], [2.5], [9.0]]), np.array([2.0, 3.0]), 1.5, h=h, flags=("BROADCAST",))


def draw_update(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(norms: Any, mean: float, deviation: float, weight: float = 0.99, ddof: int = 1, **keywords: Any) -> Draw:
        others: dict[str, Any] = {"weight_on_old": {"ema_weight_on_new": 1 - weight}}
        others["ddof_0" if ddof else "ddof_1"] = {"ddof": 1 - ddof}
        if keywords.get("result") in ("invalid", "undefined"):
            others = {}
        arguments = {"norms": np.asarray(norms, float), "mean": mean, "deviation": deviation}
        return Draw(arguments, {"ema_weight_on_new": weight, "ddof": ddof}, alternatives=others, **keywords)

    for i in range(44):
        norms = short(np.abs(rng.normal(size=rng.integers(2, 7)) * 4 + 12))
        weight = (0.99, 0.5, 0.25, 1.0, 0.0)[i % 5]
        yield draw(norms, short(decades(rng, 1, 30)), short(decades(rng, 0.5, 9)), weight, i // 5 % 2)
    for i, gap in enumerate((1e-2, 1e-5, 1e-8, 1e-11)):
        for ddof in (0, 1):
            norms = 20 * (1 + gap * rng.normal(size=4))
            yield draw(norms, 19.0, 5.0, (0.99, 1.0)[i % 2], ddof, flags=("CANCELLATION",), difficulty=4)
    for i, size in enumerate((1e-300, 1e-160, 1e160, 1e300)):
        norms = size * np.abs(rng.normal(size=3))
        yield draw(norms, 0.0, 0.0, 1.0, i % 2, flags=("OVERFLOW_F32",), difficulty=4)
    for ddof in (0, 1):
        yield draw([2.0, 2.0, 2.0], 3.0, 1.0, 0.5, ddof, flags=("TIE", "KINK"))
        yield draw([0.1, 0.1, 0.1], 3.0, 1.0, 1.0, ddof, flags=("TIE", "KINK"))
        yield draw([0.0, 0.0], 3.0, 1.0, 0.5, ddof, flags=("TIE", "ZERO_NORM"))
        yield draw([4.0], 3.0, 1.0, 0.5, ddof, flags=("EMPTY_ROW",), result="undefined" if ddof else "required")
        yield draw([], 3.0, 1.0, 0.5, ddof, flags=("EMPTY_ROW",), result="undefined")
        yield draw([1.0, -2.0], 3.0, 1.0, 0.5, ddof, result="invalid")
        yield draw([1.0, nan], 3.0, 1.0, 0.5, ddof, result="invalid")


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_logits(rng, _options, _others):
        n = len(draw.arguments["cosine"])
        given = draw.arguments | {"quality": short(rng.uniform(-0.99, 0.99, size=n))}
        yield Draw(given, draw.constants, draw.flags, draw.difficulty, draw.result, draw.alternatives)
    c, labels = np.array([[0.5, 0.25], [-0.75, 0.5], [0.875, -0.5]]), np.array([0, 0, 0])
    for i in range(4):
        constants = _options(i, rng)
        given = {"cosine": c, "labels": labels, "quality": np.array([0.0, 1.0, -1.0])}
        yield Draw(given, constants, flags=("SATURATION",), alternatives=_others(constants))
    for q in (1.5, nan):
        given = {"cosine": c, "labels": labels, "quality": np.array([0.0, q, -1.0])}
        yield Draw(given, _options(0, rng), result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        from_batch = i % 3 != 0
        return _options(i, rng) | {
            "h": (0.333, 0.5, 1.0, 0.0)[i % 4],
            "eps": 1e-3,
            "mean": None if from_batch else 2.0,
            "deviation": None if from_batch else 0.75,
            "ddof": i % 2,
        }

    for draw in _heads.draw_loss(rng, options, _others, count=44):
        constants, x = dict(draw.constants), draw.arguments["x"]
        if x.shape[1] == 2:
            continue  # in the plane sines near 90 degrees cancel, of which a condition number knows nothing
        if len(x) == 1:
            constants |= {"mean": 1.5, "deviation": 1.0}
        norms = np.linalg.norm(x / np.max(np.abs(x), initial=1e-300), axis=1)
        if len(x) > 1 and np.ptp(norms) > 0 and np.std(norms) < 0.2 * np.mean(norms):  # else its digits are lost
            x = x * np.where(np.arange(len(x)) == 0, 4.0, 1.0)[:, None]
        given = draw.arguments | {"x": x}
        yield Draw(given, constants, draw.flags, draw.difficulty, draw.result, draw.alternatives)
    x, w = short(rng.normal(size=(1, 3))), short(rng.normal(size=(2, 3)))
    for ddof in (0, 1):  # the deviation of one row
        constants = options(1, rng) | {"ddof": ddof, "reduction": "none"}
        given = {"x": x, "weight": w, "labels": np.array([1])}
        yield Draw(given, constants, flags=("EMPTY_ROW",), result="undefined" if ddof else "required")
