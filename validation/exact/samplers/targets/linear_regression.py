"""The posterior of a linear regression, by its normal densities."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, pi, stated
from validation.exact.samplers.targets._derivative import derivative
from validation.exact.samplers.targets._regression import regressions


def target(features: Any, outcomes: Any, prior_scale: Any) -> Target:
    return Target(log_density, gradient, None, (features, outcomes, prior_scale))


def log_density(position: Any, features: Any, outcomes: Any, prior_scale: Any) -> Any:
    """sum_n log N(y; X beta, sigma^2) + sum_d log N(beta; 0, s^2) + log (2 N(sigma; 0, s^2)) + log sigma.

    Source: bishop-2006, eq. 3.10
    """
    s = number(np.asarray(prior_scale).item())
    *beta, noise = np.moveaxis(position, -1, 0)
    if not s > 0:
        return np.full(np.shape(noise), _nowhere(position, features, outcomes, s))
    sigma = exp(noise)
    total = log(number(2)) + _log_normal(sigma, s) + noise
    for d in beta:
        total = total + _log_normal(d, s)
    for row, y in zip(features, outcomes, strict=True):
        miss = sum((x * d for x, d in zip(row, beta, strict=True)), 0 * noise) + -y
        total = total + (-(miss * miss / (sigma * sigma)) / 2 - noise + -(log(2 * pi()) / 2))
    return total


def gradient(position: Any, features: Any, outcomes: Any, prior_scale: Any) -> Any:
    """The derivative of the log density to the position.

    Source: bishop-2006, eq. 3.10
    """
    s = number(np.asarray(prior_scale).item())
    if not s > 0:
        return np.full(np.shape(position), _nowhere(position, features, outcomes, s))
    return derivative(log_density, position, features, outcomes, prior_scale)


def _log_normal(x: Any, s: Any) -> Any:
    return -(x * x * (1 / (2 * s * s))) + -(log(s) + log(2 * pi()) / 2)


def _nowhere(*arrays: Any) -> Any:
    return stated(nan, *((x, nan) for array in arrays for x in np.ravel(array)))


def draw_parameters(rng: np.random.Generator, rows: int, size: int) -> dict[str, Any]:
    """Features, outcomes and a prior scale of few bits."""
    given = {"features": short(rng.normal(size=(rows, size)), 5), "outcomes": short(rng.normal(size=rows) * 2, 5)}
    return given | {"prior_scale": short(decades(rng, 0.3, 10), 5)}


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    yield from regressions(rng, draw_parameters, "prior_scale", 1e-2)
    empty = {"features": np.zeros((0, 2)), "outcomes": np.zeros(0), "prior_scale": 2.0}
    yield Draw({"position": [0.5, -1.0, 0.25], **empty}, flags=("EMPTY_ROW",), difficulty=2)
    for scale in (0.0, -1.0, nan):
        arguments = {"position": [0.5, 0.0], "features": [[1.0]], "outcomes": [1.0], "prior_scale": scale}
        yield Draw(arguments, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
