"""Unit vectors: the tangent convention, and cases over dimensions and concentrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import numpy as np
from flint import arb

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, gradient, number, stated

Definition = Callable[[Any, Any, Any], Any]


def dot(x: Any, y: Any) -> Any:
    """The inner products over the last axis."""
    return np.asarray(x * y).sum(axis=-1)


def over_rows(density: Callable[[Any, Any, Any], Any]) -> Definition:
    """``density(cosine, concentration, dimensions)`` of every row; nan where a row holds one, or a bad parameter."""

    def log_prob(x: Any, mean_direction: Any, concentration: Any) -> Any:
        concentration = np.asarray(concentration, dtype=object)
        batch = np.broadcast_shapes(x.shape[:-1], mean_direction.shape[:-1], concentration.shape)
        x, mean_direction = (np.broadcast_to(v, (*batch, v.shape[-1])) for v in (x, mean_direction))
        concentration = np.broadcast_to(concentration, batch)
        values = np.empty(batch, dtype=object)
        for i in np.ndindex(batch):
            row = (*x[i], *mean_direction[i], concentration[i])
            if any(v.stated for v in row) or concentration[i] < 0:
                values[i] = stated(nan, *((v, nan) for v in row))
            else:
                values[i] = density(dot(x[i], mean_direction[i]), concentration[i], x.shape[-1])
        return values if batch else values.item()

    return log_prob


def tangent(definition: Definition) -> Definition:
    """The convention that a derivative to a unit vector is its part across the vector."""

    def held(x: Any, mean_direction: Any, concentration: Any) -> Any:
        value = number(definition(x, mean_direction, concentration))
        parents = []
        for vector in (x, mean_direction):
            slope = np.array(gradient([value], [1], list(vector)), dtype=object)
            across = slope - dot(slope, vector) * vector
            parents += [(v, lambda g, s=s: g * s) for v, s in zip(vector, across, strict=True)]
        slope = gradient([value], [1], [concentration])[0]
        return Number(value.ball, [*parents, (concentration, lambda g: g * slope)])

    return held


def unit(rng: np.random.Generator, *shape: int) -> Any:
    """Uniform directions in the last axis."""
    v = rng.normal(size=shape)
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def close(rng: np.random.Generator, mean: Any, concentration: Any) -> Any:
    """Directions that a concentration makes likely."""
    spread = 1 / np.sqrt(1 + np.asarray(concentration))[..., None]
    v = mean + spread * rng.normal(size=np.broadcast_shapes(np.shape(mean), np.shape(spread)))
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def draw_directions(rng: np.random.Generator, definition: Definition, largest: float = 1e15) -> Iterator[Draw]:
    """Cases of a density of x, mean_direction and concentration."""
    for i in range(24):
        d, n = (2, 3, 3, 4, 5, 8)[i % 6], int(rng.integers(1, 4))
        mu, k = unit(rng, d), short(np.exp(rng.normal(size=n) * 1.5))
        yield Draw({"x": close(rng, mu, k), "mean_direction": mu, "concentration": k})
    for i in range(24):
        d, k = (2, 3, 4, 16, 3, 7)[i % 6], np.array([decades(rng, 1e-3, 1e4), decades(rng, 1e-12, largest)])
        mu = unit(rng, 2, d)
        flags = ("HUGE_PARAMETER", "CANCELLATION")
        yield Draw({"x": close(rng, mu, k), "mean_direction": mu, "concentration": k}, flags=flags, difficulty=3)
    for d, sizes in ((128, (1e-3, 1.0, 20.0, 63.0, 5e3, 1e9)), (512, (0.5, 20.0, 1e4)), (4096, (1000.0,))):
        for k in sizes:
            mu = unit(rng, d)
            x = close(rng, mu, np.asarray(k))
            yield Draw({"x": x, "mean_direction": mu, "concentration": k}, flags=("HUGE_PARAMETER",), difficulty=4)
    for switch in (30.0, 32.0, 100.0):
        mu = unit(rng, 3)
        k = np.array([np.nextafter(switch, 0), switch, np.nextafter(switch, 999)])
        yield Draw({"x": close(rng, mu, k), "mean_direction": mu, "concentration": k}, flags=("WRONG_BRANCH",))
    for d in (2, 3, 6):
        mu = unit(rng, d)
        k = np.array([0.0, 5e-324, 1e-300, 0.0])
        yield Draw({"x": unit(rng, 4, d), "mean_direction": mu, "concentration": k}, flags=("SATURATION",))
    x, mu = np.array([0.6, 0.8, 0.0]), np.array([0.0, 0.28, -0.96])  # the ambient and the tangent gradient
    for k in (0.5, 3.0, 250.0):
        yield Draw(
            {"x": x, "mean_direction": mu, "concentration": k},
            flags=("AMBIGUOUS_CONVENTION",),
            result="ambiguous",
            alternatives={"tangent": tangent(definition)},
        )
    for k in (-1.0, nan, inf):
        yield Draw({"x": x, "mean_direction": mu, "concentration": k}, result="invalid")
    bad = np.array([0.6, nan, 0.0])
    yield Draw({"x": bad, "mean_direction": mu, "concentration": 1.0}, result="invalid")
    yield Draw({"x": x, "mean_direction": bad, "concentration": 1.0}, result="invalid")
    rows = {"x": unit(rng, 2, 1, 3), "mean_direction": unit(rng, 4, 3), "concentration": np.array([[1.0], [20.0]])}
    yield Draw(rows, flags=("BROADCAST",))
    yield Draw(rows | {"x": unit(rng, 3), "concentration": 2.5}, flags=("BROADCAST",))
    yield Draw(
        rows | {"x": np.zeros((0, 3)), "mean_direction": unit(rng, 3), "concentration": 2.5}, flags=("EMPTY_ROW",)
    )


def over_vectors(function: Callable[[Any, Any, int], Any], mean_direction: Any, concentration: Any) -> Any:
    """``function(mean direction, concentration, dimensions)`` of every row, or nan; numbers or vectors."""
    concentration = np.asarray(concentration, dtype=object)
    batch = np.broadcast_shapes(mean_direction.shape[:-1], concentration.shape)
    d = mean_direction.shape[-1]
    mean_direction = np.broadcast_to(mean_direction, (*batch, d))
    concentration = np.broadcast_to(concentration, batch)
    found = []
    for i in np.ndindex(batch):
        row = (*mean_direction[i], concentration[i])
        good = not any(v.stated for v in row) and concentration[i] >= 0
        value = function(mean_direction[i], concentration[i], d) if good else None
        found.append(value)
    like = next((v for v in found if v is not None), None)
    shape = (
        np.shape(like) if like is not None else np.shape(function(mean_direction[()].reshape(-1)[:d], number(1.0), d))
    )
    result = np.empty((len(found), *shape), dtype=object)
    for n, (value, i) in enumerate(zip(found, np.ndindex(batch), strict=True)):
        every = [(v, nan) for v in (*mean_direction[i], concentration[i])]
        missing = np.empty(shape, dtype=object)
        missing.reshape(-1)[:] = [stated(nan, *every) for _ in range(missing.size)]
        result[n] = (missing if shape else missing.item()) if value is None else value
    result = result.reshape((*batch, *shape))
    return result if result.ndim else result.item()


def mode(mean_direction: Any, concentration: Any) -> Any:
    """The mean direction, nan where every direction is a mode."""
    return over_vectors(_mode, mean_direction, concentration)


def _mode(mean_direction: Any, concentration: Number, dimensions: int) -> Any:
    if concentration > 0:
        return mean_direction
    every = [(v, nan) for v in (*mean_direction, concentration)]
    return np.array([stated(nan, *every) for _ in range(dimensions)], dtype=object)


def draw_parameters(rng: np.random.Generator) -> Iterator[Draw]:
    """Cases of a function of mean_direction and concentration."""
    for i in range(24):
        d, n = (2, 3, 4, 5)[i % 4], int(rng.integers(1, 4))
        k = short(np.exp(rng.normal(size=n) * 1.5))
        yield Draw({"mean_direction": short(unit(rng, d)), "concentration": k})
    for i in range(24):
        k = np.array([decades(rng, 1e-3, 1e4), decades(rng, 1e-12, 1e15), decades(rng, 4.0, 40.0)])
        mu = unit(rng, (2, 3, 7, 16)[i % 4])
        yield Draw({"mean_direction": mu, "concentration": k}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=3)
    for d, k in ((64, 20.0), (64, 31.0), (128, 50.0), (128, 1e5), (512, 100.0)):
        yield Draw({"mean_direction": unit(rng, d), "concentration": k}, flags=("HUGE_PARAMETER",), difficulty=4)
    for d in (2, 3, 6):
        k = np.array([0.0, 1e-300, 4.0, np.nextafter(32.0, 0), 32.0])
        yield Draw({"mean_direction": unit(rng, d), "concentration": k}, flags=("WRONG_BRANCH", "SATURATION"))
    for k in (-1.0, nan):
        yield Draw({"mean_direction": unit(rng, 3), "concentration": k}, result="invalid")
    yield Draw({"mean_direction": np.array([0.6, nan]), "concentration": 1.0}, result="invalid")
    yield Draw({"mean_direction": unit(rng, 2, 3), "concentration": np.array([[1.0], [9.0]])}, flags=("BROADCAST",))


def inverse_mean_cosine(length: float, dimensions: int) -> float:
    """Where A(kappa) is ``length``, by Newton's iteration in float64: a guess."""
    order, kappa = dimensions / 2 - 1, length * (dimensions - length**2) / max(1 - length**2, 1e-16)
    for _ in range(60):
        above, below = (float(arb(kappa).bessel_i(arb(v), scaled=True)) for v in (order + 1, order))
        ratio = above / below
        slope = 1 - ratio * ratio - (dimensions - 1) / kappa * ratio
        kappa = max(kappa - (ratio - length) / slope, kappa / 2) if slope > 0 else kappa
    return kappa
