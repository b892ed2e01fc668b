"""L-Softmax through the angle itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses import _heads


def logits(
    cosine: Any,
    labels: Any,
    row_lengths: Any,
    class_lengths: Any,
    *,
    margin: float,
    annealing: float,
    gradient: str,
) -> Any:
    """|w_y| |x| (lambda cos theta_y + psi(theta_y)) / (1 + lambda) for the label's class, |w_j| |x| cos theta_j else.

    Source: liu-2016-l-softmax, section 3
    """
    target = partial(_heads.psi_target, margin=margin, annealing=annealing, psi="piecewise")
    lengths = row_lengths, class_lengths
    return _heads.logits_with_lengths(cosine, labels, lengths, _heads.straight_through(target, gradient))


def loss(x: Any, weight: Any, labels: Any, *, margin: float, annealing: float, gradient: str, reduction: str) -> Any:
    """-log softmax of |w_y| |x| (lambda cos theta_y + psi(theta_y)) / (1 + lambda) beside w_j . x.

    Source: liu-2016-l-softmax, section 3
    """
    target = partial(_heads.psi_target, margin=margin, annealing=annealing, psi="piecewise")
    return _heads.loss_with_lengths(
        x, weight, labels, _heads.straight_through(target, gradient), reduction, weight_length=True
    )


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "margin": (4.0, 2.0, 3.0, 1.0, 2.5)[i % 5],
        "annealing": (0.0, 5.0, 0.0, 1000.0)[i % 4],
        "gradient": "straight_through" if i % 6 == 5 else "exact",
    }


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.with_lengths(_heads.draw_logits(rng, _options), rng, ("row_lengths", "class_lengths"))


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    huge = ((1e150, 1e-150), (1e-200, 1e200), (1e3, 1e-2))
    yield from _heads.draw_loss(rng, _options, huge=huge, count=34)
    for x, w in (([[0.0, 0.0]], [[0.0, 0.0], [1.0, 0.5]]), ([[0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])):
        yield Draw(
            {"x": np.array(x), "weight": np.array(w), "labels": np.array([0])},
            {"margin": 2.0, "annealing": 0.0, "gradient": "exact", "reduction": "mean"},
            flags=("ZERO_NORM", "WRONG_BRANCH"),
        )
