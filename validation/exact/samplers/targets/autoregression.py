"""The posterior of an autoregression, one value after another."""

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
    """sum_t log N(y_t; alpha + sum_k beta_k y_(t-k), sigma^2) + priors + log sigma, without constants.

    Source: stan-users-guide, section "Autoregressive models"
    """
    constant, *beta, noise = np.moveaxis(position, -1, 0)
    sigma = exp(noise)
    total = noise - log(1 + sigma * sigma * 4 / 25) - constant * constant / 200
    for b in beta:
        total = total - b * b / 200
    for t in range(len(beta), len(series)):
        miss = constant + -series[t]
        for k, b in enumerate(beta, start=1):
            miss = miss + b * series[t - k]
        total = total - noise - miss * miss / (sigma * sigma) / 2
    return total


def gradient(position: Any, series: Any) -> Any:
    """The derivative of the log density to the position.

    Source: stan-users-guide, section "Autoregressive models"
    """
    return derivative(log_density, position, series)


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(48):
        order, chains = i % 4, ((), (3,), (), (1, 2))[i // 4 % 4]
        position = short(rng.normal(size=(*chains, order + 2)) * decades(rng, 0.1, 2), 5)
        yield Draw({"position": position, "series": short(rng.normal(size=order + 1 + i % 4), 5)})
    for i in range(14):
        position = rng.normal(size=2 + i % 3) * decades(rng, 1e-2, 10)
        series = rng.normal(size=4) * decades(rng, 1e-2, 1e2)
        yield Draw({"position": position, "series": series}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(8):  # values that are nearly explained
        beta, first = short(rng.normal(size=2), 5)
        series = [first, first * beta * (1 + decades(rng, 1e-12, 1e-3))]
        position = [0.0, beta, -decades(rng, 0.1, 20)]
        yield Draw({"position": position, "series": series}, flags=("CANCELLATION",), difficulty=4)
    yield Draw({"position": [0.5, -1.0, 0.25], "series": [2.0]}, flags=("EMPTY_ROW",), difficulty=2)


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
