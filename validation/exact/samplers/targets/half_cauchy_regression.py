"""The posterior of a linear regression, by its normal densities and its half-Cauchy density."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, stated
from validation.exact.samplers.targets._derivative import derivative
from validation.exact.samplers.targets._regression import regressions


def target(features: Any, outcomes: Any, prior_mean: Any, prior_precision: Any, noise_rate: Any) -> Target:
    return Target(log_density, gradient, None, (features, outcomes, prior_mean, prior_precision, noise_rate))


def log_density(
    position: Any, features: Any, outcomes: Any, prior_mean: Any, prior_precision: Any, noise_rate: Any
) -> Any:
    """Exponents and powers of sigma of the densities N(y; X beta, sigma^2), N(beta; m, 1 / P), C(sigma; 1 / rho), and
    the logarithm of sigma.

    Source: gelman-2007, section 18.2
    """
    rate = number(np.asarray(noise_rate).item())
    *beta, noise = np.moveaxis(position, -1, 0)
    if not rate >= 0:
        return np.full(np.shape(noise), _nowhere(position, features, outcomes, prior_mean, prior_precision, rate))
    sigma = exp(noise)
    total = noise - log(1 + (rate * sigma) * (rate * sigma))
    offsets = [d + -m for d, m in zip(beta, prior_mean, strict=True)]
    for row, d in zip(prior_precision, offsets, strict=True):
        for p, e in zip(row, offsets, strict=True):
            total = total - d * e * p / 2
    for row, y in zip(features, outcomes, strict=True):
        miss = sum((x * d for x, d in zip(row, beta, strict=True)), 0 * noise) + -y
        total = total - miss * miss / (sigma * sigma) / 2 - noise
    return total


def gradient(
    position: Any, features: Any, outcomes: Any, prior_mean: Any, prior_precision: Any, noise_rate: Any
) -> Any:
    """The derivative of the log density to the position.

    Source: gelman-2007, section 18.2
    """
    rate = number(np.asarray(noise_rate).item())
    if not rate >= 0:
        return np.full(np.shape(position), _nowhere(position, features, outcomes, prior_mean, prior_precision, rate))
    return derivative(log_density, position, features, outcomes, prior_mean, prior_precision, noise_rate)


def _nowhere(*arrays: Any) -> Any:
    return stated(nan, *((x, nan) for array in arrays for x in np.ravel(array)))


def draw_parameters(rng: np.random.Generator, rows: int, size: int) -> dict[str, Any]:
    """Data and priors of few bits; every third prior is flat."""
    flat = rng.uniform() < 0.3
    return {
        "features": short(rng.normal(size=(rows, size)), 5),
        "outcomes": short(rng.normal(size=rows) * 2, 5),
        "prior_mean": short(rng.normal(size=size), 5),
        "prior_precision": np.zeros((size, size)) if flat else short(rng.normal(size=(size, size)), 5),
        "noise_rate": 0.0 if flat else short(decades(rng, 0.1, 3), 5),
    }


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    yield from regressions(rng, draw_parameters, "noise_rate", 1e-3)
    empty = {"features": np.zeros((0, 1)), "outcomes": np.zeros(0), "prior_mean": [0.5], "prior_precision": [[2.0]]}
    yield Draw({"position": [0.5, -1.0], **empty, "noise_rate": 0.5}, flags=("EMPTY_ROW",), difficulty=2)
    one = {"features": [[1.0]], "outcomes": [1.0], "prior_mean": [0.0], "prior_precision": [[1.0]]}
    for rate in (-1.0, nan):
        yield Draw({"position": [0.5, 0.0], **one, "noise_rate": rate}, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
