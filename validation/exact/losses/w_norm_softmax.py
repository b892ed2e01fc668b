"""Softmax cross-entropy with normalised class vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses import _heads


def logits(cosine: Any, labels: Any, row_lengths: Any) -> Any:
    """|x| cos theta_j.

    Source: liu-2017-sphereface, section 3
    """
    return _heads.logits_with_lengths(cosine, labels, (row_lengths,), lambda c: c)


def loss(x: Any, weight: Any, labels: Any, *, reduction: str) -> Any:
    """-log(e^{|x| cos theta_y} / sum_j e^{|x| cos theta_j}).

    Source: liu-2017-sphereface, section 3
    """
    return _heads.loss_with_lengths(x, weight, labels, lambda c: c, reduction)


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _heads.with_lengths(_heads.draw_logits(rng, lambda i, rng: {}), rng, ("row_lengths",))


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    huge = ((30.0, 1e-300), (1e-200, 1e200), (5.0, 1e30))
    yield from _heads.draw_loss(rng, lambda i, rng: {}, near_axis=True, huge=huge)
