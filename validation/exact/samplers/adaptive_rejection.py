"""Adaptive rejection sampling, hull by hull."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

import refengine
from refengine.samplers.adaptive_rejection import Info, Noise, State, Transition
from refengine.samplers.adaptive_rejection import init as start
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, stated
from validation.exact.samplers._cases import uniforms
from validation.exact.samplers._metropolis import accepted
from validation.exact.samplers.targets import gaussian, logistic_regression


def step(state: State, noise: Noise, target: Any, *, lower: float = -inf, upper: float = inf) -> Transition:
    """Tangents above, chords below.

    Source: gilks-wild-1992, eq. 1
    """
    chains, count = np.shape(state.abscissae)[:-1], np.shape(state.abscissae)[-1]
    after = np.empty((3, *chains, count + 1), dtype=object)
    told = np.empty((5, *chains), dtype=object)
    for chain in np.ndindex(chains):
        x, h, slope = (field[chain] for field in state)
        z = [lower]
        for k in range(count - 1):
            rise = h[k + 1] - h[k] - slope[k + 1] * (x[k + 1] - x[k])
            z.append(x[k] + rise / (slope[k] - slope[k + 1]))
        z.append(upper)
        masses = [_mass(*z[k : k + 2], x[k], h[k], slope[k]) for k in range(count)]
        wanted = number(np.asarray(noise.place)[chain]) * sum(masses, number(0))
        j = 0
        while j < count - 1 and not masses[j] > wanted:
            wanted, j = wanted - masses[j], j + 1
        draw = _inverse(wanted, z[j], x[j], h[j], slope[j])
        hull = h[j] + (draw - x[j]) * slope[j]
        place = sum(bool(draw > point) for point in x)
        chord = stated(-inf)
        if 0 < place < count:
            a, b = place - 1, place
            chord = ((x[b] - draw) * h[a] + (draw - x[a]) * h[b]) / (x[b] - x[a])
        at = np.array([draw], dtype=object)
        density, there = number(target.log_density(at, *target.parameters)), target.gradient(at, *target.parameters)[0]
        for i, (old, new) in enumerate(((x, draw), (h, density), (slope, there))):
            after[(i, *chain)] = [*old[:place], new, *old[place:]]
        told[(slice(None), *chain)] = [draw, hull, chord, density, density - hull]
    decision = np.asarray(accepted(noise.uniform, told[4]))
    squeezed = np.asarray(accepted(noise.uniform, told[2] - told[1]))
    return Transition(State(*after), Info(*told, decision, squeezed))


def _exp_hull(height: Any) -> Any:
    """0 at an infinite end."""
    return number(0) if number(height).stated else exp(height)


def _mass(left: Any, right: Any, x: Any, h: Any, slope: Any) -> Any:
    """The integral of exp(h + (t - x) s); for s = 0 of as much of its series in s as two derivatives see."""
    low, high = (_exp_hull(h + (end - x) * slope) for end in (left, right))
    if not slope == 0:
        return (high - low) / slope
    growth = (right - left) * slope
    return low * (right - left) * (1 + growth / 2 + growth * growth / 6)


def _inverse(mass: Any, left: Any, x: Any, h: Any, slope: Any) -> Any:
    """The point up to which the integral is so large; for s = 0 by the series of its logarithm."""
    low = _exp_hull(h + (left - x) * slope)
    if not slope == 0:
        return x + (log(low + mass * slope) - h) / slope
    growth = mass / low * slope
    return left + mass / low * (1 - growth / 2 + growth * growth / 3)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    made = 0
    while made < 64:
        name = ("gaussian", "logistic_regression")[made % 2]
        parameters = (
            gaussian.draw_parameters(rng, 1) if made % 2 == 0 else logistic_regression.draw_parameters(rng, 3, 1)
        )
        target = getattr(refengine.samplers.targets, name).target(**parameters)
        count, chains = 2 + made % 3, ((), (2,), ())[made % 3]
        wide = made >= 44
        x = np.sort(short(rng.normal(size=(*chains, count)) * (decades(rng, 0.5, 8) if wide else 2.0), 5), axis=-1)
        state = start(x, target)
        bounded, slope = made % 5 == 4, state.gradient
        constants = {"lower": float(np.floor(x.min() - 1)), "upper": float(np.ceil(x.max() + 2))} if bounded else {}
        hull = bounded or (np.all(slope[..., 0] > 0.05) and np.all(slope[..., -1] < -0.05))
        if not hull or np.any(np.diff(x) < 0.25) or np.any(np.diff(slope) > -0.05):
            continue
        made += 1
        flags: tuple[str, ...] = ("HUGE_PARAMETER",) if wide else ()
        noise = {"place": uniforms(rng, chains), "uniform": uniforms(rng, chains)}
        if made % 8 == 7:
            noise["uniform"], flags = np.zeros(chains), (*flags, "ZERO_LOG_ZERO")
        if made % 8 == 3:  # far out in a tail
            noise["place"], flags = np.full(chains, (1 - 2.0**-40, 2.0**-60)[made // 8 % 2]), (*flags, "TINY_P")
        arguments = {f"state.{k}": v for k, v in state._asdict().items()}
        if made % 8 == 5:  # a hull that is higher at one point: its heights are inputs
            lift = np.zeros(x.shape)
            lift[..., 0] = 2.0**-6
            arguments["state.log_density"], flags = arguments["state.log_density"] + lift, (*flags, "CARRIED_STATE")
        arguments |= {f"noise.{k}": np.asarray(v) for k, v in noise.items()}
        arguments |= {f"target.{k}": v for k, v in parameters.items()}
        yield Draw(arguments, {"target": name, **constants}, flags, 1 + len(flags))
    for slope in (0.0, 5e-324, 2.0**-60, -(2.0**-40), 1e-12, -1e-6, 2.0**-10, -0.04):
        for ends, points, level in (({}, (-1.25, 0.0, 1.5), 1), ({"lower": -1.5, "upper": 2.25}, (0.0, 1.5), 0)):
            yield _level(rng, slope, ends, points, level)


def _level(rng: np.random.Generator, slope: float, ends: dict[str, float], points: Any, level: int) -> Draw:
    """A hull with a segment that is level, or nearly so, at the top of the density; the draw falls there or not."""
    mean = short(rng.normal(), 5)
    parameters = {"mean": np.array([mean]), "precision": np.array([[short(decades(rng, 0.5, 2), 5)]])}
    state = start(mean + np.array(points), refengine.samplers.targets.gaussian.target(**parameters))
    arguments = {f"state.{k}": np.array(v) for k, v in state._asdict().items()}
    arguments["state.gradient"][level] = slope
    arguments |= {f"noise.{k}": uniforms(rng, ()) for k in Noise._fields}
    arguments |= {f"target.{k}": v for k, v in parameters.items()}
    flags = ("NEAR_ROOT",) if slope == 0 else ("NEAR_ROOT", "CARRIED_STATE")
    constants = {name: float(mean + end) for name, end in ends.items()}
    return Draw(arguments, {"target": "gaussian", **constants}, flags, 3)
