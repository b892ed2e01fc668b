"""The posterior of a mixture of two normals, by its densities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log
from validation.exact.samplers.targets._derivative import derivative


def target(values: Any) -> Target:
    return Target(log_density, gradient, None, (values,))


def log_density(position: Any, values: Any) -> Any:
    """sum_n log(theta N(y; mu_1, sigma_1^2) + (1 - theta) N(y; mu_2, sigma_2^2)) + priors + Jacobians, no constants.

    Source: bishop-2006, eq. 9.14
    """
    mu, apart, first, second, logit = np.moveaxis(position, -1, 0)
    theta = 1 / (1 + exp(-logit))
    parts = (mu, exp(first), theta), (mu + exp(apart), exp(second), 1 - theta)
    total = apart + first + second + 5 * (log(theta) + log(1 - theta))
    for mean, sigma, _ in parts:
        total = total - (mean * mean + sigma * sigma) / 8
    for y in values:
        chance = 0 * mu
        for mean, sigma, share in parts:
            z = (mean + -y) / sigma
            chance = chance + share * exp(-z * z / 2) / sigma
        total = total + log(chance)
    return total


def gradient(position: Any, values: Any) -> Any:
    """The derivative of the log density to the position.

    Source: bishop-2006, eq. 9.14
    """
    return derivative(log_density, position, values)


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(48):
        chains = ((), (2,), (), (1, 2))[i % 4]
        position = short(rng.normal(size=(*chains, 5)) * decades(rng, 0.1, 2), 5)
        yield Draw({"position": position, "values": short(rng.normal(size=1 + i // 4 % 3) * 2, 5)})
    for _ in range(12):  # shares next to 0 and 1, values far out
        position = np.append(rng.normal(size=4), rng.choice([-1, 1]) * decades(rng, 1, 50))
        values = rng.normal(size=2) * decades(rng, 1, 1e2)
        yield Draw({"position": position, "values": values}, flags=("SATURATION",), difficulty=3)
    for _ in range(8):  # one normal on top of the other
        position = [0.5, -decades(rng, 1, 20), 0.25, 0.25, 0.0]
        yield Draw({"position": position, "values": short(rng.normal(size=2))}, flags=("CANCELLATION",), difficulty=3)
    yield Draw({"position": [0.5, -1.0, 0.25, 0.5, 1.0], "values": np.zeros(0)}, flags=("EMPTY_ROW",), difficulty=2)


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
