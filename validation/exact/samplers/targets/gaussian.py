"""The Gaussian density: minus half a quadratic form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import Target
from validation.exact.draws import Draw, decades, short
from validation.exact.samplers.targets._derivative import derivative


def target(mean: Any, precision: Any) -> Target:
    return Target(log_density, gradient, None, (mean, precision))


def log_density(position: Any, mean: Any, precision: Any) -> Any:
    """-(x - m)' P (x - m) / 2.

    Source: bishop-2006, eq. 2.43
    """
    offset = position - mean
    return -(offset * (offset @ np.transpose(precision))).sum(axis=-1) / 2


def gradient(position: Any, mean: Any, precision: Any) -> Any:
    """The derivative of the log density to the position.

    Source: bishop-2006, eq. 2.43
    """
    return derivative(log_density, position, mean, precision)


def draw_parameters(rng: np.random.Generator, size: int, spread: float = 1.0, bits: int = 5) -> dict[str, Any]:
    """A mean and a positive definite precision of few bits, its eigenvalues over ``spread`` decades."""
    lower = np.tril(short(rng.normal(size=(size, size)), 3), -1) / 2 + np.eye(size)
    scales = np.array([2.0 ** round(np.log2(decades(rng, 10**-spread, 10**spread)) / 2) for _ in range(size)])
    factor = lower * scales
    return {"mean": short(rng.normal(size=size) * 2, bits), "precision": factor @ factor.T}


def draw_log_density(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(40):
        size, chains = 1 + i % 4, ((), (3,), (), (2, 2))[i // 4 % 4]
        position = short(rng.normal(size=(*chains, size)) * decades(rng, 0.1, 10), 5 if i % 2 else 8)
        yield Draw({"position": position, **draw_parameters(rng, size)})
    for i in range(16):
        position = rng.normal(size=(1 + i % 4,)) * decades(rng, 1e-3, 1e3)
        parameters = draw_parameters(rng, 1 + i % 4, spread=3, bits=20)
        yield Draw({"position": position, **parameters}, difficulty=3)
    for i in range(8):  # the matrix as given: nothing makes it symmetric or definite
        precision = short(rng.normal(size=(2 + i % 3, 2 + i % 3)) * decades(rng, 1e-3, 1e3))
        position, mean = short(rng.normal(size=(2, 2 + i % 3))), short(rng.normal(size=2 + i % 3))
        yield Draw({"position": position, "mean": mean, "precision": precision}, difficulty=2)
    for i in range(8):  # a point next to the mean
        parameters = draw_parameters(rng, 1 + i % 4)
        near = parameters["mean"] * (1 + decades(rng, 1e-15, 1e-6))
        yield Draw({"position": near, **parameters}, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for correlation in (0.999, -0.999, 1 - 2.0**-30):
        precision = np.array([[1.0, correlation], [correlation, 1.0]]) * 2.0**10
        for position in ([1.0, -1.0], [0.3, 0.3001], [-17.0, 17.5]):
            arguments = {"position": position, "mean": [0.25, -0.5], "precision": precision}
            yield Draw(arguments, flags=("CANCELLATION",), difficulty=4)
    for tail in (
        1e10,
        -1e100,
        1e153,
        1e160,
        1e-160,
        1e-170,
    ):  # the square leaves the range of float64 in the last three
        flags = ("SUBNORMAL",) if abs(tail) < 1 else ("OVERFLOW_F32",)
        yield Draw({"position": [tail], "mean": [0.0], "precision": [[0.5]]}, flags=flags, difficulty=4)


def draw_gradient(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_log_density(rng)
