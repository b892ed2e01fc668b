"""Normalised weights from their logarithms: what importance sampling, resampling and sequential samplers share."""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np

from refengine.domains import Array
from refengine.samplers._chains import times


class Weighed(NamedTuple):
    """Weights that sum to 1, the logarithm of the mean weight, and the effective number of samples."""

    weights: Array
    log_mean: Array
    effective: Array


def weigh(xp: Any, log_weights: Array) -> Weighed:
    r"""Along the last axis; :math:`1 / \sum W^2` samples. nan where no weight is above 0."""
    with np.errstate(all="ignore"):
        top = xp.max(log_weights, axis=-1)
        scaled = xp.exp(log_weights - top[..., None])
        total = xp.sum(scaled, axis=-1)
        weights = scaled / total[..., None]
        log_mean = xp.log(total) - log(log_weights.shape[-1]) + top
        return Weighed(weights, log_mean, 1 / xp.sum(weights * weights, axis=-1))


def weigh_vjp(xp: Any, g: Weighed, found: Weighed) -> Array:
    r"""The cotangent of the log weights.

    :math:`\bar W \mathrel{-}= 2 \bar n n^2 W` from the effective number n, and then
    :math:`\bar a_i = W_i (\bar m + \bar W_i - \sum_j W_j \bar W_j)`.
    """
    weights = found.weights
    with np.errstate(all="ignore"):
        to_weights = g.weights - times(xp, g.effective[..., None], 2 * (found.effective**2)[..., None] * weights)
        center = xp.sum(weights * to_weights, axis=-1)[..., None]
        return weights * (g.log_mean[..., None] + (to_weights - center))
