"""The power spherical density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from validation.exact.distributions._directions import draw_directions, over_rows
from validation.exact.draws import Draw
from validation.exact.number import Number, lgamma, log, number, pi, stated


def log_prob(x: Any, mean_direction: Any, concentration: Any) -> Any:
    """kappa log(1 + mu . x) - (alpha + beta) log 2 - beta log pi - log(Gamma(alpha) / Gamma(alpha + beta)).

    Source: de-cao-aziz-2020, eq. 1 and 2
    """
    return over_rows(_density)(x, mean_direction, concentration)


def _density(cosine: Number, concentration: Number, dimensions: int) -> Any:
    beta = number(dimensions - 1) / 2
    alpha = beta + concentration
    if cosine < -1:
        return stated(-inf, (cosine, 0), (concentration, 0))
    normaliser = (alpha + beta) * log(number(2)) + beta * log(pi()) + lgamma(alpha) - lgamma(alpha + beta)
    if cosine == -1:
        if concentration == 0:
            return stated((-normaliser).ball, (cosine, 0), (concentration, -inf))
        return stated(-inf, (cosine, inf), (concentration, -inf))
    return concentration * log(1 + cosine) - normaliser


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_directions(rng, log_prob)
    pole = np.array([0.0, 1.0])
    yield Draw({"x": 1.25 * pole, "mean_direction": -pole, "concentration": 2.0}, flags=("OUT_OF_SUPPORT",))
