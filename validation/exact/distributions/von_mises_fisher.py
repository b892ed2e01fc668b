"""The von Mises-Fisher density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.distributions._directions import draw_directions, over_rows
from validation.exact.draws import Draw
from validation.exact.number import Number, bessel_i, hypergeometric_0f1, lgamma, log, number, pi


def log_prob(x: Any, mean_direction: Any, concentration: Any) -> Any:
    """kappa mu . x - log(area * mean of exp(kappa mu . x) over the sphere).

    Source: mardia-jupp-2000, eq. 9.3.4
    """
    return over_rows(_density)(x, mean_direction, concentration)


def _density(cosine: Number, concentration: Number, dimensions: int) -> Any:
    return concentration * cosine - log_total(concentration, dimensions)


def log_total(concentration: Number, dimensions: int) -> Any:
    """The logarithm of the integral of exp(kappa mu . x) over the sphere."""
    half = number(dimensions) / 2
    order = half - 1
    if concentration == 0:
        mean = log(hypergeometric_0f1(half, concentration * concentration / 4))
        return mean + log(number(2)) + half * log(pi()) - lgamma(half)
    return half * log(2 * pi()) + log(bessel_i(order, concentration)) - order * log(concentration)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_directions(rng, log_prob)
