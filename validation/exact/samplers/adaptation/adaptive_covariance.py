"""The covariance of every beginning of the chain, as it is defined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers.adaptation.adaptive_covariance import Course
from validation.exact.draws import Draw
from validation.exact.number import number
from validation.exact.samplers.adaptation._positions import identity, mean, positions, scatter


def adapt(position: Any, *, factor: Any, regularization: Any) -> Course:
    """s_d cov + s_d eps I, with a covariance of 0 for one position.

    Source: haario-2001, eq. 2
    """
    count, size = position.shape[-2:]
    scale = factor / size
    means, covariances = [], []
    for t in range(1, count + 1):
        beginning = position[..., :t, :]
        spread = scatter(beginning) * (1 / number(max(t - 1, 1)))
        means.append(mean(beginning))
        covariances.append(spread * scale + identity(size) * (scale * regularization))
    return Course(np.stack(means, axis=-2), np.stack(covariances, axis=-3))


def draw_adapt(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (position, flags, difficulty) in enumerate(positions(rng, 44, 1)):
        short_enough = position[..., :3, :]
        constants = {} if i % 3 else {"factor": 1.0, "regularization": 0.0 if i % 2 else 0.25}
        yield Draw({"position": short_enough}, constants, flags, difficulty)
