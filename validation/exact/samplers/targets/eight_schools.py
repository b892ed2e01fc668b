"""The posterior of the eight schools, by its densities."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, pi, stated
from validation.exact.samplers.targets._derivative import derivative


def target(outcomes: Any, errors: Any) -> Target:
    return Target(log_density, gradient, None, (outcomes, errors))


def log_density(position: Any, outcomes: Any, errors: Any) -> Any:
    """Normal likelihood, standard normal effects, N(mu; 0, 25), half-Cauchy(tau; 5), and log tau.

    Source: gelman-2013, section 5.5
    """
    mu, spread, *eta = np.moveaxis(position, -1, 0)
    if not all(number(s) > 0 for s in errors):
        return np.full(np.shape(mu), _nowhere(position, outcomes, errors))
    tau = exp(spread)
    total = spread - log(1 + tau * tau / 25) + log(2 / (5 * pi()))
    total = total - mu * mu / 50 + -(log(50 * pi()) / 2)
    for effect, y, s in zip(eta, outcomes, errors, strict=True):
        miss = mu + tau * effect + -y
        total = total - (effect * effect + miss * miss * (1 / (s * s))) / 2 + -(log(2 * pi()) + log(s))
    return total


def gradient(position: Any, outcomes: Any, errors: Any) -> Any:
    """The derivative of the log density to the position.

    Source: gelman-2013, section 5.5
    """
    if not all(number(s) > 0 for s in errors):
        return np.full(np.shape(position), _nowhere(position, outcomes, errors))
    return derivative(log_density, position, outcomes, errors)


def _nowhere(*arrays: Any) -> Any:
    return stated(nan, *((x, nan) for array in arrays for x in np.ravel(array)))


RUBIN = {
    "outcomes": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
    "errors": np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
}


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(44):
        count, chains = 1 + i % 3, ((), (2,), (), (1, 2))[i // 3 % 4]
        position = short(rng.normal(size=(*chains, count + 2)) * decades(rng, 0.1, 2), 5)
        errors = np.array([short(decades(rng, 0.5, 20), 5) for _ in range(count)])
        yield Draw({"position": position, "outcomes": short(rng.normal(size=count) * 10, 5), "errors": errors})
    for _ in range(3):
        yield Draw({"position": short(rng.normal(size=10), 4), **RUBIN}, difficulty=2)
    for i in range(16):  # the spread far from that of its prior
        count = 1 + i % 2
        position = np.array([rng.normal() * 5, rng.choice([-1, 1]) * decades(rng, 0.1, 30), *rng.normal(size=count)])
        errors = np.array([decades(rng, 1e-2, 1e2) for _ in range(count)])
        arguments = {"position": position, "outcomes": rng.normal(size=count) * 10, "errors": errors}
        yield Draw(arguments, flags=("HUGE_PARAMETER",), difficulty=3)
    for i in range(4):  # an outcome that is nearly explained
        mu = short(rng.normal() * 8, 5)
        position = [mu, -decades(rng, 1, 30), 1.0]
        arguments = {"position": position, "outcomes": [mu + (0.0 if i % 2 else 2.0**-20)], "errors": [2.0]}
        yield Draw(arguments, flags=("CANCELLATION",), difficulty=4)
    for bad in (0.0, -1.0, nan):
        yield Draw({"position": [0.5, 0.0, 1.0], "outcomes": [1.0], "errors": [bad]}, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
