"""The posterior of an ARMA(1, 1) series, one error after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log
from validation.exact.samplers.targets._derivative import derivative


def target(series: Any) -> Target:
    return Target(log_density, gradient, None, (series,))


def log_density(position: Any, series: Any) -> Any:
    """sum_t log N(e_t; 0, sigma^2) + priors + log sigma, without constants.

    Source: box-jenkins-1976, section 7.1
    """
    mu, phi, theta, noise = np.moveaxis(position, -1, 0)
    sigma = exp(noise)
    total = noise - log(1 + sigma * sigma * 4 / 25) - mu * mu / 200 - phi * phi / 8 - theta * theta / 8
    error: Any = None
    for t in range(len(series)):
        predicted = mu + (phi * series[t - 1] + theta * error if t else phi * mu)
        error = -predicted + series[t]
        total = total - noise - error * error / (sigma * sigma) / 2
    return total


def gradient(position: Any, series: Any) -> Any:
    """The derivative of the log density to the position.

    Source: box-jenkins-1976, section 7.1
    """
    return derivative(log_density, position, series)


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(46):
        chains = ((), (3,), (), (1, 2))[i % 4]
        position = short(rng.normal(size=(*chains, 4)) * decades(rng, 0.1, 2), 5)
        yield Draw({"position": position, "series": short(rng.normal(size=1 + i // 4 % 4), 5)})
    for _ in range(14):
        position = rng.normal(size=4) * decades(rng, 1e-2, 5)
        series = rng.normal(size=3) * decades(rng, 1e-2, 1e2)
        yield Draw({"position": position, "series": series}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(8):  # values that are nearly explained
        mu, phi = short(rng.normal(size=2), 5)
        series = [mu * (1 + phi) * (1 + decades(rng, 1e-12, 1e-3))]
        position = [mu, phi, 0.5, -decades(rng, 0.1, 20)]
        yield Draw({"position": position, "series": series}, flags=("CANCELLATION",), difficulty=4)
    yield Draw({"position": [0.5, -1.0, 0.25, 0.5], "series": np.zeros(0)}, flags=("EMPTY_ROW",), difficulty=2)


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
