"""SphereFace2 as it stands: a binary cross-entropy for every class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, detached, exp, log, log1p, number, pointwise, power, sqrt, stated


def logits(cosine: Any, labels: Any, bias: Any, *, scale: Any, margin: Any, t: Any, gradient: str) -> Any:
    """r (g(cos theta_y) - m) + b for the label's class, r (g(cos theta_j) + m) + b for the others.

    Source: wen-2022-sphereface2, section 3
    """
    z = np.empty(cosine.shape, dtype=object)
    for i, j in np.ndindex(z.shape):
        c = cosine[i, j]
        if not -1 <= c <= 1 or not -inf < bias < inf:
            z[i, j] = undefined(c, bias)
        else:
            z[i, j] = scale * (_adjusted(c, t, gradient) + (-margin if j == labels[i] else margin)) + bias
    return z


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    bias: Any,
    *,
    scale: Any,
    margin: Any,
    t: Any,
    balance: Any,
    loss_weight: Any,
    gradient: str,
    reduction: str,
    zero: str = "nan",
) -> Any:
    """a / r (lambda log(1 + e^-z_y) + (1 - lambda) sum_j log(1 + e^z_j)).

    Source: wen-2022-sphereface2, section 3
    """
    losses = []
    for i, y in enumerate(labels):
        c = [cosine_of(x[i], w, zero) for w in weight]
        if any(is_stated(v, nan) for v in c) or not -inf < bias < inf:
            losses.append(undefined(*x[i], *weight.ravel(), bias))
            continue
        total: Any = Number(0)
        for j, v in enumerate(c):
            z = scale * (_adjusted(v, t, gradient) + (-margin if j == y else margin)) + bias
            total = total + (balance * log1p(exp(-z)) if j == y else (1 - balance) * log1p(exp(z)))
        losses.append(loss_weight / scale * total)
    return reduce(losses, reduction)


zero_direction = partial(loss, zero="zero")
"""A normalisation that leaves the zero vector as it is, and stops its gradient."""


def _adjusted(c: Number, t: Any, gradient: str) -> Any:
    """2 ((c + 1) / 2)^t - 1."""
    if c == -1:
        found: Any = c if t == 1 else Number(-1, [(c, lambda g: g * 0)])
    else:
        found = 2 * power((c + 1) / 2, number(t)) - 1
    return found if gradient == "exact" else c + (detached(found) - detached(c))


@pointwise
def _bias(classes: Number, scale: Number, margin: Number, t: Number, balance: Number) -> Any:
    n = float(classes)
    if not (2 <= n < inf and n == int(n)) or balance == 0 or balance == 1:
        return stated(nan)
    z = balance / ((1 - balance) * (number(n) - 1))
    middle = 2 * power(number(0.5), t) - 1
    own, other = scale * (middle - margin), scale * (middle + margin)
    return log(2 * z) - other - log(1 - z + sqrt((1 - z) ** 2 + 4 * z * exp(own - other)))


def initial_bias(classes: Any, *, scale: Any, margin: Any, t: Any, balance: Any) -> Any:
    """log(2 z) - a_i - log(1 - z + sqrt((1 - z)^2 + 4 z e^(a_y - a_i))), z = lambda / ((1 - lambda) (C - 1)).

    Source: wen-2022-sphereface2, section 3
    """
    return _bias(classes, number(scale), number(margin), number(t), number(balance))


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(rng.choice([1.0, 8.0, 30.0, 40.0])),
        "margin": 0.0 if i % 11 == 5 else short(float(rng.uniform(0.05, 0.5))),
        "t": (3.0, 1.0, 2.0, 1.5, 6.0)[i % 5],
        "gradient": "straight_through" if i % 4 == 3 else "exact",
    }


def _loss_options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    balance = (0.7, 0.5, 0.9, 0.0, 1.0, 0.7)[i % 6]
    return _options(i, rng) | {"balance": balance, "loss_weight": 50.0 if i % 4 == 3 else 1.0}


def _others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    gradient = "exact" if constants["gradient"] == "straight_through" else "straight_through"
    return {gradient: {"gradient": gradient}}


def _with_bias(draw: Draw, rng: np.random.Generator) -> Draw:
    scale = draw.constants["scale"]
    return replace(draw, arguments=draw.arguments | {"bias": short(float(rng.uniform(-1, 1)) * scale)})


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_logits(rng, _options, _others):
        yield _with_bias(draw, rng)
    for wrong in (nan, inf):
        given = {"cosine": np.array([[0.5, 0.25]]), "labels": np.array([0]), "bias": wrong}
        yield Draw(given, _options(0, rng), result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _heads.draw_loss(rng, _loss_options, _others, zero=zero_direction):
        yield _with_bias(draw, rng)
    constants = _options(0, rng) | {"balance": 0.75, "loss_weight": 1.0, "reduction": "sum"}
    for gap in (1e-2, 1e-4, 1e-7):  # nearly opposite to all: the slope itself is small
        x = rng.normal(size=(1, 3))
        for classes in (1, 3):
            w = -x * np.arange(1.0, 1.0 + classes)[:, None] + gap * rng.normal(size=(classes, 3))
            for t in (1.5, 3.0):
                given = {"x": x, "weight": w, "labels": np.array([0]), "bias": 0.5}
                yield Draw(given, constants | {"t": t}, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=5)
    given = {"x": short(rng.normal(size=(2, 3))), "weight": short(rng.normal(size=(3, 3))), "labels": np.array([0, 2])}
    for bias in (-1000.0, 1000.0):
        yield Draw(given | {"bias": bias}, constants, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
    for bias in (nan, inf):
        yield Draw(given | {"bias": bias}, constants | {"reduction": "none"}, result="invalid")


def draw_initial_bias(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(n: Any, constants: dict[str, float], **keywords: Any) -> Draw:
        return Draw({"classes": n}, {"scale": 40.0, "margin": 0.4, "t": 3.0, "balance": 0.7} | constants, **keywords)

    for n in range(2, 60):
        yield draw(n, {}, flags=("CANCELLATION",) if n < 5 else ())
    for i in range(140):
        n = 2 + int(decades(rng, 1, 1e9 if i % 2 else 100))
        constants = {
            "scale": short(decades(rng, 1, 100)),
            "margin": 0.0 if i % 7 == 3 else short(float(rng.uniform(0, 0.6))),
            "t": short(float(rng.uniform(1, 6))),
            "balance": short(float(rng.uniform(0.05, 0.95))),
        }
        yield draw(n, constants, flags=("HUGE_PARAMETER",) if i % 2 else ("CANCELLATION",), difficulty=3)
    for n in (2, 3, 8, 1000):
        for margin in (0.0, 1.0, 2.0):
            yield draw(n, {"balance": 0.875, "margin": margin}, flags=("CANCELLATION",), difficulty=3)
    for value in (1, 0, -4, 2.5, nan, inf):
        yield draw(value, {}, result="invalid")
    for balance in (0.0, 1.0):
        yield draw(10, {"balance": balance}, result="invalid")
    yield draw(np.array([[2, 10], [100, 85000]]), {}, flags=("BROADCAST",))
