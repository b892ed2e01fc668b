"""SphereFace through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses import _heads
from validation.exact.number import Number, number, pointwise, power, stated


def annealing(iteration: Any, *, base: Any, gamma: Any, power: Any, minimum: Any) -> Any:
    """max(lambda_min, lambda_0 (1 + gamma n)^-p).

    Source: liu-2017-sphereface, the Caffe layer
    """
    return _annealing(iteration, number(base), number(gamma), number(power), number(minimum))


@pointwise
def _annealing(iteration: Number, base: Number, gamma: Number, p: Number, minimum: Number) -> Any:
    n = float(iteration)
    if not (0 <= n < inf and n == int(n)):
        return stated(nan)
    found = base * power(1 + gamma * number(n), -p)
    return found if found > minimum else minimum


def logits(cosine: Any, labels: Any, *, margin: float, annealing: float, scale: float, psi: str, gradient: str) -> Any:
    """s (lambda cos theta_y + psi(theta_y)) / (1 + lambda) for the label's class, s cos theta_j for the others.

    Source: liu-2017-sphereface, section 3
    """
    target = partial(_heads.psi_target, margin=margin, annealing=annealing, psi=psi)
    return _heads.logits(cosine, labels, scale, _heads.straight_through(target, gradient))


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    margin: float,
    annealing: float,
    scale: float | None,
    psi: str,
    gradient: str,
    reduction: str,
) -> Any:
    """-log softmax of a (lambda cos theta_y + psi(theta_y)) / (1 + lambda) beside a cos theta_j, a = |x| or s.

    Source: liu-2017-sphereface, section 3
    """
    target = _heads.straight_through(partial(_heads.psi_target, margin=margin, annealing=annealing, psi=psi), gradient)
    if scale is None:
        return _heads.loss_with_lengths(x, weight, labels, target, reduction)
    return _heads.loss(x, weight, labels, scale, target, reduction)


def _options(i: int, rng: np.random.Generator, scales: tuple[float | None, ...] = (64.0, 30.0, 1.0)) -> dict[str, Any]:
    margin = (4.0, 2.0, 3.0, 1.0, short(float(rng.uniform(1, 5))), 1.75, 1.35)[i % 7]
    return {
        "margin": margin,
        "annealing": (0.0, 5.0, 0.0, 1000.0)[i % 4],
        "scale": scales[i % len(scales)],
        "psi": "cosine" if i % 5 == 1 else "piecewise",
        "gradient": "straight_through" if i % 6 == 5 else "exact",
    }


def _others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The other gradient, the other psi, and the margin cut to an integer as in pytorch-metric-learning."""
    gradient = "exact" if constants["gradient"] == "straight_through" else "straight_through"
    psi = "cosine" if constants["psi"] == "piecewise" else "piecewise"
    found: dict[str, dict[str, Any]] = {gradient: {"gradient": gradient}, psi: {"psi": psi}}
    whole = float(int(constants["margin"]))
    return found if whole == constants["margin"] else found | {"whole_margin": {"margin": whole}}


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.draw_logits(rng, _options, _others)
    for margin in (2.0, 3.0, 4.0, 2.5):  # where two pieces meet, and next to it
        meeting = float(np.cos(np.pi / margin))
        points = [meeting - 1e-9, meeting + 1e-9, meeting - 1e-3, meeting + 1e-3]
        points += [0.0] if margin == 2 else [0.5, -0.5] if margin == 3 else []
        c = np.array([[p, 0.25] for p in points])
        for annealing in (0.0, 5.0):
            yield Draw(
                {"cosine": c, "labels": np.zeros(len(points), dtype=np.int64)},
                {"margin": margin, "annealing": annealing, "scale": 8.0, "psi": "piecewise", "gradient": "exact"},
                flags=("WRONG_BRANCH",),
                difficulty=3,
            )


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    scaled: Any = partial(_options, scales=(None, None, 30.0, None, 64.0))
    huge = ((30.0, 1e-300), (1e-200, 1e200), (5.0, 1e30))
    yield from _heads.draw_loss(rng, scaled, _others, huge=huge, count=34)
    yield Draw(
        {"x": np.array([[0.0, 2.0], [0.5, 0.0]]), "weight": np.eye(2), "labels": np.array([0, 1])},
        {"margin": 2.0, "annealing": 0.0, "scale": None, "psi": "piecewise", "gradient": "exact", "reduction": "none"},
        flags=("WRONG_BRANCH",),
    )


def draw_annealing(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(n: Any, constants: dict[str, float], **keywords: Any) -> Draw:
        return Draw(
            {"iteration": n}, {"base": 1000.0, "gamma": 0.12, "power": 1.0, "minimum": 5.0} | constants, **keywords
        )

    for n in range(60):
        yield draw(n, {})
    for i in range(150):
        n = int(decades(rng, 1, 1e7 if i % 2 else 1e3))
        constants = {
            "base": short(decades(rng, 1, 1e4)),
            "gamma": 0.0 if i % 9 == 4 else short(decades(rng, 1e-6, 1)),
            "power": (1.0, 0.5, 5.0, 35.0, 0.0)[i % 5],
            "minimum": short(float(rng.uniform(0, 10))) if i % 2 else 0.0,
        }
        yield draw(n, constants, flags=("HUGE_PARAMETER",) if i % 2 else ())
    for n in (0, 7, 1000):  # the floor is met exactly
        yield draw(n, {"gamma": 0.0, "base": 8.0, "minimum": 8.0}, flags=("TIE",))
    for value in (-1, 2.5, nan, inf):
        yield draw(value, {}, result="invalid")
    yield draw(np.array([[0, 10], [100, 10000]]), {}, flags=("BROADCAST",))
