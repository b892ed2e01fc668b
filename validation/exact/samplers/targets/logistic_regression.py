"""The posterior of a logistic regression: Bernoulli likelihood times normal prior."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, pi, stated
from validation.exact.samplers.targets._derivative import derivative


def target(features: Any, outcomes: Any, prior_scale: Any) -> Target:
    return Target(log_density, gradient, None, (features, outcomes, prior_scale))


def log_density(position: Any, features: Any, outcomes: Any, prior_scale: Any) -> Any:
    """sum_n [y t - log(1 + e^t)] + sum_d log N(beta_d; 0, s^2), t = X beta.

    Source: bishop-2006, eq. 4.142
    """
    scale = number(np.asarray(prior_scale).item())
    if not scale > 0:
        return np.array([_nowhere(chain, features, scale) for chain in _chains(position)]).reshape(position.shape[:-1])
    t = position @ np.transpose(features)
    likelihood = (outcomes * t - log(1 + exp(t))).sum(axis=-1)
    normaliser = position.shape[-1] * (log(scale) + log(2 * pi()) / 2)
    return likelihood + (-(position * position).sum(axis=-1) * (1 / (2 * scale * scale)) + -normaliser)


def gradient(position: Any, features: Any, outcomes: Any, prior_scale: Any) -> Any:
    """The derivative of the log density to the position.

    Source: bishop-2006, eq. 4.142
    """
    scale = number(np.asarray(prior_scale).item())
    if not scale > 0:
        nowhere = [[_nowhere(chain, features, scale) for _ in chain] for chain in _chains(position)]
        return np.array(nowhere).reshape(position.shape)
    return derivative(log_density, position, features, outcomes, prior_scale)


def _chains(position: Any) -> Any:
    return np.reshape(position, (-1, np.shape(position)[-1]))


def _nowhere(*arrays: Any) -> Any:
    """nan, with nan derivatives to everything."""
    return stated(nan, *((x, nan) for array in arrays for x in np.ravel(array)))


def draw_parameters(rng: np.random.Generator, rows: int, size: int, spread: float = 1.0) -> dict[str, Any]:
    """Features, outcomes and a prior scale of few bits."""
    return {
        "features": short(rng.normal(size=(rows, size)) * spread, 5),
        "outcomes": rng.integers(0, 2, size=rows),
        "prior_scale": short(decades(rng, 0.3, 10), 5),
    }


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(36):
        size, chains = 1 + i % 4, ((), (3,), (), (2, 2))[i // 4 % 4]
        position = short(rng.normal(size=(*chains, size)) * decades(rng, 0.1, 4), 5)
        yield Draw({"position": position, **draw_parameters(rng, 2 + i % 5, size)})
    for i in range(16):
        position = rng.normal(size=(1 + i % 4,)) * decades(rng, 1e-3, 100)
        parameters = draw_parameters(rng, 2 + i % 4, 1 + i % 4) | {"prior_scale": decades(rng, 1e-3, 1e3)}
        yield Draw({"position": position, **parameters}, difficulty=3)
    for logit in (30.0, 40.0, 80.0, 700.0, 800.0, 1e5):  # where 1 + exp(-t) is 1, where exp overflows
        for sign in (1, -1):
            arguments = {
                "position": [sign * logit, 0.5],
                "features": [[1.0, 0.0], [-1.0, 1.0], [0.0, 2.0]],
                "outcomes": np.array([1, 0, 1]),
                "prior_scale": 64.0,
            }
            yield Draw(arguments, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
            arguments = {"position": [sign * logit], "features": [[1.0], [-1.0]], "outcomes": np.array([1, 1])}
            yield Draw(arguments | {"prior_scale": 1e4}, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
    for i in range(6):  # separated outcomes, a narrow prior, a wide one
        parameters = draw_parameters(rng, 4, 2) | {"prior_scale": (1e-8, 1e-3, 0.25, 4.0, 1e3, 1e8)[i]}
        yield Draw({"position": short(rng.normal(size=(2, 2))), **parameters}, flags=("HUGE_PARAMETER",), difficulty=3)
    empty = {"features": np.zeros((0, 2)), "outcomes": np.zeros(0, dtype=np.int64), "prior_scale": 2.0}
    yield Draw({"position": [0.5, -1.0], **empty}, flags=("EMPTY_ROW",), difficulty=2)
    for scale in (0.0, -1.0, nan):
        arguments = {"position": [0.5], "features": [[1.0]], "outcomes": np.array([1]), "prior_scale": scale}
        yield Draw(arguments, result="invalid")


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
