"""SphereFace through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads


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
