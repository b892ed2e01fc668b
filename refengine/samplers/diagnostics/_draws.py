"""What the diagnostics share: checked draws, halves of chains, normal scores of ranks, quantiles."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, nan, prod
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_number, namespace, special_functions
from refengine.domains import Array

FEWEST_DRAWS = 4


def of_each(function: Callable[[Any, Array], float], name: str, draws: Array, fewest_chains: int = 1) -> Array:
    """``function(xp, (C, N))`` of every element of the quantity, nan where its draws say nothing."""
    xp = namespace(draws)
    draws = as_float64(xp, name, draws)
    if draws.ndim < 2:
        raise ValueError(f"{name} must have shape (C, N, ...), got {tuple(draws.shape)}")
    chains, count, *axes = draws.shape
    if chains < fewest_chains or chains < 1 or count < FEWEST_DRAWS:
        return xp.full(tuple(axes), nan, dtype=xp.float64)
    flat = xp.reshape(draws, (chains, count, prod(axes)))
    with np.errstate(all="ignore"):
        valid = [not bool(xp.any(xp.isnan(flat[..., i]))) for i in range(prod(axes))]
        found = [function(xp, flat[..., i]) if ok else nan for i, ok in enumerate(valid)]
    return xp.reshape(xp.asarray(found, dtype=xp.float64), tuple(axes))


def halves(xp: Any, draws: Array) -> Array:
    """The first and the last half of every chain as chains of their own."""
    half = draws.shape[1] // 2
    return xp.concat([draws[:, :half], draws[:, draws.shape[1] - half :]], axis=0)


def normal_scores(xp: Any, draws: Array) -> Array:
    """The quantiles of (r - 3/8) / (S + 1/4) at the average ranks r among all S draws (Vehtari et al., eq. 14)."""
    flat = xp.reshape(draws, (-1,))
    ordered = xp.sort(flat)
    below, up_to = (xp.searchsorted(ordered, flat, side=side) for side in ("left", "right"))
    rank = xp.astype(below + up_to + 1, xp.float64) / 2
    scores = special_functions(xp).ndtri((rank - 0.375) / (flat.shape[0] + 0.25))
    return xp.reshape(scores, draws.shape)


def sorted_draws(xp: Any, draws: Array) -> Array:
    return xp.sort(xp.reshape(draws, (-1,)))


def median(xp: Any, draws: Array) -> float:
    """The middle draw, or the mean of the two in the middle, whose last bit decides whether they are as far from it."""
    ordered = sorted_draws(xp, draws)
    half = ordered.shape[0] // 2
    return float(ordered[half]) if ordered.shape[0] % 2 else (float(ordered[half - 1]) + float(ordered[half])) / 2


def quantile(xp: Any, draws: Array, probability: float) -> float:
    """The quantile between neighbours in order, linear in the probability (Hyndman and Fan's type 7)."""
    ordered = sorted_draws(xp, draws)
    place: float = (ordered.shape[0] - 1) * probability
    lower = floor(place)
    share: float = place - lower
    a, b = float(ordered[lower]), float(ordered[min(lower + 1, ordered.shape[0] - 1)])
    if share == 0 or a == b:
        return a
    return b - (b - a) * (1 - share) if share >= 0.5 else a + (b - a) * share


def check_probability(name: str, value: Any) -> float:
    """The probability as a float. ValueError unless it lies in [0, 1]."""
    probability = check_number(name, value)
    if not 0 <= probability <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}")
    return probability
