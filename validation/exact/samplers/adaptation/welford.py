"""Mean and covariance in two passes, as they are defined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers.adaptation.welford import Estimate
from validation.exact.draws import Draw
from validation.exact.number import number
from validation.exact.samplers.adaptation._positions import identity, mean, positions, scatter


def adapt(position: Any, *, shrinkage: str = "none") -> Estimate:
    """The divisor is N - 1.

    Source: welford-1962, eq. I
    """
    count, size = position.shape[-2:]
    covariance = scatter(position) * (1 / number(count - 1))
    if shrinkage == "stan":
        weight = number(count) / (count + 5)
        covariance = covariance * weight + identity(size) * (number(5) / (count + 5) / 1000)
    return Estimate(mean(position), covariance)


def draw_adapt(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (position, flags, difficulty) in enumerate(positions(rng, 44, 2)):
        constants, other = ({"shrinkage": "stan"}, "none") if i % 2 else ({}, "stan")
        name = "stan" if other == "stan" else "unshrunk"
        yield Draw({"position": position}, constants, flags, difficulty, alternatives={name: {"shrinkage": other}})
