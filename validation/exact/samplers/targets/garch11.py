"""The posterior of a GARCH(1, 1) series, one variance after another."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, stated
from validation.exact.samplers.targets._derivative import derivative


def target(series: Any, first_scale: Any) -> Target:
    return Target(log_density, gradient, None, (series, first_scale))


def log_density(position: Any, series: Any, first_scale: Any) -> Any:
    """sum_t log N(y_t; mu, h_t) + the logarithms of the Jacobians, without constants.

    Source: bollerslev-1986, eq. 1 and 5
    """
    scale = number(np.asarray(first_scale).item())
    mu, least, last, rest = np.moveaxis(position, -1, 0)
    if not scale > 0:
        return np.full(np.shape(mu), _nowhere(position, series, scale))
    alpha0, alpha1, kappa = exp(least), 1 / (1 + exp(-last)), 1 / (1 + exp(-rest))
    beta1 = (1 - alpha1) * kappa
    total = least + log(alpha1 * (1 - alpha1)) + log((1 - alpha1) * kappa * (1 - kappa))
    variance: Any = None
    miss: Any = None
    for t, y in enumerate(series):
        if t:
            variance = alpha0 + alpha1 * miss * miss + beta1 * variance
        else:
            variance = scale * scale + 0 * mu
        miss = mu + -y
        total = total - (log(variance) + miss * miss / variance) / 2
    return total


def gradient(position: Any, series: Any, first_scale: Any) -> Any:
    """The derivative of the log density to the position.

    Source: bollerslev-1986, eq. 5
    """
    scale = number(np.asarray(first_scale).item())
    if not scale > 0:
        return np.full(np.shape(position), _nowhere(position, series, scale))
    return derivative(log_density, position, series, first_scale)


def _nowhere(*arrays: Any) -> Any:
    return stated(nan, *((x, nan) for array in arrays for x in np.ravel(array)))


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(46):
        chains = ((), (2,), (), (1, 2))[i % 4]
        position = short(rng.normal(size=(*chains, 4)) * decades(rng, 0.1, 2), 5)
        series, scale = short(rng.normal(size=1 + i // 4 % 4), 5), short(decades(rng, 0.3, 3), 5)
        yield Draw({"position": position, "series": series, "first_scale": scale})
    for _ in range(12):
        position = rng.normal(size=4) * decades(rng, 1e-2, 4)
        series, scale = rng.normal(size=2) * decades(rng, 0.1, 10), decades(rng, 0.1, 10)
        arguments = {"position": position, "series": series, "first_scale": scale}
        yield Draw(arguments, flags=("SATURATION", "HUGE_PARAMETER"), difficulty=3)
    for _ in range(6):  # values next to their mean
        mu = short(rng.normal(), 5)
        series = np.array([mu, mu]) * (1 + decades(rng, 1e-12, 1e-3))
        arguments = {"position": [mu, -1.0, 0.5, -0.5], "series": series, "first_scale": 0.5}
        yield Draw(arguments, flags=("CANCELLATION",), difficulty=4)
    empty = {"position": [0.5, -1.0, 0.25, 0.5], "series": np.zeros(0), "first_scale": 1.0}
    yield Draw(empty, flags=("EMPTY_ROW",), difficulty=2)
    for scale in (0.0, -1.0, nan):
        arguments = {"position": [0.5, 0.0, 0.0, 0.0], "series": [1.0], "first_scale": scale}
        yield Draw(arguments, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
